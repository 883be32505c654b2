"""Manufacturers: all their settings, one owner per anchor, the two kinds of anchors apart."""

from dataclasses import replace

import pytest

from registrar.records import AuditPolicy, Manufacturer
from registrar.store.sql_store import SqlStore
from sztb.errors import Misuse
from tests.fakes.pki import make_pki

PKI = make_pki()
OTHER = make_pki("other")
LEAST = Manufacturer("acme", (PKI.manufacturer_root.certificate,))
FULL = Manufacturer(
    "acme",
    (PKI.manufacturer_root.certificate, PKI.idevid_ca.certificate),
    enabled=False,
    masa_url="masa.example:9443",
    default_masa_url="other.example",
    masa_tls_anchors=(OTHER.manufacturer_root.certificate, PKI.manufacturer_root.certificate),
    masa_client_certificate=False,
    serial_attribute="2.5.4.3",
    ignore_lifetime=True,
    audit=AuditPolicy(
        required=False,
        known_domain_ids=frozenset({"AAAA", "BBBB"}),
        allow_unknown_domains=True,
        nonceless_domain_ids=frozenset({"AAAA"}),
        allow_arbitrary_truncation=True,
    ),
)


async def save(store: SqlStore, manufacturer: Manufacturer) -> None:
    await store.write(lambda tables: tables.manufacturers.save(manufacturer))


async def everything(store: SqlStore) -> list[Manufacturer]:
    return list(await store.read(lambda tables: tables.manufacturers.all()))


@pytest.mark.rule("R-37", "R-61")
@pytest.mark.parametrize("manufacturer", [LEAST, FULL], ids=["least", "full"])
async def test_it_comes_back_as_it_was(store: SqlStore, manufacturer: Manufacturer) -> None:
    await save(store, manufacturer)
    assert await everything(store) == [manufacturer]


async def test_saving_again_replaces_it(store: SqlStore) -> None:
    for manufacturer in (FULL, LEAST, FULL):
        await save(store, manufacturer)
        assert await everything(store) == [manufacturer]


async def test_an_anchor_named_twice_counts_once(store: SqlStore) -> None:
    await save(store, replace(LEAST, anchors=LEAST.anchors * 2))
    assert await everything(store) == [LEAST]


async def test_an_anchor_belongs_to_one_manufacturer(store: SqlStore) -> None:
    await save(store, LEAST)
    with pytest.raises(Misuse, match="belongs to acme"):
        await save(store, replace(FULL, name="copycat"))
    assert await everything(store) == [LEAST]


@pytest.mark.rule("R-61")
async def test_masa_anchors_may_be_shared(store: SqlStore) -> None:
    web = (OTHER.domain_root.certificate,)
    one = replace(LEAST, masa_tls_anchors=web)
    other = Manufacturer("zenith", (OTHER.manufacturer_root.certificate,), masa_tls_anchors=web)
    await save(store, other)
    await save(store, one)
    assert await everything(store) == [one, other]  # by name


async def test_removed_with_its_anchors(store: SqlStore) -> None:
    await save(store, FULL)
    for expected in (True, False):
        gone = await store.write(lambda tables: tables.manufacturers.remove("acme"))
        assert gone is expected
    await save(store, replace(FULL, name="heir"))
    assert [one.name for one in await everything(store)] == ["heir"]
