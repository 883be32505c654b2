"""Callbacks from C: where their memory comes from, and what becomes of their exceptions."""

import ctypes
import subprocess
import sys

import pytest

from sztb.transport.tls.callbacks import INT, POINTER, callback
from sztb.transport.tls.gnutls import ffi

# PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN: as MemoryDenyWriteExecute= of systemd, Linux 6.3
HARDENED = """
import ctypes, sys
from dataclasses import replace
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
from tests.fakes.links import CLIENT, SERVER, HiddenKey, handshake
shown = replace(SERVER, identity=replace(SERVER.identity, key=HiddenKey(SERVER.identity.key)))
client, server = handshake(CLIENT, shown)
assert client.established and server.established
"""


def test_no_memory_is_writable_and_executable():
    done = subprocess.run(
        [sys.executable, "-c", HARDENED], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("the kernel cannot deny such memory")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exception_becomes_an_error_value(caplog):
    @callback("gnutls_pull_timeout_func", INT, POINTER, INT, failed=-7)
    def fails(_session, _milliseconds):
        raise KeyError("on purpose")

    address = int(ffi.cast("uintptr_t", fails))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)(address)
    assert call(None, 0) == -7
    assert "on purpose" in caplog.text
