"""Values of ``manufacturer add``, checked before they are stored."""

from pathlib import Path

from cryptography import x509

from sztb.brski.masa_url import request_voucher_url
from sztb.codepoints import oid
from sztb.errors import Malformed
from sztb.pki import certificates

from ..keys import read_chain
from ..policy.operator import OperatorError

_SERIAL_FIELDS = {
    "serialNumber": oid.SERIAL_NUMBER,
    "CN": x509.NameOID.COMMON_NAME.dotted_string,
    "UID": x509.NameOID.USER_ID.dotted_string,
}


def read_anchors(files: tuple[Path, ...]) -> tuple[x509.Certificate, ...]:
    """Return the CA certificates of PEM files.

    Raises:
        OperatorError: one of them is no CA.
    """
    found = tuple(one for file in files for one in read_chain(file))
    for one in found:
        if not certificates.is_ca(one):
            subject = one.subject.rfc4514_string()
            raise OperatorError(
                f"{subject} is not a CA; an anchor is a CA certificate of the manufacturer, not"
                " the certificate of a device or server"
            )
    return found


def check_masa_url(url: str | None) -> str | None:
    """Return the URL if a registrar could use it.

    Raises:
        OperatorError: it could not.
    """
    if url is None:
        return None
    try:
        request_voucher_url(url)
    except Malformed as error:
        raise OperatorError(f"{error}; write host, host:port or https://host/path") from error
    return url


def check_serial_field(field: str) -> str:
    """Return the dotted OID of a subject attribute (R-37).

    Raises:
        OperatorError: neither a known name nor an OID.
    """
    if field in _SERIAL_FIELDS:
        return _SERIAL_FIELDS[field]
    try:
        return x509.ObjectIdentifier(field).dotted_string
    except ValueError as error:
        names = ", ".join(_SERIAL_FIELDS)
        raise OperatorError(f"'{field}' is neither {names} nor a dotted OID") from error
