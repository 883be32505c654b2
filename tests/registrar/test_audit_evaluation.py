"""Which histories are acceptable (RFC 8995 5.8.3)."""

from dataclasses import replace
from typing import Any

import pytest

from registrar.audit_evaluation import IGNORED, evaluate
from registrar.records import AuditPolicy
from sztb.brski.audit_log import AuditEvent, AuditLog, Truncation
from sztb.voucher.model import Assertion
from tests.fakes.pki import NOW

OURS, FRIEND, STRANGER = "b3Vycw==", "ZnJpZW5k", "c3RyYW5nZXI="
OWN = frozenset({OURS, "b3VyIHJvb3Q="})
NONCED = AuditEvent(NOW, OURS, "nonce", Assertion.PROXIMITY)
NONCELESS = replace(NONCED, nonce=None, assertion=Assertion.LOGGED)


def log(*events: AuditEvent, **more: Any) -> AuditLog:
    return AuditLog(events, **more)


def at(domain: str, event: AuditEvent = NONCED) -> AuditEvent:
    return replace(event, domain_id=domain)


def case(name: str, history: AuditLog, number: str = "R-55", **policy: Any) -> Any:
    return pytest.param(history, AuditPolicy(**policy), id=name, marks=pytest.mark.rule(number))


GOOD = [
    case("new device", log(NONCED)),
    case("ours again and again", log(NONCED, NONCED, at("b3VyIHJvb3Q="))),
    case("nonceless of ours", log(NONCED, NONCELESS)),
    case("known other domain", log(NONCED, at(FRIEND)), known_domain_ids=frozenset({FRIEND})),
    case("anybody by policy", log(NONCED, at(STRANGER)), allow_unknown_domains=True),
    case(
        "nonceless of a trusted domain",
        log(NONCED, at(FRIEND, NONCELESS)),
        nonceless_domain_ids=frozenset({FRIEND}),
    ),
    case("duplicates dropped", log(NONCED, truncation=Truncation(3, 2, 0)), "R-56"),
    case(
        "cut at will, by policy",
        log(NONCED, truncation=Truncation(arbitrary=9)),
        "R-56",
        allow_arbitrary_truncation=True,
    ),
    case("later version", log(NONCED, version=2), "R-53"),
    case("we are not in it", log(at(FRIEND)), "R-54", known_domain_ids=frozenset({FRIEND})),
]

BAD = [
    case("unknown domain", log(NONCED, at(STRANGER))),
    case("unknown domain long ago", log(at(STRANGER), NONCED)),
    case("nonceless of a stranger", log(NONCED, at(STRANGER, NONCELESS)),
         allow_unknown_domains=True),
    case("nonceless of a domain known only for nonced ones", log(NONCED, at(FRIEND, NONCELESS)),
         known_domain_ids=frozenset({FRIEND})),
    case("cut at will", log(NONCED, truncation=Truncation(arbitrary=1)), "R-56"),
]  # fmt: skip


@pytest.mark.parametrize(("history", "policy"), GOOD)
def test_acceptable(history: AuditLog, policy: AuditPolicy) -> None:
    assert evaluate(history, policy, OWN).acceptable


@pytest.mark.parametrize(("history", "policy"), BAD)
def test_refused(history: AuditLog, policy: AuditPolicy) -> None:
    verdict = evaluate(history, policy, OWN)
    assert not verdict.acceptable
    assert verdict.reason != ""


@pytest.mark.rule("R-53", "R-54")
def test_what_is_worth_saying() -> None:
    verdict = evaluate(log(at(FRIEND), version=2), AuditPolicy(allow_unknown_domains=True), OWN)
    assert [finding.rule for finding in verdict.findings] == ["R-53", "R-54"]


@pytest.mark.rule("R-56")
def test_history_can_be_ignored() -> None:
    assert IGNORED.acceptable
