"""Ports for servers that are down for a moment now and then."""

import random
import socket


def quiet_port(kind):
    """Choose a port that no client's socket gets while a server is down for a moment."""
    while True:
        port = random.SystemRandom().randrange(15_000, 32_000)
        with socket.socket(socket.AF_INET6, kind) as probe:
            try:
                probe.bind(("::", port))
            except OSError:
                continue
            return port
