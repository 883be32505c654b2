"""The two identities of a device: the IDevID from the factory and the LDevID of its domain.

Factory data is read-only and survives a reset. LDevID keys are made on the device and never leave
it; `state` keeps them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from sztb.daemon.files import read_limited
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates, idevid
from sztb.pki.keys import FileKey, PublicKey, Signer, check_key_type, spki_der
from sztb.transport.tls.config import TlsIdentity

from .anchors import ExplicitTrustAnchors

MAX_FILE = 65536
IDEVID_CERTIFICATE = "idevid.pem"  # end entity first, then its CAs
IDEVID_KEY = "idevid.key"
MASA_ANCHORS = "masa*.pem"  # certificates and bare public keys, one file or several

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VoucherAnchors:
    """What the factory built in to verify vouchers (P-18).

    Attributes:
        certificates: signer certificates or CAs of signers.
        keys: bare public keys of signers (cbrski.md 4.5).
    """

    certificates: tuple[x509.Certificate, ...] = ()
    keys: tuple[PublicKey, ...] = ()


@dataclass(frozen=True, slots=True)
class FactoryIdentity:
    """What makes this device this device.

    Attributes:
        chain: IDevID certificate first, then what the factory gave to complete it.
        key: the IDevID key.
        voucher_anchors: the manufacturer's.
    """

    chain: tuple[x509.Certificate, ...]
    key: Signer
    voucher_anchors: VoucherAnchors

    @property
    def certificate(self) -> x509.Certificate:
        """The IDevID certificate."""
        return self.chain[0]

    @property
    def serial_number(self) -> str:
        """The device's serial-number, from the subject."""
        return idevid.serial_number(self.certificate)

    @property
    def tls(self) -> TlsIdentity:
        """What the device shows in handshakes before it has an LDevID (P-10)."""
        return TlsIdentity(tuple(map(certificates.der, self.chain)), self.key)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a domain gave the device: kept together, switched together.

    Attributes:
        key: the LDevID key.
        chain: LDevID certificate first, then the intermediate CAs up to below an anchor.
        anchors: the domain's Explicit TA database.
    """

    key: FileKey
    chain: tuple[x509.Certificate, ...]
    anchors: ExplicitTrustAnchors

    @property
    def certificate(self) -> x509.Certificate:
        """The LDevID certificate."""
        return self.chain[0]

    @property
    def tls(self) -> TlsIdentity:
        """What the device shows in handshakes from now on."""
        return TlsIdentity(tuple(map(certificates.der, self.chain)), self.key)


def load_factory(folder: Path, password: bytes | None = None) -> FactoryIdentity:
    """Read the factory data of a device.

    Args:
        folder: holds `IDEVID_CERTIFICATE`, `IDEVID_KEY` and `MASA_ANCHORS`.
        password: of the key file, where it is encrypted.

    Raises:
        Malformed: a file is not what it should be, or the key is not the certificate's.
        Refused: IDEVID, the certificate names no device; NOT_A_KEY_WE_TAKE.
        OSError: a file cannot be read.
    """
    chain = certificates.load_pem_chain(read_limited(folder / IDEVID_CERTIFICATE, MAX_FILE))
    key = FileKey.from_pem(read_limited(folder / IDEVID_KEY, MAX_FILE), password)
    if spki_der(key.public_key) != spki_der(certificates.public_key(chain[0])):
        raise Malformed(f"{IDEVID_KEY} is not the key of {IDEVID_CERTIFICATE}")
    anchors = load_voucher_anchors(folder)
    identity = FactoryIdentity(chain, key, anchors)
    idevid.device_ref(identity.certificate)  # refuses a certificate that names no device
    return identity


def load_voucher_anchors(folder: Path) -> VoucherAnchors:
    """Read every anchor file of the manufacturer.

    Raises:
        Malformed: a file is not PEM, or there is no anchor at all: such a device can never
            verify a voucher and must not try (P-30).
    """
    found: list[x509.Certificate] = []
    keys: list[PublicKey] = []
    for path in sorted(folder.glob(MASA_ANCHORS)):
        for block in _PEM_BLOCK.finditer(read_limited(path, MAX_FILE)):
            if block[1] == b"CERTIFICATE":
                found += certificates.load_pem_chain(block[0])
            elif block[1] == b"PUBLIC KEY":
                keys.append(_public_key(block[0], path))
    if not found and not keys:
        raise Malformed(f"{folder}: no voucher anchor in {MASA_ANCHORS}")
    return VoucherAnchors(tuple(found), tuple(keys))


def _public_key(pem: bytes, path: Path) -> PublicKey:
    try:
        return check_key_type(serialization.load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(f"{path}: not a public key") from error


def check_same_device(ldevid: x509.Certificate, serial_number: str) -> None:
    """Check that an LDevID does not name another device.

    Raises:
        Refused: OTHER_IDENTITY. A subject without serialNumber is the domain's choice.
    """
    named = ldevid.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)
    if any(attribute.value != serial_number for attribute in named):
        raise Refused(Refusal.OTHER_IDENTITY, "the LDevID names another serial number")
