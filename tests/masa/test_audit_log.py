"""Who is told a device's history, and how it is abridged (cbrski.md 9.4)."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from masa.audit_log import abridge
from masa.policy.ownership import OWNERSHIP
from masa.records import History, IssueRecord
from sztb.brski.audit_log import AuditEvent, domain_id
from sztb.errors import Refusal, Refused
from sztb.voucher.model import Assertion
from tests.fakes.masa import make_world
from tests.fakes.pki import NOW, make_pki

PKI, OTHER = make_pki(), make_pki("other")


@pytest.mark.rule("M-20", "M-34")
async def test_owner_is_told(world):
    await world.issue(world.ask())
    log = json.loads(await world.history(world.ask()))
    assert log == {
        "version": 1,
        "events": [
            {
                "date": "2026-06-01T12:00:00Z",
                "domainID": domain_id(PKI.domain_ca.certificate),
                "nonce": "AAECAwQFBgcICQoLDA0ODw==",
                "assertion": "proximity",
            }
        ],
        "truncation": {"nonced duplicates": 0, "nonceless duplicates": 0, "arbitrary": 0},
    }
    assert world.events[-1].name == "audit-log-told"


@pytest.mark.rule("M-20", "M-32")
@pytest.mark.parametrize("serial_number", ["SN-1", "SN-404"])
async def test_never_an_owner_and_unknown_device_hear_the_same(world, serial_number):
    with pytest.raises(Refused) as refused:
        await world.history(world.ask(serial_number))
    assert refused.value.refusal is Refusal.NOT_AN_OWNER


@pytest.mark.rule("M-32")
async def test_former_owner_is_told_of_the_next_one(world):
    world.rules(ownership=OWNERSHIP["open"])
    await world.issue(world.ask())
    world.at(NOW + timedelta(days=1))
    await world.issue(world.ask(registrar=OTHER.registrar))
    for registrar in (PKI.registrar, OTHER.registrar):
        log = json.loads(await world.history(world.ask(registrar=registrar)))
        assert [event["domainID"] for event in log["events"]] == [
            domain_id(OTHER.domain_ca.certificate),
            domain_id(PKI.domain_ca.certificate),
        ]


async def test_another_registrar_of_the_domain_is_told(world):
    await world.issue(world.ask())
    assert await world.history(world.ask(registrar=PKI.another_registrar()))


async def test_registrar_under_a_higher_pinned_ca_is_told():
    """A nonceless voucher pinned the root: every registrar below it could take the device."""
    world = make_world(make_pki("told", intermediate=True))
    world.rules(nonceless=True)
    world.customers(acme=world.pki.domain_root.certificate)
    await world.issue(world.ask().nonceless())
    sibling = replace(world.pki, domain_ca=world.pki.domain_root).another_registrar("sibling", 9)
    assert await world.history(world.ask(registrar=sibling))


async def test_a_log_request_needs_no_fresh_request(world):
    await world.issue(world.ask())
    world.at(NOW + timedelta(days=300))
    assert await world.history(world.ask())


def issue(number: int, domain: str = "a", nonce: str | None = "n") -> IssueRecord:
    return IssueRecord(
        device=PKI.device().ref,
        at=NOW + timedelta(seconds=number),
        domain_id=domain,
        domain_key=b"",
        pinned_key=b"",
        nonce=nonce if nonce is None else f"{nonce}{number}",
        assertion=Assertion.PROXIMITY,
        expires_on=None,
        registrar="",
        registrar_sha256=b"",
        tls_client_sha256=None,
        rvr_sha256=b"",
    )


def history(*issues: IssueRecord, total: int | None = None) -> History:
    return History(issues, len(issues) if total is None else total)


@pytest.mark.rule("M-33")
def test_short_log_is_whole_and_newest_first():
    log = abridge(history(issue(1), issue(2), issue(3)), whole=3)
    assert [event.nonce for event in log.events] == ["n3", "n2", "n1"]
    assert log.truncation.nonced_duplicates == 0


@pytest.mark.rule("M-33")
def test_long_log_keeps_the_newest_nonced_and_nonceless_entry_of_each_domain():
    issues = [
        issue(1),
        issue(2, nonce=None),
        issue(3),
        issue(4, "b"),
        issue(5),
        issue(6, nonce=None),
    ]
    log = abridge(history(*issues), whole=5)
    assert log.events == (
        AuditEvent(NOW + timedelta(seconds=6), "a", None, Assertion.PROXIMITY, 1),
        AuditEvent(NOW + timedelta(seconds=5), "a", "n5", Assertion.PROXIMITY, 2),
        AuditEvent(NOW + timedelta(seconds=4), "b", "n4", Assertion.PROXIMITY, 0),
    )
    cut = log.truncation
    assert (cut.nonced_duplicates, cut.nonceless_duplicates, cut.arbitrary) == (2, 1, 0)


@pytest.mark.rule("M-33")
def test_counters_stop_at_1024_and_what_was_not_read_is_arbitrary():
    log = abridge(history(*(issue(number) for number in range(1500)), total=9999))
    assert log.events[0].truncated == 1024
    assert log.truncation.nonced_duplicates == 1024
    assert log.truncation.arbitrary == 1024


@pytest.mark.rule("M-33")
def test_unread_entries_show_even_in_a_short_log():
    log = abridge(history(issue(8), issue(9), total=3))
    assert log.truncation.arbitrary == 1
