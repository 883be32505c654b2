"""POST /vs and /es, and the audit log between them (cbrski.md 5.6, 9.2 step 9)."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registrar import audit
from registrar.masa_answers import MasaAnswer
from registrar.records import AuditPolicy, DeviceState, Standing
from sztb.brski.audit_log import Truncation
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused, Unavailable
from sztb.transport.exchange import Answer
from tests.fakes.registrar_site import MAKER, World

VS, ES = Operation.VOUCHER_STATUS, Operation.ENROLL_STATUS
SEN = Operation.SIMPLEENROLL
OK = Answer(Code.CHANGED)


async def settled(world: World) -> None:
    """Let background work end."""
    await world.site.background.idle()


# --- what is said --------------------------------------------------------------------------------


@pytest.mark.rule("R-06", "R-42", "X-15")
@pytest.mark.parametrize(
    ("body", "content_format", "code"),
    [
        (bytes.fromhex("A26776657273696F6E0166737461747573F5"), 60, Code.CHANGED),
        (b'{"version":1,"status":true}', 50, Code.CHANGED),
        (b"", 60, Code.BAD_REQUEST),
        (b"\xa0", 60, Code.BAD_REQUEST),
        (bytes.fromhex("A16776657273696F6E01"), 60, Code.BAD_REQUEST),
        (bytes.fromhex("A26756657273696F6E0166537461747573F5"), 60, Code.BAD_REQUEST),
        (b"{}", 50, Code.BAD_REQUEST),
        (b"\xa0", 836, Code.UNSUPPORTED_CONTENT_FORMAT),
        (b"\xa0", None, Code.UNSUPPORTED_CONTENT_FORMAT),
    ],
)
@pytest.mark.parametrize("operation", [VS, ES])
async def test_bodies(
    world: World, operation: Operation, body: bytes, content_format: int | None, code: Code
) -> None:
    await world.get_voucher()
    answer = await world.ask(operation, body, content_format=content_format)
    assert answer.code == code
    assert code != Code.CHANGED or answer == OK


@pytest.mark.rule("R-57")
async def test_a_failed_voucher_is_on_record_and_closes_est(world: World) -> None:
    await world.get_voucher()
    assert await world.say(VS, status=False, reason="pin does not match") == OK
    assert world.record.state is DeviceState.VOUCHER_FAILED
    entry = world.store.last("voucher-status")
    assert (entry.outcome, entry.alert) == ("failed", True)
    assert "pin does not match" in entry.detail
    assert (await world.ask(SEN, world.csr())).code == Code.FORBIDDEN
    assert world.masas.audited == []


@pytest.mark.rule("R-57")
async def test_a_later_version_is_told_to_a_human(world: World) -> None:
    await world.get_voucher()
    assert await world.say(VS, version=2) == OK
    assert world.store.last("voucher-status").alert
    assert world.record.state is DeviceState.AUDITED


@pytest.mark.rule("R-42")
async def test_telemetry_out_of_order_opens_no_door(world: World) -> None:
    assert await world.say(VS) == OK
    assert await world.say(ES) == OK
    assert world.store.tables.devices == {}
    await world.get_voucher()
    assert await world.say(ES) == OK
    assert world.record.state is DeviceState.VOUCHER_ISSUED


async def test_a_repeated_status_changes_nothing(world: World) -> None:
    await world.get_voucher()
    await world.say(VS)
    assert await world.say(VS) == OK
    assert world.record.state is DeviceState.AUDITED
    await settled(world)
    assert len(world.masas.audited) == 1


@pytest.mark.rule("R-35")
async def test_session_of_the_enrolment_status(world: World) -> None:
    ldevid = await world.become_enrolled()
    said = {}
    for name, client in {"IDevID": world.device, "new LDevID": ldevid}.items():
        world.client = client
        await world.say(ES)
        said[name] = world.store.last("enroll-status").detail
    world.edit_record(ldevid_sha256=bytes(32))
    await world.say(ES)
    said["older LDevID"] = world.store.last("enroll-status").detail
    assert all(name in text for name, text in said.items())


@pytest.mark.rule("R-35", "R-57")
async def test_a_failed_enrolment(world: World) -> None:
    await world.become_enrolled()
    await world.say(ES, status=False, reason="chain")
    assert world.record.state is DeviceState.ENROLL_FAILED
    assert world.store.last("enroll-status").alert
    assert (await world.ask(SEN, world.csr())).code == Code.CHANGED  # it may try again


async def test_nothing_is_promised_when_the_disk_is_full(world: World) -> None:
    await world.get_voucher()
    world.store.fail = Unavailable("disk full")
    assert (await world.say(VS)).code == Code.SERVICE_UNAVAILABLE
    assert (await world.say(ES)).code == Code.SERVICE_UNAVAILABLE


# --- the audit log -------------------------------------------------------------------------------


@pytest.mark.rule("R-32", "R-52")
async def test_the_log_is_asked_for_with_the_bytes_of_the_rvr(world: World) -> None:
    await world.get_voucher()
    await world.say(VS)
    [asked], [audited] = world.masas.asked, world.masas.audited
    assert audited == asked


@pytest.mark.rule("R-33", "R-55", "R-56")
@pytest.mark.parametrize("truncated", [0, 1])
async def test_a_bad_history_closes_est(world: World, truncated: int) -> None:
    if truncated:
        world.masas.log = replace(world.masas.log, truncation=Truncation(arbitrary=1))
    else:
        stranger = replace(world.masas.log.events[0], domain_id="c3RyYW5nZXI=")
        world.masas.log = replace(world.masas.log, events=(*world.masas.log.events, stranger))
    await world.get_voucher()
    await world.say(VS)
    assert world.record.state is DeviceState.AUDIT_REFUSED
    entry = world.store.last("audit")
    assert (entry.outcome, entry.rule, entry.alert) == ("refused", "R-33", True)
    assert (await world.ask(SEN, world.csr())).code == Code.FORBIDDEN
    assert world.ca.requests == []


@pytest.mark.rule("R-33")
async def test_no_setting_opens_est_after_a_bad_history(world: World) -> None:
    world.rule(est=replace(world.site.rules.est, without_voucher=True))
    await world.get_voucher()
    world.edit_record(state=DeviceState.AUDIT_REFUSED, standing=Standing.APPROVED)
    assert (await world.ask(SEN, world.csr())).code == Code.FORBIDDEN


@pytest.mark.rule("R-56")
async def test_history_ignored_by_policy(world: World) -> None:
    world.maker(audit=AuditPolicy(required=False))
    await world.get_voucher()
    await world.say(VS)
    assert world.record.state is DeviceState.AUDITED
    assert world.masas.audited == []


@pytest.mark.rule("R-52", "R-55")
async def test_a_masa_that_denies_having_a_log(world: World) -> None:
    world.masas.audit_answer = MasaAnswer(404, "text/plain", b"")
    await world.get_voucher()
    await world.say(VS)
    assert world.record.state is DeviceState.AUDIT_REFUSED


CANNOT_BE_HAD: list[Any] = [
    MasaAnswer(200, "application/json", b"not JSON"),
    MasaAnswer(200, "application/json", b'{"version":1,"events":[]}'),
    MasaAnswer(200, "text/plain", b"{}"),
    MasaAnswer(401, "", b""),
    MasaAnswer(503, "", b""),
    Unavailable("time-out"),
    Refused(Refusal.MASA_FAILED, "TLS"),
]


@pytest.mark.rule("R-32", "R-33")
@pytest.mark.parametrize("says", CANNOT_BE_HAD, ids=str)
async def test_without_a_log_est_stays_closed_until_it_comes(world: World, says: Any) -> None:
    world.masas.audit_answer = says
    await world.get_voucher()
    assert await world.say(VS) == OK  # the pledge did what it should
    assert world.record.state is DeviceState.VOUCHER_ACCEPTED
    assert not (await world.ask(SEN, world.csr())).code.is_success
    assert world.ca.requests == []
    world.masas.audit_answer = None
    assert (await world.ask(SEN, world.csr())).code == Code.CHANGED


@pytest.mark.rule("R-32")
async def test_a_slow_log_does_not_hold_up_the_answer(world: World) -> None:
    await world.get_voucher()
    world.rule(audit_patience=0.01, answer_within=0.01)
    world.masas.gate.clear()
    assert await world.say(VS) == OK
    assert world.record.state is DeviceState.VOUCHER_ACCEPTED
    answer = await world.ask(SEN, world.csr())
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20)
    world.masas.gate.set()
    await settled(world)
    assert world.record.state is DeviceState.AUDITED
    assert len(world.masas.audited) == 1


@pytest.mark.rule("R-32")
async def test_status_never_came_and_est_is_asked_for(world: World) -> None:
    await world.get_voucher()
    assert (await world.ask(SEN, world.csr())).code == Code.CHANGED
    assert len(world.masas.audited) == 1


@pytest.mark.rule("R-32")
async def test_status_never_came(world: World) -> None:
    await world.get_voucher()
    assert await audit.sweep(world.site) == 0  # not overdue yet
    world.clock.advance(seconds=61)
    assert await audit.sweep(world.site) == 1
    assert world.record.state is DeviceState.AUDITED
    assert await audit.sweep(world.site) == 0


@pytest.mark.rule("R-32")
async def test_the_sweep_tries_again_and_gives_up_after_a_day(world: World) -> None:
    world.masas.audit_answer = Unavailable("down")
    await world.get_voucher()
    world.clock.advance(seconds=61)
    assert await audit.sweep(world.site) == 1
    assert world.record.state is DeviceState.VOUCHER_ISSUED
    world.clock.advance(days=1)
    assert await audit.sweep(world.site) == 0


async def test_a_manufacturer_that_was_removed_meanwhile(world: World) -> None:
    await world.get_voucher()
    del world.store.tables.manufacturers[MAKER]
    world.clock.advance(seconds=61)
    assert await audit.sweep(world.site) == 1
    assert world.record.state is DeviceState.VOUCHER_ISSUED
    world.clock.time -= timedelta(seconds=40)  # the client itself is still remembered
    assert (await world.ask(SEN, world.csr())).code == Code.SERVICE_UNAVAILABLE


async def test_two_who_judge_at_once_write_once(world: World) -> None:
    await world.get_voucher()
    world.masas.gate.clear()
    both = asyncio.gather(
        audit.settle(world.site, world.device.ref, 5.0),
        audit.settle(world.site, world.device.ref, 5.0),
    )
    await asyncio.sleep(0)
    world.masas.gate.set()
    await both
    assert world.store.events.count("audit") == 1
    assert len(world.masas.audited) == 1


async def test_a_record_without_rvr_cannot_be_judged(world: World) -> None:
    await world.get_voucher()
    world.edit_record(rvr=None)
    assert (await world.ask(SEN, world.csr())).code == Code.SERVICE_UNAVAILABLE
