"""What a device remembers, and that no crash makes it forget or mix things up."""

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest

from pledge.anchors import ExplicitTrustAnchors
from pledge.identity import Credential
from pledge.state import (
    CREDENTIALS,
    CURRENT,
    STATE_FILE,
    DirectoryStore,
    MemoryStore,
    Registrar,
    State,
    StateLocked,
)
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed
from tests.fakes.pki import make_pki

PKI = make_pki("deep", intermediate=True)
ROOT = Path(__file__).parents[2]
FULL = State(
    registrar=Registrar("fe80::1", 5684, 3),
    onboarded_at=datetime(2026, 6, 1, tzinfo=UTC),
    report_due=True,
    cacerts_etag="0102",
)


@cache
def credential(number=1):
    own = PKI.ldevid(PKI.device(), number)
    anchors = ExplicitTrustAnchors((PKI.domain_root.certificate,), (PKI.domain_ca.certificate,))
    return Credential(own.key, (own.certificate, PKI.domain_ca.certificate), anchors)


def same(one, other):
    return (one.key.to_pem(), one.chain, one.anchors) == (
        other.key.to_pem(), other.chain, other.anchors,
    )  # fmt: skip


@pytest.fixture(params=["directory", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
        return
    opened = DirectoryStore.open(tmp_path / "state")
    yield opened
    opened.close()


def test_a_new_device_is_in_factory_state(store):
    assert store.state == State()
    assert store.credential() is None


def test_a_commit_switches_state_and_credential(store):
    state = store.commit(credential(), FULL)
    assert state == store.state == msgspec.structs.replace(FULL, credential=state.credential)
    assert same(store.credential(), credential())


def test_an_update_keeps_the_credential(store):
    store.commit(credential(), FULL)
    store.update(msgspec.structs.replace(store.state, report_due=False))
    assert not store.state.report_due
    assert same(store.credential(), credential())


def test_a_second_commit_replaces_the_first(store):
    store.commit(credential(1), FULL)
    store.commit(credential(2), FULL)
    assert same(store.credential(), credential(2))


def test_a_reset_leaves_nothing(store):
    store.commit(credential(), FULL)
    store.reset()
    assert store.state == State()
    assert store.credential() is None


def test_new_anchors_for_the_same_certificate(store):
    old = credential()
    store.commit(old, FULL)
    new = Credential(old.key, old.chain, ExplicitTrustAnchors((PKI.domain_root.certificate,)))
    store.commit(new, FULL)
    assert same(store.credential(), new)


def opened(folder):
    store = DirectoryStore.open(folder)
    store.close()
    return store


def test_what_was_committed_is_there_after_a_restart(tmp_path):
    store = DirectoryStore.open(tmp_path)
    state = store.commit(credential(), FULL)
    store.close()
    again = opened(tmp_path)
    assert again.state == state
    assert same(again.credential(), credential())
    assert DirectoryStore.look(tmp_path).state == state
    assert state.registrar.endpoint == Endpoint("fe80::1", 5684, 3)


def test_other_programs_find_the_credential_at_one_place(tmp_path):
    store = DirectoryStore.open(tmp_path)
    for number in (1, 2):
        store.commit(credential(number), FULL)
        assert (tmp_path / CURRENT / "key.pem").read_bytes() == credential(number).key.to_pem()
    assert len(list((tmp_path / CREDENTIALS).iterdir())) == 1
    store.reset()
    assert not (tmp_path / CURRENT).is_symlink()
    assert list((tmp_path / CREDENTIALS).iterdir()) == []
    store.close()


def test_only_the_owner_may_read(tmp_path):
    store = DirectoryStore.open(tmp_path / "state")
    store.commit(credential(), FULL)
    store.close()
    for path in [tmp_path / "state", *(tmp_path / "state").rglob("*")]:
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_one_process_at_a_time(tmp_path):
    store = DirectoryStore.open(tmp_path)
    with pytest.raises(StateLocked):
        DirectoryStore.open(tmp_path)
    store.close()
    store.close()
    opened(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"version":2}', id="later version"),
        pytest.param(b'{"unknown":1}', id="unknown key"),
        pytest.param(b'{"credential":"../../etc"}', id="a path for a name"),
        pytest.param(b'{"x":"' + bytes(70000) + b'"}', id="too large"),
    ],
)
def test_a_damaged_state_file_is_an_error_not_a_fresh_start(tmp_path, content):
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(Malformed):
        DirectoryStore.open(tmp_path)
    (tmp_path / STATE_FILE).unlink()
    opened(tmp_path)  # the lock was given back


def test_a_damaged_credential_is_an_error(tmp_path):
    store = DirectoryStore.open(tmp_path)
    store.commit(credential(), FULL)
    (store.credential_folder / "key.pem").write_bytes(b"nonsense")
    with pytest.raises(Malformed):
        store.credential()
    store.close()


def test_what_an_interrupted_write_left_is_removed(tmp_path):
    opened(tmp_path)
    (tmp_path / f".{STATE_FILE}.77.new").write_bytes(b"half")
    (tmp_path / CREDENTIALS / "0123").mkdir()
    opened(tmp_path)
    assert list(tmp_path.rglob("*.new")) == []
    assert list((tmp_path / CREDENTIALS).iterdir()) == []


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory):
    """The states found after a kill before each file operation of each action."""
    script = Path(__file__).with_name("state_scenario.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path_factory.mktemp("kills")],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("action", "before", "after", "points"),
    [
        ("first commit", "factory", "new new", 12),
        ("commit", "old", "new new", 15),
        ("reset", "old", "factory", 5),
        ("update", "old", "old new", 3),
    ],
)
def test_a_kill_at_any_point_leaves_the_old_or_the_new_state(
    after_kills, action, before, after, points
):
    seen = after_kills[action]
    switch = seen.index(after)
    assert seen[:switch] == [before] * switch
    assert seen[switch:] == [after] * (len(seen) - switch)
    assert len(seen) >= points
    assert switch > 0
