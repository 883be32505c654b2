"""One device as its procedures see it: identity, rules, surroundings."""

from dataclasses import dataclass

from sztb.daemon.journal import Journal
from sztb.pki.keys import SignatureAlgorithm
from sztb.voucher.pins import Kind

from .identity import FactoryIdentity
from .interfaces import Environment
from .policy import PledgePolicy


@dataclass(frozen=True, slots=True)
class Device:
    """What stays the same from one attempt to the next.

    Attributes:
        factory: IDevID, its key, the manufacturer's anchors.
        policy: what the device accepts.
        environment: connections, time, randomness.
        journal: where decisions are recorded.
        proximity: which proximity-registrar leaf goes into the PVR (P-13).
        key_algorithm: of LDevID keys.
        link_identity: put ``tls-unique`` into the CSR where there is one (E-23).
    """

    factory: FactoryIdentity
    policy: PledgePolicy
    environment: Environment
    journal: Journal
    proximity: Kind
    key_algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256
    link_identity: bool = True
