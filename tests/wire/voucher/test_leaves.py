"""The leaf table against the published SID files and the digest's table."""

import json

import pytest

from sztb.codepoints import sid
from sztb.encoding.yang import NAMES_OR_SIDS
from sztb.voucher import model
from sztb.voucher.leaves import LEAVES, VOUCHER, VOUCHER_REQUEST, Presence
from tests.wire.vectors import read

KEYS = {  # rfc8366bis 8.5 and 9.3: (voucher key, request key)
    "assertion": (1, 1),
    "created-on": (2, 2),
    "domain-cert-revocation-checks": (3, 3),
    "expires-on": (4, 4),
    "idevid-issuer": (5, 5),
    "last-renewal-date": (6, 6),
    "nonce": (7, 7),
    "pinned-domain-cert": (8, 8),
    "pinned-domain-pubk": (9, 17),
    "pinned-domain-pubk-sha256": (10, 18),
    "serial-number": (11, 13),
    "additional-configuration-url": (12, 19),
    "est-domain": (13, 20),
    "manufacturer-proprietary": (14, 22),
    "extensions": (15, 21),
    "prior-signed-voucher-request": (None, 9),
    "proximity-registrar-cert": (None, 10),
    "proximity-registrar-pubk-sha256": (None, 11),
    "proximity-registrar-pubk": (None, 12),
    "agent-provided-proximity-registrar-cert": (None, 14),
    "agent-sign-cert": (None, 15),
    "agent-signed-data": (None, 16),
}


def published(module: str) -> dict[str, int]:
    """Return path to SID of a SID file."""
    items = json.loads(read(f"sid/{module}@2025-12-18.sid"))["ietf-sid-file:sid-file"]["item"]
    return {item["identifier"]: int(item["sid"]) for item in items if item["namespace"] == "data"}


@pytest.mark.rule("X-02")
def test_voucher_sids_are_the_published_ones() -> None:
    root = f"/{sid.VOUCHER_NAME}"
    ours = {f"{root}/{row.name}": row.voucher for row in LEAVES if row.voucher is not None}
    assert ours | {root: sid.VOUCHER} == published("ietf-voucher")


@pytest.mark.rule("X-02")
def test_request_sids_are_the_published_ones() -> None:
    root = f"/{sid.VOUCHER_REQUEST_NAME}"
    ours = {f"{root}/{row.name}": row.request for row in LEAVES}
    assert ours | {root: sid.VOUCHER_REQUEST} == published("ietf-voucher-request")


@pytest.mark.rule("X-02")
def test_keys_on_the_wire() -> None:
    ours = {
        row.name: (row.voucher and row.voucher - sid.VOUCHER, row.request - sid.VOUCHER_REQUEST)
        for row in LEAVES
    }
    assert ours == KEYS


def test_every_row_has_its_attribute_and_every_attribute_its_row() -> None:
    voucher = {row.attribute for row in LEAVES if row.voucher is not None}
    request = {row.attribute for row in LEAVES}
    assert set(model.Voucher.__dataclass_fields__) == voucher | {"unknown"}
    assert set(model.VoucherRequest.__dataclass_fields__) == request | {"unknown"}


def test_containers_are_written_by_ascending_key() -> None:
    for container in (VOUCHER, VOUCHER_REQUEST):
        sids = [node.sid for node in container.nodes]
        assert sids == sorted(sids)


def test_only_extensions_is_a_leaf_list() -> None:
    assert [row.name for row in LEAVES if row.type is NAMES_OR_SIDS] == ["extensions"]


@pytest.mark.rule("P-13", "R-18", "R-21")
def test_presence() -> None:
    def rows(artifact: str, presence: Presence) -> set[str]:
        return {row.name for row in LEAVES if getattr(row, artifact) is presence}

    proximity = {
        "proximity-registrar-cert",
        "proximity-registrar-pubk",
        "proximity-registrar-pubk-sha256",
    }
    pins = {"pinned-domain-cert", "pinned-domain-pubk", "pinned-domain-pubk-sha256"}
    assert rows("pvr", Presence.M) == {"serial-number", "nonce", "assertion"}
    assert rows("pvr", Presence.ONE) == proximity
    assert rows("rvr", Presence.M) == {"serial-number", "idevid-issuer"}
    assert rows("rvr", Presence.C) == {"nonce", "assertion"}
    assert rows("rvr", Presence.NO) >= proximity | pins
    assert rows("issued", Presence.M) == {"serial-number"}
    assert rows("issued", Presence.ONE) == pins
