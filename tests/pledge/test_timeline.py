"""Steps, seconds, bytes."""

from dataclasses import dataclass

import pytest

from pledge.timeline import Timeline


@dataclass
class Counter:
    bytes_sent: int = 0
    bytes_received: int = 0


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_step_records_time_and_bytes():
    clock, counter = Clock(), Counter(5, 7)
    timeline = Timeline(clock, clock.now)
    with timeline.step("rv", counter):
        clock.now += 2.5
        counter.bytes_sent += 10
        counter.bytes_received += 20
    [step] = timeline.steps
    assert step == {"name": "rv", "seconds": 2.5, "bytes_sent": 10, "bytes_received": 20}


def test_a_failed_step_is_recorded_too():
    timeline = Timeline(Clock(), 0.0)
    with pytest.raises(ZeroDivisionError), timeline.step("handshake"):
        raise ZeroDivisionError
    assert timeline.steps[0]["name"] == "handshake"


def test_a_repeated_step_is_added_up():
    timeline = Timeline(Clock(), 0.0)
    timeline.add("es", 1.0, 1, 2)
    timeline.add("es", 0.5, 10, 20)
    assert timeline.steps == [
        {"name": "es", "seconds": 1.5, "bytes_sent": 11, "bytes_received": 22}
    ]


def test_the_record_of_an_attempt():
    clock = Clock()
    timeline = Timeline(clock, clock.now)
    clock.now += 3
    record = timeline.record("SN-1", "refused", endpoint="[::1]:1", reason="nonce")
    assert record == {
        "serial_number": "SN-1",
        "outcome": "refused",
        "endpoint": "[::1]:1",
        "reason": "nonce",
        "ldevid_sha256": None,
        "seconds": 3.0,
        "steps": [],
    }
