"""ca list, revoke, crl and journal, on certificates that the daemon's CA issued."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography import x509

from registrar.assembly import make_ca
from registrar.records import DeviceRecord, DeviceState, Issued, Standing
from registrar.settings import Settings
from registrar.store.sql_store import SqlStore, SqlTransaction
from sztb.daemon.clock import utc_now
from sztb.daemon.settings import load
from tests.fakes.pki import key
from tests.registrar.ca.conftest import DEVICE, a_request, journalled
from tests.registrar.cli.conftest import Site

NOW = utc_now()
MEMBER = DeviceRecord(DEVICE.ref, "acme", NOW, NOW, Standing.APPROVED, DeviceState.ENROLLED)


@pytest.fixture
def issued(site: Site) -> Sequence[str]:
    """Two certificates of one device; their numbers, the newest first."""

    async def work() -> list[str]:
        settings = load(site.config, Settings)
        store = await SqlStore.open(settings.store.database_url)
        ca = make_ca(settings.ca, store)
        numbers = []
        for name in ("one", "two"):
            request = a_request(DEVICE, key(name))
            outcome = await ca.enroll(request, utc_now(), journalled(request))
            assert isinstance(outcome, Issued)
            numbers.append(f"{outcome.certificate.serial_number:x}")
        await store.close()
        return numbers[::-1]

    site.put(MEMBER)
    return asyncio.run(work())


def crl(site: Site) -> dict[str, x509.ReasonFlags | None]:
    """The numbers and reasons on the current CRL."""
    site.run("ca", "crl", "--out", str(site.folder / "crl"))
    found = {}
    for entry in x509.load_der_x509_crl((site.folder / "crl").read_bytes()):
        reasons = [extension.value.reason for extension in entry.extensions]
        found[f"{entry.serial_number:x}"] = reasons[0] if reasons else None
    return found


def test_list(site: Site, issued: Sequence[str]) -> None:
    shown = site.json("ca", "list")["certificates"]
    assert [one["number"] for one in shown] == issued
    assert {one["device"] for one in shown} == {str(DEVICE.ref)}
    assert site.json("ca", "list", "--device", "SN-1")["certificates"] == shown
    assert site.json("ca", "list", "--limit", "1")["certificates"] == shown[:1]
    assert site.json("ca", "list", "--revoked")["certificates"] == []
    assert site.json("ca", "list", "--revoked", "--device", "SN-1")["certificates"] == []
    assert issued[0] in site.run("ca", "list").stdout


def test_no_certificates(site: Site) -> None:
    assert "no certificates" in site.run("ca", "list").stdout


@pytest.mark.parametrize("digits", [40, 8])
def test_revoke_one(site: Site, issued: Sequence[str], digits: int) -> None:
    assert crl(site) == {}
    said = site.run("ca", "revoke", issued[0][:digits].upper(), "--reason", "keyCompromise").stdout
    assert f"{issued[0]}: revoked" in said
    assert "CRL number 2" in said
    assert crl(site) == {issued[0]: x509.ReasonFlags.key_compromise}
    [row] = site.json("ca", "list", "--revoked")["certificates"]
    assert (row["number"], row["reason"]) == (issued[0], "keyCompromise")
    assert "keyCompromise" in site.run("ca", "list").stdout
    assert "nothing to revoke" in site.run("ca", "revoke", issued[0]).stdout


def test_revoke_all_of_a_device(site: Site, issued: Sequence[str]) -> None:
    site.run("ca", "revoke", "--device", "SN-1")
    assert set(crl(site)) == set(issued)
    record = site.device(MEMBER)
    assert record is not None
    assert record.standing is Standing.APPROVED  # it may come again


@pytest.mark.parametrize("command", ["refuse", "remove"])
def test_the_end_of_a_membership_revokes(site: Site, issued: Sequence[str], command: str) -> None:
    assert "2 certificate(s) revoked" in site.run("device", command, "SN-1").stdout
    assert set(crl(site)) == set(issued)


@pytest.mark.parametrize(
    ("number", "says"),
    [("4711", "several"), ("ffff", "no certificate"), ("0", "no certificate"), ("", "no cert")],
)
def test_which_one(site: Site, issued: Sequence[str], number: str, says: str) -> None:
    def two_more(tables: SqlTransaction) -> None:
        row = tables.certificates.by_number(int(issued[0], 16))
        assert row is not None
        for other in (0x4711A, 0x4711B):
            tables.certificates.add(replace(row, number=other, request_id=None))

    site.transact(two_more)
    said = site.error("ca", "revoke", number)
    assert says in said
    assert "ca list" in said
    site.run("ca", "revoke", "0x04:71:1a")
    assert set(crl(site)) == {"4711a"}


def test_revoke_nothing_is_wrong_usage(site: Site) -> None:
    site.run("ca", "revoke", code=2)


def test_crl_as_pem_on_standard_output(site: Site) -> None:
    said = site.run("ca", "crl", "--pem")
    der = site.run("ca", "crl").stdout_bytes
    assert x509.load_pem_x509_crl(said.stdout_bytes) == x509.load_der_x509_crl(der)


class TestJournal:
    def test_list_and_verify(self, site: Site, issued: Sequence[str]) -> None:
        site.run("ca", "revoke", issued[0])
        events = [one["event"] for one in site.json("journal", "list")["journal"]]
        assert events == ["crl-issued", "certificate-revoked", "issued", "issued"]
        own = site.json("journal", "list", "--device", "SN-1", "--limit", "1")["journal"]
        assert [one["event"] for one in own] == ["certificate-revoked"]
        assert "crl-issued" in site.run("journal", "list").stdout
        assert "4 entries, none changed" in site.run("journal", "verify").stdout

    def test_empty(self, site: Site) -> None:
        assert "the journal is empty" in site.run("journal", "list").stdout

    def test_tampering(self, site: Site, issued: Sequence[str]) -> None:
        del issued
        site.transact(
            lambda tables: tables.journal._connection.exec_driver_sql(
                "delete from journal where sequence=1"
            )
        )
        assert "missing" in site.error("journal", "verify")
