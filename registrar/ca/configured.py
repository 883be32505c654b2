"""The domain CA as the configuration describes it (reads files; used at start and on reload)."""

from datetime import timedelta
from pathlib import Path

from cryptography import x509

from sztb.daemon.files import read_limited
from sztb.errors import Malformed
from sztb.pki import certificates
from sztb.pki.keys import FileKey

from ..settings import CaSettings
from .authority import Authority, check_authority
from .domain_ca import CaRules
from .profile import LdevidProfile, Names

MAX_FILE = 1 << 18  # bytes


def read_authority(settings: CaSettings) -> Authority:
    """Read certificates and key of the CA and check that they belong together.

    Raises:
        OSError, Malformed: a file cannot be read; the text names it.
        Refused: see `check_authority`.
    """
    chain = _read_chain(settings.certificate)
    others = () if settings.rollover is None else _read_chain(settings.rollover)
    return check_authority(chain, _read_key(settings), others)


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


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        return certificates.load_pem_chain(read_limited(path, MAX_FILE))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


def _read_key(settings: CaSettings) -> FileKey:
    password = None
    if settings.key_password_file is not None:
        password = read_limited(settings.key_password_file, MAX_FILE).split(b"\n", 1)[0]
    try:
        return FileKey.from_pem(read_limited(settings.key, MAX_FILE), password)
    except Malformed as error:
        raise Malformed(f"{settings.key}: {error}") from error
