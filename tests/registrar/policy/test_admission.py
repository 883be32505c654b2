"""Every mode with every standing, and what a member that starts over meets."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registrar.policy.admission import Mode, Reonboarding, SiteAdmission
from registrar.records import (
    Admission,
    Admit,
    Deny,
    DeviceRecord,
    DeviceState,
    Manufacturer,
    Standing,
    Wait,
)
from sztb.errors import Refusal
from sztb.pki.idevid import DeviceRef

NOW = datetime(2026, 11, 25, tzinfo=UTC)
REF = DeviceRef(bytes(20), "A-1")
MAKER = Manufacturer("acme", ())
UNLISTED = Deny(Refusal.DEVICE_UNKNOWN, "not on the list")
REFUSED = Deny(Refusal.REFUSED_BY_POLICY, "refused by the operator")
MEMBER = Deny(Refusal.REFUSED_BY_POLICY, "it is a member already")


def record(standing: Standing, state: DeviceState = DeviceState.NEW) -> DeviceRecord:
    return DeviceRecord(REF, "acme", NOW, NOW, standing, state)


@pytest.mark.rule("R-30", "R-31", "R-40", "R-46")
@pytest.mark.parametrize(
    ("standing", "in_open", "in_list", "in_approve"),
    [
        (None, Admit(), UNLISTED, Wait(20)),
        (Standing.UNDECIDED, Admit(), UNLISTED, Wait(20)),
        (Standing.WAITING, Admit(), UNLISTED, Wait(20)),
        (Standing.LISTED, Admit(), Admit(), Admit()),
        (Standing.APPROVED, Admit(), Admit(), Admit()),
        (Standing.REFUSED, REFUSED, REFUSED, REFUSED),
        (Standing.REMOVED, Admit(), UNLISTED, Wait(20)),
    ],
)
def test_mode_and_standing(
    standing: Standing | None, in_open: Admission, in_list: Admission, in_approve: Admission
) -> None:
    known = None if standing is None else record(standing)
    for mode, expected in zip(Mode, (in_open, in_list, in_approve), strict=True):
        assert SiteAdmission(mode).admit(REF, MAKER, known, NOW) == expected


@pytest.mark.rule("R-46")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("standing", Standing)
def test_devices_of_a_disabled_manufacturer_are_turned_away(mode: Mode, standing: Standing) -> None:
    maker = replace(MAKER, enabled=False)
    denied = SiteAdmission(mode).admit(REF, maker, record(standing), NOW)
    assert denied == Deny(Refusal.VENDOR_NOT_ALLOWED, "acme")


@pytest.mark.parametrize("state", [DeviceState.ENROLLED, DeviceState.ENROLL_FAILED])
@pytest.mark.parametrize(
    ("rule", "expected"),
    [(Reonboarding.ALLOW, Admit()), (Reonboarding.ASK, Wait(7)), (Reonboarding.DENY, MEMBER)],
)
def test_a_member_starts_over(state: DeviceState, rule: Reonboarding, expected: Admission) -> None:
    policy = SiteAdmission(Mode.APPROVE, rule, retry_after=7)
    assert policy.admit(REF, MAKER, record(Standing.APPROVED, state), NOW) == expected


@pytest.mark.parametrize("rule", Reonboarding)
@pytest.mark.parametrize(
    "state", sorted(set(DeviceState) - {DeviceState.ENROLLED, DeviceState.ENROLL_FAILED})
)
def test_who_was_never_enrolled_is_no_member(state: DeviceState, rule: Reonboarding) -> None:
    policy = SiteAdmission(Mode.APPROVE, rule)
    assert policy.admit(REF, MAKER, record(Standing.APPROVED, state), NOW) == Admit()


def test_a_refused_member_stays_refused() -> None:
    policy = SiteAdmission(Mode.OPEN, Reonboarding.ALLOW)
    refused = record(Standing.REFUSED, DeviceState.ENROLLED)
    assert policy.admit(REF, MAKER, refused, NOW) == REFUSED
