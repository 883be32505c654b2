"""Everything a new site needs: domain CA, registrar certificate, configuration (R-02, R-54)."""

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
    make_registrar,
    make_root_ca,
)

from .records import Instant

CONFIG = "registrar.toml"
ROOT_LIFETIME = timedelta(days=20 * 365)
INTERMEDIATE_LIFETIME = timedelta(days=10 * 365)
REGISTRAR_LIFETIME = timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class NewDomain:
    """What an operator says about a new domain.

    Attributes:
        name: appears in the names of the certificates.
        hosts: DNS names and addresses of the registrar, for its certificate.
        intermediate: make a root that can go offline, and an issuing CA below it.
        port: UDP port of the registrar.
        admission: ``open``, ``list`` or ``approve``.
        password: encrypts the private keys; None leaves them in the clear (mode 0600).
    """

    name: str
    hosts: tuple[str, ...] = ()
    intermediate: bool = False
    port: int = 5684
    admission: str = "approve"
    password: bytes | None = field(default=None, repr=False)


def make_domain(
    folder: Path, wanted: NewDomain, now: Instant, random: Callable[[int], bytes]
) -> list[Path]:
    """Write a new domain into a folder, which is made if need be.

    Returns:
        The files, the configuration last.

    Raises:
        Misuse: one of the files is there already; nothing is written.
        OSError: the folder cannot be written.
    """
    return write_new(folder, domain_files(wanted, now, random))


def domain_files(
    wanted: NewDomain, now: Instant, random: Callable[[int], bytes]
) -> dict[str, tuple[bytes, int]]:
    """Return file names with content and mode; no I/O."""

    def number() -> int:
        return certificate_number(random(NUMBER_BYTES))

    authority, offline = _make_authority(wanted, now, number)
    key = FileKey.generate()
    certificate = make_registrar(
        f"{wanted.name} registrar", key.public_key, authority.issuer,
        Validity.lasting(now, REGISTRAR_LIFETIME), number(), wanted.hosts,
    )  # fmt: skip
    secrets = {"ca.key": authority.key, "registrar.key": key} | offline
    private = {name: (one.to_pem(wanted.password), 0o600) for name, one in secrets.items()}
    return private | {
        "ca.pem": (_pem(*authority.chain), 0o644),
        "registrar.pem": (_pem(certificate, *authority.chain), 0o644),
        **_password_file(wanted.password),
        CONFIG: (configuration(wanted).encode(), 0o640),
    }


@dataclass(frozen=True, slots=True)
class _Authority:
    """A new issuing CA: its key, and its chain up to the root."""

    key: FileKey
    chain: tuple[x509.Certificate, ...]

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.chain[0], self.key)


def _make_authority(
    wanted: NewDomain, now: Instant, number: Callable[[], int]
) -> tuple[_Authority, dict[str, FileKey]]:
    """Return the issuing CA, and the keys that need not stay here, by file name."""
    key = FileKey.generate()
    validity = Validity.lasting(now, ROOT_LIFETIME)
    root = _Authority(key, (make_root_ca(f"{wanted.name} root CA", key, validity, number()),))
    if not wanted.intermediate:
        return root, {}
    issuing_key = FileKey.generate()
    issuing = make_intermediate_ca(
        f"{wanted.name} issuing CA", issuing_key.public_key, root.issuer,
        Validity.lasting(now, INTERMEDIATE_LIFETIME), number(),
    )  # fmt: skip
    return _Authority(issuing_key, (issuing, *root.chain)), {"root.key": key}


def configuration(wanted: NewDomain) -> str:
    """Return the commented configuration of the new domain."""
    line = 'key_password_file = "password"\n' if wanted.password else ""
    return TEMPLATE.format(port=wanted.port, admission=wanted.admission, password=line)


def _password_file(password: bytes | None) -> dict[str, tuple[bytes, int]]:
    return {} if password is None else {"password": (password + b"\n", 0o600)}


def _pem(*chain: x509.Certificate) -> bytes:
    return b"".join(certificates.pem(one) for one in chain)


TEMPLATE = """\
# Configuration of sztb-registrar; every key is explained in docs/configuration.md.
# Paths are taken from the folder of this file.

[listen]
address = "::"                    # all addresses, IPv6 and IPv4
port = {port}                       # UDP, CoAP over DTLS
# discovery_interfaces = ["eth0"] # answer discovery here; no join proxy needed on this link

[credentials]                     # who the registrar is, towards devices and MASAs
certificate = "registrar.pem"
key = "registrar.key"
{password}
[store]
file = "registrar.db"

[ca]                              # the domain CA
certificate = "ca.pem"
key = "ca.key"
{password}# lifetime_days = 365

[admission]
# "open": every device of a known manufacturer; "list": devices listed beforehand;
# "approve": an operator decides on each one with `sztb-registrar device approve`.
mode = "{admission}"

[est]
# serverkeygen = false
# enroll_without_voucher = false  # listed or approved devices need no voucher

[masa]
# total_seconds = 60.0

[health]
# port = 9464                     # /healthz and /metrics on 127.0.0.1
"""
