"""What an LDevID of this domain may say: decisions on the CSR, from the CA's side (est.md 7).

`registrar.csr_rules` has proven that the CSR is about the client's own device. What is left is the
CA's business: which other names it puts its signature under, and for how long.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from cryptography import x509

from sztb.codepoints import oid
from sztb.errors import Refusal, Refused, Unavailable
from sztb.est.identity import prepared_attribute
from sztb.pki.csr import CertificationRequest
from sztb.pki.profiles import Validity

from ..records import Instant

EXPIRED_RETRY = 3600  # seconds; an operator has to renew the CA first


class Names(StrEnum):
    """Which names a device may ask for."""

    DEVICE = "device"  # only what the manufacturer put into its IDevID
    ASKED = "asked"  # whatever else the CSR asks for


@dataclass(frozen=True, slots=True)
class LdevidProfile:
    """The site's choices for the certificates of its devices.

    Attributes:
        lifetime: from now to notAfter; cut at the end of the CA's own validity.
        backdate: notBefore is so much earlier, for devices whose clocks lag.
        server_auth: devices may be TLS servers too.
        subject: which subject attributes are taken from the CSR.
        alternative_names: which subjectAltNames are taken from it.
        crl_url: put into every certificate as CRL distribution point; None leaves it out.
    """

    lifetime: timedelta = timedelta(days=365)
    backdate: timedelta = timedelta(hours=1)
    server_auth: bool = False
    subject: Names = Names.DEVICE
    alternative_names: Names = Names.DEVICE
    crl_url: str | None = None

    @property
    def usages(self) -> tuple[str, ...]:
        """The extended key usages, dotted; never cmcRA (D28)."""
        return (oid.CLIENT_AUTH, oid.SERVER_AUTH) if self.server_auth else (oid.CLIENT_AUTH,)


@dataclass(frozen=True, slots=True)
class Content:
    """What the certificate will say about its holder."""

    subject: x509.Name
    alternative_names: x509.SubjectAlternativeName | None

    @property
    def sha256(self) -> bytes:
        """By which a retry with another content is told apart (est-D18), 32 bytes."""
        names = self.alternative_names
        return hashlib.sha256(
            self.subject.public_bytes() + (b"" if names is None else names.public_bytes())
        ).digest()


def choose_content(
    csr: CertificationRequest, client: x509.Certificate, profile: LdevidProfile
) -> Content:
    """Take the names out of the CSR, as far as the profile lets them pass (E-28).

    Args:
        csr: a checked request.
        client: the certificate the client authenticated with.
        profile: the site's choices.

    Raises:
        Refused: CSR_SUBJECT for an attribute, CSR for an alternative name that the profile
            does not allow.
    """
    if profile.subject is Names.DEVICE:
        _check_attributes(csr.subject, client.subject)
    asked = csr.alternative_names
    if asked is not None and profile.alternative_names is Names.DEVICE:
        _check_alternative_names(asked, alternative_names(client))
    return Content(csr.subject, asked)


def _check_attributes(asked: x509.Name, own: x509.Name) -> None:
    known = {prepared_attribute(attribute) for attribute in own}
    for attribute in asked:
        if prepared_attribute(attribute) not in known:
            name = attribute.rfc4514_attribute_name
            raise Refused(Refusal.CSR_SUBJECT, f"{name} is not in the client's certificate")


def _check_alternative_names(
    asked: x509.SubjectAlternativeName, own: x509.SubjectAlternativeName | None
) -> None:
    for name in asked:
        if own is None or name not in own:
            raise Refused(Refusal.CSR, f"{name} is not in the client's certificate")


def alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    """Return the subjectAltName of a certificate, None when there is none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def choose_validity(
    now: Instant, profile: LdevidProfile, chain: tuple[x509.Certificate, ...]
) -> Validity:
    """Return the dates: back-dated for slow clocks, never beyond those of the CAs above.

    Raises:
        Unavailable: a CA certificate is not valid now.
    """
    first = max(one.not_valid_before_utc for one in chain)
    last = min(one.not_valid_after_utc for one in chain)
    if not first <= now < last:
        raise Unavailable("a certificate of the domain CA is not valid now", EXPIRED_RETRY)
    return Validity(
        max(now - profile.backdate, first).replace(microsecond=0),
        min(now + profile.lifetime, last).replace(microsecond=0),
    )
