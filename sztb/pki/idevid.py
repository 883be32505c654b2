"""What an IDevID certificate says about its device (IEEE 802.1AR, RFC 8995 2.3, cbrski.md 6.5).

The device's serial number is a subject attribute; the certificate's own number plays no role here.
A device is known by `DeviceRef`, because serial numbers repeat between manufacturers.
"""

from typing import NamedTuple

from cryptography import x509
from typing_extensions import override

from sztb.codepoints import oid
from sztb.encoding import der as asn1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.certificates import authority_key_id, public_key, raw_extension
from sztb.pki.keys import PublicKey

MAX_SERIAL_NUMBER = 64  # characters; ub-serial-number, RFC 5280 A.1
MAX_MASA_URL = 512  # bytes
KEY_IDENTIFIER_BYTES = 20  # SHA-1, RFC 5280 4.2.1.2 (1)

_AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
_KEY_IDENTIFIER_TAG = asn1.context(0, constructed=False)


class DeviceRef(NamedTuple):
    """The one name of a device in tables, logs and interfaces.

    Attributes:
        idevid_issuer: the keyIdentifier of the issuer, normalised; normally 20 bytes.
        serial_number: exactly as in the certificate; compared without folding or trimming.
    """

    idevid_issuer: bytes
    serial_number: str

    @override
    def __str__(self) -> str:
        """The serial number and the first four bytes of the issuer in hexadecimal."""
        return f"{self.serial_number}@{self.idevid_issuer[:4].hex()}"


def device_ref(certificate: x509.Certificate, attribute_oid: str = oid.SERIAL_NUMBER) -> DeviceRef:
    """Return the name of the device that holds this IDevID.

    Args:
        certificate: the IDevID.
        attribute_oid: the subject attribute of this manufacturer's serial numbers (R-37).

    Raises:
        Refused: IDEVID.
    """
    number = serial_number(certificate, attribute_oid)
    # What is left of `idevid_issuer` once it is normalised, without building it (cbrski D5).
    issuer = authority_key_id(certificate) or key_identifier(public_key(certificate))
    return DeviceRef(issuer, number)


def serial_number(certificate: x509.Certificate, attribute_oid: str = oid.SERIAL_NUMBER) -> str:
    """Return the device's serial number, exactly as the subject has it.

    Args:
        certificate: the IDevID or an LDevID.
        attribute_oid: the subject attribute to read (R-37: some manufacturers use another).

    Raises:
        Refused: IDEVID: no such attribute, more than one, empty, longer than 64 characters,
            or with characters that cannot be printed.
    """
    values = certificate.subject.get_attributes_for_oid(x509.ObjectIdentifier(attribute_oid))
    if len(values) != 1:
        raise Refused(Refusal.IDEVID, f"{len(values)} serial numbers in the subject")
    value = values[0].value
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_SERIAL_NUMBER:
        raise Refused(Refusal.IDEVID, "serial number empty, too long or not text")
    if not value.isprintable():
        raise Refused(Refusal.IDEVID, "serial number with control characters")
    return value


def masa_url(certificate: x509.Certificate) -> str | None:
    """Return the text of the MASA URL extension as it stands, None when absent (RFC 8995 2.3.2).

    Raises:
        Refused: IDEVID: not one IA5String of 1 to 512 printable characters.
    """
    value = raw_extension(certificate, oid.MASA_URL)
    if value is None:
        return None
    try:
        text = asn1.read(value).expect(asn1.IA5_STRING).content.decode("ascii")
    except (Malformed, UnicodeDecodeError):
        raise Refused(Refusal.IDEVID, "MASA URL is not an IA5String") from None
    if not 1 <= len(text) <= MAX_MASA_URL or not text.isprintable():
        raise Refused(Refusal.IDEVID, "MASA URL empty, too long or not printable")
    return text


def idevid_issuer(certificate: x509.Certificate) -> bytes:
    """Return the value of the leaf idevid-issuer for this IDevID (cbrski.md 6.5).

    That is the extnValue of the AuthorityKeyIdentifier with its own OCTET STRING header,
    ``04 18 30 16 80 14`` and 20 bytes in the usual case, further fields included. Without a
    keyIdentifier the same shape is made from the device's own key.

    Raises:
        Refused: NOT_A_KEY_WE_TAKE.
    """
    value = raw_extension(certificate, _AUTHORITY_KEY_IDENTIFIER)
    if value is None or not authority_key_id(certificate):
        identifier = key_identifier(public_key(certificate))  # cbrski D5
        value = asn1.encode(asn1.SEQUENCE, asn1.encode(_KEY_IDENTIFIER_TAG, identifier))
    return asn1.encode(asn1.OCTET_STRING, value)  # cbrski D4: with 04 LL in front


def key_identifier(key: PublicKey) -> bytes:
    """Return the SHA-1 of the key's BIT STRING content, 20 bytes (RFC 5280 4.2.1.2 method 1)."""
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def normalise_idevid_issuer(value: bytes) -> bytes:
    """Reduce every shape of an idevid-issuer seen in the field to the keyIdentifier (cbrski D4).

    Taken are the extnValue with and without its OCTET STRING header, and a bare identifier of
    20 bytes with and without one.

    Raises:
        Malformed: none of them.
    """
    inner = _content(value, asn1.OCTET_STRING)
    for shape in (inner, value):
        if shape is not None and (identifier := _key_identifier_field(shape)):
            return identifier
    for shape in (value, inner):
        if shape is not None and len(shape) == KEY_IDENTIFIER_BYTES:
            return shape
    raise Malformed(f"idevid-issuer of {len(value)} bytes in no known shape")


def _key_identifier_field(value: bytes) -> bytes | None:
    """Return the keyIdentifier when `value` is an AuthorityKeyIdentifier that has one."""
    try:
        fields = asn1.children(asn1.read(value).expect(asn1.SEQUENCE))
    except Malformed:
        return None
    return next((field.content for field in fields if field.tag == _KEY_IDENTIFIER_TAG), None)


def _content(value: bytes, tag: int) -> bytes | None:
    """Return what is inside, when `value` is exactly one element with `tag`."""
    try:
        return asn1.read(value).expect(tag).content
    except Malformed:
        return None
