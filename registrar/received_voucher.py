"""What the registrar does with a voucher before it goes to the pledge: strip it, look at it."""

import functools
from collections.abc import Sequence
from datetime import timedelta

from sztb.brski import provisional
from sztb.codepoints.media import Media
from sztb.errors import Malformed, Refusal, Refused
from sztb.voucher.formats import FORMATS, open_voucher
from sztb.voucher.model import Voucher, VoucherRequest
from sztb.voucher.pins import Pin, choose_pin, proximity_leaf

from .records import Instant


def strip(media: Media, voucher: bytes) -> bytes:
    """Return the voucher without unprotected certificates, all other bytes untouched (R-28).

    Raises:
        Refused: MASA_FAILED when it cannot be taken apart; it is not forwarded unstripped.
    """
    try:
        return FORMATS[media].strip(voucher)
    except Malformed as error:
        raise Refused(Refusal.MASA_FAILED, f"voucher: {error}") from error


def objections(
    media: Media, voucher: bytes, pvr: VoucherRequest, presented: Sequence[bytes], now: Instant
) -> list[tuple[str, str]]:
    """Return what an operator should know about this voucher, as (rule, text).

    The pledge decides; the registrar forwards what it cannot read or would not accept (R-29,
    R-64), but it does not keep quiet about it.

    Args:
        media: its format.
        voucher: as received or stripped.
        pvr: the request it answers.
        presented: the chain this registrar showed to the pledge, DER.
        now: UTC.
    """
    try:
        data = open_voucher(media, voucher).data
    except (Malformed, Refused) as error:
        return [("R-64", f"cannot read the voucher: {error}")]
    found = []
    if data.serial_number != pvr.serial_number:
        found.append(("R-29", f"voucher is for {data.serial_number!r}"))
    if data.nonce not in (None, pvr.nonce):
        found.append(("R-29", "voucher has another nonce"))
    found.extend(_pin_objection(data, pvr, presented, now))
    return found


def _pin_objection(
    voucher: Voucher, pvr: VoucherRequest, presented: Sequence[bytes], now: Instant
) -> list[tuple[str, str]]:
    """R-36: what we presented must chain to the pin, else the pledge will leave."""
    try:
        pin = choose_pin(voucher, proximity_leaf(pvr))
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        _resolve(tuple(presented), pin, hour)
    except (Malformed, Refused) as error:
        return [("R-36", f"our certificate does not chain to the pin: {error}")]
    return []


@functools.lru_cache(maxsize=64)
def _resolve(presented: tuple[bytes, ...], pin: Pin, until: Instant) -> None:
    """Check a pin; most vouchers of one MASA carry the same one, so successes are remembered."""
    provisional.resolve(presented, pin, until)
