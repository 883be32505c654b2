"""TLS over streams, against Python's own ssl module."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sztb.codepoints.tls import Alert
from sztb.errors import Misuse
from sztb.pki.keys import SignatureAlgorithm
from sztb.transport.memory import exchange
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.engine import Closed, Established, Received, TlsSession
from sztb.transport.tls.engines import ServerEngine
from tests.fakes.links import (
    CLIENT,
    SERVER,
    device_identity,
    events,
    registrar_identity,
    stream_handshake,
)
from tests.fakes.pki import LIFETIME

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Foreign:
    """A client on OpenSSL, by Python's ssl module."""

    def __init__(self, version, chain: Path | None, alpn=()):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if chain:
            context.load_cert_chain(chain)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)

    def run(self, action, server: TlsSession):
        """Do something that may need bytes to go to and fro."""
        for _ in range(10):
            try:
                result = action()
            except ssl.SSLWantReadError:
                result = None
            sent = self.outgoing.read()
            if sent:
                server.receive(sent, 0.0)
            for piece in server.take_outgoing():
                self.incoming.write(piece)
            if result is not None:
                break
        return result

    def handshake(self, server: TlsSession) -> None:
        self.run(lambda: self.tls.do_handshake() or True, server)
        self.run(lambda: None, server)

    def handshake_and_read(self, server: TlsSession) -> None:
        """Under TLS 1.3 a client hears of its refusal only after its handshake."""
        self.handshake(server)
        self.run(lambda: self.tls.read(1), server)


def pem(chain, key) -> bytes:
    return key + b"".join(ssl.DER_cert_to_PEM_cert(one).encode() for one in chain)


@pytest.fixture(params=SignatureAlgorithm, ids=lambda algorithm: algorithm.value)
def device(request, tmp_path):
    identity = device_identity(request.param)
    path = tmp_path / "device.pem"
    path.write_bytes(pem(identity.chain, identity.key.to_pem()))
    return identity, path


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_client_of_an_unknown_ca_is_taken_and_its_chain_handed_up(version, device):
    identity, path = device
    server = ServerEngine(ServerTls(registrar_identity()), datagram=False).session(0.0)
    foreign = Foreign(version, path)
    foreign.handshake(server)
    assert events(server)[0] == Established()
    assert server.peer_chain == identity.chain
    assert foreign.tls.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_data_of_any_length_goes_both_ways(version, device):
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    foreign = Foreign(version, device[1])
    foreign.handshake(server)
    events(server)
    foreign.run(lambda: foreign.tls.write(b"x" * 16000), server)
    foreign.run(lambda: foreign.tls.write(b"y" * 16000), server)
    got = b"".join(event.data for event in events(server))
    assert got == b"x" * 16000 + b"y" * 16000
    server.send(b"z" * 50_000)
    answer = bytearray()
    while len(answer) < 50_000:
        answer += foreign.run(lambda: foreign.tls.read(20_000), server)
    assert bytes(answer) == b"z" * 50_000


def test_bytes_may_come_one_at_a_time(device):
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    foreign = Foreign(ssl.TLSVersion.TLSv1_3, device[1])
    real = server.receive

    class Slowly:
        take_outgoing = server.take_outgoing

        def receive(self, data, now):
            for index in range(len(data)):
                real(data[index : index + 1], now)

    foreign.handshake(Slowly())
    foreign.run(lambda: foreign.tls.write(b"slow"), Slowly())
    assert events(server) == [Established(), Received(b"slow")]


def test_the_channel_binding_is_tls_unique_under_1_2_and_absent_under_1_3(device):
    for version in VERSIONS:
        server = ServerEngine(SERVER, datagram=False).session(0.0)
        foreign = Foreign(version, device[1])
        foreign.handshake(server)
        if version is ssl.TLSVersion.TLSv1_2:
            assert server.channel_binding == foreign.tls.get_channel_binding("tls-unique")
        else:
            assert server.channel_binding is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((), None), (("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "http/1.1")],
)
def test_a_protocol_is_chosen_by_alpn(offered, chosen):
    config = replace(SERVER, client_certificate="requested", alpn=("http/1.1",))
    server = ServerEngine(config, datagram=False).session(0.0)
    foreign = Foreign(ssl.TLSVersion.TLSv1_3, None, offered)
    foreign.handshake(server)
    assert server.application_protocol == chosen
    assert foreign.tls.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_client_without_certificate_is_refused_where_one_is_required(version):
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    foreign = Foreign(version, None)
    with pytest.raises(ssl.SSLError):
        foreign.handshake_and_read(server)
    [closed] = events(server)
    expected = Alert.CERTIFICATE_REQUIRED if version is VERSIONS[1] else Alert.HANDSHAKE_FAILURE
    assert closed.error.alert is expected


def test_a_client_with_an_rsa_certificate_is_taken(tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an old registrar")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(LIFETIME.not_before)
        .not_valid_after(LIFETIME.not_after)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "rsa.pem"
    path.write_bytes(pem((certificate,), secret))
    for version in VERSIONS:
        server = ServerEngine(SERVER, datagram=False).session(0.0)
        Foreign(version, path).handshake(server)
        assert server.peer_chain == (certificate,)


def test_the_end_of_the_stream_without_close_notify_is_a_failure(device):
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    Foreign(ssl.TLSVersion.TLSv1_3, device[1]).handshake(server)
    events(server)
    server.receive(b"", 0.0)
    [closed] = events(server)
    assert closed.error is not None


def test_the_end_of_the_stream_in_the_handshake_is_a_failure():
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    server.receive(b"", 0.0)
    [closed] = events(server)
    assert closed.error is not None


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x05hello", bytes(2000)]
)
def test_what_is_not_tls_ends_the_session(garbage):
    server = ServerEngine(SERVER, datagram=False).session(0.0)
    server.receive(garbage, 0.0)
    [closed] = events(server)
    assert closed.error is not None


def test_our_own_client_speaks_to_our_own_server():
    client, server = stream_handshake(ClientTls(device_identity(), alpn=("http/1.1",)))
    assert client.peer_chain == SERVER.identity.chain
    assert server.peer_chain == CLIENT.identity.chain
    events(client)
    server.send(bytes(100_000))
    exchange(client, server)
    assert sum(len(event.data) for event in events(client)) == 100_000
    client.close()
    exchange(client, server)
    assert events(server)[-1] == Closed(None)
    with pytest.raises(Misuse):
        server.send(b"late")
