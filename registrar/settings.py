"""Configuration of the registrar: what a key means is said here, once (docs/configuration.md)."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sztb.codepoints.coap import COAPS_PORT

DEFAULT_PATH = Path("/etc/sztb/registrar.toml")


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all sections: unknown keys are errors."""


class ListenSettings(Section, frozen=True):
    """Where devices reach the registrar."""

    address: Annotated[
        str, Meta(min_length=1, description="Address of the CoAPS server; `::` is all, IPv4 too.")
    ] = "::"
    port: Annotated[int, Meta(ge=0, le=65535, description="UDP port of everything (R-04).")] = (
        COAPS_PORT
    )
    discovery_interfaces: Annotated[
        list[str],
        Meta(
            description="Interfaces on which the registrar answers discovery as if it were a join"
            " proxy (R-39); devices on these links need no proxy."
        ),
    ] = []
    associations: Annotated[
        int, Meta(ge=1, le=1_000_000, description="DTLS associations at the same time.")
    ] = 20_000
    half_open: Annotated[
        int, Meta(ge=1, le=100_000, description="DTLS handshakes in progress at the same time.")
    ] = 1024
    half_open_per_source: Annotated[
        int,
        Meta(ge=1, le=100_000, description="The same, per source address; a join proxy is one."),
    ] = 64
    idle_seconds: Annotated[
        float, Meta(ge=30, le=86_400, description="Silence that ends an association.")
    ] = 600.0


class CredentialSettings(Section, frozen=True):
    """Who the registrar is, towards devices and towards MASAs."""

    certificate: Annotated[
        Path,
        Meta(
            description="PEM: the registrar certificate (cmcRA, serverAuth, clientAuth), then its"
            " CAs up to and including the root."
        ),
    ]
    key: Annotated[Path, Meta(description="PEM: its private key, encrypted or not.")]
    key_password_file: Annotated[
        Path | None, Meta(description="File whose first line is the password of `key`.")
    ] = None


class StoreSettings(Section, frozen=True):
    """Where devices, certificates, manufacturers and the journal are kept."""

    file: Annotated[Path, Meta(description="SQLite database; made when it is not there.")]
    url: Annotated[
        str, Meta(description="SQLAlchemy URL of another database, used instead of `file`.")
    ] = ""

    @property
    def database_url(self) -> str:
        """The URL to open."""
        return self.url or f"sqlite:///{self.file}"


class AdmissionSettings(Section, frozen=True):
    """Which devices may onboard."""

    mode: Annotated[
        Literal["open", "list", "approve"],
        Meta(
            description="`open`: every device of a known manufacturer; `list`: those the operator"
            " listed; `approve`: the operator decides on each one, meanwhile it waits."
        ),
    ] = "approve"
    reonboarding: Annotated[
        Literal["allow", "ask", "deny"],
        Meta(description="What a member may do that was reset and asks again."),
    ] = "allow"
    retry_seconds: Annotated[
        int, Meta(ge=1, le=60, description="After this time a waiting device asks again (R-31).")
    ] = 20


class CaSettings(Section, frozen=True):
    """The built-in domain CA."""

    certificate: Annotated[
        Path,
        Meta(
            description="PEM: the issuing CA, then the CAs above it up to and including the root."
        ),
    ]
    key: Annotated[Path, Meta(description="PEM: private key of the issuing CA.")]
    key_password_file: Annotated[
        Path | None, Meta(description="File whose first line is the password of `key`.")
    ] = None
    rollover: Annotated[
        Path | None,
        Meta(description="PEM: certificates of the root before or after a change of its key."),
    ] = None
    lifetime_days: Annotated[
        float, Meta(gt=0, le=36_500, description="Lifetime of an LDevID; at most the CA's own.")
    ] = 365.0
    renewal_grace_days: Annotated[
        float,
        Meta(ge=0, le=3650, description="How long after its end an LDevID can still be renewed."),
    ] = 0.0
    server_auth: Annotated[bool, Meta(description="LDevIDs are good for TLS servers too.")] = False
    subject: Annotated[
        Literal["device", "asked"],
        Meta(description="`device`: only subject attributes of the IDevID; `asked`: as the CSR."),
    ] = "device"
    alternative_names: Annotated[
        Literal["device", "asked"],
        Meta(description="`device`: only alternative names of the IDevID; `asked`: as the CSR."),
    ] = "device"
    crl_url: Annotated[str | None, Meta(description="CRL distribution point in every LDevID.")] = (
        None
    )


class EstSettings(Section, frozen=True):
    """Choices of EST."""

    serverkeygen: Annotated[
        bool, Meta(description="The CA makes keys for devices that ask for it (/skg, /skc).")
    ] = False
    enroll_without_voucher: Annotated[
        bool,
        Meta(
            description="Devices that the operator listed or approved may enrol with their IDevID"
            " although no voucher went to them."
        ),
    ] = False
    extra_anchors: Annotated[
        Path | None, Meta(description="PEM: further anchors that devices get with /crts.")
    ] = None


class MasaSettings(Section, frozen=True):
    """The client towards MASAs."""

    connect_seconds: Annotated[
        float, Meta(gt=0, le=60, description="To a finished TLS handshake.")
    ] = 5.0
    total_seconds: Annotated[
        float,
        Meta(gt=0, le=600, description="To the end of an answer; devices wait 20 s at a time."),
    ] = 60.0
    max_answer_bytes: Annotated[
        int, Meta(ge=4096, le=16_777_216, description="Size of an answer, audit logs included.")
    ] = 262_144
    connections: Annotated[
        int, Meta(ge=1, le=1000, description="Connections to one MASA at the same time.")
    ] = 16
    client_certificate: Annotated[
        bool, Meta(description="Show the registrar certificate to MASAs that ask (R-26).")
    ] = True


class HealthSettings(Section, frozen=True):
    """`/healthz` and `/metrics` over plain HTTP for this machine."""

    address: Annotated[str, Meta(description="Loopback address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 switches it off.")] = 0


class Settings(Section, frozen=True):
    """Configuration of sztb-registrar."""

    credentials: Annotated[CredentialSettings, Meta(description="Certificate and key.")]
    store: Annotated[StoreSettings, Meta(description="The database.")]
    ca: Annotated[CaSettings, Meta(description="The domain CA.")]
    listen: Annotated[ListenSettings, Meta(description="Addresses and limits.")] = ListenSettings()
    admission: Annotated[AdmissionSettings, Meta(description="Who may onboard.")] = (
        AdmissionSettings()
    )
    est: Annotated[EstSettings, Meta(description="Enrolment.")] = EstSettings()
    masa: Annotated[MasaSettings, Meta(description="Manufacturers' services.")] = MasaSettings()
    health: Annotated[HealthSettings, Meta(description="Supervision.")] = HealthSettings()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")
    ] = "info"
    log_format: Annotated[
        Literal["console", "json"], Meta(description="Text for people or JSON for machines.")
    ] = "console"
