"""What an HTTP answer of a MASA means for the pledge: a decision (D26; cbrski.md 9.2 step 8)."""

from dataclasses import dataclass

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.errors import Refusal, Refused, Unavailable

RETRY_AFTER = 20  # seconds: below the join proxy's mapping timer (D26, JD2)

_TOLD_ON = {  # D26: these four go to the pledge as they are
    403: Refusal.MASA_FORBIDDEN,
    404: Refusal.MASA_NOT_FOUND,
    406: Refusal.MASA_NOT_ACCEPTABLE,
    415: Refusal.MASA_UNSUPPORTED,
}
_LATER = frozenset({202, 408, 425, 429})  # and every 5xx


@dataclass(frozen=True, slots=True)
class MasaAnswer:
    """An HTTP answer, its body complete and within the limit.

    Attributes:
        status: HTTP status.
        content_type: value of the Content-Type field, empty when there was none.
        body: at most the configured number of bytes.
        location: value of the Location field, None when there was none.
    """

    status: int
    content_type: str
    body: bytes
    location: str | None = None


def check_voucher_answer(answer: MasaAnswer, wanted: Media) -> bytes:
    """Return the voucher as the MASA sent it.

    Raises:
        Refused: MASA_FORBIDDEN, MASA_NOT_FOUND, MASA_NOT_ACCEPTABLE, MASA_UNSUPPORTED as the MASA
            said; MASA_FAILED for a 401, a redirect, a wrong media type and everything else that
            needs an operator. R-43: a 401 is about us and never becomes the pledge's 4.01.
        Unavailable: it may work later.
    """
    if answer.status != 200:
        raise _refusal_of(answer)
    found = media.by_media_type(answer.content_type)
    if found is not wanted:
        raise Refused(Refusal.MASA_FAILED, f"media type {answer.content_type[:80]!r}")
    if not answer.body:
        raise Refused(Refusal.MASA_FAILED, "empty voucher")
    return answer.body


def check_audit_answer(answer: MasaAnswer) -> bytes:
    """Return the audit log, JSON text (R-52).

    Raises:
        Refused: as for `check_voucher_answer`.
        Unavailable: it may work later.
    """
    if answer.status != 200:
        raise _refusal_of(answer)
    if media.by_media_type(answer.content_type) is not media.JSON:
        raise Refused(Refusal.MASA_FAILED, f"media type {answer.content_type[:80]!r}")
    return answer.body


def _refusal_of(answer: MasaAnswer) -> Refused | Unavailable:
    detail = f"status {answer.status}: {_printable(answer.body)}"
    if answer.status in _LATER or 500 <= answer.status < 600:
        return Unavailable(f"MASA: {detail}", RETRY_AFTER)
    return Refused(_TOLD_ON.get(answer.status, Refusal.MASA_FAILED), detail)


def _printable(body: bytes) -> str:
    """The first words of an error body, safe for a log."""
    text = body[:120].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
