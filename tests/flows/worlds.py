"""Building worlds for tests: on ports of their own, ready to be started."""

import random
import socket

from world.build import World


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


def make_world(folder, serial_numbers):
    """Make a manufacturer, a site and devices; nothing runs yet."""
    world = World(
        folder, "direct",
        masa_port=quiet_port(socket.SOCK_STREAM), registrar_port=quiet_port(socket.SOCK_DGRAM),
    )  # fmt: skip
    world.make_manufacturer()
    world.mint(list(serial_numbers))
    world.make_site()
    (folder / "logs").mkdir()
    return world
