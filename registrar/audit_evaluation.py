"""Judging a device's history: a decision (RFC 8995 5.8.3; R-53 to R-56)."""

from collections.abc import Iterator
from dataclasses import dataclass

from sztb.brski.audit_log import AuditLog

from .records import AuditPolicy

KNOWN_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth saying about an audit log.

    Attributes:
        rule: number of the rule.
        text: for people.
        refuses: True: the device gets no certificate because of it.
    """

    rule: str
    text: str
    refuses: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of an evaluation."""

    findings: tuple[Finding, ...] = ()

    @property
    def acceptable(self) -> bool:
        """True when EST is open to the device (R-33)."""
        return not any(finding.refuses for finding in self.findings)

    @property
    def reason(self) -> str:
        """What was found, for people; empty when there is nothing to say."""
        return "; ".join(finding.text for finding in self.findings)


IGNORED = Verdict((Finding("R-56", "history ignored by policy", refuses=False),))


def evaluate(log: AuditLog, policy: AuditPolicy, own_domain_ids: frozenset[str]) -> Verdict:
    """Judge a log.

    Args:
        log: what the MASA says.
        policy: what the operator accepts from this manufacturer.
        own_domain_ids: by which we know ourselves (R-54).
    """
    checks = (_version, _own_entry, _unknown_domains, _nonceless, _truncation)
    return Verdict(tuple(one for check in checks for one in check(log, policy, own_domain_ids)))


def _version(log: AuditLog, _policy: AuditPolicy, _own: frozenset[str]) -> Iterator[Finding]:
    if log.version > KNOWN_VERSION:  # it only adds information
        yield Finding("R-53", f"log of version {log.version}", refuses=False)


def _own_entry(log: AuditLog, _policy: AuditPolicy, own: frozenset[str]) -> Iterator[Finding]:
    if not any(event.domain_id in own for event in log.events):
        yield Finding("R-54", "our own voucher is not in the log", refuses=False)


def _unknown_domains(log: AuditLog, policy: AuditPolicy, own: frozenset[str]) -> Iterator[Finding]:
    """R-55: the pledge may have been imprinted on a domain nobody expected."""
    known = own | policy.known_domain_ids | policy.nonceless_domain_ids
    unknown = sorted({event.domain_id for event in log.events} - known)
    if unknown and not policy.allow_unknown_domains:
        yield Finding("R-55", f"unknown domains: {', '.join(unknown[:4])}", refuses=True)


def _nonceless(log: AuditLog, policy: AuditPolicy, own: frozenset[str]) -> Iterator[Finding]:
    """R-55: whoever holds a nonceless voucher could take the device back after a reset."""
    trusted = own | policy.nonceless_domain_ids
    without = {event.domain_id for event in log.events if event.nonce is None}
    holders = sorted(without - trusted)
    if holders:
        yield Finding("R-55", f"nonceless vouchers at {', '.join(holders[:4])}", refuses=True)


def _truncation(log: AuditLog, policy: AuditPolicy, _own: frozenset[str]) -> Iterator[Finding]:
    """R-56: entries were removed at will; the log is incomplete."""
    if log.truncation.arbitrary > 0 and not policy.allow_arbitrary_truncation:
        yield Finding("R-56", f"{log.truncation.arbitrary} entries were removed", refuses=True)
