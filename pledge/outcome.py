"""What became of an attempt, for the journal and for the records of `timeline`."""

from collections.abc import Callable

from sztb.daemon.journal import Outcome
from sztb.discovery.offers import Endpoint
from sztb.errors import Refused, SztbError
from sztb.pki import certificates

from .device import Device
from .identity import Credential
from .link import Rejected
from .timeline import AttemptRecord, Timeline

Record = Callable[[AttemptRecord], None]


def failed(
    device: Device, record: Record, timeline: Timeline, endpoint: Endpoint, error: SztbError
) -> None:
    """Tell that an attempt ended: refused by one of the two sides, or it just did not work."""
    outcome: Outcome = "refused" if isinstance(error, Refused | Rejected) else "failed"
    serial_number = device.factory.serial_number
    device.journal.event(
        "onboarding-attempt",
        outcome,
        device=serial_number,
        registrar=endpoint.text,
        detail=str(error),
    )
    record(timeline.record(serial_number, outcome, endpoint=endpoint.text, reason=str(error)))


def onboarded(
    device: Device,
    record: Record,
    timeline: Timeline,
    endpoint: Endpoint,
    credential: Credential,
) -> None:
    """Tell that the device has its LDevID."""
    serial_number = device.factory.serial_number
    fingerprint = certificates.fingerprint(credential.certificate).hex()
    device.journal.event(
        "onboarded", "done", device=serial_number, registrar=endpoint.text, ldevid=fingerprint
    )
    record(
        timeline.record(
            serial_number, "onboarded", endpoint=endpoint.text, ldevid_sha256=fingerprint
        )
    )
