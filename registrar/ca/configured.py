"""The domain CA as the configuration describes it (reads files; used at start and on reload)."""

from datetime import timedelta

from ..keys import read_chain, read_key
from ..settings import CaSettings
from .authority import Authority, check_authority
from .domain_ca import CaRules
from .profile import LdevidProfile, Names


def read_authority(settings: CaSettings) -> Authority:
    """Read certificates and key of the CA and check that they belong together.

    Raises:
        OSError, Malformed: a file cannot be read; the text names it.
        Refused: see `check_authority`.
    """
    chain = read_chain(settings.certificate)
    others = () if settings.rollover is None else read_chain(settings.rollover)
    return check_authority(chain, read_key(settings.key, settings.key_password_file), others)


def make_rules(settings: CaSettings) -> CaRules:
    """Return what the configuration says about LDevIDs and CRLs."""
    return CaRules(
        profile=LdevidProfile(
            lifetime=timedelta(days=settings.lifetime_days),
            server_auth=settings.server_auth,
            subject=Names(settings.subject),
            alternative_names=Names(settings.alternative_names),
            crl_url=settings.crl_url,
        ),
        renewal_grace=timedelta(days=settings.renewal_grace_days),
    )
