"""Worlds of real processes for the whole-system tests."""

import socket

import pytest

from . import worlds
from .lone_registrar import LoneRegistrar
from .programs import Nursery


@pytest.fixture(scope="session")
def nursery():
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_world(tmp_path_factory):
    """Makes a manufacturer, a site and devices; nothing runs yet."""

    def make(*serial_numbers, name="world"):
        return worlds.make_world(tmp_path_factory.mktemp(name), serial_numbers)

    return make


@pytest.fixture(scope="session")
def registrar(tmp_path_factory, nursery):
    """A registrar whose manufacturer, MASA and devices are made by the tests."""
    folder = tmp_path_factory.mktemp("lone") / "site"
    made = LoneRegistrar(folder, nursery, worlds.quiet_port(socket.SOCK_DGRAM))
    yield made
    assert made.process.stop() == 0
    assert "Traceback" not in made.log.read_text()
