"""ICMPv6 errors towards a pledge (RFC 4443 2.4, 3.1; J-07): what a raw socket is given to send.

The kernel fills in the checksum of a raw ICMPv6 socket; for messages that are not sent by one,
`checksum` does it.
"""

import struct
from ipaddress import IPv6Address

from .stateful import Left

MAX_MESSAGE = 1280 - 40  # bytes: the whole packet fits the IPv6 minimum MTU (RFC 4443 2.4 (c))
UDP = 17
ICMPV6 = 58
HOP_LIMIT = 64
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_UDP_HEADER = struct.Struct("!HHHH")


def invoking_packet(left: Left, datagram: bytes) -> bytes:
    """Rebuild the IPv6 packet by which the pledge sent `datagram` to the join-port."""
    source, destination = IPv6Address(left.pledge).packed, IPv6Address(left.join).packed
    length = _UDP_HEADER.size + len(datagram)
    head = struct.pack("!HHH", left.pledge_port, left.join_port, length)
    total = checksum(source, destination, UDP, head + b"\0\0" + datagram)
    udp = _UDP_HEADER.pack(left.pledge_port, left.join_port, length, total or 0xFFFF)
    ip = _IPV6_HEADER.pack(6 << 28, length, UDP, HOP_LIMIT, source, destination)
    return ip + udp + datagram


def error_message(icmp_type: int, icmp_code: int, left: Left, datagram: bytes) -> bytes:
    """Build an ICMPv6 error with checksum zero: type, code, four unused bytes, invoking packet."""
    head = struct.pack("!BBHI", icmp_type, icmp_code, 0, 0)
    return (head + invoking_packet(left, datagram))[:MAX_MESSAGE]


def checksum(source: bytes, destination: bytes, protocol: int, data: bytes) -> int:
    """The Internet checksum with the IPv6 pseudo-header (RFC 4443 2.3)."""
    pseudo = source + destination + struct.pack("!II", len(data), protocol)
    summed = pseudo + data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
