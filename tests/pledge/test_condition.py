"""What ``status`` tells."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from pledge.condition import Condition
from pledge.state import Registrar, State
from tests.fakes.pki import NOW, make_pki
from tests.pledge.test_state import credential

STATE = State(
    credential="x", registrar=Registrar("fe80::1", 5684, 3), onboarded_at=NOW, report_due=False
)
GOOD = Condition("SN-1", STATE, credential(), NOW)


def text(condition):
    return " ".join(condition.lines())


def test_factory_state():
    condition = Condition("SN-1", State(), None, NOW)
    assert "factory state" in text(condition)
    assert condition.data() == {
        "serial_number": "SN-1",
        "onboarded": False,
        "onboarded_at": None,
        "registrar": None,
        "ldevid_subject": None,
        "ldevid_not_after": None,
        "domain": [],
        "enrollment_reported": False,
        "renewal_failures": 0,
        "last_error": "",
    }


def test_onboarded():
    assert "belongs to the domain of deep domain root since 2026-06-01 12:00 UTC." in text(GOOD)
    assert "is valid until" in text(GOOD)
    data = GOOD.data()
    assert data["registrar"] == "[fe80::1%3]:5684"
    assert data["domain"] == ["deep domain root"]
    assert data["enrollment_reported"]
    msgspec.json.encode(data)


def test_onboarded_at_an_unknown_time():
    unknown = replace(GOOD, state=msgspec.structs.replace(STATE, onboarded_at=None))
    assert "belongs to the domain of deep domain root." in text(unknown)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"report_due": True}, "has not been told yet"),
        ({"renewal_failures": 3}, "failed 3 times"),
        ({"last_error": "nobody there"}, "Last problem: nobody there."),
    ],
)
def test_troubles(changes, words):
    assert words not in text(GOOD)
    assert words in text(replace(GOOD, state=msgspec.structs.replace(STATE, **changes)))


@pytest.mark.parametrize(
    ("days", "words"),
    [(-99, "The clock is wrong"), (9999, "expired on 2036-05-29")],
)
def test_dates(days, words):
    assert words in text(replace(GOOD, now=NOW + timedelta(days=days)))


def test_a_domain_without_common_name():
    device = make_pki().device()  # its subject has a serialNumber only
    anchors = replace(GOOD.credential.anchors, anchors=(device.certificate,))
    held = replace(GOOD.credential, anchors=anchors)
    assert "domain of 2.5.4.5=SN-1 since" in text(replace(GOOD, credential=held))
