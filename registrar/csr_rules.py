"""Which CSR a client may send: decisions (est.md 6, 7; R-34, E-22, E-26, E-28, E-51)."""

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.pki.csr import CertificationRequest, check_pop_linking
from sztb.pki.keys import spki_der

from .manufacturer_directory import Pledge
from .names import attribute, same_name
from .records import ProofOfPossession


def check_enroll(csr: CertificationRequest, pledge: Pledge) -> None:
    """E-28: a device asks for its own identity only.

    Raises:
        Refused: CSR_SUBJECT without the device's serial number in the subject; OTHER_IDENTITY
            with another one.
    """
    oid = pledge.manufacturer.serial_attribute
    found = attribute(csr.subject, oid)
    if found is None:
        raise Refused(Refusal.CSR_SUBJECT, f"no single attribute {oid} in the subject")
    if found != pledge.device.serial_number:
        raise Refused(Refusal.OTHER_IDENTITY, f"serial number {found!r}")


def check_reenroll(csr: CertificationRequest, renewed: x509.Certificate) -> None:
    """E-26: Subject and SubjectAltName are those of the certificate being renewed.

    Raises:
        Refused: OTHER_IDENTITY.
    """
    if not same_name(csr.subject, renewed.subject):
        raise Refused(Refusal.OTHER_IDENTITY, "another subject than the certificate's")
    if frozenset(csr.alternative_names or ()) != _alternative_names(renewed):
        raise Refused(Refusal.OTHER_IDENTITY, "other alternative names than the certificate's")


def check_pop(csr: CertificationRequest, channel_binding: bytes | None) -> ProofOfPossession:
    """E-22: a challengePassword, if there, is the base64 of this session's tls-unique.

    Args:
        csr: the request.
        channel_binding: ``tls-unique`` of the session; None where there is none (est-D1).

    Raises:
        Refused: CSR.
    """
    linked = check_pop_linking(csr, channel_binding)
    return ProofOfPossession.VERIFIED if linked else ProofOfPossession.ABSENT


def is_what_was_asked(
    issued: x509.Certificate, csr: CertificationRequest, issuer: x509.Certificate
) -> bool:
    """E-51: the certificate is for the CSR's key and subject, and from the CA we announce."""
    return (
        spki_der(certificates.public_key(issued)) == csr.spki
        and issued.issuer == issuer.subject
        and same_name(issued.subject, csr.subject)
    )


def _alternative_names(certificate: x509.Certificate) -> frozenset[x509.GeneralName]:
    """The SubjectAltName as a set; both absent is equal (est-D19)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(found.value)
