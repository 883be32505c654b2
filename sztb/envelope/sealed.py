"""What every signed envelope looks like to the rest of the suite."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sztb.pki.keys import PublicKey

T_co = TypeVar("T_co", covariant=True)


class SignedEnvelope(Protocol):
    """One signature over one payload, opened but not yet verified."""

    @property
    def payload(self) -> bytes:
        """The bytes that were signed."""
        ...

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """DER certificates that came along, in no order one may rely on.

        They are a help for building a chain and may have been changed on the way: no decision
        rests on them alone (cbrski.md 7).

        Raises:
            Malformed: the certificate headers have a wrong shape; whoever ignores them
                (R-15) does not notice.
        """
        ...

    def verify(self, public_key: PublicKey) -> None:
        """Check the signature.

        Raises:
            Refused: SIGNATURE, also when the key is of another kind than the algorithm.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sealed(Generic[T_co]):
    """Signed data as it came.

    Attributes:
        data: the decoded payload; not to be believed before `envelope.verify`.
        raw: the received bytes: these are forwarded and hashed, never an encoding of `data`.
        envelope: the signature around it.
    """

    data: T_co
    raw: bytes
    envelope: SignedEnvelope
