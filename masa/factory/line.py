"""The production line: mint, write the device's folder, register; safe to repeat after a crash.

Files come first and the table second: a key that was lost cannot be made again, a row can. A run
that finds a finished folder registers what is in it and goes on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sztb.daemon.files import write_atomic
from sztb.errors import Malformed
from sztb.pki import certificates
from sztb.pki.numbers import NUMBER_BYTES, certificate_number

from ..credentials import read_chain
from ..interfaces import Store, Transaction
from ..manufacturer import Manufacturer
from ..records import Action, DeviceRecord, Instant
from .mint import ANCHOR, CERTIFICATE, KEY, IdevidCa, Minted, Order, imported, mint

REGISTER_AT_ONCE = 200  # devices in one transaction


@dataclass(frozen=True, slots=True)
class Line:
    """What the line works with.

    Attributes:
        ca: the factory's CA.
        manufacturer: under whose anchors devices must be.
        store: the device table.
        folder: one folder per device is made here.
        password: encrypts keys, None does not.
        operator: login name, for the table of actions.
        serials_unique: no two devices may share a serial number (M-14).
        now: the clock.
        random: random bytes of a length.
    """

    ca: IdevidCa
    manufacturer: Manufacturer
    store: Store
    folder: Path
    password: bytes | None
    operator: str
    serials_unique: bool
    now: Callable[[], Instant]
    random: Callable[[int], bytes]

    async def run(self, orders: Iterable[Order], done: Callable[[], None]) -> int:
        """Make all devices.

        Args:
            orders: the batch.
            done: called after each device.

        Returns:
            How many are new in the device table.

        Raises:
            Malformed, Refused: an order is wrong, or a folder is another device's; what was made
                before it stays made and registered.
            OSError: a folder cannot be written.
        """
        waiting: list[DeviceRecord] = []
        new = 0
        try:
            for order in orders:
                waiting.append(self._make(order))
                if len(waiting) == REGISTER_AT_ONCE:
                    new += await self._register(waiting)
                    waiting = []
                done()
        finally:
            new += await self._register(waiting)
        return new

    def _make(self, order: Order) -> DeviceRecord:
        folder = self.folder / folder_name(order.serial_number)
        if (folder / CERTIFICATE).exists():
            return self._again(order, folder)
        number = certificate_number(self.random(NUMBER_BYTES))
        minted = mint(order, self.ca, self.now(), number, self.password)
        deliver(minted, folder)
        return minted.record

    def _again(self, order: Order, folder: Path) -> DeviceRecord:
        """Take over what an earlier run left: the certificate is written last."""
        certificate = read_chain(folder / CERTIFICATE)[0]
        record = imported(certificate, self.now(), order)
        if record.ref.serial_number != order.serial_number or not self.manufacturer.issued(
            certificate
        ):
            raise Malformed(f"{folder / CERTIFICATE}: not the IDevID of {order.serial_number}")
        return record

    async def _register(self, records: list[DeviceRecord]) -> int:
        if not records:
            return 0
        action = Action(self.now(), "devices-minted", self.operator, "", f"{len(records)} devices")
        return await self.store.write(
            lambda transaction: register(
                transaction, records, action, serials_unique=self.serials_unique
            )
        )


def register(
    transaction: Transaction,
    records: Iterable[DeviceRecord],
    action: Action,
    *,
    serials_unique: bool,
) -> int:
    """Put devices into the table; those that are there with the same key are left as they are.

    Returns:
        How many are new.

    Raises:
        Malformed: a device is there with another key, or another one has its serial number.
    """
    new = 0
    for record in records:
        known = transaction.devices.find(serial_number=record.ref.serial_number)
        same = next((one for one in known if one.ref == record.ref), None)
        if same is None and known and serials_unique:
            raise Malformed(f"{record.ref}: {known[0].ref} has the same serial number")
        if same is not None and not _same_key(same, record):
            raise Malformed(f"{record.ref} is registered with another key")
        new += transaction.devices.add(record)
    transaction.actions.append(action)
    return new


def _same_key(one: DeviceRecord, other: DeviceRecord) -> bool:
    spki = certificates.spki(certificates.load(one.idevid))
    return spki == certificates.spki(certificates.load(other.idevid))


def folder_name(serial_number: str) -> str:
    """Return a name that is one folder whatever the serial number holds."""
    name = quote(serial_number, safe=" ()+,=@")
    return name.replace(".", "%2E") if name.strip(".") == "" else name


def deliver(minted: Minted, folder: Path) -> None:
    """Write a device's files; the certificate last, so that it says that all are there.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (KEY, ANCHOR, CERTIFICATE):
        if name in minted.files:
            data, mode = minted.files[name]
            write_atomic(folder / name, data, mode)
