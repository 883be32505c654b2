"""Dates (D14)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sztb.encoding.rfc3339 import decode_instant, encode_instant
from sztb.errors import Malformed

READ = {
    "2024-06-01T12:00:05Z": datetime(2024, 6, 1, 12, 0, 5, tzinfo=UTC),
    "2024-06-01t12:00:05z": datetime(2024, 6, 1, 12, 0, 5, tzinfo=UTC),
    "2021-04-13T17:43:23.747-04:00": datetime(2021, 4, 13, 21, 43, 23, 747000, tzinfo=UTC),
    "2024-06-01T12:00:05+05:30": datetime(2024, 6, 1, 6, 30, 5, tzinfo=UTC),
    "2024-06-01T12:00:05.1234567890Z": datetime(2024, 6, 1, 12, 0, 5, 123456, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
}


@pytest.mark.parametrize(("text", "instant"), READ.items())
def test_reads(text: str, instant: datetime) -> None:
    assert decode_instant(text) == instant
    assert decode_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-06-01",
        "2024-06-01T12:00:05",
        "2024-06-01 12:00:05Z",
        "20240601T120005Z",
        "2024-W22-6T12:00:05Z",
        "2024-06-01T12:00Z",
        "2024-06-01T12:00:05.Z",
        "2024-06-01T12:00:05,5Z",
        "2024-06-01T12:00:05+0530",
        "2024-13-01T12:00:05Z",
        "2024-02-30T12:00:05Z",
        "2024-06-01T24:00:05Z",
        "2024-06-01T12:00:05+25:00",
        "9999-12-31T23:59:59-12:00",
        "0000-01-01T00:00:00Z",
        "\u0662\u0660\u0662\u0664-06-01T12:00:05Z",
        "2024-06-01T12:00:05Z\n",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(Malformed):
        decode_instant(text)


def test_writes_whole_seconds_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert encode_instant(datetime(2024, 6, 1, 14, 0, 5, 999999, east)) == "2024-06-01T12:00:05Z"
    assert encode_instant(datetime(999, 1, 2, tzinfo=UTC)) == "0999-01-02T00:00:00Z"
