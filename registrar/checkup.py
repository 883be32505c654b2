"""What ``sztb-registrar check`` says about a configuration before it is used."""

from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509

from sztb.pki.path import is_current

from .assembly import load_credentials, make_masa_client, make_rules
from .ca.configured import make_rules as make_ca_rules
from .ca.configured import read_authority
from .policy.configured import make_admission
from .records import Instant
from .settings import Settings

SOON = timedelta(days=60)


def findings(settings: Settings, now: Instant) -> Iterator[str]:
    """Yield one line per part that was looked at.

    Raises:
        SztbError, OSError: a part cannot be used.
    """
    credentials = load_credentials(settings.credentials)
    yield f"registrar: {_said(credentials.certificate, now)}"
    authority = read_authority(settings.ca)
    make_ca_rules(settings.ca)
    yield f"CA: {_said(authority.issuer.certificate, now)}"
    if not set(credentials.chain) & set(authority.certificates.chain):
        yield "note: registrar and CA have no certificate in common; devices need /crts"
    make_rules(settings)
    make_masa_client(settings.masa, settings.credentials)
    policy = make_admission(settings.admission)
    yield f"admission: {policy.mode}"
    yield f"database: {settings.store.database_url}"


def _said(certificate: x509.Certificate, now: Instant) -> str:
    text = f"{certificate.subject.rfc4514_string()}, until {certificate.not_valid_after_utc:%F}"
    if not is_current(certificate, now):
        return f"{text}: NOT VALID NOW"
    if certificate.not_valid_after_utc - now < SOON:
        return f"{text}: ends soon"
    return text
