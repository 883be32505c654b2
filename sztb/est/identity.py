"""Whether a certification request fits the client that sent it (est.md 7 steps 5 and 6)."""

import unicodedata

from cryptography import x509

from sztb.codepoints import oid
from sztb.errors import Refusal, Refused
from sztb.pki.csr import CertificationRequest
from sztb.pki.idevid import serial_number


def check_enrol_identity(
    request: CertificationRequest,
    client: x509.Certificate,
    attribute_oid: str = oid.SERIAL_NUMBER,
) -> None:
    """Refuse a first request in another device's name (E-28).

    Args:
        request: checked by itself already.
        client: the certificate the client proved on this connection, normally its IDevID.
        attribute_oid: the subject attribute with this manufacturer's serial numbers (R-37).

    Raises:
        Refused: IDEVID: the client has no serial number; CSR_SUBJECT: the request has none or
            several; OTHER_IDENTITY: another one.
    """
    expected = serial_number(client, attribute_oid)
    asked = request.subject.get_attributes_for_oid(x509.ObjectIdentifier(attribute_oid))
    if len(asked) != 1:
        raise Refused(Refusal.CSR_SUBJECT, f"{len(asked)} serial numbers")
    if asked[0].value != expected:
        raise Refused(Refusal.OTHER_IDENTITY, "serial number of another device")


def check_renewal_identity(request: CertificationRequest, renewed: x509.Certificate) -> None:
    """Refuse a re-enrolment that changes the identity; the key may change (E-26, est D19).

    Args:
        request: checked by itself already.
        renewed: the certificate being renewed, proven on this connection (E-27).

    Raises:
        Refused: OTHER_IDENTITY.
    """
    if prepared_name(request.subject) != prepared_name(renewed.subject):
        raise Refused(Refusal.OTHER_IDENTITY, "subject differs from the certificate's")
    if _names(request.alternative_names) != _names(_alternative_names(renewed)):
        raise Refused(Refusal.OTHER_IDENTITY, "subjectAltName differs from the certificate's")


def prepared_name(name: x509.Name) -> list[frozenset[tuple[str, str | bytes]]]:
    """Return a name in the form in which two names are compared (RFC 5280 7.1, est D19).

    The order of RDNs counts; string types, case and runs of spaces do not.
    """
    return [frozenset(prepared_attribute(attribute) for attribute in rdn) for rdn in name.rdns]


def prepared_attribute(attribute: x509.NameAttribute[str | bytes]) -> tuple[str, str | bytes]:
    """Return OID and value of an attribute in the form in which they are compared.

    A device's serial number is taken as it is (cbrski.md 6.4): "ab12" is not "AB12".
    """
    value = attribute.value
    dotted = attribute.oid.dotted_string
    if isinstance(value, bytes) or dotted == oid.SERIAL_NUMBER:
        return dotted, value
    return dotted, " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _names(alternative_names: x509.SubjectAlternativeName | None) -> frozenset[x509.GeneralName]:
    return frozenset(alternative_names or ())
