"""What the voucher pins (cbrski.md 9.3 step 11; RFC 8995 5.5.2, constrained-voucher 8.2 and 8.3).

Decisions only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.errors import Misuse
from sztb.pki import certificates
from sztb.pki.keys import spki_der
from sztb.voucher.pins import Pin, PinnedCert, PinnedKey, PinnedKeyHash

from .records import Pins


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin and the certificate it stands for.

    Attributes:
        pin: what goes into the voucher.
        certificate: gives the domainID, and the latest end of the voucher; for key pins the
            registrar's end-entity certificate (D17).
    """

    pin: Pin
    certificate: x509.Certificate


def choose_pin(
    chain: Sequence[x509.Certificate],
    end_entity: x509.Certificate,
    pins: Pins,
    highest: x509.Certificate | None,
) -> Pinned:
    """Choose the pin for one registrar.

    Args:
        chain: the registrar's side: the signer of the RVR first, its CAs after it, lowest first;
            never with a certificate of the manufacturer in it (M-11, `rvr.check_apart`).
        end_entity: what the registrar shows in handshakes: the certificate the pledge named, else
            the signer.
        pins: what the pledge can compare.
        highest: for a nonceless voucher the highest CA that policy allows this customer, of
            `chain` or above it; None for a nonced one.
    """
    if pins in {Pins.KEY, Pins.KEY_SHA256}:  # M-13: no PKIX there, so no other pin
        return _pin_key(end_entity, hashed=pins is Pins.KEY_SHA256)
    authority = highest or next(iter(chain[1:]), None)  # M-12
    if authority is not None:
        return Pinned(PinnedCert(certificates.der(authority)), authority)
    if pins is Pins.CERTIFICATE_OR_KEY:
        return _pin_key(end_entity, hashed=False)  # the smaller of the two
    return Pinned(PinnedCert(certificates.der(end_entity)), end_entity)


def _pin_key(end_entity: x509.Certificate, *, hashed: bool) -> Pinned:
    if certificates.is_ca(end_entity):  # M-13: a CA's key would never match a handshake
        raise Misuse("a key pin is the registrar's own key")
    spki = spki_der(certificates.public_key(end_entity))
    pin = PinnedKeyHash(hashlib.sha256(spki).digest()) if hashed else PinnedKey(spki)
    return Pinned(pin, end_entity)
