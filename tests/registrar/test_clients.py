"""Who is at the other end, remembered and forgotten (R-13, R-37)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from registrar.clients import Clients, Member
from registrar.manufacturer_directory import ManufacturerDirectory, Pledge
from registrar.records import Manufacturer
from sztb.errors import Refusal, Refused
from tests.fakes.pki import LIFETIME, NOW, make_pki
from tests.fakes.registrar_site import MAKER, World

PKI = make_pki()
ANCHOR = PKI.manufacturer_root.certificate


@pytest.mark.rule("R-13", "R-17")
def test_a_device_is_found_by_the_anchor_of_its_chain() -> None:
    other = make_pki("stranger")
    directory = ManufacturerDirectory(
        [Manufacturer("a", (other.manufacturer_root.certificate,)), Manufacturer("b", (ANCHOR,))]
    )
    pledge = directory.identify(PKI.device().chain, NOW)
    assert pledge.manufacturer.name == "b"
    assert pledge.chain == PKI.device().chain
    assert pledge.device == PKI.device().ref
    assert directory.by_name("a") is not None
    assert directory.by_name("c") is None


@pytest.mark.rule("R-13")
def test_an_intermediate_ca_can_be_the_anchor() -> None:
    """An operator may take one product line only."""
    directory = ManufacturerDirectory([Manufacturer("b", (PKI.idevid_ca.certificate,))])
    assert directory.identify(PKI.device().chain, NOW).device == PKI.device().ref


@pytest.mark.rule("R-37")
def test_serial_number_from_another_attribute() -> None:
    directory = ManufacturerDirectory([Manufacturer("b", (ANCHOR,), serial_attribute="2.5.4.3")])
    with pytest.raises(Refused) as caught:
        directory.identify(PKI.device().chain, NOW)
    assert caught.value.refusal is Refusal.IDEVID
    pledge = directory.identify(PKI.masa_signer.chain, NOW)  # it has a commonName
    assert pledge.device.serial_number == "example voucher signer"


@pytest.mark.rule("R-37", "R-62")
def test_dates_count_per_manufacturer() -> None:
    strict = Manufacturer("b", (ANCHOR,))
    early = NOW - timedelta(days=365)
    with pytest.raises(Refused) as caught:
        ManufacturerDirectory([strict]).identify(PKI.device().chain, early)
    assert caught.value.refusal is Refusal.CERTIFICATE_DATES
    lenient = replace(strict, ignore_lifetime=True)
    assert ManufacturerDirectory([lenient]).identify(PKI.device().chain, early).device


async def test_a_client_is_remembered_for_a_while(world: World) -> None:
    clients = world.site.clients
    first = await clients.identify(world.device.chain, NOW)
    assert isinstance(first, Pledge)
    del world.store.tables.manufacturers[MAKER]
    assert await clients.identify(world.device.chain, NOW + timedelta(seconds=29)) is first
    with pytest.raises(Refused):
        await clients.identify(world.device.chain, NOW + timedelta(seconds=30))


async def test_a_new_manufacturer_counts_soon(world: World) -> None:
    stranger = make_pki("stranger")
    clients = world.site.clients
    with pytest.raises(Refused):
        await clients.identify(stranger.device().chain, NOW)
    anchors = (stranger.manufacturer_root.certificate,)
    world.store.tables.manufacturers["new"] = Manufacturer("new", anchors)
    later = NOW + timedelta(seconds=5)
    assert (await clients.identify(stranger.device().chain, later)).device.serial_number == "SN-1"


async def test_a_reload_forgets(world: World) -> None:
    await world.site.clients.identify(world.device.chain, NOW)
    del world.store.tables.manufacturers[MAKER]
    world.site.clients.forget()
    with pytest.raises(Refused):
        await world.site.clients.identify(world.device.chain, NOW)


async def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registrar.clients.MAX_REMEMBERED", 2)
    clients = world.site.clients
    first = await clients.identify(world.device.chain, NOW)
    assert await clients.identify(world.device.chain, NOW) is first
    for serial_number in ("SN-2", "SN-3"):
        await clients.identify(world.pki.device(serial_number).chain, NOW)
    assert await clients.identify(world.device.chain, NOW) is not first


@pytest.mark.rule("E-09")
async def test_grace_for_an_expired_ldevid(world: World) -> None:
    """est-D22, configurable."""
    ldevid = world.pki.ldevid(world.device)
    world.ca.adopt(ldevid.certificate, world.device.ref)
    late = LIFETIME.not_after + timedelta(days=3)
    with pytest.raises(Refused) as caught:
        await Clients(world.store, world.ca).identify(ldevid.chain, late)
    assert caught.value.refusal is Refusal.CERTIFICATE_DATES
    clients = Clients(world.store, world.ca, timedelta(days=4))
    assert isinstance(await clients.identify(ldevid.chain, late), Member)
