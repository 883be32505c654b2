"""A small PKI in memory: a manufacturer with its MASA, a domain with its registrar, devices.

    pki = make_pki()                                  # cached: P-256 keys everywhere
    pki.device("SN-1").chain                          # DER, EE first, up to the manufacturer's root
    replace(pki, registrar=pki.another_registrar())   # edited in one line

Keys follow from their names (`key("registrar")`), certificates get fixed dates and numbers, so two
calls with the same arguments give equal certificates up to the ECDSA signature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha512

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sztb.pki import profiles
from sztb.pki.certificates import der
from sztb.pki.idevid import DeviceRef, device_ref
from sztb.pki.keys import FileKey, SignatureAlgorithm
from sztb.pki.profiles import Issuer, Validity

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
LIFETIME = Validity(NOW - timedelta(days=30), NOW + timedelta(days=3650))
MASA_AUTHORITY = "masa.example"


@cache
def key(name: str, algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256) -> FileKey:
    """Return the key of this name: the same one in every run and every worker."""
    secret = sha512(f"{algorithm.value} {name}".encode()).digest()
    if algorithm is SignatureAlgorithm.EDDSA:
        return FileKey(ed25519.Ed25519PrivateKey.from_private_bytes(secret[:32]))
    curve = ec.SECP256R1() if algorithm is SignatureAlgorithm.ES256 else ec.SECP384R1()
    # one bit short of the group order
    number = int.from_bytes(secret, "big") >> (512 - curve.key_size + 1)
    return FileKey(ec.derive_private_key(number, curve))


@dataclass(frozen=True)
class Identity:
    """A certificate with its key and what stands above it.

    Attributes:
        certificate: the end entity or CA.
        key: its key.
        above: its issuers, lowest first.
    """

    certificate: x509.Certificate
    key: FileKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        return (self.certificate, *self.above)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER, this certificate first."""
        return tuple(der(one) for one in self.path)

    @property
    def der(self) -> bytes:
        return der(self.certificate)

    @property
    def issuer(self) -> Issuer:
        """Seen as a CA."""
        return Issuer(self.certificate, self.key)


@dataclass(frozen=True)
class Device(Identity):
    """A device with its IDevID."""

    @property
    def ref(self) -> DeviceRef:
        return device_ref(self.certificate)


@dataclass(frozen=True)
class Pki:
    """Everything a test world needs.

    Attributes:
        manufacturer_root: the anchor a registrar configures for this maker.
        idevid_ca: issues IDevIDs, under the root.
        masa_signer: signs vouchers, under the root.
        domain_root: the domain's root CA.
        domain_ca: issues registrars and LDevIDs; the root itself when there is no intermediate.
        registrar: RA, TLS server and client.
    """

    manufacturer_root: Identity
    idevid_ca: Identity
    masa_signer: Identity
    domain_root: Identity
    domain_ca: Identity
    registrar: Identity
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256
    _devices: dict[tuple[str, str | None], Device] = field(default_factory=dict, repr=False)

    def device(self, serial_number: str = "SN-1", masa_url: str | None = MASA_AUTHORITY) -> Device:
        """Return the device of this number, made on first use."""
        wanted = (serial_number, masa_url)
        if wanted not in self._devices:
            own = key(f"device {serial_number}", self.algorithm)
            certificate = profiles.make_idevid(
                own.public_key, serial_number, masa_url, self.idevid_ca.issuer, NOW,
                1000 + len(self._devices),
            )  # fmt: skip
            self._devices[wanted] = Device(certificate, own, self.idevid_ca.path)
        return self._devices[wanted]

    def ldevid(
        self,
        device: Device,
        number: int = 5000,
        validity: Validity = LIFETIME,
        alternative_names: x509.SubjectAlternativeName | None = None,
    ) -> Identity:
        """Return an LDevID for `device` on a key of its own."""
        own = key(f"ldevid {device.ref.serial_number}", self.algorithm)
        certificate = profiles.make_ldevid(
            device.certificate.subject, own.public_key, self.domain_ca.issuer, validity, number,
            alternative_names,
        )  # fmt: skip
        return Identity(certificate, own, self.domain_ca.path)

    def another_registrar(self, name: str = "other registrar", number: int = 301) -> Identity:
        """Return a second registrar of the same domain, on a key of its own."""
        return _registrar(name, self.domain_ca, self.algorithm, number)

    def tls_server(self, *names: str, number: int = 400) -> Identity:
        """Return a TLS server certificate under the manufacturer's root."""
        own = key(f"tls {names}", self.algorithm)
        certificate = profiles.make_tls_server(
            names, own.public_key, self.manufacturer_root.issuer, LIFETIME, number
        )
        return Identity(certificate, own, self.manufacturer_root.path)


@cache
def make_pki(
    name: str = "example",
    *,
    intermediate: bool = False,
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256,
) -> Pki:
    """Return the world of this name; another name gives another manufacturer and domain.

    Args:
        name: part of every CA's name and of every key's.
        intermediate: the domain has a CA between root and registrar.
        algorithm: of all keys.
    """
    maker = _root(f"{name} manufacturer root", algorithm, 1)
    idevid_ca = _below(f"{name} IDevID CA", maker, algorithm, 2)
    signer_key = key(f"{name} voucher signer", algorithm)
    signer = profiles.make_voucher_signer(
        f"{name} voucher signer", signer_key.public_key, maker.issuer, LIFETIME, 3
    )
    domain_root = _root(f"{name} domain root", algorithm, 10)
    domain_ca = domain_root
    if intermediate:
        domain_ca = _below(f"{name} domain CA", domain_root, algorithm, 11)
    return Pki(
        manufacturer_root=maker,
        idevid_ca=idevid_ca,
        masa_signer=Identity(signer, signer_key, maker.path),
        domain_root=domain_root,
        domain_ca=domain_ca,
        registrar=_registrar(f"{name} registrar", domain_ca, algorithm, 300),
        algorithm=algorithm,
    )


def _root(name: str, algorithm: SignatureAlgorithm, number: int) -> Identity:
    own = key(name, algorithm)
    return Identity(profiles.make_root_ca(name, own, LIFETIME, number), own)


def _below(name: str, ca: Identity, algorithm: SignatureAlgorithm, number: int) -> Identity:
    own = key(name, algorithm)
    certificate = profiles.make_intermediate_ca(name, own.public_key, ca.issuer, LIFETIME, number)
    return Identity(certificate, own, ca.path)


def _registrar(name: str, ca: Identity, algorithm: SignatureAlgorithm, number: int) -> Identity:
    own = key(name, algorithm)
    certificate = profiles.make_registrar(
        name, own.public_key, ca.issuer, LIFETIME, number, names=("registrar.example",)
    )
    return Identity(certificate, own, ca.path)
