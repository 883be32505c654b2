"""Where GnuTLS writes to and reads from: memory, one object per session.

One push is one record (DTLS) or a piece of the stream, a pull takes the next input. The callbacks
find their `Wire` by the address of the library's session.
"""

from sztb.transport.tls.callbacks import (
    EAGAIN,
    INT,
    POINTER,
    SIZE,
    SSIZE,
    UNSIGNED,
    callback,
    read_memory,
    set_errno,
    write_memory,
)
from sztb.transport.tls.gnutls import CData, ffi, lib
from sztb.transport.tls.records import whole_records


class Wire:
    """Input and output of one session.

    Attributes:
        incoming: datagrams or pieces of the stream that the library has not read.
        ended: the peer's stream is over.
        outgoing: datagrams or pieces of the stream to send.
        starved: the library asked for input and there was none.
        time_is_up: what the library hears when it asks whether input will still come.
    """

    __slots__ = ("_datagram", "_offset", "ended", "incoming", "outgoing", "starved", "time_is_up")

    def __init__(self, *, datagram: bool) -> None:
        """Start empty."""
        self._datagram = datagram
        self._offset = 0  # into the first of `incoming`
        self.incoming: list[bytes] = []  # a deque would take 600 bytes, and there is one per peer
        self.ended = False
        self.outgoing: list[bytes] = []
        self.starved = False
        self.time_is_up = False

    def attach(self, c: CData) -> None:
        """Connect to a `gnutls_session_t`, until `free` frees that."""
        _wires[_address(c)] = self
        lib.gnutls_transport_set_ptr(c, c)
        lib.gnutls_transport_set_push_function(c, _push)
        lib.gnutls_transport_set_pull_function(c, _pull)
        lib.gnutls_transport_set_pull_timeout_function(c, _pull_timeout)

    def pull(self, size: int) -> bytes | None:
        """Return at most `size` bytes of input; None for nothing yet, b"" for the end.

        The library has room for one record of the agreed size: a longer datagram comes in parts.
        """
        if not self.incoming:
            self.starved = True
            return b"" if self.ended else None
        data = self.incoming[0]
        if self._offset == 0 and len(data) <= size:
            return self.incoming.pop(0)
        return self._part(data, size)

    def _part(self, data: bytes, size: int) -> bytes:
        part = data[self._offset : self._offset + size]
        if self._datagram:
            part = part[: whole_records(data[self._offset :], size)]
        self._offset += len(part)
        if self._offset >= len(data):
            del self.incoming[0]
            self._offset = 0
        return part

    def clear(self) -> None:
        """Drop all input."""
        self.incoming.clear()
        self._offset = 0


_wires: dict[int, Wire] = {}


def free(c: CData) -> None:
    """Free a `gnutls_session_t`, attached or not."""
    lib.gnutls_deinit(c)
    _wires.pop(_address(c), None)


def _address(c: CData) -> int:
    return int(ffi.cast("uintptr_t", c))


@callback("gnutls_push_func", SSIZE, POINTER, POINTER, SIZE)
def _push(session: int, data: int, size: int) -> int:
    _wires[session].outgoing.append(read_memory(data, size))
    return size


@callback("gnutls_pull_func", SSIZE, POINTER, POINTER, SIZE)
def _pull(session: int, buffer: int, size: int) -> int:
    data = _wires[session].pull(size)
    if data is None:
        set_errno(EAGAIN)
        return -1
    write_memory(buffer, data, len(data))
    return len(data)


@callback("gnutls_pull_timeout_func", INT, POINTER, UNSIGNED)
def _pull_timeout(session: int, _milliseconds: int) -> int:
    return int(not _wires[session].time_is_up)
