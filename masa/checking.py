"""What `sztb-masa check` looks at: everything `run` needs, and the audit log."""

from cryptography import x509

from sztb.daemon.clock import utc_now
from sztb.daemon.journal import Journal
from sztb.errors import Malformed
from sztb.pki import certificates
from sztb.pki.path import is_current

from .assembly import make_server_tls, make_service
from .metrics import Metrics
from .service import Service
from .settings import Settings
from .store.sql_store import SqlStore

SOON_DAYS = 30


async def check_all(settings: Settings) -> list[str]:
    """Return what there is, one sentence a line.

    Raises:
        SztbError, OSError: `run` would fail, a certificate is out of its dates, or an entry of the
            audit log was changed or removed.
    """
    server = certificates.load(make_server_tls(settings.tls).identity.chain[0])
    store = await SqlStore.open(settings.store.database_url)
    try:
        service = make_service(settings, store, Journal("masa"), Metrics(), utc_now)
        length = await store.read(lambda transaction: transaction.issues.verify())
    finally:
        await store.close()
    return [
        _dates("TLS server", server),
        _dates("voucher signer", service.voucher_key.chain[0]),
        _customers(service),
        f"audit log: {length} entries, all in their chain",
    ]


def _dates(what: str, certificate: x509.Certificate) -> str:
    now, ends = utc_now(), certificate.not_valid_after_utc
    if not is_current(certificate, now):
        raise Malformed(f"{what}: the certificate is out of its dates ({ends:%Y-%m-%d})")
    warning = ", SOON" if (ends - now).days < SOON_DAYS else ""
    return f"{what}: until {ends:%Y-%m-%d}{warning}"


def _customers(service: Service) -> str:
    names = ", ".join(sorted(service.customers.names))
    return f"customers: {names or 'none listed'}"
