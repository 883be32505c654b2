"""A domain on disk and its command line."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from registrar.__main__ import main
from registrar.new_domain import NewDomain, make_domain
from registrar.records import DeviceRecord
from registrar.settings import Settings
from registrar.store.sql_store import SqlStore, SqlTransaction
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.settings import load
from sztb.pki import certificates
from tests.fakes.pki import make_pki

T = TypeVar("T")

PKI = make_pki()


@dataclass
class Site:
    """A registrar that is configured and not running."""

    folder: Path
    config: Path

    def run(self, *arguments: str, code: int = 0) -> Result:
        """Run a command and insist on its exit code."""
        result = CliRunner().invoke(main, [*arguments, "--config", str(self.config)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def error(self, *arguments: str) -> str:
        """Run a command that fails, and return what it says."""
        return self.run(*arguments, code=1).stderr

    def transact(self, unit: Callable[[SqlTransaction], T]) -> T:
        """What the daemon would do meanwhile."""

        async def work() -> T:
            store = await SqlStore.open(load(self.config, Settings).store.database_url)
            try:
                return await store.write(unit)
            finally:
                await store.close()

        return asyncio.run(work())

    def put(self, record: DeviceRecord) -> None:
        def unit(tables: SqlTransaction) -> None:
            tables.devices.get(record.ref)
            tables.devices.save(record)

        self.transact(unit)

    def device(self, record: DeviceRecord) -> DeviceRecord | None:
        return self.transact(lambda tables: tables.devices.get(record.ref))

    def pem(self, name: str, *chain: x509.Certificate) -> str:
        path = self.folder / name
        path.write_bytes(b"".join(certificates.pem(one) for one in chain))
        return str(path)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    wanted = NewDomain("Test", (), False, 0, "approve", None)
    *_, config = make_domain(tmp_path / "domain", wanted, utc_now(), random_bytes)
    return Site(tmp_path, config)


@pytest.fixture
def anchor(site: Site) -> str:
    return site.pem("maker.pem", PKI.manufacturer_root.certificate)
