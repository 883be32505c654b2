"""Are the leaves there that an artifact must have? Read from the leaf table (cbrski.md 6.3)."""

from collections.abc import Iterator
from enum import Enum
from operator import attrgetter
from typing import Final

from sztb.errors import Refusal, Refused
from sztb.voucher.leaves import LEAVES, Leaf, Presence
from sztb.voucher.model import VoucherData


class Artifact(Enum):
    """Which presence column counts."""

    PVR = "pvr"
    RVR = "rvr"
    VOUCHER = "issued"


# What its absence is called; all others are plain MALFORMED.
_MISSING: Final = {
    "assertion": Refusal.NOT_PROXIMATE,  # 8995 5.2, D12
    "idevid-issuer": Refusal.IDEVID_ISSUER,
    "nonce": Refusal.NONCE,
    "proximity-registrar-cert": Refusal.NOT_PROXIMATE,
    "pinned-domain-cert": Refusal.NO_PIN,
}


def check_presence(data: VoucherData, artifact: Artifact) -> None:
    """Refuse data without a leaf that the artifact must have.

    Raises:
        Refused: NONCE, NOT_PROXIMATE, IDEVID_ISSUER, NO_PIN or MALFORMED; and
            NONCE_AND_EXPIRY for a voucher with both (P-56, M-37).
    """
    for leaf in missing(data, artifact):
        raise Refused(_MISSING.get(leaf.name, Refusal.MALFORMED), f"{leaf.name} is missing")
    if artifact is Artifact.VOUCHER and None not in {data.nonce, data.expires_on}:
        raise Refused(Refusal.NONCE_AND_EXPIRY)


def missing(data: VoucherData, artifact: Artifact) -> Iterator[Leaf]:
    """Yield the leaves that must be there and are not; of a choice, its first one."""
    presence = attrgetter(artifact.value)
    choice = [leaf for leaf in LEAVES if presence(leaf) is Presence.ONE]
    if choice and not any(_has(data, leaf) for leaf in choice):
        yield choice[0]
    for leaf in LEAVES:
        if presence(leaf) is Presence.M and not _has(data, leaf):
            yield leaf


def _has(data: VoucherData, leaf: Leaf) -> bool:
    return getattr(data, leaf.attribute) is not None
