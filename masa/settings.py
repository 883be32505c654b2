"""Configuration of the MASA."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sztb.daemon.settings import SettingsError, load

DEFAULT_PATH = Path("/etc/sztb/masa.toml")


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all sections: unknown keys are errors."""


class ListenSettings(Section, frozen=True):
    """Where registrars reach the MASA."""

    address: Annotated[
        str, Meta(min_length=1, description="Address of the HTTPS server; `::` is all, IPv4 too.")
    ] = "::"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port; 0 lets the system choose one.")
    ] = 9443
    connections: Annotated[
        int, Meta(ge=1, le=100_000, description="TLS connections at the same time.")
    ] = 1000


class TlsSettings(Section, frozen=True):
    """What the HTTPS server shows."""

    certificate: Annotated[Path, Meta(description="PEM chain of the TLS server, its own first.")]
    key: Annotated[Path, Meta(description="PEM private key of the TLS server.")]
    key_password_file: Annotated[
        Path | None, Meta(description="File with the password of an encrypted key.")
    ] = None


class SignerSettings(Section, frozen=True):
    """What signs vouchers."""

    certificate: Annotated[
        Path,
        Meta(
            description="PEM chain of the voucher signer, its own certificate first, up to what"
            " devices have built in; sent along with every voucher."
        ),
    ]
    key: Annotated[Path, Meta(description="PEM private key of the voucher signer.")]
    kind: Annotated[Literal["file"], Meta(description="Where the key is kept.")] = "file"
    key_password_file: Annotated[
        Path | None, Meta(description="File with the password of an encrypted key.")
    ] = None


class ManufacturerSettings(Section, frozen=True):
    """Whose devices these are."""

    anchors: Annotated[
        list[Path], Meta(min_length=1, description="PEM files with the roots of the IDevIDs.")
    ]
    authorities: Annotated[
        list[Path],
        Meta(description="PEM files with the CAs below the roots; registrars need not send them."),
    ] = []


class FactorySettings(Section, frozen=True):
    """The CA that makes IDevIDs; only `device mint` reads its key."""

    certificate: Annotated[Path, Meta(description="PEM chain of the IDevID CA, its own first.")]
    key: Annotated[Path, Meta(description="PEM private key of the IDevID CA.")]
    masa_url: Annotated[
        str,
        Meta(
            min_length=1, max_length=512,
            description="Where registrars find this MASA, for example `masa.example.com:9443`;"
            " written into every IDevID.",
        ),
    ]  # fmt: skip
    key_password_file: Annotated[
        Path | None, Meta(description="File with the password of an encrypted key.")
    ] = None


class PolicySettings(Section, frozen=True):
    """Who gets which voucher."""

    ownership: Annotated[
        Literal["open", "first-come", "sales-records"],
        Meta(
            description="Who may have a voucher. `open`: every domain; the audit log tells the"
            " others. `first-come`: the first domain until the device is released, or the customer"
            " it was sold to. `sales-records`: only the customer it was sold to."
        ),
    ] = "first-come"
    customers: Annotated[
        Path | None,
        Meta(
            description="Folder with one `<customer>.pem` for each known customer: the CAs of its"
            " registrars."
        ),
    ] = None
    nonceless: Annotated[
        Literal["never", "known-registrars"],
        Meta(
            description="Vouchers that stay good without the device asking: only for registrars"
            " under a CA of a customer, and only where a device has one owner."
        ),
    ] = "never"
    nonceless_days: Annotated[
        float,
        Meta(
            gt=0, le=365,
            description="How long a nonceless voucher is good; sooner when the registrar's"
            " certificate ends.",
        ),
    ] = 7.0  # fmt: skip
    proximity: Annotated[
        Literal["required", "preferred"],
        Meta(
            description="`required`: a request with a nonce must prove that the device spoke to"
            " this registrar. `preferred`: without proof the voucher says `logged`."
        ),
    ] = "required"
    unregistered: Annotated[
        Literal["refuse", "accept"],
        Meta(
            description="What happens to a device with a valid IDevID that is not in the device"
            " table; `accept` adds it."
        ),
    ] = "refuse"
    serial_numbers_unique: Annotated[
        bool,
        Meta(
            description="No two devices of this MASA have the same serial number. With `false`"
            " every voucher names the IDevID's issuer too."
        ),
    ] = True
    max_request_days: Annotated[
        float,
        Meta(ge=0, le=365, description="An older request is stale; 0: requests do not age."),
    ] = 7.0


class RevocationSettings(Section, frozen=True):
    """Whether registrars' CAs are asked about revocation (RFC 8995 5.5.3)."""

    check: Annotated[
        Literal["off", "crl"],
        Meta(
            description="`crl`: where a registrar's certificates name revocation lists at http"
            " addresses, these are fetched and must be usable. It lets strangers make this server"
            " send requests: keep its way out to the network narrow."
        ),
    ] = "off"
    seconds: Annotated[
        float, Meta(gt=0, le=60, description="Time limit for fetching one list.")
    ] = 5.0
    keep_hours: Annotated[
        float, Meta(gt=0, le=168, description="How long a list is kept before it is fetched again.")
    ] = 1.0
    private_addresses: Annotated[
        bool,
        Meta(description="Lists may lie at private addresses; for sites of one's own and tests."),
    ] = False


class StoreSettings(Section, frozen=True):
    """Where devices and the audit log are kept."""

    file: Annotated[Path, Meta(description="SQLite database; made when it is not there.")]
    url: Annotated[
        str, Meta(description="SQLAlchemy URL of another database, used instead of `file`.")
    ] = ""

    @property
    def database_url(self) -> str:
        """The URL to open."""
        return self.url or f"sqlite:///{self.file}"


class HealthSettings(Section, frozen=True):
    """``/healthz`` and ``/metrics`` for the machine's own supervision, without TLS."""

    address: Annotated[str, Meta(description="Loopback address.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0: not served.")] = 0


class LogSettings(Section, frozen=True):
    """The log on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")
    ] = "info"
    format: Annotated[
        Literal["console", "json"], Meta(description="Text for people or JSON for machines.")
    ] = "console"


class Settings(Section, frozen=True):
    """Configuration of sztb-masa."""

    tls: Annotated[TlsSettings, Meta(description="What the HTTPS server shows.")]
    signer: Annotated[SignerSettings, Meta(description="What signs vouchers.")]
    manufacturer: Annotated[ManufacturerSettings, Meta(description="Whose devices these are.")]
    store: Annotated[StoreSettings, Meta(description="Devices and audit log.")]
    listen: Annotated[ListenSettings, Meta(description="Where registrars come to.")] = (
        ListenSettings()
    )
    factory: Annotated[FactorySettings | None, Meta(description="The CA that makes IDevIDs.")] = (
        None
    )
    policy: Annotated[PolicySettings, Meta(description="Who gets which voucher.")] = (
        PolicySettings()
    )
    revocation: Annotated[
        RevocationSettings, Meta(description="Whether registrars' CAs are asked.")
    ] = RevocationSettings()
    health: Annotated[HealthSettings, Meta(description="Health and metrics.")] = HealthSettings()
    log: Annotated[LogSettings, Meta(description="The log on standard error.")] = LogSettings()


def load_settings(path: Path) -> Settings:
    """Read the configuration and check what spans several keys.

    Raises:
        SettingsError: names file and line.
    """
    settings = load(path, Settings)
    policy = settings.policy
    if policy.nonceless != "never" and policy.ownership == "open":  # M-36, RFC 8995 7.4.1
        raise SettingsError(
            path, None, "policy.nonceless needs an owner for each device",
            "set policy.ownership to first-come or sales-records",
        )  # fmt: skip
    if policy.customers is None and (
        policy.nonceless != "never" or policy.ownership == "sales-records"
    ):
        raise SettingsError(
            path, None, "policy.customers is missing", "name the folder with <customer>.pem files"
        )
    return settings
