"""Who is at the other end of a connection: a device with an IDevID, or one with our LDevID.

A shell around `manufacturer_directory` that remembers its answers: certificates are parsed and
chains are built once per client, not once per request.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509

from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef

from .interfaces import CertificationAuthority, Store
from .manufacturer_directory import ManufacturerDirectory, Pledge
from .records import Instant

MAX_REMEMBERED = 4096  # clients
REMEMBERED_FOR = timedelta(seconds=30)  # a revocation or a new manufacturer counts after that
DIRECTORY_FOR = timedelta(seconds=5)  # the command line may add a manufacturer at any time
MAX_PRESENTED = 8  # certificates in a client's chain


@dataclass(frozen=True, slots=True)
class Member:
    """A client that proved possession of a valid LDevID of our own CA.

    Attributes:
        certificate: the LDevID.
        device: to whom the CA issued it.
    """

    certificate: x509.Certificate
    device: DeviceRef


Client = Pledge | Member


class Clients:
    """Identifies clients by the chain of their handshake."""

    def __init__(
        self, store: Store, ca: CertificationAuthority, renewal_grace: timedelta = timedelta(0)
    ) -> None:
        """Remember nobody yet.

        Args:
            store: the manufacturers are there.
            ca: whose LDevIDs make a member.
            renewal_grace: how long after its end an LDevID still identifies (est-D22).
        """
        self._store = store
        self._ca = ca
        self._renewal_grace = renewal_grace
        self._known: OrderedDict[tuple[bytes, ...], tuple[Instant, Client]] = OrderedDict()
        self._directory: tuple[Instant, ManufacturerDirectory] | None = None

    async def identify(self, chain: Sequence[bytes], now: Instant) -> Client:
        """Return who presented `chain` (DER, end entity first; E-41).

        Raises:
            Malformed: not certificates.
            Refused: NO_CLIENT_CERTIFICATE, CERTIFICATE_PATH, CERTIFICATE_DATES, IDEVID,
                CERTIFICATE_REVOKED.
        """
        key = tuple(chain)
        known = self._known.get(key)
        if known is not None and now - known[0] < REMEMBERED_FOR:
            return known[1]
        client = await self._identify(key, now)
        self._known[key] = (now, client)
        self._known.move_to_end(key)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return client

    async def directory(self, now: Instant) -> ManufacturerDirectory:
        """Return the manufacturers as they are, at most `DIRECTORY_FOR` old."""
        if self._directory is None or now - self._directory[0] >= DIRECTORY_FOR:
            makers = await self._store.read(lambda tables: tables.manufacturers.all())
            self._directory = (now, ManufacturerDirectory(makers))
        return self._directory[1]

    def forget(self) -> None:
        """Ask the back ends again for everything (reload)."""
        self._known.clear()
        self._directory = None

    async def _identify(self, chain: tuple[bytes, ...], now: Instant) -> Client:
        if not chain:
            raise Refused(Refusal.NO_CLIENT_CERTIFICATE)
        if len(chain) > MAX_PRESENTED:
            raise Malformed(f"chain of {len(chain)} certificates")
        member = await self._member(certificates.load(chain[0]), now)
        if member is not None:
            return member
        directory = await self.directory(now)
        return directory.identify(chain, now)

    async def _member(self, leaf: x509.Certificate, now: Instant) -> Member | None:
        """Return the member this LDevID belongs to, None when our CA did not issue it.

        The CA's table has every certificate it signed, byte for byte: being in it is proof
        enough, whatever key of the CA signed it then (E-18).
        """
        if leaf.issuer != (await self._ca.ca_certs()).chain[0].subject:
            return None
        status = await self._ca.lookup(leaf)
        if status is None:
            return None  # the name alone is ours
        if status.revoked:
            raise Refused(Refusal.CERTIFICATE_REVOKED, f"LDevID of {status.device}")
        since, until = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        if not since <= now or now - self._renewal_grace > until:
            raise Refused(Refusal.CERTIFICATE_DATES, "LDevID not valid now")
        return Member(leaf, status.device)
