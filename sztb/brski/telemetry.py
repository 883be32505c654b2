"""Voucher status and enrolment status telemetry in CBOR and JSON (cbrski.md 5.6, X-15).

Keys are lower-case text (D18). Unknown keys and later versions do not fail: they are handed up for
the log. The reason goes to a peer that may be unproven, so it must not help one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.encoding import cbor, strict_json
from sztb.errors import Malformed, Refusal, Refused

VERSION: Final = 1
MAX_BYTES: Final = 4096

_KEYS = frozenset({"version", "status", "reason", "reason-context"})


@dataclass(frozen=True, slots=True)
class Status:
    """What the two kinds of telemetry have in common.

    Attributes:
        status: True for success.
        reason: for people; should be there when `status` is False.
        reason_context: anything, keys may be integers in CBOR.
        version: 1; a later one only adds.
        unknown: keys nobody here knows, for the log.
    """

    status: bool
    reason: str | None = None
    reason_context: Mapping[object, object] | None = None
    version: int = VERSION
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VoucherStatus(Status):
    """What became of the voucher (RFC 8995 5.7)."""


@dataclass(frozen=True, slots=True)
class EnrollStatus(Status):
    """What became of the enrolment (RFC 8995 5.9.4)."""


_S = TypeVar("_S", bound=Status)


def decode(media_type: Media, raw: bytes, kind: type[_S]) -> _S:
    """Decode one status document.

    Args:
        media_type: CBOR or JSON.
        raw: at most 4096 bytes.
        kind: `VoucherStatus` or `EnrollStatus`; the bytes do not tell.

    Raises:
        Malformed: not a map with a version and a status of the right types.
        Refused: CONTENT_FORMAT for any other media type.
    """
    if media_type == media.CBOR:
        document = cbor.decode(raw, max_bytes=MAX_BYTES)
    elif media_type == media.JSON:
        document = strict_json.decode(raw, max_bytes=MAX_BYTES)
    else:
        raise Refused(Refusal.CONTENT_FORMAT, media_type.media_type)
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise Malformed("telemetry: a map with text keys expected")
    return _status(document, kind)


def encode_cbor(status: Status) -> bytes:
    """Encode for Content-Format 60."""
    return cbor.encode(_document(status))


def encode_json(status: Status) -> bytes:
    """Encode as JSON; `reason_context` must be JSON data with text keys."""
    return strict_json.encode(_document(status))


def _status(document: dict[str, object], kind: type[_S]) -> _S:
    version, status = document.get("version"), document.get("status")
    reason, context = document.get("reason"), document.get("reason-context")
    if type(version) is not int or version < VERSION or not isinstance(status, bool):
        raise Malformed("telemetry: version or status missing or of a wrong type")
    if not isinstance(reason, str | None) or not isinstance(context, dict | None):
        raise Malformed("telemetry: reason or reason-context of a wrong type")
    unknown = tuple(key for key in document if key not in _KEYS)
    return kind(status, reason, context, version, unknown)


def _document(status: Status) -> dict[str, object]:
    document: dict[str, object] = {"version": status.version, "status": status.status}
    if status.reason is not None:
        document["reason"] = status.reason
    if status.reason_context is not None:
        document["reason-context"] = dict(status.reason_context)
    return document
