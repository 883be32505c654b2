"""A voucher key in a PEM file."""

from ..credentials import read_chain, read_key
from ..interfaces import VoucherKey
from ..settings import SignerSettings


def load(settings: SignerSettings) -> VoucherKey:
    """Read certificate chain and key; see `signer.load` for what is raised."""
    chain = read_chain(settings.certificate)
    return VoucherKey(read_key(settings, chain[0]), chain)
