"""What DTLS datagrams show without any key (RFC 6347 4.1 and 4.2.2, RFC 9147 4.1)."""

from collections.abc import Iterable

from sztb.codepoints.tls import (
    CONTENT_ALERT,
    CONTENT_CHANGE_CIPHER_SPEC,
    CONTENT_HANDSHAKE,
    HANDSHAKE_CLIENT_HELLO,
)

RECORD_OVERHEAD = 29  # header 13, explicit nonce 8, tag 8 (RFC 6655 3)

_RECORD_HEADER = 13  # type 1, version 2, epoch 2, sequence number 6, length 2
_FLIGHT = (CONTENT_CHANGE_CIPHER_SPEC, CONTENT_HANDSHAKE)
_RANDOM = slice(27, 59)  # after the record header, the handshake header (12) and the version (2)
_SHORTEST_HELLO = 60
_WINDOW = 64


def is_dtls(datagram: bytes) -> bool:
    """Tell DTLS from anything else by the first byte (join-proxy.md 5, RFC 9147 4.1)."""
    return bool(datagram) and (20 <= datagram[0] <= 26 or 32 <= datagram[0] <= 63)


def client_hello_random(datagram: bytes) -> bytes | None:
    """Return the 32 random bytes of a ClientHello that opens a handshake, or None.

    True only for the first fragment of a ClientHello in epoch 0; nothing else is checked.
    """
    if len(datagram) < _SHORTEST_HELLO or datagram[0] != CONTENT_HANDSHAKE:
        return None
    if datagram[1] != 0xFE or datagram[3:5] != b"\0\0":  # DTLS, epoch 0
        return None
    if datagram[13] != HANDSHAKE_CLIENT_HELLO or datagram[19:22] != b"\0\0\0":
        return None
    return datagram[_RANDOM]


def is_protected_traffic(datagram: bytes) -> bool:
    """Whether this is data or an alert under keys: epoch above 0 and not a handshake message."""
    return (
        len(datagram) >= _RECORD_HEADER
        and datagram[0] != CONTENT_HANDSHAKE
        and datagram[0] >= CONTENT_ALERT
        and datagram[3:5] != b"\0\0"
    )


def is_one_record(datagram: bytes) -> bool:
    """Whether the datagram holds one record and nothing else."""
    return len(datagram) == _RECORD_HEADER + int.from_bytes(datagram[11:13], "big")


def record_number(datagram: bytes) -> int:
    """Return epoch and sequence number of the first record, as one 64-bit number."""
    return int.from_bytes(datagram[3:11], "big")


def whole_records(datagram: bytes, size: int) -> int:
    """Return how many bytes of `datagram` are whole records that fit into `size` bytes.

    At least one record counts, cut off at `size` where it is longer.
    """
    end = 0
    while end + _RECORD_HEADER <= len(datagram):
        length = int.from_bytes(datagram[end + 11 : end + 13], "big")
        following = end + _RECORD_HEADER + length
        if following > size:
            break
        end = following
    return min(end, len(datagram)) or size


def share_datagrams(records: Iterable[bytes], size: int) -> list[bytes]:
    """Put the records of a flight together into datagrams of at most `size` bytes.

    A flight in few datagrams survives loss better (RFC 6347 4.1.1 lets records share one). Data
    and alerts keep a datagram each.
    """
    datagrams: list[bytes] = []
    for record in records:
        last = datagrams[-1] if datagrams else b""
        is_flight = bool(last) and last[0] in _FLIGHT and record[0] in _FLIGHT
        if is_flight and len(last) + len(record) <= size:
            datagrams[-1] = last + record
        else:
            datagrams.append(record)
    return datagrams


class SeenRecords:
    """Which record numbers came lately: tells a copy made by the network from a forgery."""

    __slots__ = ("_highest", "_seen")

    def __init__(self) -> None:
        self._highest = 0
        self._seen = 0

    def add(self, number: int) -> None:
        """Remember a record that was authentic."""
        ahead = number - self._highest
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            self._highest = number
        elif ahead > -_WINDOW:
            self._seen |= 1 << -ahead

    def __contains__(self, number: int) -> bool:
        behind = self._highest - number
        return behind >= _WINDOW or (behind >= 0 and bool(self._seen >> behind & 1))
