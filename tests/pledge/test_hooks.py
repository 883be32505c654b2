"""Commands run on events: what they get, and that they cannot hang the device."""

import sys

import pytest

from pledge.hooks import Hooks
from pledge.settings import HookSettings
from pledge.state import DirectoryStore, State
from sztb.daemon.journal import Journal
from tests.pledge.test_state import credential

WRITE = "import os, sys; open(sys.argv[1], 'w').write(repr(sorted(os.environ.items())))"


@pytest.fixture
def store(tmp_path):
    opened = DirectoryStore.open(tmp_path / "state")
    yield opened
    opened.close()


async def run(store, event="onboarded", reason="", **settings):
    events = []
    hooks = Hooks(HookSettings(**settings), store, "SN-1", Journal("pledge", events.append))
    await hooks.run(event, reason)
    return events


async def test_no_command_nothing_happens(store):
    assert await run(store) == []


async def test_the_command_gets_the_paths(store, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    store.commit(credential(), State())
    told = tmp_path / "told"
    [event] = await run(store, onboarded=[sys.executable, "-c", WRITE, str(told)])
    environment = dict(eval(told.read_text()))
    folder = store.credential_folder
    assert environment["SZTB_EVENT"] == "onboarded"
    assert environment["SZTB_SERIAL_NUMBER"] == "SN-1"
    assert environment["SZTB_STATE_DIR"] == str(store.folder)
    assert environment["SZTB_LDEVID_CERT"] == str(folder / "ldevid.pem")
    assert environment["SZTB_LDEVID_KEY"] == str(folder / "key.pem")
    assert environment["SZTB_ANCHORS"] == str(folder / "anchors.pem")
    assert "SECRET" not in environment
    assert event.outcome == "done"


async def test_without_a_credential_there_are_no_paths(store, tmp_path):
    told = tmp_path / "told"
    await run(store, "failed", "no luck", failed=[sys.executable, "-c", WRITE, str(told)])
    environment = dict(eval(told.read_text()))
    assert environment["SZTB_REASON"] == "no luck"
    assert "SZTB_LDEVID_KEY" not in environment


@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param([sys.executable, "-c", "raise SystemExit(7)"], "7", id="exit code"),
        pytest.param(["/nonexistent/command"], "No such file or directory", id="missing"),
        pytest.param(
            [sys.executable, "-c", "import time; time.sleep(60)"], "killed at the time limit",
            id="hangs",
        ),
        pytest.param(["true; false"], "No such file or directory", id="no shell"),
    ],
)  # fmt: skip
async def test_failures_are_recorded_and_change_nothing(store, command, told):
    [event] = await run(store, "renewed", renewed=command, time_limit=0.5)
    assert event.outcome == "failed"
    assert event.fields == {"trigger": "renewed", "exit_code": told}


async def test_a_hook_that_is_due_is_run_once(store, tmp_path):
    told = tmp_path / "told"
    store.commit(credential(), State(hook_due="renewed"))
    settings = HookSettings(renewed=[sys.executable, "-c", WRITE, str(told)])
    hooks = Hooks(settings, store, "SN-1", Journal("pledge"))
    await hooks.run_due()
    assert told.exists()
    assert store.state.hook_due == ""
    told.unlink()
    await hooks.run_due()
    assert not told.exists()
