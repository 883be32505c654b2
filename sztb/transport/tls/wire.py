"""Where GnuTLS writes to and reads from: memory, one object per session.

One push is one record (DTLS) or a piece of the stream, a pull takes the next input. The callbacks
find their `Wire` by a cffi handle and must not raise into C: an exception would be our bug, is
logged, and looks like an I/O error to the library.
"""

import errno
from collections import deque

from sztb.transport.tls.gnutls import CData, ffi, lib, report_exception
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

    __slots__ = ("_datagram", "ended", "incoming", "outgoing", "starved", "time_is_up")

    def __init__(self, *, datagram: bool) -> None:
        """Start empty."""
        self._datagram = datagram
        self.incoming: deque[bytes] = deque()
        self.ended = False
        self.outgoing: list[bytes] = []
        self.starved = False
        self.time_is_up = False

    def attach(self, c: CData) -> CData:
        """Connect to a `gnutls_session_t`; return the handle that must live as long as it."""
        handle = ffi.new_handle(self)
        lib.gnutls_transport_set_ptr(c, handle)
        lib.gnutls_transport_set_push_function(c, _push)
        lib.gnutls_transport_set_pull_function(c, _pull)
        lib.gnutls_transport_set_pull_timeout_function(c, _pull_timeout)
        return handle

    def pull(self, size: int) -> bytes | None:
        """Return at most `size` bytes of input; None for nothing yet, b"" for the end.

        The library has room for one record of the agreed size: a longer datagram comes in parts.
        """
        if not self.incoming:
            self.starved = True
            return b"" if self.ended else None
        data = self.incoming.popleft()
        if len(data) <= size:
            return data
        part = whole_records(data, size) if self._datagram else size
        self.incoming.appendleft(data[part:])
        return data[:part]


@ffi.callback("gnutls_push_func", error=-1, onerror=report_exception)
def _push(wire: CData, data: CData, size: int) -> int:
    ffi.from_handle(wire).outgoing.append(bytes(ffi.buffer(data, size)))
    return size


@ffi.callback("gnutls_pull_func", error=-1, onerror=report_exception)
def _pull(wire: CData, buffer: CData, size: int) -> int:
    data = ffi.from_handle(wire).pull(size)
    if data is None:
        ffi.errno = errno.EAGAIN
        return -1
    ffi.memmove(buffer, data, len(data))
    return len(data)


@ffi.callback("gnutls_pull_timeout_func", error=-1, onerror=report_exception)
def _pull_timeout(wire: CData, _milliseconds: int) -> int:
    return int(not ffi.from_handle(wire).time_is_up)
