"""Dates as the standards write them: RFC 3339 text (RFC 6991 date-and-time, D14)."""

import re
from datetime import UTC, datetime

from sztb.errors import Malformed

Instant = datetime  # always with a zone, UTC by convention

_DATE_AND_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,12})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def decode_instant(text: str) -> Instant:
    """Read an RFC 3339 date and time with any offset and an optional fraction, as UTC.

    Raises:
        Malformed: another form, or no such date.
    """
    if not _DATE_AND_TIME.fullmatch(text):
        raise Malformed("not an RFC 3339 date and time")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("no such date") from None


def encode_instant(instant: Instant) -> str:
    """Write whole seconds in UTC, for example ``2024-06-01T12:00:00Z`` (D14)."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
