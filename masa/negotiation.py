"""Content-Type and Accept of a request: a decision (M-02, M-38, D6, D30)."""

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.errors import Refusal, Refused
from sztb.voucher.formats import FORMATS

from .voucher import READ_BY_PLEDGES

MAX_HEADER = 1024  # characters
ANY = frozenset({"*/*", "application/*"})


def request_format(content_type: str | None) -> Media:
    """Return the format of the body.

    Raises:
        Refused: CONTENT_FORMAT (415).
    """
    row = media.by_media_type(content_type or "")
    if row is None or row not in FORMATS or row not in READ_BY_PLEDGES:
        raise Refused(Refusal.CONTENT_FORMAT, f"Content-Type {content_type!r:.80}")
    return row


def answer_format(request: Media, accept: str | None) -> Media:
    """Choose the format of the voucher: that of the request, if it is accepted (R-24).

    The pledge wrote its request in the one format it reads, so another one would not help it.

    Raises:
        Refused: ACCEPT (406).
    """
    if accept is None or not accept.strip():
        return request
    accepted = [_range(part) for part in accept[:MAX_HEADER].split(",")]
    if any(name in ANY or media.by_media_type(name) == request for name in accepted if name):
        return request
    raise Refused(Refusal.ACCEPT, f"Accept {accept!r:.80}")


def _range(part: str) -> str:
    """Return the media range of one element, empty when its weight is zero (RFC 9110 12.5.1)."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [value for key, _, value in (one.partition("=") for one in parameters) if key == "q"]
    return "" if weights and not weights[0].strip("0.") else name
