"""DTLS sessions on GnuTLS, joined in memory."""

import logging
from dataclasses import replace

import pytest

from sztb.codepoints.tls import Alert
from sztb.errors import Misuse
from sztb.pki.keys import FileKey, SignatureAlgorithm, spki_der
from sztb.transport.memory import exchange
from sztb.transport.tls import engines
from sztb.transport.tls.config import ClientTls, ServerTls, TlsIdentity
from sztb.transport.tls.engine import Closed, Established, Received
from sztb.transport.tls.engines import ClientEngine, DatagramServerEngine
from tests.fakes.links import (
    CLIENT,
    SERVER,
    HiddenKey,
    accept,
    device_identity,
    events,
    handshake,
    registrar_identity,
)

ALGORITHMS = list(SignatureAlgorithm)


@pytest.mark.rule("P-10", "P-11", "R-01")
def test_both_ends_see_the_whole_presented_chain():
    client, server = handshake()
    assert events(client) == [Established()]
    assert events(server) == [Established()]
    assert client.peer_chain == SERVER.identity.chain
    assert server.peer_chain == CLIENT.identity.chain
    assert len(client.peer_chain) > 1


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.value)
def test_each_key_type_authenticates_both_ends(algorithm):
    client, server = handshake(
        ClientTls(device_identity(algorithm)), ServerTls(registrar_identity(algorithm))
    )
    assert client.established
    assert server.established


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.value)
def test_keys_that_cannot_be_exported_sign_through_their_signer(algorithm):
    shown, own = registrar_identity(algorithm), device_identity(algorithm)
    server_key, client_key = HiddenKey(shown.key), HiddenKey(own.key)
    client, server = handshake(
        ClientTls(replace(own, key=client_key)), ServerTls(replace(shown, key=server_key))
    )
    assert client.established
    assert server.established
    assert server.peer_chain == own.chain
    assert server_key.signatures > 0
    assert client_key.signatures > 0


def test_a_signer_that_fails_ends_the_handshake_and_nothing_else(caplog):
    key = HiddenKey(SERVER.identity.key)
    engine = DatagramServerEngine(replace(SERVER, identity=replace(SERVER.identity, key=key)), 0.0)
    key.sign_digest = lambda _digest: 1 / 0
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    with caplog.at_level(logging.CRITICAL, "sztb.transport.tls.callbacks"):
        server = accept(engine, client)
    [closed] = events(server)
    assert closed.error.alert is Alert.INTERNAL_ERROR
    exchange(client, server)
    [closed] = events(client)
    assert closed.error.by_peer


def test_an_ecdsa_key_that_signs_whole_messages_only_is_misuse():
    key = HiddenKey(SERVER.identity.key)
    with pytest.raises(Misuse, match="DigestSigner"):
        DatagramServerEngine(ServerTls(replace(SERVER.identity, key=PlainSigner(key))), 0.0)


class PlainSigner:
    def __init__(self, key):
        self.public_key, self.algorithm, self.sign = key.public_key, key.algorithm, key.sign
        self.certificate_key = key.certificate_key


def test_data_arrives_record_by_record():
    client, server = handshake()
    events(server)
    client.send(b"one")
    client.send(b"two")
    exchange(client, server)
    assert events(server) == [Received(b"one"), Received(b"two")]


def test_all_records_of_a_datagram_arrive():
    client, server = handshake()
    events(server)
    for data in (b"one", b"two", b"three"):
        client.send(data)
    server.receive(b"".join(client.take_outgoing()), 0.0)
    assert events(server) == [Received(b"one"), Received(b"two"), Received(b"three")]


def test_a_record_too_long_is_misuse_and_harmless():
    client, server = handshake()
    events(server)
    with pytest.raises(Misuse, match="record takes"):
        client.send(bytes(client.max_payload + 1))
    client.send(bytes(client.max_payload))
    exchange(client, server)
    assert events(server) == [Received(bytes(client.max_payload))]


def test_sending_needs_an_open_link():
    unfinished = ClientEngine(CLIENT, datagram=True).session(0.0)
    with pytest.raises(Misuse):
        unfinished.send(b"early")
    client, _server = handshake()
    client.close()
    with pytest.raises(Misuse):
        client.send(b"late")


def test_close_notify_is_an_orderly_end():
    client, server = handshake()
    events(server)
    client.close()
    exchange(client, server)
    assert events(server) == [Closed(None)]
    assert not server.established
    assert server.peer_chain == CLIENT.identity.chain


def test_channel_binding_and_exported_keys_are_equal_at_both_ends():
    client, server = handshake()
    assert client.channel_binding == server.channel_binding
    assert len(client.channel_binding) == 12
    assert client.export("EXPORTER-test", 32) == server.export("EXPORTER-test", 32)
    assert client.export("EXPORTER-test", 32) != client.export("EXPORTER-other", 32)


def test_what_needs_an_open_link_is_absent_or_misuse_without():
    session = ClientEngine(CLIENT, datagram=True).session(0.0)
    assert session.channel_binding is None
    assert session.application_protocol is None
    assert session.failed_records == 0
    with pytest.raises(Misuse):
        session.export("EXPORTER-test", 32)


@pytest.mark.rule("P-07")
def test_another_suite_is_refused(monkeypatch):
    other = engines._DTLS_CLIENT.replace("AES-128-CCM-8:+AEAD", "AES-128-CBC:+SHA256")
    monkeypatch.setattr(engines, "_DTLS_CLIENT", other)
    client, server = handshake()
    [closed] = events(server)
    assert closed.error.alert is Alert.HANDSHAKE_FAILURE
    [closed] = events(client)
    assert (closed.error.alert, closed.error.by_peer) == (Alert.HANDSHAKE_FAILURE, True)


def test_a_client_without_certificate_where_one_is_required():
    client, server = handshake(ClientTls(None))
    [closed] = events(server)
    assert closed.error.alert is Alert.HANDSHAKE_FAILURE
    [closed] = events(client)
    assert closed.error.by_peer


@pytest.mark.parametrize("wish", ["requested", "none"])
def test_a_client_without_certificate_where_none_is_required(wish):
    _client, server = handshake(ClientTls(None), replace(SERVER, client_certificate=wish))
    assert server.established
    assert server.peer_chain == ()


def test_a_client_that_is_not_asked_shows_nothing():
    _client, server = handshake(server=replace(SERVER, client_certificate="none"))
    assert server.established
    assert server.peer_chain == ()


@pytest.mark.rule("P-11")
def test_the_servers_signature_over_its_key_exchange_is_checked():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    server = accept(DatagramServerEngine(SERVER, 0.0), client)
    for record in server.take_outgoing():
        client.receive(_flip_last_byte_of(record, 12), 0.0)
    [closed] = events(client)
    assert closed.error is not None
    assert not closed.error.by_peer
    assert not client.established


def test_the_clients_proof_of_possession_is_checked():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    server = accept(DatagramServerEngine(SERVER, 0.0), client)
    for record in server.take_outgoing():
        client.receive(record, 0.0)
    for record in client.take_outgoing():
        server.receive(_flip_last_byte_of(record, 15), 0.0)
    [closed] = events(server)
    assert closed.error is not None
    assert not server.established


def test_an_alert_nobody_knows_still_ends_the_handshake():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    client.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\xee", 0.0)
    [closed] = events(client)
    assert (closed.error.alert, closed.error.by_peer) == (None, True)


def test_close_notify_in_the_handshake_ends_it():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    client.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x01\x00", 0.0)
    [closed] = events(client)
    assert (closed.error.alert, closed.error.by_peer) == (Alert.CLOSE_NOTIFY, True)


def test_a_warning_in_the_handshake_changes_nothing():
    client = ClientEngine(CLIENT, datagram=True).session(0.0)
    client.receive(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x01\x5a", 0.0)
    assert events(client) == []
    assert client.next_deadline() is not None


def _flip_last_byte_of(datagram: bytes, handshake_type: int) -> bytes:
    """Change the last byte of the handshake message of this type, if it is in the datagram."""
    changed, position = bytearray(datagram), 0
    while position < len(datagram):
        end = position + 13 + int.from_bytes(datagram[position + 11 : position + 13], "big")
        if datagram[position] == 22 and datagram[position + 13] == handshake_type:
            changed[end - 1] ^= 1
        position = end
    return bytes(changed)


@pytest.mark.rule("P-09", "R-03")
def test_a_server_name_is_ignored():
    client, server = handshake(replace(CLIENT, server_name="somebody.else.example"))
    assert client.established
    assert server.established


def test_a_server_shows_its_bare_key_to_those_who_ask():
    server = replace(SERVER, raw_public_key=True)
    client, peer = handshake(replace(CLIENT, server_certificate_type="raw-public-key"), server)
    assert client.peer_chain == (spki_der(SERVER.identity.key.public_key),)
    assert peer.peer_chain == CLIENT.identity.chain
    client, peer = handshake(server=server)
    assert client.peer_chain == SERVER.identity.chain
    assert peer.established


def test_a_bare_key_signs_through_a_signer_too():
    key = HiddenKey(SERVER.identity.key)
    server = ServerTls(replace(SERVER.identity, key=key), raw_public_key=True)
    client, _server = handshake(replace(CLIENT, server_certificate_type="raw-public-key"), server)
    assert client.peer_chain == (spki_der(key.public_key),)


def test_a_server_without_bare_keys_shows_its_chain_all_the_same():
    client, _server = handshake(replace(CLIENT, server_certificate_type="raw-public-key"))
    assert client.peer_chain == SERVER.identity.chain  # RFC 7250 4.2: it ignores the extension


GOOD = SERVER.identity
BAD_IDENTITIES = [
    pytest.param(replace(GOOD, chain=(b"nothing",)), id="not a certificate"),
    pytest.param(replace(GOOD, chain=(GOOD.chain[0], b"")), id="an issuer that is none"),
    pytest.param(replace(GOOD, key=FileKey.generate()), id="another key"),
    pytest.param(TlsIdentity((), GOOD.key), id="no certificate"),
]


@pytest.mark.parametrize("identity", BAD_IDENTITIES)
def test_an_identity_that_cannot_work_is_misuse(identity):
    with pytest.raises(Misuse):
        DatagramServerEngine(ServerTls(identity), 0.0)
    with pytest.raises(Misuse):
        ClientEngine(ClientTls(identity), datagram=True)


def test_sessions_leave_nothing_behind():
    client_engine = ClientEngine(CLIENT, datagram=True)
    server_engine = DatagramServerEngine(SERVER, 0.0)

    def one_link(*, broken: bool) -> None:
        client = client_engine.session(0.0)
        server = accept(server_engine, client)
        if not broken:
            exchange(client, server)
            assert server.established
        client.close()
        server.close()

    for _ in range(200):
        one_link(broken=False)
    before = _resident_kb()
    for number in range(2000):
        one_link(broken=number % 2 == 0)
    assert _resident_kb() - before < 2000  # one leaked session of each kind would be over 10 MB


def _resident_kb() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4
