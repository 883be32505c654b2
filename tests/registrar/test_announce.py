"""Discovery on the registrar's own links (R-39), on a real link."""

import json
from pathlib import Path
from typing import Any

import pytest

from registrar.announce import Announcer
from tests.fakes import namespace

WHY_NOT = namespace.why_not()


@pytest.fixture(scope="module")
def seen() -> Any:
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    done = namespace.run(Path(__file__).with_name("announce_scenario.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.rule("R-39")
def test_a_pledge_on_the_link_finds_the_registrar(seen: Any) -> None:
    assert seen["ports"] == [5684]
    assert seen["source"].startswith("fe80::")


@pytest.mark.rule("R-39")
def test_only_configured_links_that_are_there_are_served(seen: Any) -> None:
    assert seen["serving"] == seen["still"] == ["sztb0"]


def test_a_link_that_went_is_no_longer_served(seen: Any) -> None:
    assert seen["after_it_went"] == []
    assert seen["silent"] == []


def test_nothing_is_joined_before_it_is_open() -> None:
    announcer = Announcer(["lo"], 5684)
    announcer.look_at_interfaces()
    assert announcer.serving == ()
