"""Worlds of real processes for the whole-system tests."""

import socket

import pytest
from world.build import World

from .lone_registrar import LoneRegistrar
from .ports import quiet_port
from .programs import Nursery


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


@pytest.fixture(scope="session")
def registrar(tmp_path_factory, nursery):
    """A registrar whose manufacturer, MASA and devices are made by the tests."""
    folder = tmp_path_factory.mktemp("lone") / "site"
    made = LoneRegistrar(folder, nursery, quiet_port(socket.SOCK_DGRAM))
    yield made
    assert made.process.stop() == 0
    assert "Traceback" not in made.log.read_text()
