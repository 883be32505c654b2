"""What an endpoint says about itself before any link exists.

No setting here verifies a peer: every chain a peer presents is taken in the handshake, together
with the proof that the peer holds its key, and is judged by the role that owns the link. A pledge
cannot judge before it has its voucher (cbrski.md 4.4), and a registrar's answer to a stranger is a
CoAP or HTTP code, not an alert.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from sztb.pki.keys import Signer

ClientCertificate = Literal["required", "requested", "none"]
CertificateType = Literal["x509", "raw-public-key"]

PATH_MTU = 1024  # cbrski.md 4.2: UDP payload bytes to assume before anything is known


@runtime_checkable
class DigestSigner(Signer, Protocol):
    """A `Signer` that also signs what was hashed elsewhere, as tokens do.

    TLS libraries hash the handshake themselves: an ECDSA key that cannot be exported has to be
    of this kind. Ed25519 hashes the data twice and needs `sign` alone.
    """

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the DER signature over a digest made with the key's own hash (32 or 48 bytes)."""
        ...


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """Certificates and the key behind the first of them.

    Attributes:
        chain: DER certificates, end entity first, anchors optional.
        key: signs the handshake: a `FileKey`, a `DigestSigner`, or any `Signer` with Ed25519.
    """

    chain: tuple[bytes, ...]
    key: Signer


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How a server secures its links; one value serves DTLS and TLS.

    Attributes:
        identity: what the server shows.
        client_certificate: whether clients are asked for one (no list of CAs is ever sent), and
            whether a client without one is refused in the handshake.
        max_datagram: most bytes of UDP payload sent in one datagram (DTLS only).
        raw_public_key: answer a client that offers RawPublicKey as server certificate type with
            the bare key (RFC 7250; cbrski.md 4.5). Others still get the chain.
        alpn: protocols to choose from, best first (TLS only; RFC 7301).
    """

    identity: TlsIdentity
    client_certificate: ClientCertificate = "required"
    max_datagram: int = PATH_MTU
    raw_public_key: bool = False
    alpn: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client secures its links; nothing is verified beyond the handshake's signatures.

    Attributes:
        identity: what the client shows when asked; None shows nothing.
        max_fragment_length: plaintext bytes per record, both ways (RFC 6066 4; P-08);
            None sends no such extension.
        max_datagram: most bytes of UDP payload sent in one datagram (DTLS only).
        server_certificate_type: what the server is asked to show (RFC 7250).
        server_name: sent as SNI; a pledge omits it (P-09).
        alpn: protocols to offer, best first (TLS only).
    """

    identity: TlsIdentity | None
    max_fragment_length: Literal[512, 1024] | None = 1024
    max_datagram: int = PATH_MTU
    server_certificate_type: CertificateType = "x509"
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
