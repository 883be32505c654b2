"""The audit log (`masa.interfaces.Issues`): a chained table that only grows."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam
from typing_extensions import override

from sztb.errors import Malformed
from sztb.pki.idevid import DeviceRef
from sztb.store import chain
from sztb.store.times import from_ms, to_ms
from sztb.voucher.model import Assertion

from ..interfaces import Issues
from ..records import History, IssueRecord
from .schema import issues

_OF_DEVICE = (
    issues.c.idevid_issuer == bindparam("issuer"),
    issues.c.serial_number == bindparam("serial"),
)
_NEWEST = (
    sa.select(issues)
    .where(*_OF_DEVICE)
    .order_by(issues.c.sequence.desc())
    .limit(bindparam("most", type_=sa.Integer))
)
_COUNT = sa.select(sa.func.count()).select_from(issues).where(*_OF_DEVICE)
_KEYS: sa.BindParameter[bytes] = bindparam("domain_keys", expanding=True)
_OWNED = (
    sa.select(issues.c.sequence)
    .where(*_OF_DEVICE, issues.c.domain_key.in_(_KEYS) | issues.c.pinned_key.in_(_KEYS))
    .limit(1)
)


class SqlIssues(Issues):
    """On one connection, inside a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def append(self, issue: IssueRecord) -> int:
        return chain.append(self._connection, issues, _row(issue))

    @override
    def history(self, ref: DeviceRef, limit: int) -> History:
        total = self._connection.execute(_COUNT, _key(ref)).scalar_one()
        rows = self._connection.execute(_NEWEST, _key(ref) | {"most": limit}).all()
        return History(tuple(_issue(row) for row in reversed(rows)), total)

    @override
    def is_owner(self, ref: DeviceRef, domain_keys: Sequence[bytes]) -> bool:
        values = _key(ref) | {"domain_keys": list(domain_keys)}
        return self._connection.execute(_OWNED, values).first() is not None

    @override
    def verify(self) -> int:
        try:
            return chain.verify(self._connection, issues)
        except ValueError as error:
            raise Malformed(f"audit log: {error}") from error


def _key(ref: DeviceRef) -> dict[str, object]:
    return {"issuer": ref.idevid_issuer, "serial": ref.serial_number}


def _row(issue: IssueRecord) -> dict[str, object]:
    return {
        "at": to_ms(issue.at),
        "idevid_issuer": issue.device.idevid_issuer,
        "serial_number": issue.device.serial_number,
        "domain_id": issue.domain_id,
        "domain_key": issue.domain_key,
        "pinned_key": issue.pinned_key,
        "nonce": issue.nonce,
        "assertion": issue.assertion.name.lower(),
        "expires_on": to_ms(issue.expires_on),
        "registrar": issue.registrar,
        "registrar_sha256": issue.registrar_sha256,
        "tls_client_sha256": issue.tls_client_sha256,
        "rvr_sha256": issue.rvr_sha256,
    }


def _issue(row: sa.Row[tuple[object, ...]]) -> IssueRecord:
    return IssueRecord(
        device=DeviceRef(row.idevid_issuer, row.serial_number),
        at=from_ms(row.at),
        domain_id=row.domain_id,
        domain_key=row.domain_key,
        pinned_key=row.pinned_key,
        nonce=row.nonce,
        assertion=Assertion[row.assertion.upper()],
        expires_on=from_ms(row.expires_on),
        registrar=row.registrar,
        registrar_sha256=row.registrar_sha256,
        tls_client_sha256=row.tls_client_sha256,
        rvr_sha256=row.rvr_sha256,
    )
