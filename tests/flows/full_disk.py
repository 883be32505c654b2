"""Registrar and MASA whose databases are on a disk that fills up, and gets room again.

`story` is told a kind of disk. As a program it runs inside a mount namespace of its own, where it
really fills two small file systems (`Filesystems`):

    unshare -m python tests/flows/full_disk.py FOLDER

A limit on the size of files does nearly the same without any rights (`Limits`).
"""

import asyncio
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from pledge.identity import load_factory
from sztb.brski.telemetry import VoucherStatus, encode_cbor
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from tests.fakes.pki import Device
from tests.flows.lone_registrar import visited
from tests.flows.pledges import SimulatedPledge, registrar_of
from tests.flows.programs import Nursery
from tests.flows.worlds import make_world

RV, SEN, CRTS = Operation.REQUEST_VOUCHER, Operation.SIMPLEENROLL, Operation.CACERTS
VS, STATUS = Operation.VOUCHER_STATUS, encode_cbor(VoucherStatus(True))
NUMBERS = ["BEFORE", "REGISTRAR", "MASA", "ENROL", "AFTER"]
SIZE = "2m"


class Filesystems:
    """Each database is on a file system of its own, which is filled to the last byte."""

    def __init__(self, world):
        self.folders = {}
        for role, config in configs(world).items():
            folder = self.folders[role] = world.folder / f"disk-{role}"
            folder.mkdir()
            mount = ("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
            subprocess.run(mount, check=True)
            name = f"{role}.db"
            (folder / name).write_bytes((config.parent / name).read_bytes())
            text = config.read_text()
            assert f'file = "{name}"' in text
            config.write_text(text.replace(f'"{name}"', f'"{folder / name}"'))

    def database(self, role):
        return self.folders[role] / f"{role}.db"

    def fill(self, role, _program):
        with (self.folders[role] / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))

    def free(self, role, _program):
        (self.folders[role] / "ballast").unlink()


class Limits:
    """No file of the process can grow beyond what its database's journal has reached."""

    def __init__(self, world):
        self.configs = configs(world)

    def database(self, role):
        return self.configs[role].parent / f"{role}.db"

    def fill(self, role, program):
        journal = self.database(role).with_name(f"{role}.db-wal")
        self._limit(program, journal.stat().st_size)

    def free(self, _role, program):
        self._limit(program, resource.RLIM_INFINITY)

    def _limit(self, program, size):
        _, hard = resource.prlimit(program.number, resource.RLIMIT_FSIZE)
        resource.prlimit(program.number, resource.RLIMIT_FSIZE, (size, hard))


def configs(world):
    return {"masa": world.masa_config, "registrar": world.registrar_config}


def count(disk, role, table, number):
    """How many rows there are about a device, in a database that is whole."""
    query = f"SELECT count(*) FROM {table} WHERE serial_number = ?"
    with closing(sqlite3.connect(disk.database(role))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(query, (number,)).fetchone()[0]


def device(world, number):
    factory = load_factory(world.device(number) / "factory")
    return Device(factory.certificate, factory.key, factory.chain[1:])


def check_later(answer):
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20), answer


async def story(world, disk):
    """With both servers up: fill and free one disk after the other."""
    programs = world.daemons
    await SimulatedPledge(world.device("BEFORE") / "factory").onboard(registrar_of(world))
    for act in (asking_the_registrar, asking_the_masa, enrolling):
        await act(world, disk, **programs)
    await SimulatedPledge(world.device("AFTER") / "factory").onboard(registrar_of(world))
    for program in programs.values():
        assert "Traceback" not in program.log.read_text()


async def asking_the_registrar(world, disk, registrar, masa):
    """The registrar cannot note down that a device asks: nobody else hears of it."""
    async with visited(world.registrar_port, device(world, "REGISTRAR")) as visit:
        disk.fill("registrar", registrar)
        pvr = visit.pvr()
        for _ in range(2):
            check_later(await visit.ask(RV, pvr))
        assert (await visit.ask(CRTS)).code == Code.CONTENT  # what needs no disk goes on
        for table in ("devices", "pending_vouchers", "journal"):
            assert count(disk, "registrar", table, "REGISTRAR") == 0
        assert count(disk, "masa", "issues", "REGISTRAR") == 0
        disk.free("registrar", registrar)
        assert (await visit.ask(RV, pvr)).code == Code.CHANGED


async def asking_the_masa(world, disk, registrar, masa):
    """What the MASA cannot log it does not sign."""
    async with visited(world.registrar_port, device(world, "MASA")) as visit:
        disk.fill("masa", masa)
        pvr = visit.pvr()
        for _ in range(2):
            check_later(await visit.ask(RV, pvr))
        assert count(disk, "masa", "issues", "MASA") == 0
        assert "status 503" in registrar.log.read_text()
        disk.free("masa", masa)
        assert (await visit.ask(RV, pvr)).code == Code.CHANGED
        assert count(disk, "masa", "issues", "MASA") == 1


async def enrolling(world, disk, registrar, masa):
    """What the CA cannot store it does not issue."""
    async with visited(world.registrar_port, device(world, "ENROL")) as visit:
        assert (await visit.ask_voucher()).code == Code.CHANGED
        assert (await visit.ask(VS, STATUS)).code == Code.CHANGED
        disk.fill("registrar", registrar)
        csr = visit.csr()
        for _ in range(2):
            check_later(await visit.ask(SEN, csr))
        assert count(disk, "registrar", "certificates", "ENROL") == 0
        disk.free("registrar", registrar)
        assert (await visit.ask(SEN, csr)).code == Code.CHANGED
        assert count(disk, "registrar", "certificates", "ENROL") == 1


def main(folder):
    """The story on real file systems."""
    world = make_world(folder, NUMBERS)
    disk = Filesystems(world)
    nursery = Nursery()
    nursery.serve_world(world)
    asyncio.run(story(world, disk))
    assert world.stop() == {"registrar": 0, "masa": 0}
    nursery.close()
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
