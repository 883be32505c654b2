"""Configuration and command line of the join proxy."""

import socket
import subprocess
import sys

import pytest

from join_proxy.daemon import resolve_registrar
from join_proxy.limits import LLN, Rate, RateLimits
from join_proxy.settings import Settings
from sztb.daemon.settings import SettingsError, load
from sztb.errors import Unavailable

GOOD = 'interfaces = ["eth0"]\nregistrar = "[2001:db8::1]:5684"\n'


def settings(tmp_path, text):
    path = tmp_path / "join-proxy.toml"
    path.write_text(text)
    return load(path, Settings)


def test_defaults_are_the_drafts(tmp_path):
    limits = settings(tmp_path, GOOD).limits.machine(1280)
    assert (limits.per_pledge, limits.per_interface, limits.idle) == (2, 10, 30.0)
    assert (limits.unanswered, limits.max_datagram) == (3.0, 1232)
    assert limits.rates.source == Rate(10, 30)
    assert limits.rates.interface == Rate(30, 60)


def test_other_rates(tmp_path):
    assert settings(tmp_path, GOOD + '[limits]\nlink = "lln"\n').limits.machine(1280).rates == LLN
    fast = settings(tmp_path, GOOD + "[limits]\ndatagrams_per_second = 50\n").limits.machine(1280)
    assert fast.rates == RateLimits(Rate(50, 100), Rate(50, 100), Rate(50, 100))
    answers = settings(tmp_path, GOOD + "[limits]\nanswers_per_source = 5\n").limits.answers(2.0)
    assert (answers.leisure, answers.per_source, answers.per_interface) == (2.0, 5, 20)


@pytest.mark.rule("J-03")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param('interfaces = ["eth0"]\n', "registrar", id="no registrar"),
        pytest.param('interfaces = ["eth0"]\nregistrar = ""\n', "registrar", id="empty registrar"),
        pytest.param('registrar = "[::1]:5684"\n', "interfaces", id="no interface"),
        pytest.param(GOOD + "join_prot = 1\n", "did you mean 'join_port'", id="typo"),
        pytest.param(GOOD + "mtu = 100\n", "mtu", id="MTU below the minimum"),
    ],
)
def test_it_does_not_serve_without_a_whole_configuration(tmp_path, text, words):
    with pytest.raises(SettingsError, match=words):
        settings(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[2001:db8::1]:9999", ("2001:db8::1", 9999)),
        ("[2001:db8::1]", ("2001:db8::1", 5684)),
        ("2001:db8::1", ("2001:db8::1", 5684)),
        ("192.0.2.1:77", ("192.0.2.1", 77)),
        ("192.0.2.1", ("192.0.2.1", 5684)),
    ],
)
def test_registrar_addresses(text, address):
    family, found = resolve_registrar(text)
    assert found[:2] == address
    assert family == (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)


@pytest.mark.parametrize(
    "text", ["[::1]:port", "no such name.invalid", "[::1]:99999999", "a" * 300]
)
def test_addresses_that_are_none(text):
    with pytest.raises(Unavailable, match="registrar address"):
        resolve_registrar(text)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "join_proxy", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_init_writes_what_check_accepts_and_never_overwrites(tmp_path):
    config = str(tmp_path / "new" / "jp.toml")
    init = ("init", "--config", config, "--interface", "lo", "--registrar", "[2001:db8::1]:5684")
    made = command(*init)
    assert (made.returncode, "next: sztb-join-proxy run" in made.stdout) == (0, True)
    checked = command("check", "--config", config)
    assert checked.returncode == 0
    assert "registrar: 2001:db8::1 port 5684" in checked.stdout
    again = command(*init)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)


def test_errors_are_one_line_that_helps(tmp_path):
    done = command("run", "--config", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "'init'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert command("run", "--no-such-option").returncode == 2
