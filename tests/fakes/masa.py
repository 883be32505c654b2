"""A MASA in memory, and what a registrar asks of it; both edited in a line.

world = make_world()                              # a device that is registered
ask = world.ask()                                 # a good RVR with a good PVR in it
ask = replace(ask, rvr_nonce=b"another.")         # ... and now it is bad
raw = await world.issue(ask)                      # what the MASA says
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from cryptography import x509

from masa import audit_log, issue_voucher
from masa.customers import Customers
from masa.interfaces import Store, VoucherKey
from masa.manufacturer import Manufacturer
from masa.metrics import Metrics
from masa.policy.rules import Rules
from masa.records import Action, DeviceRecord, History, IssueRecord, Owner
from masa.revocation.off import Off
from masa.rvr import open_rvr
from masa.service import Service, TlsClient
from sztb.codepoints import media
from sztb.codepoints.media import VOUCHER_COSE
from sztb.daemon.journal import Event, Journal
from sztb.envelope import cose_sign1
from sztb.errors import Unavailable
from sztb.pki.idevid import DeviceRef, idevid_issuer
from sztb.pki.keys import Signer, spki_der
from sztb.pki.trust_anchors import TrustAnchors
from sztb.voucher import codec
from sztb.voucher.codec import Coding
from sztb.voucher.formats import open_voucher
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.fakes.pki import NOW, Device, Identity, Pki, make_pki

T = TypeVar("T")
NONCE = bytes(range(16))


@dataclass
class MemoryStore(Store):
    """Everything in dictionaries; a unit that raises leaves no trace.

    Attributes:
        fails: raised by the next write, as a full disk would.
    """

    table: dict[DeviceRef, DeviceRecord] = field(default_factory=dict)
    log: list[IssueRecord] = field(default_factory=list)
    acts: list[Action] = field(default_factory=list)
    fails: Unavailable | None = None

    @property
    def devices(self) -> MemoryStore:
        return self

    @property
    def issues(self) -> MemoryIssues:
        return MemoryIssues(self.log)

    @property
    def actions(self) -> MemoryActions:
        return MemoryActions(self.acts)

    async def write(self, work: Callable[[Any], T]) -> T:
        if self.fails is not None:
            raise self.fails
        with self._undone_on_error():
            return work(self)

    @contextmanager
    def _undone_on_error(self):
        before = copy.copy((dict(self.table), list(self.log), list(self.acts)))
        try:
            yield
        except BaseException:
            self.table, self.log, self.acts = before
            raise

    async def read(self, work: Callable[[Any], T]) -> T:
        return work(self)

    async def close(self) -> None:
        return None

    def get(self, ref: DeviceRef) -> DeviceRecord | None:
        return self.table.get(ref)

    def add(self, record: DeviceRecord) -> bool:
        if record.ref in self.table:
            return False
        self.table[record.ref] = record
        return True

    def count_issue(self, ref: DeviceRef, now: datetime, owner: Owner | None) -> None:
        record = self.table[ref]
        self.table[ref] = replace(
            record, vouchers=record.vouchers + 1, last_issued=now, owner=owner
        )

    def save(self, record: DeviceRecord) -> None:
        self.table[record.ref] = record

    def find(self, *, serial_number: str | None = None, **_: object) -> Sequence[DeviceRecord]:
        return [one for one in self.table.values() if one.ref.serial_number == serial_number]


@dataclass
class MemoryIssues:
    """The log."""

    log: list[IssueRecord]

    def append(self, issue: IssueRecord) -> int:
        self.log.append(issue)
        return len(self.log)

    def history(self, ref: DeviceRef, limit: int) -> History:
        own = [issue for issue in self.log if issue.device == ref]
        return History(tuple(own[-limit:]), len(own))

    def is_owner(self, ref: DeviceRef, domain_keys: Sequence[bytes]) -> bool:
        return any(
            issue.device == ref and {issue.domain_key, issue.pinned_key} & set(domain_keys)
            for issue in self.log
        )

    def verify(self) -> int:
        return len(self.log)


@dataclass
class MemoryActions:
    """What operators did."""

    acts: list[Action]

    def append(self, action: Action) -> None:
        self.acts.append(action)


@dataclass(frozen=True)
class Ask:
    """One RVR in the making; every part can be replaced.

    Attributes:
        device: whom it asks for.
        registrar: who signs the RVR.
        pvr: the pledge's leaves; None: no prior-signed-voucher-request.
        pvr_signer: whose key signs the PVR.
        rvr: the registrar's leaves, without the PVR.
        bag: DER certificates that come along; None: both chains.
        prior: bytes in place of the signed PVR.
        coding: of both requests.
        rvr_signer: whose key signs the RVR.
    """

    device: Device
    registrar: Identity
    pvr: VoucherRequest | None
    rvr: VoucherRequest
    pvr_signer: Signer
    rvr_signer: Signer
    bag: tuple[bytes, ...]
    prior: bytes | None = None
    coding: Coding = Coding.SID

    @property
    def signed_pvr(self) -> bytes | None:
        if self.prior is not None or self.pvr is None:
            return self.prior
        return cose_sign1.sign(codec.encode_cbor(self.pvr, coding=self.coding), self.pvr_signer)

    @property
    def raw(self) -> bytes:
        """The signed RVR."""
        leaves = replace(self.rvr, prior_signed_voucher_request=self.signed_pvr)
        payload = codec.encode_cbor(leaves, coding=self.coding)
        return cose_sign1.sign(payload, self.rvr_signer, x5bag=self.bag)

    def with_pvr(self, **leaves: Any) -> Ask:
        """Change leaves of the pledge's request."""
        assert self.pvr is not None
        return replace(self, pvr=replace(self.pvr, **leaves))

    def with_rvr(self, **leaves: Any) -> Ask:
        """Change leaves of the registrar's request."""
        return replace(self, rvr=replace(self.rvr, **leaves))

    def signed_by(self, registrar: Identity) -> Ask:
        """Let another registrar ask, with its own chain in the bag."""
        kept = tuple(one for one in self.bag if one not in self.registrar.chain)
        return replace(
            self,
            registrar=registrar,
            rvr_signer=registrar.key,
            bag=tuple(dict.fromkeys((*registrar.chain, *kept))),
        )

    def nonceless(self) -> Ask:
        """Ask for a voucher without the pledge (RFC 8995 5.5)."""
        return replace(self.with_rvr(nonce=None, assertion=None), pvr=None)


def make_ask(
    pki: Pki, device: Device, registrar: Identity | None = None, nonce: bytes = NONCE
) -> Ask:
    """Return a good request: proximity by the registrar's key, both chains in the bag."""
    registrar = registrar or pki.registrar
    serial_number = device.ref.serial_number
    pvr = VoucherRequest(
        serial_number=serial_number,
        nonce=nonce,
        assertion=Assertion.PROXIMITY,
        proximity_registrar_pubk=spki_der(registrar.key.public_key),
    )
    rvr = VoucherRequest(
        serial_number=serial_number,
        nonce=nonce,
        assertion=Assertion.PROXIMITY,
        created_on=NOW,
        idevid_issuer=idevid_issuer(device.certificate),
    )
    bag = tuple(dict.fromkeys((*registrar.chain, *device.chain)))
    return Ask(device, registrar, pvr, rvr, device.key, registrar.key, bag)


@dataclass
class World:
    """A MASA, its manufacturer and one customer's domain."""

    pki: Pki
    service: Service
    store: MemoryStore
    events: list[Event]
    client: TlsClient = field(default_factory=TlsClient)

    def ask(self, serial_number: str = "SN-1", registrar: Identity | None = None) -> Ask:
        """A good request for a device of the manufacturer."""
        return make_ask(self.pki, self.pki.device(serial_number), registrar)

    def rules(self, **changes: Any) -> None:
        """Change the policy."""
        self.service = replace(self.service, rules=replace(self.service.rules, **changes))

    def customers(self, **anchors: x509.Certificate) -> None:
        """Say who the customers are."""
        listed = {name: (anchor,) for name, anchor in anchors.items()}
        self.service = replace(self.service, customers=Customers(listed))

    def at(self, now: datetime) -> None:
        """Set the clock."""
        self.service = replace(self.service, now=lambda: now)

    def record(self, device: Device, **changes: Any) -> None:
        """Change what the MASA knows of a device."""
        self.store.table[device.ref] = replace(self.store.table[device.ref], **changes)

    async def issue_raw(self, ask: Ask | bytes) -> bytes:
        """The signed answer to a request for a voucher."""
        raw = ask if isinstance(ask, bytes) else ask.raw
        service = self.service
        rvr = open_rvr(VOUCHER_COSE, raw, service.manufacturer, service.now())
        return await issue_voucher.handle(service, self.client, rvr, VOUCHER_COSE)

    async def issue(self, ask: Ask | bytes) -> Voucher:
        """The voucher, its signature checked."""
        sealed = open_voucher(media.VOUCHER_COSE, await self.issue_raw(ask))
        sealed.envelope.verify(self.service.voucher_key.signer.public_key)
        return sealed.data

    async def history(self, ask: Ask) -> bytes:
        """The answer to a request for the audit log."""
        service = self.service
        rvr = open_rvr(VOUCHER_COSE, ask.raw, service.manufacturer, service.now())
        return await audit_log.handle(service, self.client, rvr)


def make_service(
    pki: Pki, store: Store, events: list[Event], rules: Rules, now: Callable[[], datetime]
) -> Service:
    """Return the MASA of a PKI."""
    return Service(
        manufacturer=Manufacturer(
            TrustAnchors([pki.manufacturer_root.certificate]), (pki.idevid_ca.certificate,)
        ),
        voucher_key=VoucherKey(pki.masa_signer.key, pki.masa_signer.path),
        customers=Customers({}),
        rules=rules,
        store=store,
        revocation=Off(),
        journal=Journal("masa", events.append),
        metrics=Metrics(),
        now=now,
    )


def make_world(pki: Pki | None = None, *serial_numbers: str) -> World:
    """Return a MASA that knows the named devices, `SN-1` without names."""
    pki = pki or make_pki()
    store, events = MemoryStore(), []
    for serial_number in serial_numbers or ("SN-1",):
        device = pki.device(serial_number)
        store.table[device.ref] = DeviceRecord(device.ref, device.der, NOW)
    service = make_service(pki, store, events, Rules(), lambda: NOW)
    return World(pki, service, store, events)
