"""Nobody is asked."""

from collections.abc import Sequence

from cryptography import x509
from typing_extensions import override

from ..interfaces import Revocation
from ..records import Instant


class Off(Revocation):
    """Takes every registrar; the audit log is what protects devices then."""

    @override
    async def check(self, chain: Sequence[x509.Certificate], now: Instant) -> Instant | None:
        return None

    @override
    async def close(self) -> None:
        return None
