"""Log lines: one per event, whatever is in it."""

import errno
import io
import json
import logging
import re
import sys

import pytest
import structlog

from sztb.daemon import logs

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"


@pytest.fixture
def log(capsys):
    """Return a function that logs with a new logger and returns what was written."""
    before, handlers = structlog.get_config(), list(logging.root.handlers)

    def write(form, method="info", name="happened", level="info", **facts):
        logs.configure(form=form, level=level)
        getattr(structlog.get_logger("test"), method)(name, **facts)
        return capsys.readouterr().err

    yield write
    structlog.configure(**before)
    logging.root.handlers[:] = handlers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("SN-1@0a0b0c0d", "SN-1@0a0b0c0d"),
        ("two words", "'two words'"),
        ("", "''"),
        (7, "7"),
        (None, "None"),
        (b"\x00", r'''"b'\\x00'"'''),
        ("a\nb", r"'a\nb'"),
        ("x outcome=done", "'x outcome=done'"),
        ("\x1b[31mred", r"'\x1b[31mred'"),
        ("it's", '"it\'s"'),
        ("\u202eleft", r"'\u202eleft'"),
    ],
)
def test_a_value_stays_one_fact_of_one_line(log, value, shown):
    line = log("console", serial=value)
    assert re.fullmatch(rf"{TIME} info    happened serial={re.escape(shown)}\n", line)


def test_a_name_from_elsewhere_stays_in_its_line(log):
    assert log("console", name="a\nb").endswith("'a\\nb'\n")


def test_an_exception_follows_its_line(log):
    with pytest.raises(ValueError, match="why") as caught:
        int("why")
    text = log("console", method="error", exc_info=caught.value)
    first, second, *_, last = text.splitlines()
    assert first.endswith("error   happened")
    assert second.startswith("Traceback")
    assert last == f"ValueError: {caught.value}"


def test_json_has_every_fact_and_what_it_lacks_becomes_text(log):
    line = json.loads(log("json", method="warning", count=2, path=ValueError("x"), text="a\nb"))
    assert re.fullmatch(TIME, line.pop("timestamp"))
    assert line == {
        "level": "warning", "event": "happened", "count": 2, "path": "x", "text": "a\nb",
    }  # fmt: skip


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_is_below_the_level_is_not_written(log, form):
    assert log(form, level="warning") == ""


def test_a_terminal_gets_colours(log, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "\x1b[" in log("console", serial="x")


class FullDisk(io.StringIO):
    """A file that takes nothing more."""

    def flush(self):
        if not self.closed:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nobody(log, monkeypatch):
    monkeypatch.setattr(sys, "stderr", FullDisk())
    log("console")
    log("json", "error")
