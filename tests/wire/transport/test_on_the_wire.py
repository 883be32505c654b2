"""What the bytes of a DTLS handshake say."""

import struct
from dataclasses import replace

import pytest

from sztb.codepoints.tls import (
    ECDHE_ECDSA_AES128_CCM_8,
    EXTENSION_MAX_FRAGMENT_LENGTH,
    EXTENSION_RECORD_SIZE_LIMIT,
    Alert,
)
from sztb.transport.memory import exchange
from sztb.transport.tls.client_hello import extensions, record_limit
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.engine import Received
from sztb.transport.tls.engines import ClientEngine, DatagramServerEngine
from sztb.transport.tls.records import RECORD_OVERHEAD, client_hello_random
from tests.fakes.links import (
    ADDRESS,
    CLIENT,
    SERVER,
    accept,
    events,
    handshake,
    registrar_identity,
    tls_identity,
)
from tests.fakes.pki import make_pki

SERVER_NAME, SUPPORTED_GROUPS, POINT_FORMATS, EXTENDED_MASTER_SECRET = 0, 10, 11, 23


def client_hello(config: ClientTls = CLIENT) -> bytes:
    [hello] = ClientEngine(config, datagram=True).session(0.0).take_outgoing()
    return hello


def hello_with_cookie(acceptor: DatagramServerEngine, config: ClientTls = CLIENT) -> bytes:
    client = ClientEngine(config, datagram=True).session(0.0)
    [hello] = client.take_outgoing()
    client.receive(acceptor.accept(hello, ADDRESS, 0.0).datagram, 0.0)
    [hello] = client.take_outgoing()
    return hello


def with_extensions(hello: bytes, wanted: dict[int, bytes]) -> bytes:
    """Return the ClientHello with other extensions; they are the last thing in it."""
    block = b"".join(struct.pack(">HH", number, len(v)) + v for number, v in wanted.items())
    old = sum(4 + len(value) for value in extensions(hello).values())
    body = hello[25 : len(hello) - old - 2] + struct.pack(">H", len(block)) + block
    length = len(body).to_bytes(3, "big")
    message = hello[13:14] + length + hello[17:19] + bytes(3) + length + body
    return hello[:11] + struct.pack(">H", len(message)) + message


def server_hello_extensions(flight: bytes) -> dict[int, bytes]:
    """Read the extensions of a ServerHello that starts a flight."""
    assert flight[13] == 2
    end = 25 + int.from_bytes(flight[14:17], "big")
    position = 25 + 2 + 32
    position += 1 + flight[position] + 3 + 2
    found = {}
    while position < end:
        number, length = struct.unpack_from(">HH", flight, position)
        found[number] = flight[position + 4 : position + 4 + length]
        position += 4 + length
    return found


@pytest.mark.rule("P-07", "P-06")
def test_the_client_offers_one_suite_one_curve_one_point_format_and_dtls_1_2():
    hello = client_hello()
    position = 59 + 1 + hello[59]
    position += 1 + hello[position]
    assert hello[position : position + 4] == struct.pack(">HH", 2, ECDHE_ECDSA_AES128_CCM_8)
    found = extensions(hello)
    assert found[SUPPORTED_GROUPS] == bytes.fromhex("00020017")  # secp256r1
    assert found[POINT_FORMATS] == bytes.fromhex("0100")  # uncompressed
    assert hello[25:27] == bytes.fromhex("fefd")
    assert EXTENDED_MASTER_SECRET in found
    assert 43 not in found  # supported_versions would offer 1.3


@pytest.mark.rule("P-09")
def test_the_client_names_no_server():
    assert SERVER_NAME not in extensions(client_hello())
    assert SERVER_NAME in extensions(client_hello(replace(CLIENT, server_name="a.example")))


@pytest.mark.rule("P-08")
@pytest.mark.parametrize(("size", "code"), [(512, 1), (1024, 2)])
def test_the_client_asks_for_small_records(size, code):
    found = extensions(client_hello(replace(CLIENT, max_fragment_length=size)))
    assert found[EXTENSION_MAX_FRAGMENT_LENGTH] == bytes([code])
    assert int.from_bytes(found[EXTENSION_RECORD_SIZE_LIMIT], "big") == size


def test_a_client_need_not_ask_for_small_records():
    found = extensions(client_hello(replace(CLIENT, max_fragment_length=None)))
    assert EXTENSION_MAX_FRAGMENT_LENGTH not in found


def only_max_fragment_length(hello: bytes, code: int) -> bytes:
    """What a client that does not know record_size_limit would have sent."""
    found = extensions(hello)
    del found[EXTENSION_RECORD_SIZE_LIMIT]
    return with_extensions(hello, found | {EXTENSION_MAX_FRAGMENT_LENGTH: bytes([code])})


@pytest.mark.rule("R-63")
@pytest.mark.parametrize(("code", "size"), [(1, 512), (2, 1024)])
def test_the_server_agrees_to_max_fragment_length(code, size):
    acceptor = DatagramServerEngine(SERVER, 0.0)
    hello = only_max_fragment_length(hello_with_cookie(acceptor), code)
    session = acceptor.accept(hello, ADDRESS, 0.0)
    flight = session.take_outgoing()
    found = server_hello_extensions(flight[0])
    assert found[EXTENSION_MAX_FRAGMENT_LENGTH] == bytes([code])
    assert EXTENSION_RECORD_SIZE_LIMIT not in found
    assert EXTENDED_MASTER_SECRET in found
    assert all(len(datagram) <= size + RECORD_OVERHEAD for datagram in flight)
    assert all(len(record) <= size + 13 for datagram in flight for record in records(datagram))


@pytest.mark.rule("R-63")
@pytest.mark.parametrize("code", [0, 5, 255])
def test_a_code_that_does_not_exist_is_an_illegal_parameter(code):
    acceptor = DatagramServerEngine(SERVER, 0.0)
    hello = only_max_fragment_length(hello_with_cookie(acceptor), code)
    session = acceptor.accept(hello, ADDRESS, 0.0)
    [closed] = events(session)
    assert closed.error.alert is Alert.ILLEGAL_PARAMETER
    [alert] = session.take_outgoing()
    assert alert[13:] == bytes([2, Alert.ILLEGAL_PARAMETER])


@pytest.mark.rule("R-63")
@pytest.mark.parametrize("size", [512, 1024])
def test_both_ends_keep_to_the_size(size):
    client, server = handshake(replace(CLIENT, max_fragment_length=size))
    events(client)
    assert server.max_payload <= size
    assert client.max_payload <= size
    server.send(bytes(server.max_payload))
    exchange(client, server)
    assert events(client) == [Received(bytes(server.max_payload))]


def test_a_hello_in_fragments_gets_the_smallest_records():
    hello = client_hello()
    assert record_limit(hello) == 1024
    first = hello[:22] + (20).to_bytes(3, "big") + hello[25:45]
    assert record_limit(first) == 512


@pytest.mark.parametrize("cut", range(25, 110, 5))
def test_a_hello_cut_short_has_no_readable_extensions(cut):
    assert extensions(client_hello()[:cut]) is None


@pytest.mark.parametrize("size", [512, 1024, None])
def test_long_chains_go_out_in_small_datagrams(size):
    pki = make_pki()
    chain = (pki.registrar.chain[0], *[pki.domain_ca.der] * 7)
    server = ServerTls(replace(registrar_identity(), chain=chain))
    client = ClientEngine(replace(CLIENT, max_fragment_length=size), datagram=True).session(0.0)
    session = accept(DatagramServerEngine(server, 0.0), client)
    flight = session.take_outgoing()
    most = 1024 if size is None else min(1024, size + RECORD_OVERHEAD)
    assert max(map(len, flight)) <= most
    assert len(flight) > 2
    for datagram in flight:
        client.receive(datagram, 0.0)
    exchange(client, session)
    assert client.peer_chain == chain


def test_a_flight_in_disorder_costs_one_retransmission():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    server = accept(DatagramServerEngine(SERVER, 0.0), client)
    whole = [record for datagram in server.take_outgoing() for record in records(datagram)]
    for record in reversed(whole):
        client.receive(record, 0.0)
    exchange(client, server)
    if not client.established:
        server.handle_timeout(server.next_deadline())
        exchange(client, server, 1.0)
    assert client.established
    assert server.established


def test_a_flight_shares_datagrams():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    server = accept(DatagramServerEngine(SERVER, 0.0), client)
    flight = server.take_outgoing()
    assert len(flight) <= 2
    assert sum(len(records(datagram)) for datagram in flight) >= 5


def test_the_handshake_fits_its_budget():
    pki = make_pki()
    client = ClientEngine(
        ClientTls(replace(tls_identity(pki.device()), chain=pki.device().chain[:2])),
        datagram=True,
    ).session(0.0)
    server = ServerTls(replace(registrar_identity(), chain=pki.registrar.chain[:2]))
    acceptor = DatagramServerEngine(server, 0.0)
    sizes = []
    [hello] = client.take_outgoing()
    challenge = acceptor.accept(hello, ADDRESS, 0.0).datagram
    client.receive(challenge, 0.0)
    [second] = client.take_outgoing()
    session = acceptor.accept(second, ADDRESS, 0.0)
    sizes += [len(hello), len(challenge), len(second)]
    while not client.established:
        for one, other in ((session, client), (client, session)):
            for datagram in one.take_outgoing():
                sizes.append(len(datagram))
                other.receive(datagram, 0.0)
    assert sum(sizes) <= 3500  # the certificates alone are about 2000


@pytest.mark.parametrize("garbage", [b"", b"\x16", b"\x16\xfe\xfd" + bytes(60), bytes(100)])
def test_nothing_else_counts_as_a_hello(garbage):
    assert client_hello_random(garbage) is None


def records(datagram: bytes) -> list[bytes]:
    found, position = [], 0
    while position < len(datagram):
        end = position + 13 + int.from_bytes(datagram[position + 11 : position + 13], "big")
        found.append(datagram[position:end])
        position = end
    return found
