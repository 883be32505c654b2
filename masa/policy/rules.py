"""What an operator may change about the procedures; plain values, made from the settings."""

from dataclasses import dataclass, field
from datetime import timedelta

from .ownership import FirstCome, Ownership


@dataclass(frozen=True, slots=True)
class Rules:
    """Policy of this MASA.

    Attributes:
        ownership: who may have a voucher.
        nonceless: registrars of known customers get nonceless vouchers (9.3 step 9).
        nonceless_lifetime: how long these are good (M-18, M-35).
        proximity_required: a nonced RVR must prove that the pledge spoke to this registrar.
        unregistered: a device unknown to the table, with a valid IDevID of ours, is added.
        serials_unique: no two devices of this MASA share a serial number (M-14).
        max_age: an RVR created longer ago is stale (RFC 8995 5.6); None: never.
    """

    ownership: Ownership = field(default_factory=FirstCome)
    nonceless: bool = False
    nonceless_lifetime: timedelta = timedelta(days=7)
    proximity_required: bool = True
    unregistered: bool = False
    serials_unique: bool = True
    max_age: timedelta | None = timedelta(days=7)
