"""The one thing that is random in CoAP inside DTLS (RFC 7252 4.8)."""

from random import SystemRandom

from sztb.codepoints.coap import ACK_RANDOM_FACTOR

_random = SystemRandom()


def random_factor() -> float:
    """Return a factor from 1 to ACK_RANDOM_FACTOR, so that many peers do not repeat in step."""
    return _random.uniform(1.0, ACK_RANDOM_FACTOR)
