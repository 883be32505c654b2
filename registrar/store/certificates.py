"""The CA's tables: issued certificates and CRLs (`registrar.ca.interfaces`)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from sqlalchemy import bindparam
from typing_extensions import override

from sztb.pki.idevid import DeviceRef
from sztb.store.prepared import Prepared
from sztb.store.times import from_ms, to_ms

from ..ca.interfaces import Certificates, Crls, StoredCertificate, StoredCrl
from ..records import Instant
from .schema import certificates, crls

_TABLE = certificates.c
_BY_NUMBER = Prepared(sa.select(certificates).where(_TABLE.number == bindparam("key")))
_BY_REQUEST = Prepared(sa.select(certificates).where(_TABLE.request_id == bindparam("key")))
_INSERT = Prepared(sa.insert(certificates))
_FORGET = sa.update(certificates).where(_TABLE.number == bindparam("key")).values(request_id=None)
_REVOKE = (
    sa.update(certificates)
    .where(_TABLE.number == bindparam("key"), _TABLE.revoked.is_(None))
    .values(revoked=bindparam("now"), reason=bindparam("why"), request_id=None)
)
_CRL = sa.select(crls).where(crls.c.issuer_key_id == bindparam("key"))
_CRL_LOCKED = _CRL.with_for_update()
_CRL_STALE = (
    sa.update(crls)
    .where(
        crls.c.issuer_key_id.in_(
            sa.select(_TABLE.issuer_key_id).where(_TABLE.number == bindparam("key"))
        )
    )
    .values(stale=True)
)


class SqlCertificates(Certificates):
    """Nothing is ever deleted here; a revoked certificate keeps its row."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def add(self, row: StoredCertificate) -> None:
        _INSERT.run(self._connection, _row(row))

    @override
    def by_number(self, number: int) -> StoredCertificate | None:
        return self._one(_BY_NUMBER, number_text(number))

    @override
    def by_request(self, request_id: bytes) -> StoredCertificate | None:
        return self._one(_BY_REQUEST, request_id)

    def _one(self, query: Prepared, key: str | bytes) -> StoredCertificate | None:
        row = query.first(self._connection, {"key": key})
        return None if row is None else _stored(row)

    @override
    def forget_request(self, number: int) -> None:
        self._connection.execute(_FORGET, {"key": number_text(number)})

    @override
    def revoke(self, number: int, reason: x509.ReasonFlags, now: Instant) -> bool:
        key = {"key": number_text(number)}
        changed = self._connection.execute(_REVOKE, key | {"now": to_ms(now), "why": reason.value})
        if changed.rowcount != 1:
            return False
        self._connection.execute(_CRL_STALE, key)
        return True

    @override
    def of_device(self, device: DeviceRef) -> Sequence[StoredCertificate]:
        query = sa.select(certificates).where(
            _TABLE.serial_number == device.serial_number,
            _TABLE.idevid_issuer == device.idevid_issuer,
        )
        return self._many(query.order_by(_TABLE.issued.desc()))

    @override
    def revoked_of(self, issuer_key_id: bytes, since: Instant) -> Sequence[StoredCertificate]:
        query = sa.select(certificates).where(
            _TABLE.revoked.is_not(None),
            _TABLE.issuer_key_id == issuer_key_id,
            _TABLE.not_after >= to_ms(since),
        )
        return self._many(query.order_by(_TABLE.revoked))

    def newest(self, limit: int = 1000, *, revoked: bool = False) -> Sequence[StoredCertificate]:
        """Return certificates of all devices, the newest first; on demand only revoked ones."""
        query = sa.select(certificates).order_by(_TABLE.issued.desc()).limit(limit)
        return self._many(query.where(_TABLE.revoked.is_not(None)) if revoked else query)

    def starting_with(self, digits: str, limit: int = 10) -> Sequence[StoredCertificate]:
        """Return certificates whose number begins with these lower-case hex digits."""
        query = sa.select(certificates).where(_TABLE.number.startswith(digits, autoescape=True))
        return self._many(query.limit(limit))

    def _many(self, query: sa.Select[tuple[object, ...]]) -> Sequence[StoredCertificate]:
        return [_stored(row) for row in self._connection.execute(query)]


class SqlCrls(Crls):
    """One row per CA key; an older CRL is of no use to anybody."""

    def __init__(self, connection: sa.Connection, *, writing: bool) -> None:
        self._connection = connection
        self._get = _CRL_LOCKED if writing else _CRL

    @override
    def get(self, issuer_key_id: bytes) -> StoredCrl | None:
        row = self._connection.execute(self._get, {"key": issuer_key_id}).one_or_none()
        if row is None:
            return None
        this_update, next_update = from_ms(row.this_update), from_ms(row.next_update)
        return StoredCrl(row.number, this_update, next_update, row.crl, row.stale)

    @override
    def save(self, issuer_key_id: bytes, crl: StoredCrl) -> None:
        values = {
            "number": crl.number,
            "this_update": to_ms(crl.this_update),
            "next_update": to_ms(crl.next_update),
            "stale": crl.stale,
            "crl": crl.crl,
        }
        query = sa.update(crls).where(crls.c.issuer_key_id == issuer_key_id).values(values)
        if self._connection.execute(query).rowcount == 0:
            self._connection.execute(sa.insert(crls), values | {"issuer_key_id": issuer_key_id})


def number_text(number: int) -> str:
    """Write a certificate number as the table does: lower-case hex."""
    return f"{number:x}"


def _row(stored: StoredCertificate) -> dict[str, object]:
    return {
        "number": number_text(stored.number),
        "certificate": stored.certificate,
        "issuer_key_id": stored.issuer_key_id,
        "idevid_issuer": stored.device.idevid_issuer,
        "serial_number": stored.device.serial_number,
        "spki_sha256": stored.spki_sha256,
        "issued": to_ms(stored.issued),
        "not_after": to_ms(stored.not_after),
        "request_id": stored.request_id,
        "content_sha256": stored.content_sha256,
        "revoked": to_ms(stored.revoked),
        "reason": None if stored.reason is None else stored.reason.value,
    }


def _stored(row: Any) -> StoredCertificate:  # noqa: ANN401  # of `Prepared` or of SQLAlchemy
    return StoredCertificate(
        number=int(row.number, 16),
        certificate=row.certificate,
        issuer_key_id=row.issuer_key_id,
        device=DeviceRef(row.idevid_issuer, row.serial_number),
        spki_sha256=row.spki_sha256,
        issued=from_ms(row.issued),
        not_after=from_ms(row.not_after),
        request_id=row.request_id,
        content_sha256=row.content_sha256,
        revoked=from_ms(row.revoked),
        reason=None if row.reason is None else x509.ReasonFlags(row.reason),
    )
