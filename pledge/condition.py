"""What state a device is in, in words for people and as data for machines."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from .identity import Credential
from .renewal import part_of_lifetime
from .state import State


@dataclass(frozen=True, slots=True)
class Condition:
    """The facts that ``status`` shows.

    Attributes:
        serial_number: of the device.
        state: the state file's content.
        credential: the one in use.
        now: the wall clock.
    """

    serial_number: str
    state: State
    credential: Credential | None
    now: datetime

    def data(self) -> dict[str, object]:
        """The facts for ``--json``."""
        state, certificate = self.state, self.credential and self.credential.certificate
        return {
            "serial_number": self.serial_number,
            "onboarded": certificate is not None,
            "onboarded_at": _iso(state.onboarded_at),
            "registrar": state.registrar and state.registrar.endpoint.text,
            "ldevid_subject": certificate and certificate.subject.rfc4514_string(),
            "ldevid_not_after": certificate and _iso(certificate.not_valid_after_utc),
            "domain": [_name(each) for each in self._anchors()],
            "enrollment_reported": certificate is not None and not state.report_due,
            "renewal_failures": state.renewal_failures,
            "last_error": state.last_error,
        }

    def lines(self) -> list[str]:
        """The facts as sentences."""
        told = [f"Device {self.serial_number}"]
        if self.credential is None:
            told.append("is in factory state: it belongs to no domain yet.")
            told.append("'sztb-pledge run' looks for a registrar.")
        else:
            told += self._onboarded(self.credential.certificate)
        if self.state.last_error:
            told.append(f"Last problem: {self.state.last_error}.")
        return told

    def _onboarded(self, certificate: x509.Certificate) -> list[str]:
        domain = ", ".join(_name(each) for each in self._anchors())
        when = self.state.onboarded_at
        since = "" if when is None else f" since {when:%Y-%m-%d %H:%M} UTC"
        told = [f"belongs to the domain of {domain}{since}.", self._validity(certificate)]
        if self.state.report_due:
            told.append("The registrar has not been told yet that enrolment succeeded.")
        if self.state.renewal_failures:
            told.append(f"Renewal failed {self.state.renewal_failures} times in a row.")
        return told

    def _validity(self, certificate: x509.Certificate) -> str:
        part = part_of_lifetime(certificate, self.now)
        end = certificate.not_valid_after_utc
        if part is None:
            return "The clock is wrong: it lies before the certificate was made."
        if part >= 1.0:
            return (
                f"Its certificate expired on {end:%Y-%m-%d}; it is enrolled anew with the IDevID."
            )
        return f"Its certificate is valid until {end:%Y-%m-%d %H:%M} UTC, {part:.0%} are over."

    def _anchors(self) -> tuple[x509.Certificate, ...]:
        return () if self.credential is None else self.credential.anchors.anchors


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()


def _name(certificate: x509.Certificate) -> str:
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else certificate.subject.rfc4514_string()
