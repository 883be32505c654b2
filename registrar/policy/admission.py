"""Who may onboard (cbrski.md 9.2 step 4, RFC 8995 5.3): three modes, one decision.

That the device is of a known manufacturer was proven before (R-13, R-40): no mode admits a
stranger. The operator's word about one device goes before the mode.
"""

from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from sztb.errors import Refusal
from sztb.pki.idevid import DeviceRef

from ..interfaces import AdmissionPolicy
from ..records import (
    Admission,
    Admit,
    Deny,
    DeviceRecord,
    DeviceState,
    Instant,
    Manufacturer,
    Standing,
    Wait,
)


class Mode(StrEnum):
    """Whom the site takes."""

    OPEN = "open"  # every device of a known manufacturer
    LIST = "list"  # the devices the operator listed beforehand
    APPROVE = "approve"  # the operator decides on each one; meanwhile it waits


class Reonboarding(StrEnum):
    """What happens to a member that was reset and asks again."""

    ALLOW = "allow"  # as its first onboarding
    ASK = "ask"  # the operator decides anew
    DENY = "deny"


_WELCOME = frozenset({Standing.LISTED, Standing.APPROVED})
_MEMBER = frozenset({DeviceState.ENROLLED, DeviceState.ENROLL_FAILED})


@dataclass(frozen=True, slots=True)
class SiteAdmission(AdmissionPolicy):
    """The admission policy of a site.

    Attributes:
        mode: whom it takes.
        reonboarding: what a member that starts over may do.
        retry_after: seconds that a waiting device is told to wait (R-31).
    """

    mode: Mode = Mode.APPROVE
    reonboarding: Reonboarding = Reonboarding.ALLOW
    retry_after: int = 20

    @override
    def admit(
        self,
        device: DeviceRef,
        manufacturer: Manufacturer,
        record: DeviceRecord | None,
        now: Instant,
    ) -> Admission:
        standing = Standing.UNDECIDED if record is None else record.standing
        if not manufacturer.enabled:  # 4.03: the operator could change it
            return Deny(Refusal.VENDOR_NOT_ALLOWED, manufacturer.name)
        if standing is Standing.REFUSED:
            return Deny(Refusal.REFUSED_BY_POLICY, "refused by the operator")
        if record is not None and record.state in _MEMBER:
            return self._again(standing)
        return self._first(standing)

    def _again(self, standing: Standing) -> Admission:
        """Decide on a member; an operator who approves it anew sets its state back first."""
        if self.reonboarding is Reonboarding.ASK:
            return Wait(self.retry_after)
        if self.reonboarding is Reonboarding.DENY:
            return Deny(Refusal.REFUSED_BY_POLICY, "it is a member already")
        return self._first(standing)

    def _first(self, standing: Standing) -> Admission:
        if self.mode is Mode.OPEN or standing in _WELCOME:
            return Admit()
        if self.mode is Mode.LIST:
            return Deny(Refusal.DEVICE_UNKNOWN, "not on the list")
        return Wait(self.retry_after)
