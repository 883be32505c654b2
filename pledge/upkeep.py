"""Life after onboarding: renewing the LDevID and the anchors, reporting what is left to report."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.errors import Misuse, SztbError
from sztb.transport.tls.config import TlsIdentity

from .device import Device
from .enroll import (
    CaCerts,
    Enrolled,
    ask_cacerts,
    reenroll,
    refresh_cacerts,
    report_failure,
    report_success,
)
from .hooks import Hooks
from .identity import Credential
from .link import ProvenLink, Rejected
from .progress import Progress
from .renewal import Due, Renewal
from .state import Registrar, StateStore, hex_or_none

NOT_RENEWED = "certificate not accepted"

FindRegistrar = Callable[[TlsIdentity, Credential], Awaitable[ProvenLink]]


class Upkeep:
    """Keeps the credential of an onboarded device fresh."""

    def __init__(
        self, device: Device, store: StateStore, find: FindRegistrar, hooks: Hooks
    ) -> None:
        """Prepare.

        Args:
            device: onboarded.
            store: has its credential.
            find: connects to a registrar of the domain, showing an identity; raises `SztbError`.
            hooks: commands of the operator.
        """
        self._device = device
        self._store = store
        self._find = find
        self._hooks = hooks
        environment = device.environment
        self._renewal = Renewal(environment.random)
        self._reported = False

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is due until told to stop."""
        while not stop.is_set():
            if await self.step():
                continue
            try:
                async with asyncio.timeout(self._seconds_to_wait()):
                    await stop.wait()
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Do the one thing that is due now; False when there is none or it failed."""
        credential, now = self._credential(), self._device.environment.monotonic()
        await self.report_if_due()
        due = self._renewal.due(
            credential.certificate,
            self._store.state.cacerts_at or self._store.state.onboarded_at,
            self._device.environment.wall_clock(),
            now,
        )
        if due is None:
            return False
        if await self._attempt(self._do(due, credential), due.value):
            self._renewal.succeeded(due, now)
            return True
        self._renewal.failed(now)
        self._alert_when_late(credential)
        return False

    async def report_if_due(self) -> None:
        """Send the enrolment status that a crash or a broken link held up (P-34).

        One try per start: it is late already.
        """
        if self._store.state.report_due and not self._reported:
            self._reported = True
            await self._attempt(self._report(self._credential()), "enroll-status-sent")

    def _seconds_to_wait(self) -> float:
        environment = self._device.environment
        return self._renewal.next_look(
            self._credential().certificate, environment.wall_clock(), environment.monotonic()
        )

    async def _attempt(self, work: Awaitable[None], name: str) -> bool:
        try:
            await work
        except SztbError as error:
            self._device.journal.event(name, "failed", detail=str(error))
            state = self._store.state
            self._store.update(
                msgspec.structs.replace(
                    state,
                    renewal_failures=state.renewal_failures + 1,
                    last_error=f"{name}: {error}",
                )
            )
            await self._hooks.run("failed", f"{name}: {error}")
            return False
        return True

    async def _do(self, due: Due, credential: Credential) -> None:
        if due is Due.REFRESH:
            await self._refresh(credential)
        elif due is Due.RECOVER:
            await self._recover(credential)
        else:
            await self._renew(credential)

    async def _renew(self, credential: Credential) -> None:
        try:
            await self._enroll_again(credential, credential.tls, Operation.SIMPLEREENROLL)
        except Rejected as error:
            if error.answer.code not in {Code.UNAUTHORIZED, Code.FORBIDDEN}:
                raise
            # est D22: the domain no longer takes this LDevID; the IDevID may still be welcome
            await self._recover(credential)

    async def _recover(self, credential: Credential) -> None:
        await self._enroll_again(credential, self._device.factory.tls, Operation.SIMPLEENROLL)

    async def _enroll_again(
        self, credential: Credential, identity: TlsIdentity, operation: Operation
    ) -> None:
        link = await self._find(identity, credential)
        try:
            patient = Progress(moved=lambda: None, waiting=lambda: None)
            try:
                enrolled = await reenroll(link, self._device, credential, operation, patient)
            except SztbError as error:
                if not isinstance(error, Rejected):
                    await report_failure(link, self._device, NOT_RENEWED)  # P-36: MUST try /es
                raise
            self._keep(enrolled, link)
            await self._hooks.run_due()
            await self._attempt(self._report(enrolled.credential, link), "enroll-status-sent")
        finally:
            await link.close()

    def _keep(self, enrolled: Enrolled, link: ProvenLink) -> None:
        state = msgspec.structs.replace(
            self._store.state,
            registrar=Registrar(link.endpoint.host, link.endpoint.port, link.endpoint.ifindex),
            report_due=True,
            hook_due="renewed",
            renewal_failures=0,
            last_error="",
        )
        if enrolled.asked_cacerts:
            state = msgspec.structs.replace(
                state,
                cacerts_etag=hex_or_none(enrolled.cacerts_etag),
                cacerts_at=self._device.environment.wall_clock(),
            )
        self._store.commit(enrolled.credential, state)
        self._device.journal.event("renewed", "done", rule="P-36")

    async def _refresh(self, credential: Credential) -> None:
        """Ask for the anchors again; 2.03 keeps them (P-37)."""
        link = await self._find(credential.tls, credential)
        try:
            fetched = await self._fetch(link, credential)
        finally:
            await link.close()
        state = msgspec.structs.replace(
            self._store.state, cacerts_at=self._device.environment.wall_clock(), last_error=""
        )
        if fetched is None:
            self._store.update(state)
            return
        fetched.anchors.path(credential.certificate, (), self._device.environment.trusted_now())
        state = msgspec.structs.replace(state, cacerts_etag=hex_or_none(fetched.etag))
        self._store.commit(Credential(credential.key, credential.chain, fetched.anchors), state)

    async def _fetch(self, link: ProvenLink, credential: Credential) -> CaCerts | None:
        held = self._store.state.cacerts_etag
        if held is None:
            return await ask_cacerts(link, self._device, credential.anchors)
        return await refresh_cacerts(link, self._device, bytes.fromhex(held), credential.anchors)

    async def _report(self, credential: Credential, old: ProvenLink | None = None) -> None:
        link = old or await self._find(credential.tls, credential)
        try:
            await report_success(self._device, credential, link.endpoint, link)
        finally:
            if old is None:
                await link.close()
        self._store.update(msgspec.structs.replace(self._store.state, report_due=False))

    def _alert_when_late(self, credential: Credential) -> None:
        if self._renewal.is_late(credential.certificate, self._device.environment.wall_clock()):
            end = credential.certificate.not_valid_after_utc
            self._device.journal.event(
                "renewal-overdue", "alert", expires=end.isoformat(), failures=self._renewal.failures
            )

    def _credential(self) -> Credential:
        credential = self._store.credential()
        if credential is None:
            raise Misuse("upkeep of a device without credential")
        return credential
