"""What the cryptography of an onboarding costs here and now, measured with nothing around it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

SECONDS = 0.3  # per operation
# At the registrar, for handshake, rv, vs, audit, crts, sen and es on a second handshake:
SIGNATURES = 4  # ServerKeyExchange twice, RVR, LDevID
VERIFICATIONS = 8  # CertificateVerify twice, IDevID and its CA, LDevID, PVR, CSR, voucher
AGREEMENTS = 2


@dataclass(frozen=True, slots=True)
class Floor:
    """Microseconds per P-256 operation, and their sum per onboarding at the registrar."""

    sign_us: float
    verify_us: float
    ecdh_us: float

    @property
    def registrar_ms(self) -> float:
        """Milliseconds of cryptography in one onboarding at the registrar."""
        total = (
            SIGNATURES * self.sign_us + VERIFICATIONS * self.verify_us + AGREEMENTS * self.ecdh_us
        )
        return total / 1000


def measure() -> Floor:
    """Measure in CPU time of this process."""
    curve, algorithm = ec.SECP256R1(), ec.ECDSA(SHA256())
    key = ec.generate_private_key(curve)
    public, message = key.public_key(), bytes(200)
    signature = key.sign(message, algorithm)
    peer = ec.generate_private_key(curve).public_key()
    return Floor(
        _each(lambda: key.sign(message, algorithm)),
        _each(lambda: public.verify(signature, message, algorithm)),
        _each(lambda: ec.generate_private_key(curve).exchange(ec.ECDH(), peer)),
    )


def _each(operation: Callable[[], object]) -> float:
    count, began = 0, time.process_time()
    while time.process_time() - began < SECONDS:
        for _ in range(20):
            operation()
        count += 20
    return 1e6 * (time.process_time() - began) / count
