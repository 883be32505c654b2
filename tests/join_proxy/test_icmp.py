"""ICMPv6 errors byte for byte."""

import json
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from join_proxy.icmp import ICMPV6, MAX_MESSAGE, checksum, error_message, invoking_packet
from join_proxy.stateful import Left

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors/jpy/icmp-error-computed.json").read_text()
)
LEFT = Left(2, "fe80::5eff:fe00:1", 56830, "fe80::1", 8485)
DATAGRAM = bytes.fromhex(VECTORS["invoking_packet_hex"])[48:]


@pytest.mark.rule("J-07")
def test_the_invoking_packet_is_rebuilt():
    assert invoking_packet(LEFT, DATAGRAM).hex() == VECTORS["invoking_packet_hex"]


@pytest.mark.rule("J-07")
@pytest.mark.parametrize("item", VECTORS["items"], ids=lambda item: item["id"])
def test_error_messages(item):
    wanted = bytes.fromhex(item["hex"])
    message = error_message(wanted[0], wanted[1], LEFT, DATAGRAM)
    total = checksum(
        IPv6Address(item["from"]).packed, IPv6Address(item["to"]).packed, ICMPV6, message
    )
    assert message[:2] + total.to_bytes(2, "big") + message[4:] == wanted


def test_long_datagrams_are_cut_to_the_minimum_mtu():
    assert len(error_message(1, 1, LEFT, bytes(1500))) == MAX_MESSAGE
