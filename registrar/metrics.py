"""Counters for supervision, in the Prometheus text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation


class Metrics:
    """What the registrar counts; one registry per instance, nothing global."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "sztb_registrar_answers",
            "Answers to devices by operation and CoAP code.",
            ["operation", "code"],
            registry=self._registry,
        )
        self._alerts = Counter(
            "sztb_registrar_alerts", "Events a human should look at.", registry=self._registry
        )
        self._by_answer: dict[tuple[Operation | None, Code], Counter] = {}

    def answered(self, operation: Operation | None, code: Code) -> None:
        """Count one answer; None stands for paths that are no operation."""
        counter = self._by_answer.get((operation, code))
        if counter is None:
            name = operation.value.short_name if operation else "other"
            counter = self._answers.labels(name, code.dotted)
            self._by_answer[operation, code] = counter
        counter.inc()

    def alerted(self) -> None:
        """Count one alert."""
        self._alerts.inc()

    def watch(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Show a value that somebody else keeps, for example how many associations there are."""
        gauge = Gauge(f"sztb_registrar_{name}", help_text, registry=self._registry)
        gauge.set_function(value)

    def text(self) -> bytes:
        """Return everything for ``/metrics``."""
        return generate_latest(self._registry)
