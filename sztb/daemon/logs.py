"""Logging set-up: structlog over the standard library; text for people, JSON for machines.

A daemon writes a line per decision: lines that are not for a terminal are put together here, at a
fraction of what structlog's own renderers cost.
"""

import contextlib
import io
import logging
import sys
from typing import Literal

import msgspec
import structlog
from structlog.processors import format_exc_info
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from sztb.daemon.clock import utc_now

Format = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]


class LossyLogger(structlog.WriteLogger):
    """Writes lines; what cannot be written (disk full, reader gone) is lost, and nothing else."""

    @override
    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            super().msg(message)

    debug = info = warning = error = critical = msg


def configure(*, level: Level = "info", form: Format = "console") -> None:
    """Send all logs to standard error in the wanted form; libraries only from warning up."""
    _unbuffer()
    structlog.configure(
        processors=_processors(form, terminal=sys.stderr.isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=lambda *_names: LossyLogger(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", force=True
    )


def _unbuffer() -> None:
    """Write each line at once: what a full disk left in a buffer would fail again at the exit."""
    real = sys.__stderr__
    if real is not None and sys.stderr is real:
        raw = io.FileIO(real.fileno(), "wb", closefd=False)
        sys.stderr = io.TextIOWrapper(raw, errors="backslashreplace", write_through=True)


def _processors(form: Format, *, terminal: bool) -> list[Processor]:
    if form == "json":
        return [exception_text, json_line]
    if not terminal:
        return [exception_text, text_line]
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        format_exc_info,
        structlog.dev.ConsoleRenderer(),
    ]


def exception_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Put the traceback of an exception, where there is one, into the event."""
    return format_exc_info(logger, method, event) if "exc_info" in event else event


def json_line(_logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Render an event as one JSON object; values that JSON does not have become text."""
    line = {"timestamp": _timestamp(), "level": method, **event}
    return msgspec.json.encode(line, enc_hook=str).decode()


def text_line(_logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Render an event as time, level, what happened, and the facts as ``name=value``.

    Nothing that a peer said can break the line or look like another fact.
    """
    exception = event.pop("exception", None)
    name = event.pop("event", "")
    facts = "".join([f" {key}={_value(value)}" for key, value in event.items()])
    line = f"{_timestamp()} {method:7} {_printable(str(name))}{facts}"
    return line if exception is None else f"{line}\n{exception}"


def _timestamp() -> str:
    return utc_now().isoformat(timespec="milliseconds")


def _value(value: object) -> str:
    if not isinstance(value, str):
        return _value(repr(value))
    plain = value.isprintable() and value and not _SEPARATORS.intersection(value)
    return value if plain else repr(value)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)


_SEPARATORS = frozenset(" ='\"")
