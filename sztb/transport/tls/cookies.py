"""The stateless cookie of DTLS 1.2 (RFC 6347 4.2.1): an address proves itself before it costs us.

The cookie is an HMAC over the peer's address under a secret that changes; the secret before is
still good, so no exchange in flight is hurt by the change.
"""

from dataclasses import dataclass

from sztb.transport.tls import gnutls
from sztb.transport.tls.callbacks import POINTER, SIZE, SSIZE, callback, owner, read_memory
from sztb.transport.tls.gnutls import CData, ffi, lib

SECRET_LIFETIME = 300.0  # seconds; a cookie is good for one to two of them

_RECORD_SEQUENCE_LOW = 10  # offset of the low byte of the record's sequence number


@dataclass(frozen=True, slots=True)
class Proven:
    """A hello whose cookie is ours; `prestate` continues its numbering in the new session."""

    prestate: CData


class Cookies:
    """Makes and checks cookies of one endpoint."""

    def __init__(self, now: float) -> None:
        """Draw the first secret; `now` is monotonic seconds."""
        self._secrets = [_secret()]
        self._made_at = now

    def check(self, hello: bytes, address: bytes, now: float) -> Proven | None:
        """Return the proof that `hello` carries a cookie we made for `address`, or None."""
        self._rotate(now)
        for secret, _copy in self._secrets:
            prestate = ffi.new("gnutls_dtls_prestate_st *")
            error = lib.gnutls_dtls_cookie_verify(
                secret, ffi.from_buffer(address), len(address),
                ffi.from_buffer(hello), len(hello), prestate,
            )  # fmt: skip
            if error >= 0:
                return Proven(prestate)
        return None

    def challenge(self, hello: bytes, address: bytes) -> bytes | None:
        """Return the HelloVerifyRequest for `hello`; remembers nothing."""
        # RFC 6347 4.2.1: the record takes the sequence number of the ClientHello's record
        prestate = ffi.new("gnutls_dtls_prestate_st *", (hello[_RECORD_SEQUENCE_LOW], 0, 0))
        made: list[bytes] = []
        handle = ffi.new_handle(made)
        error = lib.gnutls_dtls_cookie_send(
            self._secrets[0][0], ffi.from_buffer(address), len(address), prestate, handle, _collect
        )
        return made[0] if error >= 0 and made else None

    def _rotate(self, now: float) -> None:
        if now - self._made_at < SECRET_LIFETIME:
            return
        self._secrets = [_secret(), self._secrets[0]]
        self._made_at = now


def _secret() -> tuple[CData, CData]:
    key = ffi.new("unsigned char[]", gnutls.COOKIE_KEY_BYTES)
    if lib.gnutls_rnd(gnutls.RANDOM_KEY, key, gnutls.COOKIE_KEY_BYTES) < 0:
        raise OSError("no randomness for cookies")
    return gnutls.datum(bytes(ffi.buffer(key)))


@callback("gnutls_push_func", SSIZE, POINTER, POINTER, SIZE)
def _collect(made: int, data: int, size: int) -> int:
    owner(made).append(read_memory(data, size))
    return size
