"""Where the voucher key is kept: one module per kind, each with a `load`.

A new kind (a token, a remote signer) is a new module and a new row in `KINDS`.
"""

from collections.abc import Callable

from ..interfaces import VoucherKey
from ..settings import SignerSettings
from . import file

KINDS: dict[str, Callable[[SignerSettings], VoucherKey]] = {"file": file.load}


def load(settings: SignerSettings) -> VoucherKey:
    """Return the voucher key of the configured kind.

    Raises:
        Malformed: a file is not what it should be.
        Refused: the key does not fit the certificate, or is of a kind we do not take.
        OSError: a file cannot be read.
    """
    return KINDS[settings.kind](settings)
