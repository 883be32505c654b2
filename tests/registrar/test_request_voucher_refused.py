"""POST /rv that must not reach a MASA: each case with the code of cbrski.md 5.4."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest

from registrar.policy.admission import Mode, SiteAdmission
from registrar.records import Standing
from sztb.codepoints.coap import Code
from sztb.codepoints.media import VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.pki.certificates import spki
from sztb.voucher.formats import FORMATS
from sztb.voucher.model import Assertion, Voucher
from tests.fakes.pki import NOW, make_pki
from tests.fakes.registrar_site import World

RV = Operation.REQUEST_VOUCHER
Make = Callable[[World], bytes]
OTHER_SPKI = spki(make_pki().another_registrar().certificate)


def leaf(**changes: Any) -> Make:
    """A PVR with other leaves, correctly signed."""
    return lambda world: world.pvr(lambda data: replace(data, **changes))


def recoded(change: Callable[[list[Any]], Any]) -> Make:
    """A PVR whose COSE elements were changed after signing."""

    def make(world: World) -> bytes:
        elements = list(cbor2.loads(world.pvr()).value)
        return cbor2.dumps(change(elements))

    return make


def signed_payload(payload: bytes) -> Make:
    """Any payload in a correct COSE_Sign1 by the device."""
    from sztb.envelope import cose_sign1

    return lambda world: cose_sign1.sign(payload, world.device.key)


def with_one_bit_flipped(world: World) -> bytes:
    pvr = bytearray(world.pvr())
    pvr[-1] ^= 1
    return bytes(pvr)


def a_voucher(world: World) -> bytes:
    data = Voucher(serial_number="SN-1", nonce=b"nonce-01", pinned_domain_pubk=OTHER_SPKI)
    return FORMATS[VOUCHER_COSE].seal(data, world.device.key)


def row(number: str, name: str, make: Make, code: Code) -> Any:
    return pytest.param(make, code, id=name, marks=pytest.mark.rule(number, "R-30"))


BAD = [
    # malformed CBOR and COSE: 4.00
    row("X-06", "empty", lambda _: b"", Code.BAD_REQUEST),
    row("X-06", "not CBOR", lambda _: b"\xff\xff\xff", Code.BAD_REQUEST),
    row("X-06", "truncated", lambda world: world.pvr()[:-9], Code.BAD_REQUEST),
    row("X-06", "trailing byte", lambda world: world.pvr() + b"\0", Code.BAD_REQUEST),
    row("X-07", "wrong tag", recoded(lambda four: cbor2.CBORTag(98, four)), Code.BAD_REQUEST),
    row("X-06", "three elements", recoded(lambda four: cbor2.CBORTag(18, four[:3])),
        Code.BAD_REQUEST),
    row("X-07", "alg not protected",
        recoded(lambda four: cbor2.CBORTag(18, [b"", {1: -7}, *four[2:]])), Code.BAD_REQUEST),
    row("X-06", "nil payload",
        recoded(lambda four: cbor2.CBORTag(18, [*four[:2], None, four[3]])), Code.BAD_REQUEST),
    row("X-06", "deep", lambda _: b"\xd2" + b"\x81" * 5000 + b"\x00", Code.BAD_REQUEST),
    row("X-06", "huge array head", lambda _: b"\xd2\x9b" + b"\xff" * 8, Code.BAD_REQUEST),
    row("X-06", "duplicate key", signed_payload(bytes.fromhex("A11909C5A2016400026401")),
        Code.BAD_REQUEST),
    row("X-01", "no container", signed_payload(cbor2.dumps({1: 2})), Code.BAD_REQUEST),
    row("X-10", "a voucher", a_voucher, Code.BAD_REQUEST),
    # signature: 4.03
    row("R-14", "bit flipped", with_one_bit_flipped, Code.FORBIDDEN),
    row("R-14", "signed by another device",
        lambda world: world.pvr(signer=world.pki.device("SN-2")), Code.FORBIDDEN),
    row("R-15", "signed by a key whose certificate is in the bag",
        lambda world: world.pvr(signer=world.pki.registrar, bag=world.pki.registrar.chain),
        Code.FORBIDDEN),
    # leaves: 4.00 (D12)
    row("R-17", "serial number of another device", leaf(serial_number="SN-2"), Code.BAD_REQUEST),
    row("R-17", "serial number in another case", leaf(serial_number="sn-1"), Code.BAD_REQUEST),
    row("R-17", "serial number with a blank", leaf(serial_number="SN-1 "), Code.BAD_REQUEST),
    row("R-20", "no nonce", leaf(nonce=None), Code.BAD_REQUEST),
    row("X-04", "nonce too short",
        signed_payload(cbor2.dumps({2501: {1: 2, 7: b"7 bytes", 13: "SN-1"}})), Code.BAD_REQUEST),
    row("X-04", "nonce too long",
        signed_payload(cbor2.dumps({2501: {1: 2, 7: bytes(33), 13: "SN-1"}})), Code.BAD_REQUEST),
    row("R-17", "no serial number",
        signed_payload(cbor2.dumps({2501: {1: 2, 7: bytes(8), 12: OTHER_SPKI}})),
        Code.BAD_REQUEST),
    # stale: 4.03
    row("R-30", "created five days ago and more",
        leaf(created_on=NOW - timedelta(days=5, seconds=1)), Code.FORBIDDEN),
]  # fmt: skip

FOREIGN = [  # 4.01, and the connection is closed
    row("R-16", "no assertion", leaf(assertion=None), Code.UNAUTHORIZED),
    row("R-16", "assertion logged", leaf(assertion=Assertion.LOGGED), Code.UNAUTHORIZED),
    row("R-16", "no proximity leaf", leaf(proximity_registrar_pubk=None), Code.UNAUTHORIZED),
    row("R-16", "key of another registrar", leaf(proximity_registrar_pubk=OTHER_SPKI),
        Code.UNAUTHORIZED),
    row("R-16", "certificate of another registrar",
        leaf(proximity_registrar_pubk=None,
             proximity_registrar_cert=make_pki().another_registrar().der), Code.UNAUTHORIZED),
    row("R-16", "one of two leaves is of another registrar",
        leaf(proximity_registrar_pubk_sha256=hashlib.sha256(OTHER_SPKI).digest()),
        Code.UNAUTHORIZED),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), BAD)
async def test_bad_pvr(world: World, make: Make, code: Code) -> None:
    answer = await world.ask(RV, make(world))
    assert (answer.code, answer.close) == (code, False)
    assert world.masas.asked == []
    assert world.store.tables.devices == {}


@pytest.mark.parametrize(("make", "code"), FOREIGN)
async def test_for_another_registrar(world: World, make: Make, code: Code) -> None:
    answer = await world.ask(RV, make(world))
    assert (answer.code, answer.close) == (code, True)
    assert world.masas.asked == []


@pytest.mark.rule("R-16", "P-44")
async def test_proximity_is_to_the_certificate_of_this_connection(world: World) -> None:
    elsewhere = world.peer(own_chain=world.pki.another_registrar().chain)
    answer = await world.ask(RV, world.pvr(), peer=elsewhere)
    assert answer.code == Code.UNAUTHORIZED


@pytest.mark.rule("R-15")
async def test_kid_and_certificates_of_the_pvr_do_not_count(world: World) -> None:
    answer = await world.ask(RV, world.pvr(bag=(b"not a certificate",)))
    assert answer.code == Code.CHANGED


@pytest.mark.rule("R-30")
async def test_a_pledge_without_a_clock_gives_no_date(world: World) -> None:
    recent = world.pvr(lambda data: replace(data, created_on=NOW - timedelta(days=4)))
    assert (await world.ask(RV, recent)).code == Code.CHANGED


@pytest.mark.rule("R-06", "R-24", "X-14")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"content_format": None}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"content_format": 60}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"content_format": 65000}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"accept": 60}, Code.NOT_ACCEPTABLE),
        ({"accept": 65000}, Code.NOT_ACCEPTABLE),
        ({"method": Code.GET}, Code.METHOD_NOT_ALLOWED),
        ({"path": (".well-known", "brski", "RV")}, Code.NOT_FOUND),
        ({"path": (".well-known", "brski")}, Code.NOT_FOUND),
    ],
)
async def test_options(world: World, options: dict[str, Any], code: Code) -> None:
    assert (await world.ask(RV, world.pvr(), **options)).code == code


# --- who is admitted (9.2 steps 1 and 4) ---------------------------------------------------------


@pytest.mark.rule("R-13", "R-40", "R-61")
async def test_device_of_an_unknown_manufacturer(world: World) -> None:
    world.client = make_pki("stranger").device()
    assert (await world.ask(RV, world.pvr(signer=world.client))).code == Code.NOT_FOUND


@pytest.mark.rule("E-41", "R-40")
async def test_client_without_certificate(world: World) -> None:
    assert (await world.ask(RV, world.pvr(), peer=world.peer(chain=()))).code == Code.UNAUTHORIZED


async def test_client_with_garbage_for_a_certificate(world: World) -> None:
    answer = await world.ask(RV, world.pvr(), peer=world.peer(chain=(b"garbage",)))
    assert answer.code == Code.BAD_REQUEST


async def test_client_with_nine_certificates(world: World) -> None:
    chain = world.client.chain + world.client.chain * 3
    assert (await world.ask(RV, world.pvr(), peer=world.peer(chain=chain))).code == Code.BAD_REQUEST


@pytest.mark.rule("R-13")
async def test_certificate_without_serial_number(world: World) -> None:
    world.client = world.pki.masa_signer  # chains to the same anchor, and is no device
    assert (await world.ask(RV, world.pvr(signer=world.client))).code == Code.NOT_FOUND


@pytest.mark.rule("R-37", "R-62")
@pytest.mark.parametrize(
    ("ignore", "code"), [(False, Code.NOT_FOUND), (True, Code.CHANGED)], ids=["counts", "ignored"]
)
async def test_idevid_before_its_time(world: World, ignore: bool, code: Code) -> None:
    world.maker(ignore_lifetime=ignore)
    world.clock.time = NOW - timedelta(seconds=1)
    assert (await world.ask(RV, world.pvr())).code == code


@pytest.mark.rule("R-30", "R-46")
@pytest.mark.parametrize(
    ("mode", "standing", "enabled", "code"),
    [
        (Mode.OPEN, None, False, Code.FORBIDDEN),  # vendor not yet allowed
        (Mode.LIST, None, True, Code.NOT_FOUND),  # device not known
        (Mode.OPEN, Standing.REFUSED, True, Code.NOT_ACCEPTABLE),  # other reasons
        (Mode.LIST, Standing.LISTED, True, Code.CHANGED),
        (Mode.APPROVE, Standing.APPROVED, True, Code.CHANGED),
    ],
)
async def test_admission(
    world: World, mode: Mode, standing: Standing | None, enabled: bool, code: Code
) -> None:
    world.change(admission=SiteAdmission(mode))
    world.maker(enabled=enabled)
    if standing is not None:
        world.know_device(standing)
    answer = await world.ask(RV, world.pvr())
    assert answer.code == code
    assert code == Code.CHANGED or world.store.last("admission").outcome == "refused"


@pytest.mark.rule("R-27")
async def test_no_masa_url_anywhere(world: World) -> None:
    world.client = world.pki.device("SN-1", masa_url=None)
    answer = await world.ask(RV, world.pvr())
    assert answer.code == Code.NOT_FOUND
    assert world.store.tables.pending == {}  # the lease went with the transaction


async def test_an_ldevid_gets_no_voucher(world: World) -> None:
    world.client = await world.become_enrolled()
    answer = await world.ask(RV, world.pvr(signer=world.client, nonce=b"nonce-02"))
    assert answer.code == Code.NOT_FOUND
