"""What ends a secured link before its owner wanted that."""

from typing import Self

from sztb.codepoints.tls import Alert
from sztb.errors import Unavailable


class LinkFailed(Unavailable):
    """A TLS or DTLS link could not be made, or broke.

    Attributes:
        alert: the alert that was received or sent, where there was one (RFC 8446 6).
        by_peer: true when the peer sent that alert.
    """

    def __init__(self, detail: str, alert: Alert | None = None, *, by_peer: bool = False) -> None:
        self.alert = alert
        self.by_peer = by_peer
        super().__init__(detail)

    @classmethod
    def timed_out(cls, seconds: float) -> Self:
        """Return the failure of a handshake that did not end in time."""
        return cls(f"no complete handshake within {seconds:g} s")
