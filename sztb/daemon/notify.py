"""The systemd notification protocol (sd_notify), without a library: one datagram per message."""

import os
import socket


def notify(message: str) -> bool:
    """Send a state such as ``READY=1`` to the service manager; False when none listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        try:
            channel.sendto(message.encode(), address)
        except OSError:  # the manager has gone or its queue is full: the service goes on
            return False
    return True


def watchdog_seconds() -> float | None:
    """Return how often the service manager wants a sign of life, None when it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (process and process != str(os.getpid())):
        return None
    return int(microseconds) / 1e6
