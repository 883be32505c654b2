"""Configuration of the pledge."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

DEFAULT_PATH = Path("/etc/sztb/pledge.toml")


class DiscoverySettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the registrar is found."""

    registrar: Annotated[
        str,
        Meta(
            description="CoAPS address of a registrar or join proxy, for example"
            " `[2001:db8::1]:5684` or `[fe80::1%eth0]:61616`; nothing else is tried then."
        ),
    ] = ""
    interfaces: Annotated[
        list[str],
        Meta(
            description="Interfaces on which join proxies are looked for; empty: each one that has"
            " a link-local IPv6 address."
        ),
    ] = []


class VoucherSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is asked of the manufacturer and what is accepted from it."""

    proximity: Annotated[
        Literal["pubk", "pubk-sha256", "cert"],
        Meta(
            description="How the request names the registrar: its key, the key's hash, or its"
            " certificate."
        ),
    ] = "pubk"
    nonceless: Annotated[
        Literal["never", "with-clock", "always"],
        Meta(
            description="When a voucher without nonce is accepted; `with-clock`: it has expires-on"
            " and a trusted clock says that is not over."
        ),
    ] = "with-clock"
    assertions: Annotated[
        tuple[Literal["verified", "logged", "proximity", "agent-proximity"], ...],
        Meta(min_length=1, description="Assertions that are accepted."),
    ] = ("verified", "logged", "proximity", "agent-proximity")


class EnrollmentSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The certificate of the domain."""

    key: Annotated[
        Literal["ES256", "ES384", "EdDSA"], Meta(description="Algorithm of LDevID keys.")
    ] = "ES256"
    link_identity: Annotated[
        bool,
        Meta(description="Tie the certification request to the connection (challengePassword)."),
    ] = True


class HookSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Commands that are run, without a shell, when something has happened.

    Each gets ``SZTB_EVENT``, ``SZTB_SERIAL_NUMBER``, ``SZTB_STATE_DIR`` and, where there is a
    credential, ``SZTB_LDEVID_CERT``, ``SZTB_LDEVID_KEY`` and ``SZTB_ANCHORS`` in its environment;
    ``failed`` gets ``SZTB_REASON`` too.
    """

    onboarded: Annotated[list[str], Meta(description="After the first LDevID.")] = []
    renewed: Annotated[list[str], Meta(description="After each new LDevID.")] = []
    reset: Annotated[list[str], Meta(description="After the return to factory state.")] = []
    failed: Annotated[
        list[str], Meta(description="When onboarding was given up or a renewal failed.")
    ] = []
    time_limit: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds after which a command is killed.")
    ] = 60.0


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Configuration of sztb-pledge."""

    factory_dir: Annotated[
        Path,
        Meta(description="Read-only data of the factory: `idevid.pem`, `idevid.key`, `masa*.pem`."),
    ] = Path("/var/lib/sztb-factory")
    state_dir: Annotated[
        Path, Meta(description="Where the device keeps what its domain gives it.")
    ] = Path("/var/lib/sztb-pledge")
    key_password_file: Annotated[
        Path | None, Meta(description="File with the password of an encrypted `idevid.key`.")
    ] = None
    trusted_clock: Annotated[
        bool,
        Meta(
            description="The clock is right before the device is onboarded (battery-backed and set"
            " in the factory): dates of certificates and vouchers are checked by it."
        ),
    ] = False
    max_fragment_length: Annotated[
        Literal[512, 1024], Meta(description="Bytes of plaintext in one DTLS record.")
    ] = 1024
    handshake_seconds: Annotated[
        float, Meta(ge=5, le=300, description="Time limit of one DTLS handshake.")
    ] = 60.0
    discovery: Annotated[DiscoverySettings, Meta(description="How the registrar is found.")] = (
        DiscoverySettings()
    )
    voucher: Annotated[
        VoucherSettings, Meta(description="What is asked of and accepted from the manufacturer.")
    ] = VoucherSettings()
    enrollment: Annotated[
        EnrollmentSettings, Meta(description="The certificate of the domain.")
    ] = EnrollmentSettings()
    hooks: Annotated[HookSettings, Meta(description="Commands run on events.")] = HookSettings()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")
    ] = "info"
    log_format: Annotated[
        Literal["console", "json"], Meta(description="Text for people or JSON for machines.")
    ] = "console"


TEMPLATE = """\
# Configuration of sztb-pledge; every key is explained in docs/configuration.md.

# What the factory put into the device: idevid.pem, idevid.key, masa*.pem. Never written.
factory_dir = "{factory}"

# What the device gets from its domain. Deleted by 'sztb-pledge reset'.
state_dir = "{state}"

# Set only where the clock is right out of the box.
# trusted_clock = true

[discovery]
# Without these the device asks on every link for join proxies.
# interfaces = ["eth0"]
# registrar = "[2001:db8::1]:5684"

[hooks]
# onboarded = ["/usr/local/bin/start-application"]
"""
