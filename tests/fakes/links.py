"""Both ends of DTLS and TLS links for tests: identities, recorders, sessions joined in memory.

client, server = handshake()                       # two GnutlsSessions, both established
client, server = handshake(server=replace(SERVER, client_certificate="none"))
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from sztb.pki.delegated_key import delegated_key
from sztb.pki.keys import FileKey, PrivateKey, PublicKey, SignatureAlgorithm, Signer
from sztb.transport.association import Association
from sztb.transport.memory import exchange
from sztb.transport.tls.config import ClientTls, ServerTls, TlsIdentity
from sztb.transport.tls.engine import Challenge, Event, TlsSession
from sztb.transport.tls.engines import ClientEngine, DatagramServerEngine, ServerEngine
from tests.fakes.pki import Identity, make_pki

ADDRESS = b"where the client is"


def tls_identity(identity: Identity, key: Signer | None = None) -> TlsIdentity:
    """Show `identity` with its issuers, on its own key or on another form of it."""
    return TlsIdentity(identity.chain, key or identity.key)


def registrar_identity(algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256) -> TlsIdentity:
    return tls_identity(make_pki(algorithm=algorithm).registrar)


def device_identity(algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256) -> TlsIdentity:
    return tls_identity(make_pki(algorithm=algorithm).device())


SERVER = ServerTls(registrar_identity())
CLIENT = ClientTls(device_identity())


_HASHES = {SignatureAlgorithm.ES256: hashes.SHA256(), SignatureAlgorithm.ES384: hashes.SHA384()}


class HiddenKey:
    """A `DigestSigner` that does not show its key, as one in a token."""

    def __init__(self, key: FileKey) -> None:
        self._private_key = key.certificate_key()
        self._sign = key.sign
        self.public_key: PublicKey = key.public_key
        self.algorithm = key.algorithm
        self.signatures = 0

    def sign(self, data: bytes) -> bytes:
        self.signatures += 1
        return self._sign(data)

    def sign_digest(self, digest: bytes) -> bytes:
        self.signatures += 1
        algorithm = ec.ECDSA(Prehashed(_HASHES[self.algorithm]))
        return self._private_key.sign(digest, algorithm)

    def certificate_key(self) -> PrivateKey:
        return delegated_key(self)


@dataclass
class Recorder:
    """An `AssociationHandler` that writes down what it is told.

    Attributes:
        log: ("established" | "received" | "closed", association, data or error).
    """

    log: list[tuple[str, Association, object]] = field(default_factory=list)

    def established(self, association: Association) -> None:
        self.log.append(("established", association, None))

    def received(self, association: Association, data: bytes) -> None:
        self.log.append(("received", association, data))

    def closed(self, association: Association, error: Exception | None) -> None:
        self.log.append(("closed", association, error))

    @property
    def names(self) -> list[str]:
        return [name for name, _association, _value in self.log]

    @property
    def data(self) -> list[object]:
        return [value for name, _association, value in self.log if name == "received"]

    @property
    def associations(self) -> list[Association]:
        return [association for name, association, _value in self.log if name == "established"]


class Echo(Recorder):
    """Sends back what it gets."""

    def received(self, association: Association, data: bytes) -> None:
        super().received(association, data)
        association.send(data)


def accept(acceptor: DatagramServerEngine, client: TlsSession) -> TlsSession:
    """Carry the cookie; return the server's session, which has taken the ClientHello."""
    [hello] = client.take_outgoing()
    challenge = acceptor.accept(hello, ADDRESS, 0.0)
    assert isinstance(challenge, Challenge)
    client.receive(challenge.datagram, 0.0)
    [hello] = client.take_outgoing()
    session = acceptor.accept(hello, ADDRESS, 0.0)
    assert session is not None
    assert not isinstance(session, Challenge)
    return session


def handshake(
    client: ClientTls = CLIENT, server: ServerTls = SERVER
) -> tuple[TlsSession, TlsSession]:
    """Return the two ends of a DTLS handshake that went as far as it goes."""
    one = ClientEngine(client, datagram=True).session(0.0)
    other = accept(DatagramServerEngine(server, 0.0), one)
    exchange(one, other)
    return one, other


def stream_handshake(
    client: ClientTls = CLIENT, server: ServerTls = SERVER
) -> tuple[TlsSession, TlsSession]:
    """Return the two ends of a TLS handshake that went as far as it goes."""
    one = ClientEngine(client, datagram=False).session(0.0)
    other = ServerEngine(server, datagram=False).session(0.0)
    exchange(one, other)
    return one, other


def events(session: TlsSession) -> list[Event]:
    """Return and forget all events."""
    found = []
    while (event := session.next_event()) is not None:
        found.append(event)
    return found
