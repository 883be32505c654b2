"""Python functions that GnuTLS can call.

Made by ctypes, not by cffi: cffi's callbacks want memory that is writable and executable at once,
which hardened systems do not give (`MemoryDenyWriteExecute=` of systemd, `execmem` of SELinux).
ctypes uses libffi's static trampolines, and costs the same.

A callback must not raise into C. An exception in one is our bug or a signing key that failed: it
is logged, and the library gets an error value, which ends one session and nothing else.
"""

import ctypes
import errno
import logging
from collections.abc import Callable
from typing import Any

from sztb.transport.tls.gnutls import CData, ffi

EAGAIN = errno.EAGAIN
INT, UNSIGNED, SIZE, SSIZE = ctypes.c_int, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t
POINTER = ctypes.c_void_p  # arrives as int, or None for NULL

set_errno = ctypes.set_errno
read_memory = ctypes.string_at
write_memory = ctypes.memmove

_kept: list[object] = []  # callbacks live as long as the program

_log = logging.getLogger(__name__)


def callback(
    c_type: str, result: type[Any], *arguments: type[Any], failed: int = -1
) -> Callable[[Callable[..., int]], CData]:
    """Make the decorated function a function pointer.

    Args:
        c_type: the name of the pointer type in `gnutls_h.DECLARATIONS`.
        result: ctypes type of the result.
        arguments: ctypes types of the arguments.
        failed: what the library gets when the function raises.
    """
    prototype = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)

    def decorate(function: Callable[..., int]) -> CData:
        def guarded(*values: int) -> int:
            try:
                return function(*values)
            except Exception:  # noqa: BLE001  C has no exceptions to pass on
                _log.exception("exception in a TLS callback")
                return failed

        pointer = prototype(guarded)
        _kept.append(pointer)
        address = ctypes.cast(pointer, ctypes.c_void_p).value
        return ffi.cast(c_type, address or 0)

    return decorate


def owner(handle: int) -> Any:  # noqa: ANN401  whatever `ffi.new_handle` was given
    """Return the object behind a handle that came back as the callback's argument."""
    return ffi.from_handle(ffi.cast("void *", handle))
