"""Link-local multicast on a real link: every answer, its source, its interface."""

import errno
import json
from pathlib import Path

import pytest

from sztb.transport.multicast import Arrival, link_local_interfaces
from tests.fakes import namespace

WHY_NOT = namespace.why_not()


@pytest.fixture(scope="module")
def seen():
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    done = namespace.run(Path(__file__).with_name("multicast_scenario.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.rule("D-01")
def test_every_link_with_a_link_local_address_is_found(seen):
    assert seen["interfaces"] == sorted(seen["expected"])


@pytest.mark.rule("D-03", "D-16")
def test_all_answers_are_handed_up(seen):
    assert sorted(seen["payloads"]) == ["<>;brski-jp=1111", "<>;brski-jp=2222"]


@pytest.mark.rule("D-02", "P-02")
def test_answers_come_from_the_link_local_address_with_its_scope(seen):
    [source] = seen["sources"]
    assert source.startswith("fe80::")
    assert seen["scopes"] == [seen["expected"][0]]
    assert seen["ports"] == [5683]


def test_the_answerer_knows_interface_and_group(seen):
    assert seen["heard"] == [True, "ff02::fd", True]


def test_only_joined_interfaces_are_heard(seen):
    assert seen["heard_on"] == [True, True]
    assert seen["answers_on"] == sorted(seen["expected"])


def test_unicast_is_answered_from_the_address_asked(seen):
    assert seen["unicast"] == ["::1", 5683, False]


def test_no_answer_after_close(seen):
    assert seen["after_close"] == ["<>;brski-jp=6666"]


@pytest.mark.rule("D-31")
def test_oversized_datagrams_are_not_handed_up(seen):
    assert seen["oversized"] == [33]


def test_an_interface_that_is_not_there(seen):
    assert "9999" in seen["no_interface"]
    assert seen["asked"]
    assert seen["no_membership"] == errno.ENODEV


def test_a_host_without_ipv6_has_no_interfaces(tmp_path):
    assert link_local_interfaces(tmp_path / "none") == ()


def test_link_local_addresses_are_read_by_their_scope(tmp_path):
    table = tmp_path / "if_inet6"
    table.write_text(
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fe800000000000000000000000000001 0a 40 20 80    wlan0\n"
        "fe800000000000000000000000000002 03 40 20 80     eth0\n"
        "fd000000000000000000000000000002 03 40 00 82     eth0\n"
    )
    assert link_local_interfaces(table) == (3, 10)


def test_an_asking_socket_tells_no_destination():
    arrival = Arrival(b"", ("fe80::1%eth0", 1, 0, 3), 3)
    assert arrival.host == "fe80::1"
    assert not arrival.is_multicast
