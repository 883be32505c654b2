"""Making the identity of one device: a decision and a signature, no I/O (RFC 8995 2.3)."""

from dataclasses import dataclass, field

from cryptography import x509

from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates
from sztb.pki.csr import check_csr
from sztb.pki.idevid import MAX_SERIAL_NUMBER, device_ref
from sztb.pki.keys import FileKey, PublicKey, SignatureAlgorithm, check_key_type
from sztb.pki.profiles import Issuer, make_idevid

from ..interfaces import VoucherKey
from ..records import BASIC, Abilities, DeviceRecord, Instant

CERTIFICATE = "idevid.pem"
KEY = "idevid.key"
ANCHOR = "masa.pem"


@dataclass(frozen=True, slots=True)
class IdevidCa:
    """The CA of the factory.

    Attributes:
        issuer: certificate and key.
        above: the CAs above it, without the root.
        masa_url: for the MASA URL extension (RFC 8995 2.3.2).
        voucher_key: what devices trust for their vouchers.
    """

    issuer: Issuer
    above: tuple[x509.Certificate, ...]
    masa_url: str
    voucher_key: VoucherKey


@dataclass(frozen=True, slots=True)
class Order:
    """One device to be made.

    Attributes:
        serial_number: 1 to 64 printable characters.
        csr: PKCS#10 in DER of a device that has its key already; None: a key is made here.
        common_name: added to the subject, for example the product.
        abilities: what the device understands.
        sold_to: customer, None when unknown.
        algorithm: of a key that is made here.
    """

    serial_number: str
    csr: bytes | None = field(default=None, repr=False)
    common_name: str | None = None
    abilities: Abilities = BASIC
    sold_to: str | None = None
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256


@dataclass(frozen=True, slots=True)
class Minted:
    """A finished device.

    Attributes:
        record: for the device table.
        files: name -> (content, file mode) for the device.
    """

    record: DeviceRecord
    files: dict[str, tuple[bytes, int]] = field(repr=False)


def mint(
    order: Order, ca: IdevidCa, now: Instant, certificate_number: int, password: bytes | None
) -> Minted:
    """Make key (where there is no CSR), IDevID and the factory's files for one device.

    Args:
        order: which device.
        ca: the factory's CA.
        now: start of validity.
        certificate_number: from `numbers.certificate_number`.
        password: encrypts a key that is made here; None leaves it in the clear.

    Raises:
        Malformed: the CSR cannot be read.
        Refused: a CSR rule, IDEVID for a serial number that cannot be one, or a key we do not take.
    """
    key = None if order.csr else FileKey.generate(order.algorithm)
    public_key = key.public_key if key else requested_key(order)
    certificate = make_idevid(
        public_key, order.serial_number, ca.masa_url, ca.issuer, now, certificate_number,
        order.common_name,
    )  # fmt: skip
    record = DeviceRecord(
        device_ref(certificate), certificates.der(certificate), now, order.abilities,
        sold_to=order.sold_to,
    )  # fmt: skip
    files = {
        CERTIFICATE: (_pem(certificate, ca.issuer.certificate, *ca.above), 0o644),
        ANCHOR: (_pem(*ca.voucher_key.chain), 0o644),
    }
    if key is not None:
        files[KEY] = (key.to_pem(password), 0o600)
    return Minted(record, files)


def requested_key(order: Order) -> PublicKey:
    """Return the key of a CSR whose subject names no other device.

    Raises:
        Malformed, Refused: see `mint`.
    """
    request = check_csr(order.csr or b"")
    if request.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER):
        named = request.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value
        if named != order.serial_number:
            raise Refused(Refusal.CSR_SUBJECT, f"the request names {named!r}")
    return check_key_type(request.public_key)


def imported(certificate: x509.Certificate, now: Instant, order: Order) -> DeviceRecord:
    """Return the record of a device whose IDevID exists already.

    Raises:
        Refused: IDEVID for a certificate that names no device.
        Malformed: it is a CA's.
    """
    if certificates.is_ca(certificate):
        raise Malformed("a CA certificate is no IDevID")
    return DeviceRecord(
        device_ref(certificate), certificates.der(certificate), now, order.abilities,
        sold_to=order.sold_to,
    )  # fmt: skip


def check_serial_number(text: str) -> None:
    """Check that a text can be a serial number (RFC 5280 A.1, ub-serial-number).

    Raises:
        Refused: IDEVID.
    """
    if not 1 <= len(text) <= MAX_SERIAL_NUMBER or not text.isprintable():
        raise Refused(Refusal.IDEVID, f"not a serial number: {text!r:.80}")


def _pem(*chain: x509.Certificate) -> bytes:
    return b"".join(certificates.pem(one) for one in chain)
