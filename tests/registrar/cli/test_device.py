"""device list, show, add, import, approve, refuse, remove."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registrar.records import DeviceRecord, DeviceState, Standing
from sztb.pki.idevid import DeviceRef
from tests.registrar.cli.conftest import Site

THEN = datetime(2026, 11, 25, tzinfo=UTC)
WAITING = DeviceRecord(DeviceRef(b"\x01" * 20, "SN-1"), "acme", THEN, THEN, Standing.WAITING)
NAMESAKE = replace(WAITING, ref=DeviceRef(b"\x02" * 20, "SN-1"), manufacturer="zenith")
MEMBER = replace(WAITING, standing=Standing.APPROVED, state=DeviceState.ENROLLED)


@pytest.fixture(autouse=True)
def acme(site: Site, anchor: str) -> None:
    site.run("manufacturer", "add", "acme", "--anchor", anchor)


class TestList:
    def test_empty(self, site: Site) -> None:
        assert "no device has asked yet" in site.run("device", "list").stdout
        assert site.json("device", "list") == {"devices": []}

    def test_seen_and_listed_ones(self, site: Site) -> None:
        site.put(replace(WAITING, reason="[red]odd\x1b[31m"))
        site.run("device", "add", "SN-9", "--manufacturer", "acme", "--note", "order 7")
        seen, listed = site.json("device", "list")["devices"]
        assert (seen["device"], seen["standing"]) == ("SN-1@01010101", "waiting")
        assert (listed["serial_number"], listed["standing"]) == ("SN-9", "listed")
        table = site.run("device", "list").stdout
        for text in ("SN-1@01010101", "SN-9", "never seen", "order 7", "[red]odd?[31m"):
            assert text in table

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([], {"SN-1", "SN-2", "SN-9"}),
            (["--standing", "waiting"], {"SN-1"}),
            (["--state", "enrolled"], {"SN-2"}),
            (["--standing", "listed"], {"SN-9"}),
            (["--manufacturer", "zenith"], {"SN-2"}),
            (["--limit", "1"], {"SN-1", "SN-9"}),
        ],
    )
    def test_filters(self, site: Site, options: list[str], expected: set[str]) -> None:
        site.put(WAITING)
        other = DeviceRef(bytes(20), "SN-2")
        older = THEN.replace(year=2025)
        site.put(replace(MEMBER, ref=other, manufacturer="zenith", updated=older))
        site.run("device", "add", "SN-9", "--manufacturer", "acme")
        shown = site.json("device", "list", *options)["devices"]
        assert {one["serial_number"] for one in shown} == expected


class TestShow:
    def test_everything_about_one(self, site: Site) -> None:
        site.put(WAITING)
        site.run("device", "approve", "SN-1")
        shown = site.json("device", "show", "SN-1")
        assert shown["standing"] == "approved"
        assert [entry["event"] for entry in shown["journal"]] == ["device-approved"]
        assert shown["certificates"] == []
        text = site.run("device", "show", "SN-1").stdout
        assert "device-approved" in text
        assert "no certificates" in text

    def test_unknown_says_what_to_do(self, site: Site) -> None:
        said = site.error("device", "show", "SN-1")
        assert "device list" in said
        assert "device add" in said

    def test_not_unique(self, site: Site) -> None:
        site.put(WAITING)
        site.put(NAMESAKE)
        said = site.error("device", "show", "SN-1")
        assert "SN-1@01010101 (acme)" in said
        assert "SN-1@02020202 (zenith)" in said
        for wanted in (["SN-1@0202"], ["SN-1@02020202"], ["SN-1", "--manufacturer", "zenith"]):
            assert site.json("device", "show", *wanted)["manufacturer"] == "zenith"

    def test_a_serial_number_with_an_at_sign(self, site: Site) -> None:
        site.put(replace(WAITING, ref=DeviceRef(bytes(20), "a@b")))
        for name in ("a@b", "a@b@00"):
            assert site.json("device", "show", name)["serial_number"] == "a@b"


class TestListAhead:
    def test_twice(self, site: Site) -> None:
        add = ("device", "add", "SN-1", "SN-2", "--manufacturer", "acme")
        assert "2 listed, 0 were" in site.run(*add).stdout
        assert "0 listed, 2 were" in site.run(*add).stdout

    def test_of_nobody_we_know(self, site: Site) -> None:
        said = site.error("device", "add", "SN-1", "--manufacturer", "nobody")
        assert "manufacturer add" in said

    @pytest.mark.parametrize("serial_number", ["", "x" * 65, "a\nb"])
    def test_no_serial_number(self, site: Site, serial_number: str) -> None:
        said = site.error("device", "add", "good", serial_number, "--manufacturer", "acme")
        assert "cannot be a serial number" in said
        assert site.json("device", "list") == {"devices": []}  # all or nothing

    def test_import(self, site: Site) -> None:
        file = site.folder / "list.csv"
        file.write_text("\ufeffserial_number,note,manufacturer\nSN-1,first,acme\nSN-2,,\n")
        run = site.run("device", "import", str(file), "--manufacturer", "acme")
        assert "2 listed" in run.stdout
        notes = {
            one["serial_number"]: one["reason"] for one in site.json("device", "list")["devices"]
        }
        assert notes == {"SN-1": "first", "SN-2": ""}

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "column 'serial_number'"),
            ("SN-1\n", "column 'serial_number'"),
            ("serial_number\nSN-1\n", "list.csv:2: no manufacturer"),
            ("serial_number,manufacturer\nSN-1,acme\n,acme\n", "list.csv:3: no serial number"),
        ],
    )
    def test_bad_import(self, site: Site, text: str, says: str) -> None:
        file = site.folder / "list.csv"
        file.write_text(text)
        assert says in site.error("device", "import", str(file))
        assert site.json("device", "list") == {"devices": []}


class TestDecisions:
    def test_approve(self, site: Site) -> None:
        site.put(WAITING)
        assert "approved\n" in site.run("device", "approve", "SN-1").stdout
        record = site.device(WAITING)
        assert record is not None
        assert record.standing is Standing.APPROVED
        assert "approved before" in site.run("device", "approve", "SN-1").stdout

    def test_approve_all_that_wait(self, site: Site) -> None:
        site.put(WAITING)
        site.put(NAMESAKE)
        site.run("device", "approve", "--all-waiting", "--manufacturer", "zenith")
        standings = {
            one["manufacturer"]: one["standing"] for one in site.json("device", "list")["devices"]
        }
        assert standings == {"acme": "waiting", "zenith": "approved"}
        assert "SN-1@01010101" in site.run("device", "approve", "--all-waiting").stdout
        assert "nothing to do" in site.run("device", "approve", "--all-waiting").stdout

    def test_a_reset_member_approved_anew_starts_over(self, site: Site) -> None:
        site.put(replace(MEMBER, standing=Standing.WAITING))
        site.run("device", "approve", "SN-1")
        record = site.device(MEMBER)
        assert record is not None
        assert (record.standing, record.state) == (Standing.APPROVED, DeviceState.NEW)

    def test_approving_does_not_reopen_a_bad_history(self, site: Site) -> None:
        site.put(replace(WAITING, state=DeviceState.AUDIT_REFUSED))
        site.run("device", "approve", "SN-1")
        record = site.device(WAITING)
        assert record is not None
        assert record.state is DeviceState.AUDIT_REFUSED

    def test_refuse(self, site: Site) -> None:
        site.put(WAITING)
        site.run("device", "refuse", "SN-1", "--reason", "stolen")
        record = site.device(WAITING)
        assert record is not None
        assert (record.standing, record.reason) == (Standing.REFUSED, "stolen")
        assert "refused before" in site.run("device", "refuse", "SN-1").stdout
        entry = site.json("journal", "list")["journal"][0]
        assert (entry["event"], entry["detail"]) == ("device-refused", "stolen")

    def test_remove(self, site: Site) -> None:
        site.put(MEMBER)
        site.run("device", "remove", "SN-1")
        record = site.device(MEMBER)
        assert record is not None
        assert (record.standing, record.state) == (Standing.REMOVED, DeviceState.NEW)
        assert "removed before" in site.run("device", "remove", "SN-1").stdout

    def test_remove_from_the_list(self, site: Site) -> None:
        site.put(MEMBER)
        site.run("device", "add", "SN-9", "--manufacturer", "acme")
        said = site.run("device", "remove", "SN-9", "SN-1").stdout
        assert "SN-9: taken off the list" in said
        assert "SN-1@01010101: removed" in said

    def test_one_unknown_device_and_nothing_happens(self, site: Site) -> None:
        site.put(WAITING)
        site.error("device", "approve", "SN-1", "SN-2")
        record = site.device(WAITING)
        assert record is not None
        assert record.standing is Standing.WAITING

    @pytest.mark.parametrize("command", ["approve", "refuse", "remove"])
    def test_no_device_named_is_wrong_usage(self, site: Site, command: str) -> None:
        site.run("device", command, code=2)
