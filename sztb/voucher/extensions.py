"""Voucher extensions: the list of names or SIDs, and the data of each (rfc8366bis 8.6).

The data of an extension is a further member of the container: key ``extension:<name>`` in JSON and
with names, Tag 47 with the module's SID in CBOR. No extension is known here; who knows one reads
its data from here. Everybody else ignores it (8995 5.6.1).
"""

from collections.abc import Mapping
from typing import Final

from sztb.voucher.model import VoucherData

PREFIX: Final = "extension:"


def extension_data(data: VoucherData) -> Mapping[int | str, object]:
    """Return the data of each listed extension by its name or SID.

    An extension that is listed without data is left out, as is data that is not listed.
    """
    members = dict(data.unknown)
    listed = {name: _key(name) for name in data.extensions or ()}
    return {name: members[key] for name, key in listed.items() if key in members}


def _key(name: int | str) -> int | str:
    return PREFIX + name if isinstance(name, str) else name
