"""The pledge as a program: onboards when unconfigured, then keeps its credential fresh."""

import asyncio
import json
import math
import socket
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from sztb.daemon.files import read_limited
from sztb.daemon.journal import Journal
from sztb.daemon.run import Lifetime
from sztb.discovery.candidates import Candidates
from sztb.discovery.offers import Endpoint, Offer, OfferSource
from sztb.errors import Malformed
from sztb.pki.keys import SignatureAlgorithm
from sztb.transport.multicast import link_local_interfaces
from sztb.transport.tls.config import TlsIdentity
from sztb.voucher.model import Assertion
from sztb.voucher.pins import Kind

from .bootstrap import onboard, search_for_voucher
from .device import Device
from .discovery import COLLECT, MulticastDiscovery
from .environment import real_environment
from .hooks import Hooks
from .identity import Credential, FactoryIdentity, load_factory
from .interfaces import Environment
from .link import ProvenLink
from .policy import Nonceless, PledgePolicy
from .progress import Progress
from .search import Closable, GiveUp, NotOnboarded, Search
from .settings import Settings
from .state import DirectoryStore
from .timeline import AttemptRecord
from .upkeep import Upkeep

EXIT_OK, EXIT_NOT_ONBOARDED, EXIT_REFUSED = 0, 3, 4
RENEWAL_SEARCH = 300.0  # seconds for one search for a registrar of the domain
MAX_PASSWORD = 1024

T = TypeVar("T", bound=Closable)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to the settings.

    Attributes:
        once: end when onboarded, or when it is clear that it will not work.
        give_up_after: seconds; only with ``once``.
        timeline: file to which one JSON line per attempt is appended.
    """

    once: bool = False
    give_up_after: float = math.inf
    timeline: Path | None = None


def make_device(settings: Settings, environment: Environment, journal: Journal) -> Device:
    """Read the factory data and put the device together.

    Raises:
        Malformed, Refused, OSError: the factory data cannot be used.
    """
    assertions = (each.replace("-", "_").upper() for each in settings.voucher.assertions)
    return Device(
        factory=read_factory(settings),
        policy=PledgePolicy(
            assertions=frozenset(Assertion[each] for each in assertions),
            nonceless=Nonceless(settings.voucher.nonceless),
        ),
        environment=environment,
        journal=journal,
        proximity=Kind(f"-{settings.voucher.proximity}"),
        key_algorithm=SignatureAlgorithm(settings.enrollment.key),
        link_identity=settings.enrollment.link_identity,
    )


def read_factory(settings: Settings) -> FactoryIdentity:
    """Read the factory data, with the key's password where there is one.

    Raises:
        Malformed, Refused, OSError: the factory data cannot be used.
    """
    file = settings.key_password_file
    password = None if file is None else read_limited(file, MAX_PASSWORD).strip(b"\r\n")
    return load_factory(settings.factory_dir, password)


def parse_endpoint(text: str) -> Endpoint:
    """Read ``[v6]:port``, ``[v6%interface]:port`` or ``v4:port``.

    Raises:
        Malformed: none of these, or an interface that does not exist.
    """
    host, colon, port = text.rpartition(":")
    host, _, scope = host.removeprefix("[").removesuffix("]").partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
        ifindex = socket.if_nametoindex(scope) if scope else 0
    except OSError as error:
        raise Malformed(f"registrar address '{text}': {error}") from error
    if not colon or not (port.isascii() and port.isdigit() and 0 < int(port) <= 0xFFFF):
        raise Malformed(f"registrar address '{text}': write it as [address]:port")
    return Endpoint(host, int(port), ifindex)


async def serve(settings: Settings, options: RunOptions, lifetime: Lifetime) -> int:
    """Run until stopped; with ``once`` until onboarded. Returns the exit code.

    Raises:
        StateLocked, Malformed, Refused, OSError: the device cannot start.
    """
    journal = Journal("pledge")
    environment = real_environment(
        trusted_clock=settings.trusted_clock,
        max_fragment_length=settings.max_fragment_length,
        handshake_seconds=settings.handshake_seconds,
    )
    device = make_device(settings, environment, journal)
    store = DirectoryStore.open(settings.state_dir)
    try:
        pledge = Pledge(settings, options, device, store)
        lifetime.ready()
        code = await _until_stopped(pledge.live(lifetime), lifetime.stop)
        unfinished = options.once and store.state.credential is None
        return EXIT_NOT_ONBOARDED if unfinished and code == EXIT_OK else code
    finally:
        store.close()


class Pledge:
    """One device that runs."""

    def __init__(
        self, settings: Settings, options: RunOptions, device: Device, store: DirectoryStore
    ) -> None:
        """Put together what `live` needs."""
        self._settings = settings
        self._options = options
        self._device = device
        self._store = store
        self._hooks = Hooks(settings.hooks, store, device.factory.serial_number, device.journal)

    async def live(self, lifetime: Lifetime) -> int:
        """Onboard when in factory state and only then (P-01), then keep the credential fresh."""
        if self._store.state.credential is None:
            lifetime.status("looking for a registrar")
            try:
                await self._onboard(lifetime)
            except NotOnboarded as error:
                await self._hooks.run("failed", str(error))
                return EXIT_REFUSED if error.refused else EXIT_NOT_ONBOARDED
        await self._hooks.run_due()
        upkeep = Upkeep(self._device, self._store, self._find_registrar, self._hooks)
        if self._options.once:
            await upkeep.report_if_due()
            return EXIT_OK
        lifetime.status("onboarded")
        await upkeep.run(lifetime.stop)
        return EXIT_OK

    async def _onboard(self, lifetime: Lifetime) -> None:
        def told_to_wait(endpoint: Endpoint) -> None:
            self._device.journal.event("registrar-undecided", "waiting", registrar=endpoint.text)
            lifetime.status("a registrar has not decided yet")

        give_up = self._give_up()
        search = search_for_voucher(self._device, self._record, give_up, told_to_wait=told_to_wait)
        discovery = self._feed(search)
        try:
            await onboard(self._device, self._store, search, self._record)
        finally:
            _close(discovery)

    def _give_up(self) -> GiveUp:
        if not self._options.once:
            return GiveUp()
        collect = 0.0 if self._settings.discovery.registrar else COLLECT
        return GiveUp(self._options.give_up_after, when_refused=True, collect=collect)

    async def _find_registrar(self, identity: TlsIdentity, credential: Credential) -> ProvenLink:
        """Connect to a registrar of the domain: where we were, or whom discovery finds."""

        async def attempt(endpoint: Endpoint, _: Progress) -> ProvenLink:
            return await ProvenLink.connect(
                endpoint, identity, credential.anchors, self._device.environment
            )

        environment = self._device.environment
        give_up = GiveUp(RENEWAL_SEARCH)
        search = Search(attempt, Candidates(environment.random), environment, give_up)
        known = self._store.state.registrar
        if known is not None:
            search.offer(Offer(known.endpoint, OfferSource.COAP, priority=0))
        discovery = self._feed(search)
        try:
            return await search.find()
        finally:
            _close(discovery)

    def _feed(self, search: Search[T]) -> MulticastDiscovery | None:
        """Give a search its offers: the configured one, or what discovery finds."""
        if self._settings.discovery.registrar:
            endpoint = parse_endpoint(self._settings.discovery.registrar)
            search.offer(Offer(endpoint, OfferSource.CONFIGURED))
            return None
        discovery = MulticastDiscovery(
            present=self._interfaces,
            offer=search.offer,
            interfaces=search.interfaces,
            random_bytes=self._device.environment.random_bytes,
        )
        search.use(discovery)
        return discovery

    def _interfaces(self) -> tuple[int, ...]:
        present = link_local_interfaces()
        names = self._settings.discovery.interfaces
        return tuple(each for each in present if not names or _name(each) in names)

    def _record(self, record: AttemptRecord) -> None:
        """Keep what `status` shows of an attempt, and its timeline where one is wanted."""
        try:
            if record["outcome"] != "onboarded":
                failed = msgspec.structs.replace(self._store.state, last_error=record["reason"])
                self._store.update(failed)
            if self._options.timeline is not None:
                with self._options.timeline.open("a") as file:
                    file.write(json.dumps(record) + "\n")
        except OSError as error:  # only news for people: not worth giving up for
            self._device.journal.event("record-written", "failed", detail=str(error))


def _close(discovery: MulticastDiscovery | None) -> None:
    if discovery is not None:
        discovery.close()


def _name(ifindex: int) -> str:
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return ""


async def _until_stopped(work: Awaitable[int], stop: asyncio.Event) -> int:
    """Await the work; when told to stop, end it and wait until it has cleaned up."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        working.cancel()
        await asyncio.wait({working})
    return EXIT_OK if working.cancelled() else working.result()
