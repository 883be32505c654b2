"""What discovery offers: where a join proxy may be, and who said so (discovery.md 7)."""

from dataclasses import dataclass
from enum import IntEnum


class OfferSource(IntEnum):
    """The mechanism an offer came by; lower numbers are preferred."""

    CONFIGURED = 0
    COAP = 1
    MDNS = 2
    GRASP = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send datagrams; one candidate per endpoint.

    Attributes:
        host: IP address without scope.
        port: UDP port.
        ifindex: interface of a link-local address (P-02), else 0.
        protocol: what is spoken there.
    """

    host: str
    port: int
    ifindex: int = 0
    protocol: str = "coaps"

    @property
    def address(self) -> tuple[str, int, int, int] | tuple[str, int]:
        """The address as Python's sockets take it."""
        return (
            (self.host, self.port, 0, self.ifindex) if ":" in self.host else (self.host, self.port)
        )

    @property
    def text(self) -> str:
        """For people, for example ``[fe80::1%3]:61616``."""
        scope = f"%{self.ifindex}" if self.ifindex else ""
        host = f"[{self.host}{scope}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Offer:
    """One endpoint as a discovery mechanism offered it.

    Attributes:
        endpoint: where.
        source: by which mechanism.
        priority: of that mechanism (SRV priority, ``pw``, proxy priority); lower is tried first.
    """

    endpoint: Endpoint
    source: OfferSource
    priority: int = 0xFFFF
