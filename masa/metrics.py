"""What is counted for the monitoring system (prometheus text format)."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from sztb.voucher.model import Assertion


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "sztb_masa_answers", "Answers by resource and HTTP status", ("resource", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._vouchers = Counter(
            "sztb_masa_vouchers", "Vouchers issued by assertion", ("assertion",),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "sztb_masa_answer_seconds", "Time to an answer", ("resource",),
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
            registry=self._registry,
        )  # fmt: skip

    def answered(self, resource: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._answers.labels(resource, str(status)).inc()
        self._seconds.labels(resource).observe(seconds)

    def issued(self, assertion: Assertion) -> None:
        """Count one voucher."""
        self._vouchers.labels(assertion.name.lower()).inc()

    def exposition(self) -> bytes:
        """Return the page that the monitoring system reads."""
        return generate_latest(self._registry)
