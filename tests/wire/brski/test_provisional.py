"""What a registrar presented, against the pin (cbrski.md 4.4) and against the PVR."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from sztb.brski.provisional import proximity_matches, resolve, resolve_raw_public_key
from sztb.codepoints import media, oid
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates, keys
from sztb.voucher.formats import open_voucher, open_voucher_request
from sztb.voucher.model import VoucherRequest
from sztb.voucher.pins import Pin, PinnedCert, PinnedKey, PinnedKeyHash, choose_pin
from tests.wire.vectors import FROZEN, certificate, read

REGISTRAR = read("cose/certs/registrar.der")
DOMAIN_CA = read("cose/certs/domain_ca.der")
OLDER_CA = read("cose/extracted/voucher-pinned-domain-cert.der")  # V2: same key and name
PLEDGE = read("cose/certs/pledge.der")
MASA_CA = read("cose/certs/masa_ca.der")
CHAIN = (REGISTRAR, DOMAIN_CA)
SPKI = keys.spki_der(certificates.public_key(certificates.load(REGISTRAR)))
DIGEST = hashlib.sha256(SPKI).digest()
LATE = datetime(2026, 1, 1, tzinfo=UTC)  # the registrar certificate ended 2025-12-08

RESOLVED: dict[str, tuple[tuple[bytes, ...], Pin, int]] = {
    "(a) CA, presented too": (CHAIN, PinnedCert(DOMAIN_CA), 2),
    "(a) CA, not presented": ((REGISTRAR,), PinnedCert(DOMAIN_CA), 2),
    "(a) CA certificate of another day": (CHAIN, PinnedCert(OLDER_CA), 2),
    "(b) the end entity": (CHAIN, PinnedCert(REGISTRAR), 1),
    "(b) the end entity, older certificate": (
        CHAIN,
        PinnedCert(read("cose/extracted/rvr-x5bag-0-registrar.der")),
        1,
    ),
    "(c) key": (CHAIN, PinnedKey(SPKI), 1),
    "(c) hash of the key": ((REGISTRAR,), PinnedKeyHash(DIGEST), 1),
}


@pytest.mark.rule("P-25", "R-36")
@pytest.mark.parametrize("now", [FROZEN, None], ids=["clock", "no clock"])
@pytest.mark.parametrize(("presented", "pin", "length"), RESOLVED.values(), ids=RESOLVED.keys())
def test_resolves(
    presented: tuple[bytes, ...], pin: Pin, length: int, now: datetime | None
) -> None:
    path = resolve(presented, pin, now)
    assert len(path) == length
    assert certificates.der(path[0]) == REGISTRAR
    if isinstance(pin, PinnedCert) and length == 2:
        assert certificates.der(path[1]) == pin.der


MISMATCHES: dict[str, tuple[tuple[bytes, ...], Pin]] = {
    "another CA": (CHAIN, PinnedCert(MASA_CA)),
    "another end entity": (CHAIN, PinnedCert(PLEDGE)),
    "another key": (CHAIN, PinnedKey(SPKI[:-1] + b"\x00")),
    "another hash": (CHAIN, PinnedKeyHash(bytes(32))),
    "key of the CA": (
        CHAIN,
        PinnedKey(keys.spki_der(certificates.public_key(certificates.load(DOMAIN_CA)))),
    ),
    "the pin is only presented, not the issuer": ((PLEDGE, DOMAIN_CA), PinnedCert(DOMAIN_CA)),
    "nothing presented": ((), PinnedCert(DOMAIN_CA)),
    "nine certificates": (CHAIN + (DOMAIN_CA,) * 7, PinnedCert(DOMAIN_CA)),
}


@pytest.mark.rule("P-25")
@pytest.mark.parametrize(("presented", "pin"), MISMATCHES.values(), ids=MISMATCHES.keys())
def test_mismatch(presented: tuple[bytes, ...], pin: Pin) -> None:
    with pytest.raises(Refused) as caught:
        resolve(presented, pin, FROZEN)
    assert caught.value.refusal is Refusal.PIN_MISMATCH


def test_eight_certificates_are_looked_at() -> None:
    assert resolve(CHAIN + (DOMAIN_CA,) * 6, PinnedCert(DOMAIN_CA), FROZEN)


@pytest.mark.rule("P-26")
@pytest.mark.parametrize("presented", [(PLEDGE, MASA_CA), (MASA_CA,)], ids=["member", "CA itself"])
def test_a_member_of_the_pinned_ca_is_no_registrar(presented: tuple[bytes, ...]) -> None:
    """D28."""
    assert not certificates.has_eku(certificates.load(presented[0]), oid.CMC_RA)
    with pytest.raises(Refused) as caught:
        resolve(presented, PinnedCert(MASA_CA), FROZEN)
    assert caught.value.refusal is Refusal.CERTIFICATE_PURPOSE


@pytest.mark.rule("P-26")
def test_a_pinned_end_entity_needs_no_cmc_ra() -> None:
    assert len(resolve((PLEDGE,), PinnedCert(PLEDGE), FROZEN)) == 1


@pytest.mark.rule("P-42")
@pytest.mark.parametrize(
    "pin",
    [PinnedCert(DOMAIN_CA), PinnedCert(REGISTRAR), PinnedKey(SPKI), PinnedKeyHash(DIGEST)],
    ids=["CA", "end entity", "key", "hash"],
)
def test_dates_count_only_with_a_trusted_clock(pin: Pin) -> None:
    resolve(CHAIN, pin, None)
    for now in (LATE, FROZEN - timedelta(days=3650)):
        with pytest.raises(Refused) as caught:
            resolve(CHAIN, pin, now)
        assert caught.value.refusal is Refusal.CERTIFICATE_DATES


@pytest.mark.parametrize(
    ("presented", "pin"),
    [
        ((b"\x30\x00",), PinnedKey(SPKI)),
        ((REGISTRAR, b"garbage"), PinnedKey(SPKI)),
        (CHAIN, PinnedCert(b"garbage")),
        ((REGISTRAR + b"\x00",), PinnedKey(SPKI)),
    ],
)
def test_unreadable_certificates(presented: tuple[bytes, ...], pin: Pin) -> None:
    with pytest.raises(Malformed):
        resolve(presented, pin, FROZEN)


def test_raw_public_keys() -> None:
    """cbrski.md 4.5."""
    resolve_raw_public_key(SPKI, PinnedKey(SPKI))
    resolve_raw_public_key(SPKI, PinnedKeyHash(DIGEST))
    for pin in (PinnedKey(DIGEST), PinnedKeyHash(bytes(32))):
        with pytest.raises(Refused) as caught:
            resolve_raw_public_key(SPKI, pin)
        assert caught.value.refusal is Refusal.PIN_MISMATCH


@pytest.mark.rule("P-25", "R-36")
@pytest.mark.parametrize(
    "name",
    ["voucher-nonced-to-pledge", "voucher-rpk-to-pledge", "voucher-rpk-sha256-to-pledge"],
)
def test_published_pins(name: str) -> None:
    voucher = open_voucher(media.VOUCHER_COSE, read(f"made/{name}.hex")).data
    assert resolve(CHAIN, choose_pin(voucher), FROZEN)


# proximity

OWN: x509.Certificate = certificate("cose/certs/registrar.der")
NOT_OWN: x509.Certificate = certificate("cose/certs/masa.der")


@pytest.mark.rule("R-16")
@pytest.mark.parametrize("name", ["cose/pvr", "made/pvr-cert", "made/pvr-pubk-sha256"])
def test_proximity_of_published_requests(name: str) -> None:
    request = open_voucher_request(media.VOUCHER_COSE, read(f"{name}.hex")).data
    proximity_matches(request, OWN)
    with pytest.raises(Refused) as caught:
        proximity_matches(request, NOT_OWN)
    assert caught.value.refusal is Refusal.NOT_PROXIMATE


EVERY = VoucherRequest(
    serial_number="A",
    proximity_registrar_cert=REGISTRAR,
    proximity_registrar_pubk=SPKI,
    proximity_registrar_pubk_sha256=DIGEST,
)


@pytest.mark.rule("R-16")
@pytest.mark.parametrize(
    "request_data",
    [
        replace(EVERY, proximity_registrar_cert=PLEDGE),
        replace(EVERY, proximity_registrar_pubk=b"key"),
        replace(EVERY, proximity_registrar_pubk_sha256=bytes(32)),
        VoucherRequest(serial_number="A"),
    ],
    ids=["certificate", "key", "hash", "none"],
)
def test_every_leaf_that_is_there_must_match(request_data: VoucherRequest) -> None:
    """D22."""
    proximity_matches(EVERY, OWN)
    with pytest.raises(Refused) as caught:
        proximity_matches(request_data, OWN)
    assert caught.value.refusal is Refusal.NOT_PROXIMATE
