"""The policies as the configuration describes them."""

from ..settings import AdmissionSettings
from .admission import Mode, Reonboarding, SiteAdmission


def make_admission(settings: AdmissionSettings) -> SiteAdmission:
    """Return the admission policy of the configuration."""
    return SiteAdmission(
        Mode(settings.mode), Reonboarding(settings.reonboarding), settings.retry_seconds
    )
