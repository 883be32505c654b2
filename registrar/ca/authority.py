"""The CA's own certificates: issuing CA, chain to the root, rollover set (est.md 9; E-18)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.pki.idevid import key_identifier
from sztb.pki.keys import Signer, spki_der
from sztb.pki.path import build_path
from sztb.pki.profiles import Issuer

from ..records import CaCertificates


@dataclass(frozen=True, slots=True)
class Authority:
    """An issuing CA that can sign, and what a device needs to believe it.

    Attributes:
        issuer: certificate and key that sign LDevIDs and CRLs.
        certificates: the chain, issuer first, and the rollover set.
        key_id: keyIdentifier of the issuer (20 bytes).
    """

    issuer: Issuer
    certificates: CaCertificates
    key_id: bytes


def check_authority(
    chain: Sequence[x509.Certificate], signer: Signer, others: Sequence[x509.Certificate] = ()
) -> Authority:
    """Return a usable CA.

    Args:
        chain: the issuing CA first, then the CAs above it up to and including the root.
        signer: the key of the first.
        others: certificates of the root before or after a change of its key, in any order.

    Raises:
        Refused: NOT_A_KEY_WE_TAKE when key and certificate do not belong together;
            CERTIFICATE_PURPOSE when it is no CA; CERTIFICATE_PATH when the chain is none.
    """
    issuing, root = chain[0], chain[-1]
    key = certificates.public_key(issuing)
    if spki_der(key) != spki_der(signer.public_key):
        raise Refused(Refusal.NOT_A_KEY_WE_TAKE, "the key does not belong to the CA certificate")
    if not certificates.is_ca(issuing):
        raise Refused(Refusal.CERTIFICATE_PURPOSE, "not a CA certificate")
    if not certificates.is_self_signed(root):
        raise Refused(Refusal.CERTIFICATE_PATH, "the last certificate of the chain is no root")
    # Dates are judged at every issue: they change while the program runs
    if build_path(issuing, chain[1:-1], [root], now=None) != tuple(chain):
        raise Refused(Refusal.CERTIFICATE_PATH, "certificates that do not belong to the chain")
    key_id = certificates.subject_key_id(issuing) or key_identifier(key)
    rollover = rollover_set(root, others)
    return Authority(Issuer(issuing, signer), CaCertificates(tuple(chain), rollover), key_id)


def rollover_set(
    root: x509.Certificate, others: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Sort the rollover certificates: OldWithOld, OldWithNew, NewWithOld (RFC 4210 4.4).

    All of them have the root's name; who is who is told by keys and signatures (est-D12).

    Raises:
        Refused: CERTIFICATE_PATH for a certificate that is none of the three.
    """
    old_with_old = [one for one in others if one != root and certificates.is_self_signed(one)]
    sorted_set: dict[int, list[x509.Certificate]] = {0: old_with_old, 1: [], 2: []}
    for one in others:
        if one != root and one not in old_with_old:
            sorted_set[_kind(one, root, old_with_old)].append(one)
    return tuple(one for kind in sorted_set.values() for one in kind)


def _kind(
    one: x509.Certificate, root: x509.Certificate, old_roots: Sequence[x509.Certificate]
) -> int:
    """Return 1 for OldWithNew, 2 for NewWithOld."""
    if one.subject == root.subject:
        if certificates.is_signed_by(one, root):
            return 1
        if one.public_key() == root.public_key() and any(
            certificates.is_signed_by(one, old) for old in old_roots
        ):
            return 2
    raise Refused(
        Refusal.CERTIFICATE_PATH, f"no rollover certificate of the root: number {one.serial_number}"
    )
