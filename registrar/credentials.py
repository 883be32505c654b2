"""The registrar's own certificate, chain and key, and what follows from them (R-02, R-54)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509

from sztb.brski.audit_log import domain_id
from sztb.codepoints import oid
from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.pki.keys import Signer, spki_der
from sztb.transport.tls.config import TlsIdentity

NEEDED_PURPOSES = {"cmcRA": oid.CMC_RA, "serverAuth": oid.SERVER_AUTH}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who this registrar is, towards pledges and towards MASAs.

    Attributes:
        chain: the registrar certificate first, then its CAs up to and including the root.
        signer: the private key of the first.
        chain_der: the same, DER.
        tls: the same for the DTLS engine; the root is left out when something is left to send.
        domain_ids: by which it knows itself in audit logs, base64 text (R-54).
    """

    chain: tuple[x509.Certificate, ...]
    signer: Signer
    chain_der: tuple[bytes, ...] = field(init=False)
    tls: TlsIdentity = field(init=False)
    domain_ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        chain = tuple(certificates.der(one) for one in self.chain)
        object.__setattr__(self, "chain_der", chain)
        object.__setattr__(self, "tls", TlsIdentity(chain[:-1] or chain, self.signer))
        # the MASA pins any one of them
        object.__setattr__(self, "domain_ids", frozenset(domain_id(one) for one in self.chain))

    @property
    def certificate(self) -> x509.Certificate:
        """The registrar's end-entity certificate."""
        return self.chain[0]


def check_credentials(chain: Sequence[x509.Certificate], signer: Signer) -> Credentials:
    """Return usable credentials.

    Raises:
        Refused: NOT_A_KEY_WE_TAKE when key and certificate do not belong together;
            CERTIFICATE_PURPOSE when cmcRA or serverAuth is missing (R-02).
    """
    leaf = chain[0]
    if spki_der(certificates.public_key(leaf)) != spki_der(signer.public_key):
        raise Refused(Refusal.NOT_A_KEY_WE_TAKE, "the key does not belong to the certificate")
    missing = [name for name, one in NEEDED_PURPOSES.items() if not certificates.has_eku(leaf, one)]
    if missing:
        raise Refused(Refusal.CERTIFICATE_PURPOSE, f"registrar certificate lacks {missing}")
    return Credentials(tuple(chain), signer)
