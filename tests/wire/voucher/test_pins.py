"""Proximity leaves and pins."""

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import keys
from sztb.voucher.model import Voucher, VoucherRequest
from sztb.voucher.pins import (
    Kind,
    Pin,
    PinnedCert,
    PinnedKey,
    PinnedKeyHash,
    ProximityLeaf,
    choose_pin,
    proximity_leaf,
    proximity_leaves,
)
from tests.wire.vectors import certificate

REGISTRAR = certificate("cose/certs/registrar.der")
OLDER_REGISTRAR = certificate("cose/extracted/rvr-x5bag-0-registrar.der")  # same key, V2
OTHER = certificate("cose/certs/pledge.der")
DER = REGISTRAR.public_bytes(Encoding.DER)
SPKI = keys.spki_der(REGISTRAR.public_key())  # type: ignore[arg-type]
DIGEST = hashlib.sha256(SPKI).digest()

CERT_LEAF = ProximityLeaf(Kind.CERT, DER)
KEY_LEAF = ProximityLeaf(Kind.PUBK, SPKI)
HASH_LEAF = ProximityLeaf(Kind.PUBK_SHA256, DIGEST)

REQUEST = VoucherRequest(
    serial_number="A",
    proximity_registrar_cert=DER,
    proximity_registrar_pubk=SPKI,
    proximity_registrar_pubk_sha256=DIGEST,
)


def test_the_digest_is_the_published_one() -> None:
    assert DIGEST.hex() == "39bc09797383bfd7dcb42d3762b5a2d77b340cdecfc49e3a47e48b077e0f3a91"


@pytest.mark.rule("M-09")
@pytest.mark.parametrize("leaf", [CERT_LEAF, KEY_LEAF, HASH_LEAF], ids=lambda leaf: leaf.kind.name)
def test_a_leaf_names_a_key(leaf: ProximityLeaf) -> None:
    assert leaf.is_key_of(REGISTRAR)
    assert leaf.is_key_of(OLDER_REGISTRAR)
    assert not leaf.is_key_of(OTHER)


@pytest.mark.rule("R-16")
def test_a_certificate_leaf_names_one_certificate() -> None:
    assert CERT_LEAF.is_certificate(REGISTRAR)
    assert not CERT_LEAF.is_certificate(OLDER_REGISTRAR)
    assert not CERT_LEAF.is_certificate(OTHER)


@pytest.mark.rule("R-16")
@pytest.mark.parametrize("leaf", [KEY_LEAF, HASH_LEAF], ids=lambda leaf: leaf.kind.name)
def test_a_key_leaf_names_every_certificate_of_the_key(leaf: ProximityLeaf) -> None:
    assert leaf.is_certificate(REGISTRAR)
    assert leaf.is_certificate(OLDER_REGISTRAR)
    assert not leaf.is_certificate(OTHER)


def test_a_certificate_leaf_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed):
        ProximityLeaf(Kind.CERT, b"no certificate").is_key_of(REGISTRAR)


def test_the_order_among_several_leaves() -> None:
    assert proximity_leaves(REQUEST) == (HASH_LEAF, KEY_LEAF, CERT_LEAF)
    assert proximity_leaf(REQUEST) == HASH_LEAF
    assert proximity_leaf(replace(REQUEST, proximity_registrar_pubk_sha256=None)) == KEY_LEAF
    assert proximity_leaf(VoucherRequest(serial_number="A")) is None


CERT, KEY, HASH = PinnedCert(b"cert"), PinnedKey(b"key"), PinnedKeyHash(bytes(32))
NONCED = Voucher(
    serial_number="A",
    nonce=bytes(16),
    pinned_domain_cert=CERT.der,
    pinned_domain_pubk=KEY.spki,
    pinned_domain_pubk_sha256=HASH.sha256,
)
NO_HASH = replace(NONCED, pinned_domain_pubk_sha256=None)
ONLY_CERT = replace(NO_HASH, pinned_domain_pubk=None)

CHOICES = {
    "one pin of the kind used": (ONLY_CERT, CERT_LEAF, CERT),
    "one pin of another kind": (ONLY_CERT, KEY_LEAF, CERT),
    "several: the kind used, certificate": (NONCED, CERT_LEAF, CERT),
    "several: the kind used, key": (NONCED, KEY_LEAF, KEY),
    "several: the kind used, hash": (NONCED, HASH_LEAF, HASH),
    "several, nonceless: hash first": (replace(NONCED, nonce=None), CERT_LEAF, HASH),
    "several, nonceless: then key": (replace(NO_HASH, nonce=None), CERT_LEAF, KEY),
    "several, nothing asked": (NO_HASH, None, KEY),
}


@pytest.mark.rule("P-39")
@pytest.mark.parametrize(("voucher", "used", "pin"), CHOICES.values(), ids=CHOICES.keys())
def test_chooses(voucher: Voucher, used: ProximityLeaf | None, pin: Pin) -> None:
    assert choose_pin(voucher, used) == pin


@pytest.mark.rule("P-24", "P-39")
@pytest.mark.parametrize(
    ("voucher", "used"),
    [(replace(ONLY_CERT, pinned_domain_cert=None), KEY_LEAF), (NO_HASH, HASH_LEAF)],
    ids=["none", "several, none of the kind used"],
)
def test_no_usable_pin(voucher: Voucher, used: ProximityLeaf) -> None:
    with pytest.raises(Refused) as caught:
        choose_pin(voucher, used)
    assert caught.value.refusal is Refusal.NO_PIN
