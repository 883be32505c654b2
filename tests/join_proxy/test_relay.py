"""A real sztb-join-proxy on a real link: discovery, relaying, ICMP errors, stop."""

import errno
import json
from pathlib import Path

import pytest

from tests.fakes import namespace

WHY_NOT = namespace.why_not()


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    folder = tmp_path_factory.mktemp("proxy")
    done = namespace.run(Path(__file__).with_name("relay_scenario.py"), str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.rule("J-18", "D-09", "D-02")
def test_it_answers_the_pledges_query_from_its_link_local_address(seen):
    address, ports = seen["offer"]
    assert address == seen["join_address"]
    assert len(ports) == 1


@pytest.mark.rule("D-10")
def test_it_is_silent_when_the_filter_does_not_match(seen):
    assert seen["wrong_filter"] is None


@pytest.mark.rule("J-04", "J-09")
def test_it_relays_unchanged_with_one_upstream_port_per_pledge(seen):
    assert seen["unchanged"]
    assert seen["upstream_ports_differ"]
    assert seen["same_port_again"]
    assert seen["from_where_it_was_sent"]


@pytest.mark.rule("J-06", "J-07")
def test_a_third_circuit_is_refused_by_icmp(seen):
    assert seen["third_circuit_errno"] == errno.EACCES  # type 1 code 1


@pytest.mark.rule("J-07")
def test_a_dead_registrar_is_told_to_the_pledge(seen):
    assert seen["dead_registrar_errno"] == errno.ECONNREFUSED  # type 1 code 4


def test_check_and_graceful_stop(seen):
    assert (seen["check"], seen["exit"]) == (0, 0)
    assert "stopped" in seen["log"]
