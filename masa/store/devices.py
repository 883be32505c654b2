"""The device table (`masa.interfaces.Devices`)."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from typing_extensions import override

from sztb.pki.idevid import DeviceRef
from sztb.store.prepared import Prepared
from sztb.store.times import from_ms, to_ms

from ..interfaces import Devices
from ..records import Abilities, DeviceRecord, Instant, Keys, Owner, Pins
from .schema import devices

_KEY = (
    devices.c.idevid_issuer == bindparam("key_issuer"),
    devices.c.serial_number == bindparam("key_serial"),
)
_SELECT = sa.select(devices).where(*_KEY)
_GET = Prepared(_SELECT)
_GET_LOCKED = Prepared(_SELECT.with_for_update())  # no effect on SQLite: a writer is alone anyway
_INSERT = sa.insert(devices)
_OWNER = ("owner_key", "owner_name", "owner_since")
_COUNT = Prepared(
    sa.update(devices)
    .where(*_KEY)
    .values(
        {"vouchers": devices.c.vouchers + 1, "last_issued": bindparam("now")}
        | {name: bindparam(name) for name in _OWNER}
    )
)
_SAVE = (
    sa.update(devices)
    .where(*_KEY)
    .values({name: bindparam(name) for name in ("coding", "pins", "blocked", "sold_to", *_OWNER)})
)


class SqlDevices(Devices):
    """On one connection, inside a transaction."""

    def __init__(self, connection: sa.Connection, *, writing: bool) -> None:
        self._connection = connection
        self._get = _GET_LOCKED if writing else _GET

    @override
    def get(self, ref: DeviceRef) -> DeviceRecord | None:
        row = self._get.first(self._connection, _key(ref))
        return None if row is None else _record(row)

    @override
    def add(self, record: DeviceRecord) -> bool:
        if self.get(record.ref) is not None:
            return False
        row = _changeable(record) | {
            "idevid_issuer": record.ref.idevid_issuer,
            "serial_number": record.ref.serial_number,
            "idevid": record.idevid,
            "registered": to_ms(record.registered),
            "vouchers": record.vouchers,
            "last_issued": to_ms(record.last_issued),
        }
        self._connection.execute(_INSERT, row)
        return True

    @override
    def count_issue(self, ref: DeviceRef, now: Instant, owner: Owner | None) -> None:
        _COUNT.run(self._connection, _key(ref) | _owner(owner) | {"now": to_ms(now)})

    @override
    def save(self, record: DeviceRecord) -> None:
        self._connection.execute(_SAVE, _key(record.ref) | _changeable(record))

    @override
    def find(
        self,
        *,
        serial_number: str | None = None,
        blocked: bool | None = None,
        sold_to: str | None = None,
        limit: int = 1000,
    ) -> Sequence[DeviceRecord]:
        query = sa.select(devices).order_by(devices.c.serial_number).limit(limit)
        if serial_number is not None:
            query = query.where(devices.c.serial_number == serial_number)
        if blocked is not None:
            is_null = devices.c.blocked.is_(None)
            query = query.where(~is_null if blocked else is_null)
        if sold_to is not None:
            query = query.where(devices.c.sold_to == sold_to)
        return [_record(row) for row in self._connection.execute(query)]


def _key(ref: DeviceRef) -> dict[str, object]:
    return {"key_issuer": ref.idevid_issuer, "key_serial": ref.serial_number}


def _owner(owner: Owner | None) -> dict[str, object]:
    if owner is None:
        return dict.fromkeys(_OWNER)
    return {
        "owner_key": owner.key,
        "owner_name": owner.name,
        "owner_since": to_ms(owner.since),
    }


def _changeable(record: DeviceRecord) -> dict[str, object]:
    return _owner(record.owner) | {
        "coding": record.abilities.keys.value,
        "pins": record.abilities.pins.value,
        "blocked": record.blocked,
        "sold_to": record.sold_to,
    }


def _record(row: Any) -> DeviceRecord:  # noqa: ANN401  # a row of one kind or the other
    owner = None
    if row.owner_key is not None:
        owner = Owner(row.owner_key, row.owner_name, from_ms(row.owner_since))
    return DeviceRecord(
        ref=DeviceRef(row.idevid_issuer, row.serial_number),
        idevid=row.idevid,
        registered=from_ms(row.registered),
        abilities=Abilities(Keys(row.coding), Pins(row.pins)),
        blocked=row.blocked,
        sold_to=row.sold_to,
        owner=owner,
        vouchers=row.vouchers,
        last_issued=from_ms(row.last_issued),
    )
