"""The published RVRs of constrained-voucher and those made for this project."""

import pytest

from masa.customers import Customers
from masa.interfaces import VoucherKey
from masa.manufacturer import Manufacturer
from masa.records import DeviceRecord
from sztb.codepoints.media import VOUCHER_COSE
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.certificates import der
from sztb.pki.idevid import device_ref
from sztb.pki.trust_anchors import TrustAnchors
from sztb.voucher.formats import open_voucher
from sztb.voucher.model import Assertion
from sztb.voucher.pins import PinnedCert, choose_pin
from tests.fakes.masa import World, make_world
from tests.wire import vectors

PLEDGE = vectors.certificate("cose/certs/pledge.der")
REGISTRAR = vectors.certificate("cose/certs/registrar.der")
DOMAIN_CA = vectors.certificate("cose/certs/domain_ca.der")
MASA_CA = vectors.certificate("cose/certs/masa_ca.der")


@pytest.fixture
def published() -> World:
    """The MASA of the vectors, at their time."""
    from dataclasses import replace

    world = make_world()
    world.store.table = {
        device_ref(PLEDGE): DeviceRecord(device_ref(PLEDGE), der(PLEDGE), vectors.FROZEN)
    }
    world.service = replace(
        world.service,
        manufacturer=Manufacturer(TrustAnchors([MASA_CA])),
        voucher_key=VoucherKey(vectors.signer(vectors.MASA), (MASA_CA,)),
        customers=Customers({}),
        now=lambda: vectors.FROZEN,
    )
    return world


@pytest.mark.rule("M-03", "M-04", "M-09", "M-10", "M-11", "M-12")
@pytest.mark.parametrize("name", ["rvr-signed-fullbag", "rvr-signed-fullbag-shuffled"])
async def test_full_bag_in_any_order(published, name):
    voucher = await published.issue(vectors.read(f"made/{name}.hex"))
    assert voucher.assertion is Assertion.PROXIMITY
    assert choose_pin(voucher) == PinnedCert(der(DOMAIN_CA))
    assert voucher.nonce == bytes.fromhex("23BFBBC9C2BCF213")


@pytest.mark.rule("M-10", "M-16")
async def test_full_bag_and_no_device_table(published):
    published.store.table.clear()
    published.rules(unregistered=True)
    raw = await published.issue_raw(vectors.read("made/rvr-signed-fullbag.hex"))
    sealed = open_voucher(VOUCHER_COSE, raw)
    assert sealed.envelope.certificates == (der(MASA_CA),)
    assert sealed.data.serial_number == "JADA123456789"


async def test_the_drafts_own_request_needs_the_device_table(published):
    """V1: its bag holds the registrar's chain only, of an earlier generation (V2)."""
    raw = vectors.read("cose/rvr.hex")
    published.rules(max_age=None)
    voucher = await published.issue(raw)
    assert voucher.assertion is Assertion.PROXIMITY
    published.store.table.clear()
    published.rules(unregistered=True)
    with pytest.raises(Refused) as refused:
        await published.issue(raw)
    assert refused.value.refusal is Refusal.DEVICE_UNKNOWN


@pytest.mark.parametrize(
    "name", ["regis-to-MASA", "pledge-to-regis", "parboiled_vr_00-D0-E5-F2-00-03.vrq"]
)
async def test_legacy_requests(published, name):
    with pytest.raises((Malformed, Refused)):
        await published.issue(vectors.read(f"legacy/{name}.hex"))
