"""Instants as the tables keep them: whole milliseconds since 1970, the same on every dialect."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@overload
def to_ms(instant: datetime) -> int: ...
@overload
def to_ms(instant: None) -> None: ...
def to_ms(instant: datetime | None) -> int | None:
    """Return milliseconds since 1970 of an aware instant; None stays None."""
    return None if instant is None else (instant - _EPOCH) // _MILLISECOND


@overload
def from_ms(milliseconds: int) -> datetime: ...
@overload
def from_ms(milliseconds: None) -> None: ...
def from_ms(milliseconds: int | None) -> datetime | None:
    """Return the aware UTC instant; None stays None."""
    return None if milliseconds is None else _EPOCH + timedelta(milliseconds=milliseconds)
