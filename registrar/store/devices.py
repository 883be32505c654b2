"""The device table (`registrar.interfaces.Devices`)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from typing_extensions import override

from sztb.errors import Misuse, Unavailable
from sztb.pki.idevid import DeviceRef
from sztb.store.prepared import Prepared
from sztb.store.times import from_ms, to_ms

from ..interfaces import Devices
from ..records import DeviceRecord, DeviceState, Instant, Standing
from .schema import devices, listed_devices

_KEY = (
    devices.c.idevid_issuer == bindparam("key_issuer"),
    devices.c.serial_number == bindparam("key_serial"),
)
_GET = Prepared(sa.select(devices).where(*_KEY))
# without effect on SQLite, where a writer is alone anyway
_GET_LOCKED = Prepared(sa.select(devices).where(*_KEY).with_for_update())
_INSERT = Prepared(sa.insert(devices))
_VALUES: dict[str, sa.BindParameter[object]] = {
    column.name: bindparam(column.name) for column in devices.c if not column.primary_key
}
_UPDATE = Prepared(
    sa.update(devices)
    .where(
        *_KEY,
        devices.c.state == bindparam("from_state"),
        devices.c.standing == bindparam("from_standing"),
    )
    .values(_VALUES)
)
_LISTED_KEY = (
    listed_devices.c.manufacturer == bindparam("maker"),
    listed_devices.c.serial_number == bindparam("key_serial"),
)
_GET_LISTED = Prepared(sa.select(listed_devices).where(*_LISTED_KEY))
_LIST = sa.insert(listed_devices)
_UNLIST = sa.delete(listed_devices).where(*_LISTED_KEY)

# what an enumeration does by itself, at a fraction of its cost
_STATES: dict[str, DeviceState] = {state.value: state for state in DeviceState}
_STANDINGS: dict[str, Standing] = {standing.value: standing for standing in Standing}
_TEXT: dict[str, str] = {member: member.value for member in (*DeviceState, *Standing)}


class SqlDevices(Devices):
    """Rows read here are remembered: the transaction sees them as they were, or as it saved them.

    `save` writes only what nobody changed since.
    """

    def __init__(self, connection: sa.Connection, *, writing: bool) -> None:
        self._connection = connection
        self._get = _GET_LOCKED if writing else _GET
        self._read: dict[DeviceRef, DeviceRecord | None] = {}
        self._listed: set[DeviceRef] = set()

    @override
    def get(self, ref: DeviceRef, manufacturer: str | None = None) -> DeviceRecord | None:
        if ref not in self._read:
            row = self._get.first(self._connection, _key(ref))
            self._read[ref] = None if row is None else _record(row)
        record = self._read[ref]
        if record is None and manufacturer is not None:
            return self._listed_record(ref, manufacturer)
        return record

    def _listed_record(self, ref: DeviceRef, manufacturer: str) -> DeviceRecord | None:
        key = {"maker": manufacturer, "key_serial": ref.serial_number}
        row = _GET_LISTED.first(self._connection, key)
        if row is None:
            return None
        self._listed.add(ref)
        listed = from_ms(row.listed)
        return DeviceRecord(ref, manufacturer, listed, listed, Standing.LISTED, reason=row.note)

    @override
    def save(self, record: DeviceRecord) -> None:
        if record.ref not in self._read:
            raise Misuse("a device is read in the transaction that saves it")
        before = self._read[record.ref]
        if before is None:
            _INSERT.run(self._connection, _row(record))
        else:
            self._replace(record, before)
        self._read[record.ref] = record
        if record.ref in self._listed:
            self._listed.remove(record.ref)
            self.unlist(record.manufacturer, record.ref.serial_number)

    def _replace(self, record: DeviceRecord, before: DeviceRecord) -> None:
        values = _row(record) | _key(record.ref)
        values |= {"from_state": _TEXT[before.state], "from_standing": _TEXT[before.standing]}
        if _UPDATE.run(self._connection, values) != 1:
            raise Unavailable(f"{record.ref} was changed by somebody else", retry_after=1)

    @override
    def find(
        self,
        *,
        serial_number: str | None = None,
        state: DeviceState | None = None,
        standing: Standing | None = None,
        manufacturer: str | None = None,
        limit: int = 1000,
    ) -> Sequence[DeviceRecord]:
        query = sa.select(devices).order_by(devices.c.updated.desc()).limit(limit)
        wanted = {
            "serial_number": serial_number,
            "state": state,
            "standing": standing,
            "manufacturer": manufacturer,
        }
        for column, value in wanted.items():
            if value is not None:
                query = query.where(devices.c[column] == value)
        return [_record(row) for row in self._connection.execute(query)]

    def list_ahead(self, manufacturer: str, serial_number: str, now: Instant, note: str) -> bool:
        """Put a serial number on the list; a device seen before gets its standing changed.

        Returns:
            False when it was listed already.
        """
        seen = self.find(serial_number=serial_number, manufacturer=manufacturer)
        if seen:
            changed = [self._list_seen(record.ref, now, note) for record in seen]
            return any(changed)
        key = {"maker": manufacturer, "key_serial": serial_number}
        if _GET_LISTED.first(self._connection, key) is not None:
            return False
        row = {
            "manufacturer": manufacturer,
            "serial_number": serial_number,
            "listed": to_ms(now),
            "note": note,
        }
        self._connection.execute(_LIST, row)
        return True

    def _list_seen(self, ref: DeviceRef, now: Instant, note: str) -> bool:
        record = self.get(ref)
        if record is None or record.standing in {Standing.LISTED, Standing.APPROVED}:
            return False
        self.save(replace(record, standing=Standing.LISTED, updated=now, reason=note))
        return True

    def unlist(self, manufacturer: str, serial_number: str) -> bool:
        """Take a serial number off the list of devices never seen; False: it was not on it."""
        key = {"maker": manufacturer, "key_serial": serial_number}
        return self._connection.execute(_UNLIST, key).rowcount == 1

    def listed(
        self, manufacturer: str | None = None, limit: int = 1000
    ) -> Sequence[tuple[str, str, Instant, str]]:
        """Return (manufacturer, serial number, since, note) of listed devices never seen."""
        query = sa.select(listed_devices).order_by(listed_devices.c.listed.desc()).limit(limit)
        if manufacturer is not None:
            query = query.where(listed_devices.c.manufacturer == manufacturer)
        return [
            (row.manufacturer, row.serial_number, from_ms(row.listed), row.note)
            for row in self._connection.execute(query)
        ]


def _key(ref: DeviceRef) -> dict[str, object]:
    return {"key_issuer": ref.idevid_issuer, "key_serial": ref.serial_number}


def _row(record: DeviceRecord) -> dict[str, object]:
    return {
        "idevid_issuer": record.ref.idevid_issuer,
        "serial_number": record.ref.serial_number,
        "manufacturer": record.manufacturer,
        "first_seen": to_ms(record.first_seen),
        "updated": to_ms(record.updated),
        "standing": _TEXT[record.standing],
        "state": _TEXT[record.state],
        "reason": record.reason,
        "idevid": record.idevid,
        "pvr_sha256": record.pvr_sha256,
        "rvr": record.rvr,
        "rvr_media_type": record.rvr_media_type,
        "masa_url": record.masa_url,
        "ldevid_sha256": record.ldevid_sha256,
    }


def _record(row: Any) -> DeviceRecord:  # noqa: ANN401  # of `Prepared` or of SQLAlchemy
    return DeviceRecord(
        ref=DeviceRef(row.idevid_issuer, row.serial_number),
        manufacturer=row.manufacturer,
        first_seen=from_ms(row.first_seen),
        updated=from_ms(row.updated),
        standing=_STANDINGS[row.standing],
        state=_STATES[row.state],
        reason=row.reason,
        idevid=row.idevid,
        pvr_sha256=row.pvr_sha256,
        rvr=row.rvr,
        rvr_media_type=row.rvr_media_type,
        masa_url=row.masa_url,
        ldevid_sha256=row.ldevid_sha256,
    )
