"""Worlds of real processes for the whole-system tests."""

import random
import socket

import pytest
from world.build import World

from .programs import Nursery


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


@pytest.fixture(scope="session")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_world(tmp_path_factory):
    """Makes a manufacturer, a site and devices on ports of their own; nothing runs yet."""

    def make(*serial_numbers, name="world"):
        world = World(
            tmp_path_factory.mktemp(name), "direct",
            masa_port=quiet_port(socket.SOCK_STREAM),
            registrar_port=quiet_port(socket.SOCK_DGRAM),
        )  # fmt: skip
        world.make_manufacturer()
        world.mint(list(serial_numbers))
        world.make_site()
        (world.folder / "logs").mkdir()
        return world

    return make
