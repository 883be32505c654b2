"""Configuration of the join proxy."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sztb.discovery.responder import AnswerLimits

from .limits import LLN, Rate, RateLimits
from .stateful import Limits

DEFAULT_PATH = Path("/etc/sztb/join-proxy.toml")
IPV6_UDP_HEADERS = 48  # bytes


class LimitSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How many circuits there may be and how fast strangers may send."""

    circuits_per_pledge: Annotated[
        int, Meta(ge=1, le=10_000, description="Circuits of one pledge address.")
    ] = 2
    circuits_per_interface: Annotated[
        int, Meta(ge=1, le=10_000, description="Circuits of one join interface.")
    ] = 10
    idle_seconds: Annotated[
        float,
        Meta(ge=5, le=600, description="A circuit ends after this time without a datagram."),
    ] = 30.0
    link: Annotated[
        Literal["lan", "lln"],
        Meta(description="Default rates: `lan`, or `lln` for links of a few kbit/s."),
    ] = "lan"
    datagrams_per_second: Annotated[
        float | None,
        Meta(
            description="Rate of one source and of one interface instead of the defaults of `link`;"
            " bursts are twice as large."
        ),
    ] = None

    answers_per_source: Annotated[
        int, Meta(ge=1, le=10_000, description="Discovery answers per second to one address.")
    ] = 1
    answers_per_interface: Annotated[
        int, Meta(ge=1, le=10_000, description="Discovery answers per second on one interface.")
    ] = 20

    def answers(self, leisure: float) -> AnswerLimits:
        """The limits of discovery answers."""
        return AnswerLimits(leisure, self.answers_per_source, self.answers_per_interface)

    def machine(self, mtu: int) -> Limits:
        """The limits as the machine takes them."""
        rates = LLN if self.link == "lln" else RateLimits()
        if self.datagrams_per_second is not None:
            rate = Rate(self.datagrams_per_second, max(1, int(2 * self.datagrams_per_second)))
            rates = RateLimits(rate, rate, rate)
        return Limits(
            per_pledge=self.circuits_per_pledge,
            per_interface=self.circuits_per_interface,
            idle=self.idle_seconds,
            max_datagram=mtu - IPV6_UDP_HEADERS,
            rates=rates,
        )


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Configuration of sztb-join-proxy."""

    interfaces: Annotated[
        list[str],
        Meta(min_length=1, description="Interfaces on which strangers may join, by name."),
    ]
    registrar: Annotated[
        str,
        Meta(
            min_length=1,
            description="CoAPS address of the registrar, for example `[2001:db8::1]:5684`.",
        ),
    ]
    mode: Annotated[Literal["stateful"], Meta(description="How datagrams are relayed.")] = (
        "stateful"
    )
    join_port: Annotated[
        int,
        Meta(ge=0, le=65535, description="UDP port for pledges; 0 lets the system choose one."),
    ] = 0
    mtu: Annotated[
        int, Meta(ge=1280, le=9000, description="Largest IPv6 packet relayed, in bytes.")
    ] = 1280
    leisure_seconds: Annotated[
        float,
        Meta(
            ge=0, le=60,
            description="Discovery answers are spread over this time; 1 on a LAN, 10 on an LLN.",
        ),
    ] = 1.0  # fmt: skip
    limits: Annotated[LimitSettings, Meta(description="Protection against floods.")] = (
        LimitSettings()
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")
    ] = "info"
    log_format: Annotated[
        Literal["console", "json"], Meta(description="Text for people or JSON for machines.")
    ] = "console"


TEMPLATE = """\
# Configuration of sztb-join-proxy; every key is explained in docs/configuration.md.

# Interfaces on which new devices may join (their link-local addresses are served).
interfaces = [{interfaces}]

# The registrar to which everything is relayed, and nothing else.
registrar = "{registrar}"

# UDP port for the devices; 0 lets the system choose one (they learn it by discovery).
join_port = 0

[limits]
# link = "lln"              # on IEEE 802.15.4 and other slow links
# circuits_per_interface = 10
"""
