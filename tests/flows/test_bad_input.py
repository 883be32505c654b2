"""Requests nobody should send, over DTLS to a running registrar: the codes of cbrski.md 5.4."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import cbor2
import pytest

from sztb.codepoints.coap import Code, Option
from sztb.codepoints.resources import Operation
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import Block, encode_uint
from sztb.envelope import cose_sign1
from sztb.transport.tls.errors import LinkFailed
from tests.fakes.https_stub import https_stub
from tests.fakes.pki import make_pki
from tests.registrar.test_request_voucher_refused import BAD, FOREIGN, leaf, recoded
from tests.transport.coaps import RawPeer

RV, VS, ES = Operation.REQUEST_VOUCHER, Operation.VOUCHER_STATUS, Operation.ENROLL_STATUS
CRTS = Operation.CACERTS
PKI = make_pki()
SERVER = PKI.tls_server("localhost")
SECP256K1 = bytes.fromhex(
    "3056301006072a8648ce3d020106052b8104000a03420004"
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)


@pytest.fixture
async def visit(registrar):
    async with registrar.visited(PKI.device("SN-1")) as connection:
        yield connection


def algorithm(number):
    """A PVR that names another signature algorithm."""
    protected = cbor2.dumps({1: number})
    return recoded(lambda four: cbor2.CBORTag(18, [protected, *four[1:]]))


def payload(data):
    """Any payload, correctly signed."""
    return lambda visit: cose_sign1.sign(data, visit.device.key)


MORE = [
    pytest.param(recoded(lambda four: cbor2.CBORTag(18, [b"", {}, *four[2:]])), id="missing alg"),
    pytest.param(algorithm(-47), id="alg ES256K"),
    pytest.param(algorithm(-36), id="alg ES512"),
    pytest.param(algorithm(-257), id="alg RS256"),
    pytest.param(algorithm("ES256"), id="alg as text"),
    pytest.param(payload(b"\xa2" + bytes.fromhex("1909C5A01909C5A0")), id="container twice"),
    pytest.param(payload(b"\xbf\x19\x09\xc5\xa0"), id="map without end"),
    pytest.param(payload(b"\x81" * 200 + b"\0"), id="deep payload"),
    pytest.param(lambda _: b'{"ietf-voucher-request:voucher": {}}', id="JSON"),
]


def check_error(answer, code):
    """The code, and a short text that says nothing of what was seen."""
    assert answer.code == code, answer
    assert 0 < len(answer.payload) < 50
    assert answer.payload.decode().isprintable()


@pytest.mark.parametrize(("make", "code"), BAD)
async def test_pvr(registrar, visit, make, code):
    check_error(await visit.ask(RV, make(visit)), code)
    assert await registrar.record(visit.device) is None
    assert (await visit.ask(CRTS, accept=287)).code == Code.CONTENT  # the connection lives


@pytest.mark.rule("X-06", "X-07", "R-30")
@pytest.mark.parametrize("make", MORE)
async def test_malformed_pvr(registrar, visit, make):
    check_error(await visit.ask(RV, make(visit)), Code.BAD_REQUEST)
    assert await registrar.record(visit.device) is None


@pytest.mark.parametrize(
    ("make", "code"),
    [
        *FOREIGN,
        pytest.param(leaf(proximity_registrar_pubk=SECP256K1), Code.UNAUTHORIZED,
                     id="unknown curve", marks=pytest.mark.rule("R-16")),
        pytest.param(leaf(proximity_registrar_pubk=b"\x30\x00"), Code.UNAUTHORIZED,
                     id="no key", marks=pytest.mark.rule("R-16")),
    ],
)  # fmt: skip
async def test_pvr_of_another_registrar(registrar, visit, make, code):
    check_error(await visit.ask(RV, make(visit)), code)
    with pytest.raises(LinkFailed):
        await visit.ask(CRTS)
    assert await registrar.record(visit.device) is None


@pytest.mark.rule("R-06", "R-08", "X-14")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"content_format": None}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"content_format": 60}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"content_format": 65535}, Code.UNSUPPORTED_CONTENT_FORMAT),
        ({"accept": 60}, Code.NOT_ACCEPTABLE),
        ({"accept": 65535}, Code.NOT_ACCEPTABLE),
        ({"method": Code.GET}, Code.METHOD_NOT_ALLOWED),
        ({"method": Code.DELETE}, Code.METHOD_NOT_ALLOWED),
        ({"path": (".well-known", "brski", "RV")}, Code.NOT_FOUND),
        ({"path": ()}, Code.NOT_FOUND),
    ],
)
async def test_options(visit, options, code):
    check_error(await visit.ask(RV, visit.pvr(), **options), code)


@pytest.mark.rule("R-06", "R-57")
@pytest.mark.parametrize("operation", [VS, ES])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xa1", id="truncated"),
        pytest.param(cbor2.dumps({"version": 1}), id="no status"),
        pytest.param(cbor2.dumps({"version": "1", "status": True}), id="version as text"),
        pytest.param(bytes.fromhex("A3") + cbor2.dumps("version") + b"\1"
                     + 2 * (cbor2.dumps("status") + b"\xf5"), id="status twice"),
        pytest.param(b"\x81" * 300 + b"\0", id="deep"),
        pytest.param(b'{"version": 1, "status": true}', id="JSON under CBOR"),
    ],
)  # fmt: skip
async def test_telemetry(visit, operation, body):
    check_error(await visit.ask(operation, body), Code.BAD_REQUEST)


# --- one PVR twice, two PVRs at once ----------------------------------------------------------


@pytest.mark.rule("R-31", "R-47", "R-14", "R-16", "R-30")
async def test_replay(registrar):
    """The same device gets the same answer; others get nothing; later it is stale."""
    async with https_stub(SERVER, registrar.voucher) as masa:
        device, thief = (PKI.device(name, masa.authority) for name in ("OWNER", "THIEF"))
        async with registrar.visited(device) as visit:
            pvr = visit.pvr()
            first = await visit.ask(RV, pvr)
            assert first.code == Code.CHANGED
            assert await visit.ask(RV, pvr) == first
        async with registrar.visited(device) as later:
            assert await later.ask(RV, pvr) == first
        async with registrar.visited(thief) as visit:
            check_error(await visit.ask(RV, pvr), Code.FORBIDDEN)
        let_answers_grow_old(registrar)
        async with registrar.visited(device) as much_later:
            check_error(await much_later.ask(RV, pvr), Code.FORBIDDEN)
            assert (await much_later.ask_voucher(nonce=b"nonce-02")).code == Code.CHANGED
    vouchers = [each for each in masa.requests if each.path.endswith("requestvoucher")]
    assert len(vouchers) == 2


def let_answers_grow_old(registrar):
    """Ten minutes pass (D27)."""
    with closing(sqlite3.connect(registrar.folder / "registrar.db")) as database, database:
        database.execute("UPDATE pending_vouchers SET keep_until = 1 WHERE keep_until NOT NULL")


# --- blocks -------------------------------------------------------------------------------------


class Blocks:
    """A peer that writes each CoAP message itself."""

    def __init__(self, peer):
        self.peer, self.sent = peer, 0

    @classmethod
    async def connect(cls, registrar):
        return cls(await RawPeer.connect(("::1", registrar.port)))

    async def send(self, number, *, more=True, body=b"x" * 512, exponent=5, options=()):
        """POST one block to /rv; returns the response."""
        self.sent += 1
        block = (int(Option.BLOCK1), Block(number, more, exponent).encode())
        path = (int(Option.URI_PATH_ABBREV), encode_uint(RV.value.abbreviation))
        form = (int(Option.CONTENT_FORMAT), encode_uint(836))
        ordered = tuple(sorted((block, path, form, *options), key=lambda option: option[0]))
        message = CoapMessage(MessageType.CON, Code.POST, self.sent, b"t", ordered, body)
        self.peer.send(encode(message))
        return decode(await self.peer.receive())

    async def codes(self, *numbers):
        return [(await self.send(number)).code for number in numbers]


CONTINUE, INCOMPLETE = Code.CONTINUE, Code.REQUEST_ENTITY_INCOMPLETE


@pytest.mark.rule("R-09", "E-43")
@pytest.mark.parametrize(
    ("numbers", "codes"),
    [
        ((1,), [INCOMPLETE]),
        ((0, 2), [CONTINUE, INCOMPLETE]),
        ((0, 1, 1), [CONTINUE, CONTINUE, INCOMPLETE]),
        ((0, 1, 0, 2), [CONTINUE, CONTINUE, CONTINUE, INCOMPLETE]),
        ((0, 2, 1), [CONTINUE, INCOMPLETE, INCOMPLETE]),
    ],
    ids=str,
)
async def test_blocks_in_wrong_order(registrar, numbers, codes):
    blocks = await Blocks.connect(registrar)
    assert await blocks.codes(*numbers) == codes
    blocks.peer.association.close()


@pytest.mark.rule("R-09", "E-50")
async def test_a_body_that_is_too_large(registrar):
    """16 KiB are taken; the block after them, and a body announced as larger, are 4.13."""
    blocks = await Blocks.connect(registrar)
    assert await blocks.codes(*range(32)) == [CONTINUE] * 32
    refused = await blocks.send(32)
    assert refused.code == Code.REQUEST_ENTITY_TOO_LARGE
    assert (Option.SIZE1, encode_uint(16384)) in refused.options
    announced = ((int(Option.SIZE1), encode_uint(16385)),)
    assert (await blocks.send(0, options=announced)).code == Code.REQUEST_ENTITY_TOO_LARGE
    blocks.peer.association.close()


@pytest.mark.rule("R-09")
async def test_blocks_of_the_wrong_size(registrar):
    blocks = await Blocks.connect(registrar)
    assert (await blocks.send(0, body=b"x" * 511)).code == Code.BAD_REQUEST
    assert (await blocks.send(0, body=b"x" * 513)).code == Code.BAD_REQUEST
    blocks.peer.association.close()


@pytest.mark.rule("R-09", "E-43")
async def test_transfers_never_finished(registrar, visit):
    """Many devices begin and never end; another one is served all the while."""
    begun = []
    for _ in range(20):
        blocks = await Blocks.connect(registrar)
        for number in range(4):
            query = ((int(Option.URI_QUERY), b"%d" % number),)
            assert (await blocks.send(0, options=query)).code == CONTINUE
        begun.append(blocks)
    check_error(await visit.ask(RV, visit.pvr(lambda one: replace(one, nonce=None))), 0x80)
    for blocks in begun:
        blocks.peer.association.close()
