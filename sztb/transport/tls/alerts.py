"""From the library's errors to alerts and typed failures (RFC 5246 7.2, RFC 8446 6)."""

from sztb.codepoints.tls import Alert
from sztb.transport.tls import gnutls
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.tls.gnutls import CData, ffi, lib

# GnuTLS would send decode_error, where RFC 5246 7.4.6 has this.
_OTHERWISE = {gnutls.E_NO_CERTIFICATE_FOUND: Alert.HANDSHAKE_FAILURE}


def exchange(c: CData, error: int) -> LinkFailed:
    """Tell the peer of a fatal error, or read what it told us; return the failure.

    Args:
        c: the `gnutls_session_t`.
        error: a fatal error of the library.
    """
    if error == gnutls.E_FATAL_ALERT_RECEIVED:
        alert = _known(lib.gnutls_alert_get(c))
        name = "unknown" if alert is None else alert.name.lower()
        return LinkFailed(f"alert from the peer: {name}", alert, by_peer=True)
    if error == gnutls.E_SESSION_EOF:  # close_notify before the end of the handshake
        return LinkFailed("closed by the peer", Alert.CLOSE_NOTIFY, by_peer=True)
    level = ffi.new("int *")
    alert = _OTHERWISE.get(error) or _known(lib.gnutls_error_to_alert(error, level))
    if alert is not None:
        lib.gnutls_alert_send(c, gnutls.ALERT_FATAL, alert)
    return LinkFailed(gnutls.message(error).rstrip("."), alert)


def _known(number: int) -> Alert | None:
    try:
        return Alert(number)
    except ValueError:
        return None
