"""The pledge of the published vectors against every published and made voucher."""

from datetime import timedelta
from typing import Any

import pytest

from pledge.identity import VoucherAnchors
from pledge.policy import PledgePolicy
from pledge.voucher_check import check_voucher
from pledge.voucher_request import SentRequest
from sztb.brski import provisional
from sztb.codepoints import media
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import idevid
from sztb.voucher.formats import open_voucher_request
from sztb.voucher.pins import Pin, proximity_leaf
from tests.wire.vectors import FROZEN, MANIFEST, MASA, certificate, read, signer

VOUCHERS = [entry for entry in MANIFEST if "accept_by_pledge_of_pvr" in entry]
ACCEPTED = [entry for entry in VOUCHERS if entry["accept_by_pledge_of_pvr"] is True]
REFUSED = [entry for entry in VOUCHERS if entry["accept_by_pledge_of_pvr"] is False]
ANCHORS = VoucherAnchors(certificates=(certificate("cose/certs/masa_ca.der"),))
BARE_KEY = VoucherAnchors(keys=(signer(MASA).public_key,))
PRESENTED = (read("cose/certs/registrar.der"), read("cose/certs/domain_ca.der"))

WHY = {  # file: the refusal, None for Malformed
    "cose/voucher.hex": Refusal.NONCE,
    "made/neg-voucher-wrong-nonce.hex": Refusal.NONCE,
    "made/neg-voucher-wrong-serial.hex": Refusal.SERIAL_NUMBER,
    "made/neg-voucher-wrong-signer.hex": Refusal.VOUCHER_SIGNATURE,
    "made/neg-voucher-wrong-idevid-issuer.hex": Refusal.IDEVID_ISSUER,
    "made/neg-voucher-no-pin.hex": Refusal.NO_PIN,
    "made/neg-voucher-alg-unprotected.hex": Refusal.ALGORITHM,
    "made/neg-voucher-detached.hex": None,
    "made/neg-voucher-payload-tampered.hex": Refusal.VOUCHER_SIGNATURE,
    "made/neg-voucher-is-request.hex": Refusal.CONTAINER,
}


def sent() -> SentRequest:
    """What the pledge of cose/pvr.hex remembers."""
    request = open_voucher_request(media.VOUCHER_COSE, read("cose/pvr.hex")).data
    leaf = proximity_leaf(request)
    assert request.nonce is not None
    assert leaf is not None
    device = idevid.device_ref(certificate("cose/certs/pledge.der"))
    return SentRequest(request.serial_number, request.nonce, device.idevid_issuer, leaf)


def checked(entry: dict[str, Any], anchors: VoucherAnchors = ANCHORS, days: int = 0) -> Pin:
    now = FROZEN + timedelta(days=days)
    return check_voucher(read(entry["file"]), sent(), anchors, PledgePolicy(), now)


def by_file(entry: dict[str, Any]) -> str:
    return str(entry["file"])


@pytest.mark.rule("P-18", "P-19", "P-20", "P-21", "P-25")
@pytest.mark.parametrize("entry", ACCEPTED, ids=by_file)
@pytest.mark.parametrize("anchors", [ANCHORS, BARE_KEY], ids=["certificate", "bare key"])
def test_accepted_vouchers_end_the_provisional_state(
    entry: dict[str, Any], anchors: VoucherAnchors
) -> None:
    pin = checked(entry, anchors)
    path = provisional.resolve(PRESENTED, pin, FROZEN)
    assert path[0] == certificate("cose/certs/registrar.der")


def test_the_reasons_cover_every_refused_voucher() -> None:
    assert set(WHY) == {entry["file"] for entry in REFUSED}


@pytest.mark.rule("P-18", "P-19", "P-20", "P-21", "P-24", "X-10")
@pytest.mark.parametrize("entry", REFUSED, ids=by_file)
def test_refused_vouchers(entry: dict[str, Any]) -> None:
    with pytest.raises((Malformed, Refused)) as caught:
        checked(entry)
    assert getattr(caught.value, "refusal", None) is WHY[entry["file"]]


@pytest.mark.rule("P-21", "P-22")
def test_the_nonceless_voucher_lives_until_its_expiry() -> None:
    [entry] = [one for one in VOUCHERS if str(one["accept_by_pledge_of_pvr"]).startswith("policy")]
    checked(entry)
    with pytest.raises(Refused) as caught:
        checked(entry, days=8)
    assert caught.value.refusal is Refusal.EXPIRED
