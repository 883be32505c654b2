"""What an operator may change about the procedures; plain values, made from the settings."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509


@dataclass(frozen=True, slots=True)
class EstRules:
    """Choices of EST.

    Attributes:
        serverkeygen: /skg and /skc exist (E-34: off by default).
        without_voucher: devices that an operator listed or approved may enrol with their IDevID
            although no voucher went to them (RFC 8995 9: a way without the manufacturer).
        extra_anchors: added to /crts after the domain's own (R-11).
    """

    serverkeygen: bool = False
    without_voucher: bool = False
    extra_anchors: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """Time-outs and choices.

    Attributes:
        answer_within: seconds a pledge waits for its voucher before it hears 5.03 (D27).
        masa_lease: how long one attempt to ask a MASA can take at most, before somebody else
            takes over; longer than the client's total time-out.
        keep_answers: how long an answer is kept for a repeated PVR (D27).
        forget_requests: how long a PVR is remembered as used; longer than a pledge repeats (P-17).
        audit_patience: seconds /vs waits for the audit log before it answers.
        status_overdue: after this time without /vs the audit log is asked anyway (R-32).
        est: choices of EST.
    """

    answer_within: float = 20.0
    masa_lease: timedelta = timedelta(seconds=75)
    keep_answers: timedelta = timedelta(minutes=10)
    forget_requests: timedelta = timedelta(days=6)
    audit_patience: float = 2.0
    status_overdue: timedelta = timedelta(seconds=60)
    est: EstRules = EstRules()
