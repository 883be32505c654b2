"""Leaves that must be there."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sztb.errors import Refusal, Refused
from sztb.voucher.model import Assertion, Voucher, VoucherData, VoucherRequest
from sztb.voucher.presence import Artifact, check_presence, missing

AT = datetime(2024, 6, 1, tzinfo=UTC)
PVR = VoucherRequest(
    serial_number="A",
    nonce=bytes(16),
    assertion=Assertion.PROXIMITY,
    proximity_registrar_pubk=b"key",
)
RVR = VoucherRequest(serial_number="A", idevid_issuer=b"\x04\x00")
VOUCHER = Voucher(serial_number="A", nonce=bytes(16), pinned_domain_cert=b"cert")

GOOD = {
    "PVR": (PVR, Artifact.PVR),
    "PVR with every proximity leaf": (
        replace(PVR, proximity_registrar_cert=b"c", proximity_registrar_pubk_sha256=bytes(32)),
        Artifact.PVR,
    ),
    "PVR with a certificate": (
        replace(PVR, proximity_registrar_pubk=None, proximity_registrar_cert=b"c"),
        Artifact.PVR,
    ),
    "nonceless RVR": (RVR, Artifact.RVR),
    "RVR": (replace(RVR, nonce=bytes(16), assertion=Assertion.PROXIMITY), Artifact.RVR),
    "voucher": (VOUCHER, Artifact.VOUCHER),
    "nonceless voucher": (replace(VOUCHER, nonce=None, expires_on=AT), Artifact.VOUCHER),
    "voucher with a key": (
        replace(VOUCHER, pinned_domain_cert=None, pinned_domain_pubk=b"key"),
        Artifact.VOUCHER,
    ),
}


@pytest.mark.rule("P-13", "R-18")
@pytest.mark.parametrize(("data", "artifact"), GOOD.values(), ids=GOOD.keys())
def test_complete(data: VoucherData, artifact: Artifact) -> None:
    check_presence(data, artifact)
    assert list(missing(data, artifact)) == []


BAD = {
    "PVR without nonce": (replace(PVR, nonce=None), Artifact.PVR, Refusal.NONCE),
    "PVR without assertion": (replace(PVR, assertion=None), Artifact.PVR, Refusal.NOT_PROXIMATE),
    "PVR without proximity leaf": (
        replace(PVR, proximity_registrar_pubk=None),
        Artifact.PVR,
        Refusal.NOT_PROXIMATE,
    ),
    "RVR without idevid-issuer": (
        replace(RVR, idevid_issuer=None),
        Artifact.RVR,
        Refusal.IDEVID_ISSUER,
    ),
    "voucher without pin": (
        replace(VOUCHER, pinned_domain_cert=None),
        Artifact.VOUCHER,
        Refusal.NO_PIN,
    ),
    "voucher with nonce and expiry": (
        replace(VOUCHER, expires_on=AT),
        Artifact.VOUCHER,
        Refusal.NONCE_AND_EXPIRY,
    ),
}


@pytest.mark.rule("P-13", "P-24", "P-56", "R-18", "M-37")
@pytest.mark.parametrize(("data", "artifact", "refusal"), BAD.values(), ids=BAD.keys())
def test_refuses(data: VoucherData, artifact: Artifact, refusal: Refusal) -> None:
    with pytest.raises(Refused) as caught:
        check_presence(data, artifact)
    assert caught.value.refusal is refusal


def test_a_request_may_carry_nonce_and_expiry() -> None:
    """Expiry in a request is ignored (cbrski.md 6.3)."""
    check_presence(replace(PVR, expires_on=AT), Artifact.PVR)


def test_everything_that_is_missing_is_named() -> None:
    data = VoucherRequest(serial_number="A")
    names = [leaf.name for leaf in missing(data, Artifact.PVR)]
    assert names == ["proximity-registrar-cert", "assertion", "nonce"]
