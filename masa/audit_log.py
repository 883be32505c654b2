"""The requestauditlog procedure (cbrski.md 9.4; RFC 8995 5.8 and 5.8.1)."""

from collections.abc import Sequence

from sztb.brski.audit_log import MAX_COUNTER, AuditEvent, AuditLog, Truncation, encode_json
from sztb.errors import Refusal, Refused

from .interfaces import Transaction
from .policy.ownership import spki_sha256
from .records import History, IssueRecord
from .rvr import Rvr
from .service import Service, TlsClient

MAX_READ = 4096  # entries of one device that are read for one answer
MAX_WHOLE = 32  # entries that are told one by one; a longer log is abridged


async def handle(service: Service, client: TlsClient, rvr: Rvr) -> bytes:
    """Return the history of a device as JSON to a domain that is or was its owner.

    The signed RVR is the authorisation: its signer's chain, proven by `open_rvr`, must hold a key
    to which a voucher for this device was issued (M-32, D17). Nothing else is checked again.

    Raises:
        Refused: NOT_AN_OWNER, for an unknown device too, so that nobody can probe for devices.
        Unavailable: the database cannot be read now.
    """
    keys = [spki_sha256(one) for one in rvr.chain]
    history = await service.store.read(lambda transaction: read(transaction, rvr, keys))
    service.journal.event(
        "audit-log-told", "accepted", device=str(rvr.device), rule="M-20",
        domain=rvr.chain[-1].subject.rfc4514_string()[:200], events=history.total,
        client=client.name, address=client.address,
    )  # fmt: skip
    return encode_json(abridge(history))


def read(transaction: Transaction, rvr: Rvr, keys: Sequence[bytes]) -> History:
    """Read the log for the owner of one of `keys`.

    Raises:
        Refused: NOT_AN_OWNER.
    """
    if not transaction.issues.is_owner(rvr.device, keys):
        raise Refused(Refusal.NOT_AN_OWNER, str(rvr.device))
    return transaction.issues.history(rvr.device, MAX_READ)


def abridge(history: History, whole: int = MAX_WHOLE) -> AuditLog:
    """Turn stored entries into the log that is told, newest first (M-33).

    A log of up to `whole` entries is told in full. Of a longer one only the newest nonced and the
    newest nonceless entry of each domainID is kept, with the number of those left out. What was
    not read at all is counted as arbitrary.
    """
    newest_first = history.issues[::-1]
    unread = history.total - len(newest_first)
    if not unread and len(newest_first) <= whole:
        return AuditLog(tuple(_event(issue) for issue in newest_first))
    kept: dict[tuple[str, bool], IssueRecord] = {}
    dropped: dict[tuple[str, bool], int] = {}
    for issue in newest_first:
        kind = (issue.domain_id, issue.nonce is not None)
        if kind in kept:
            dropped[kind] = dropped.get(kind, 0) + 1
        else:
            kept[kind] = issue
    events = tuple(_event(issue, dropped.get(kind, 0)) for kind, issue in kept.items())
    nonced = sum(count for (_, is_nonced), count in dropped.items() if is_nonced)
    nonceless = sum(dropped.values()) - nonced
    return AuditLog(events, Truncation(_capped(nonced), _capped(nonceless), _capped(unread)))


def _event(issue: IssueRecord, truncated: int = 0) -> AuditEvent:
    return AuditEvent(
        issue.at, issue.domain_id, issue.nonce, issue.assertion, _capped(truncated)
    )  # M-34: nonce null for a nonceless voucher


def _capped(count: int) -> int:
    """RFC 8995 5.8.1: counters may stop at 1024."""
    return min(count, MAX_COUNTER)
