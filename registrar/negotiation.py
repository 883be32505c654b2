"""Content-Format and Accept of an operation: a decision (cbrski D6, D8; R-06, R-07, E-40)."""

from dataclasses import dataclass

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused


@dataclass(frozen=True, slots=True)
class Formats:
    """What was agreed on.

    Attributes:
        taken: format of the request's body; None where there is none.
        given: format of the answer's body; None where it is empty.
    """

    taken: Media | None
    given: Media | None


def negotiate(operation: Operation, content_format: int | None, accept: int | None) -> Formats:
    """Choose the formats of one request.

    Args:
        operation: its row says what is possible.
        content_format: of the request, None when absent.
        accept: wanted for the answer, None when absent.

    Raises:
        Refused: CONTENT_FORMAT (4.15) or ACCEPT (4.06), see D6.
    """
    row = operation.value
    taken = media.by_content_format(content_format) if row.takes else None
    if row.takes and taken not in row.takes:
        raise Refused(Refusal.CONTENT_FORMAT, f"Content-Format {content_format}")
    if not row.gives:
        return Formats(taken, None)
    if accept is None:  # D8: at /rv the format of the request, else the first in the row
        return Formats(taken, taken if taken in row.gives else row.gives[0])
    given = media.by_content_format(accept)
    if given not in row.gives or _mixes_vouchers(operation, taken, given):
        raise Refused(Refusal.ACCEPT, f"Accept {accept}")
    return Formats(taken, given)


def _mixes_vouchers(operation: Operation, taken: Media | None, given: Media | None) -> bool:
    """R-24: a voucher comes in the format of its request."""
    return operation is Operation.REQUEST_VOUCHER and taken is not given
