"""Everything a new manufacturer needs: CAs, voucher signer, TLS certificate, configuration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from sztb.daemon.files import write_new
from sztb.pki import certificates
from sztb.pki.keys import FileKey
from sztb.pki.numbers import NUMBER_BYTES, certificate_number
from sztb.pki.profiles import (
    Issuer,
    Validity,
    make_intermediate_ca,
    make_root_ca,
    make_tls_server,
    make_voucher_signer,
)

from .records import Instant
from .template import TEMPLATE

CONFIG = "masa.toml"
CUSTOMERS = "customers"
# Devices have root and voucher signer built in and cannot be told of new ones.
LONG_LIFETIME = timedelta(days=50 * 365)
TLS_LIFETIME = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class NewManufacturer:
    """What is said about a new manufacturer.

    Attributes:
        name: appears in the names of the certificates.
        hosts: DNS names and addresses of the MASA; the first goes into IDevIDs.
        port: TCP port of the MASA.
        password: encrypts the private keys; None leaves them in the clear (mode 0600).
    """

    name: str
    hosts: tuple[str, ...]
    port: int = 9443
    password: bytes | None = field(default=None, repr=False)

    @property
    def masa_url(self) -> str:
        """The authority that registrars find in IDevIDs (RFC 8995 2.3.2)."""
        host = f"[{self.hosts[0]}]" if ":" in self.hosts[0] else self.hosts[0]
        return host if self.port == 443 else f"{host}:{self.port}"


def make_manufacturer(
    folder: Path, wanted: NewManufacturer, now: Instant, random: Callable[[int], bytes]
) -> list[Path]:
    """Write a new manufacturer into a folder, which is made if need be.

    Returns:
        The files, the configuration last.

    Raises:
        Misuse: one of the files is there already; nothing is written.
        OSError: the folder cannot be written.
    """
    files = write_new(folder, manufacturer_files(wanted, now, random))
    (folder / CUSTOMERS).mkdir(exist_ok=True)
    return files


def manufacturer_files(
    wanted: NewManufacturer, now: Instant, random: Callable[[int], bytes]
) -> dict[str, tuple[bytes, int]]:
    """Return file names with content and mode; no I/O."""

    def number() -> int:
        return certificate_number(random(NUMBER_BYTES))

    keys = {name: FileKey.generate() for name in ("manufacturer-ca", "idevid-ca", "signer", "tls")}
    long, short = Validity.lasting(now, LONG_LIFETIME), Validity.lasting(now, TLS_LIFETIME)
    root = Issuer(
        make_root_ca(f"{wanted.name} root CA", keys["manufacturer-ca"], long, number()),
        keys["manufacturer-ca"],
    )
    idevid_ca = make_intermediate_ca(
        f"{wanted.name} IDevID CA", keys["idevid-ca"].public_key, root, long, number()
    )
    signer = make_voucher_signer(
        f"{wanted.name} voucher signer", keys["signer"].public_key, root, long, number()
    )
    server = make_tls_server(wanted.hosts, keys["tls"].public_key, root, short, number())
    private = {f"{name}.key": (key.to_pem(wanted.password), 0o600) for name, key in keys.items()}
    return private | {
        "manufacturer-ca.pem": (_pem(root.certificate), 0o644),
        "idevid-ca.pem": (_pem(idevid_ca, root.certificate), 0o644),
        "signer.pem": (_pem(signer, root.certificate), 0o644),
        "tls.pem": (_pem(server, root.certificate), 0o644),
        **_password_file(wanted.password),
        CONFIG: (configuration(wanted).encode(), 0o640),
    }


def configuration(wanted: NewManufacturer) -> str:
    """Return the commented configuration of the new manufacturer."""
    line = 'key_password_file = "password"\n' if wanted.password else ""
    return TEMPLATE.format(port=wanted.port, masa_url=wanted.masa_url, password=line)


def _password_file(password: bytes | None) -> dict[str, tuple[bytes, int]]:
    return {} if password is None else {"password": (password + b"\n", 0o600)}


def _pem(*chain: x509.Certificate) -> bytes:
    return b"".join(certificates.pem(one) for one in chain)
