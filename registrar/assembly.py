"""From the configuration to the parts of a registrar; daemon and command line share it."""

from datetime import timedelta

from sztb.daemon.clock import random_bytes
from sztb.pki.path import build_path

from .ca.configured import make_rules as make_ca_rules
from .ca.configured import read_authority
from .ca.domain_ca import DomainCa
from .credentials import Credentials, check_credentials
from .keys import read_chain, read_key, read_password
from .masa_client import ClientCertificate, MasaClient, MasaLimits
from .rules import EstRules, Rules
from .settings import CaSettings, CredentialSettings, MasaSettings, Settings
from .store.sql_store import SqlStore

LEASE_MARGIN = 15.0  # seconds a lease outlasts the client's total time-out


def load_credentials(settings: CredentialSettings) -> Credentials:
    """Return the registrar's identity.

    Raises:
        Malformed, OSError: a file cannot be read.
        Refused: see `check_credentials`; CERTIFICATE_PATH when the file is not a chain.
    """
    chain = read_chain(settings.certificate)
    built = build_path(chain[0], chain[1:], chain[-1:], now=None) if len(chain) > 1 else chain
    key = read_key(settings.key, settings.key_password_file)
    return check_credentials(built, key)


def make_ca(settings: CaSettings, store: SqlStore) -> DomainCa:
    """Return the built-in CA on the registrar's store.

    Raises: as `read_authority`.
    """
    return DomainCa(read_authority(settings), store, make_ca_rules(settings), random_bytes)


def make_masa_client(settings: MasaSettings, credentials: CredentialSettings) -> MasaClient:
    """Return the client towards MASAs, not yet open.

    Raises:
        OSError, Malformed: the password cannot be read.
    """
    limits = MasaLimits(
        connect=settings.connect_seconds,
        total=settings.total_seconds,
        max_body=settings.max_answer_bytes,
        connections=settings.connections,
    )
    if not settings.client_certificate:
        return MasaClient(limits, None)
    password = read_password(credentials.key_password_file)
    return MasaClient(limits, ClientCertificate(credentials.certificate, credentials.key, password))


def make_rules(settings: Settings) -> Rules:
    """Return what the procedures go by.

    Raises:
        Malformed, OSError: the extra anchors cannot be read.
    """
    extra = settings.est.extra_anchors
    est = EstRules(
        serverkeygen=settings.est.serverkeygen,
        without_voucher=settings.est.enroll_without_voucher,
        extra_anchors=read_chain(extra) if extra else (),
    )
    lease = timedelta(seconds=settings.masa.total_seconds + LEASE_MARGIN)
    return Rules(masa_lease=lease, est=est)
