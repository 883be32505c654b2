"""Devices for the tests of the pledge, on a clock that stands still."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pledge.device import Device
from pledge.environment import real_environment
from pledge.identity import FactoryIdentity, VoucherAnchors
from pledge.policy import PledgePolicy
from sztb.daemon.journal import Journal
from sztb.voucher.pins import Kind
from tests.fakes.pki import NOW, Pki, make_pki


def make_device(pki: Pki, serial_number: str = "SN-1", **changes: object) -> Device:
    """A device of the manufacturer, with a trusted clock that stands at the PKI's time."""
    made = pki.device(serial_number)
    environment = replace(real_environment(), trusted_now=lambda: NOW, wall_clock=lambda: NOW)
    device = Device(
        factory=FactoryIdentity(
            made.path, made.key, VoucherAnchors((pki.masa_signer.certificate,))
        ),
        policy=PledgePolicy(),
        environment=environment,
        journal=Journal("pledge"),
        proximity=Kind.PUBK,
    )
    return replace(device, **changes)


@pytest.fixture
def pki() -> Pki:
    return make_pki()


@pytest.fixture
def device(pki: Pki) -> Device:
    return make_device(pki)


@pytest.fixture
def new_device() -> Callable[..., Device]:
    return make_device
