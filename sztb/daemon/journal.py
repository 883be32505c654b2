"""Security events: one typed event per decision, as a log line and, given a sink, as a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import structlog

Outcome = Literal["accepted", "refused", "waiting", "failed", "done", "alert"]
Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One decision.

    Attributes:
        name: what was decided, in kebab case, for example ``voucher-issued``.
        outcome: how it ended.
        device: text of the DeviceRef, empty where no device is concerned.
        rule: digest or document number of the rule, for example ``R-16``.
        fields: more facts; never secrets.
    """

    name: str
    outcome: Outcome
    device: str = ""
    rule: str = ""
    fields: dict[str, Value] = field(default_factory=dict)


class Journal:
    """Writes events to the log and to an optional sink (a store queues them as rows)."""

    def __init__(self, role: str, sink: Callable[[Event], None] | None = None) -> None:
        self._log = structlog.get_logger(role)
        self._sink = sink

    def event(
        self, name: str, outcome: Outcome, *, device: str = "", rule: str = "", **fields: Value
    ) -> Event:
        """Record one decision and return it; alerts and failures are logged as warnings."""
        event = Event(name, outcome, device, rule, fields)
        level = "warning" if outcome in {"alert", "failed"} else "info"
        known = {"device": device, "rule": rule}
        shown = {key: value for key, value in known.items() if value} | fields
        getattr(self._log, level)(name, outcome=outcome, **shown)
        if self._sink is not None:
            self._sink(event)
        return event
