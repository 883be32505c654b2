"""Voucher data to bytes and back, in CBOR and JSON; signatures are elsewhere (cbrski.md 6 and 8.1).

What was received is never encoded again to forward, hash or verify it: keep `Sealed.raw`.
"""

from typing import Any

from sztb.encoding import yang_cbor, yang_json
from sztb.encoding.yang import Container, Instance
from sztb.encoding.yang_cbor import Coding
from sztb.errors import Malformed
from sztb.voucher.leaves import LEAVES, VOUCHER, VOUCHER_REQUEST
from sztb.voucher.model import Voucher, VoucherRequest

__all__ = ["Coding", "decode_cbor", "decode_json", "encode_cbor", "encode_json"]

_CONTAINERS = (VOUCHER, VOUCHER_REQUEST)
_ATTRIBUTES = {row.name: row.attribute for row in LEAVES}


def decode_cbor(payload: bytes) -> Voucher | VoucherRequest:
    """Decode a YANG-CBOR voucher or voucher-request in any mix of SIDs and names (X-01).

    Args:
        payload: what the envelope carried.

    Raises:
        Malformed: not decodable, a leaf out of its range, or no serial-number.
    """
    return _model(yang_cbor.decode(payload, _CONTAINERS))


def decode_json(payload: bytes) -> Voucher | VoucherRequest:
    """Decode a YANG-JSON voucher or voucher-request (cbrski.md 8.1).

    Args:
        payload: what the envelope carried, UTF-8.

    Raises:
        Malformed: not decodable, a leaf out of its range, or no serial-number.
    """
    return _model(yang_json.decode(payload, _CONTAINERS))


def encode_cbor(data: Voucher | VoucherRequest, *, coding: Coding = Coding.SID) -> bytes:
    """Encode as YANG-CBOR; `coding` must be one that the receiver reads (M-03)."""
    return yang_cbor.encode(_instance(data), coding)


def encode_json(data: Voucher | VoucherRequest) -> bytes:
    """Encode as YANG-JSON in UTF-8."""
    return yang_json.encode(_instance(data))


def _model(instance: Instance) -> Voucher | VoucherRequest:
    if "serial-number" not in instance.values:
        raise Malformed("serial-number is missing")
    values: dict[str, Any] = {_ATTRIBUTES[name]: value for name, value in instance.values.items()}
    kind = Voucher if instance.container is VOUCHER else VoucherRequest
    return kind(**values, unknown=instance.unknown)


def _instance(data: Voucher | VoucherRequest) -> Instance:
    container: Container = VOUCHER if isinstance(data, Voucher) else VOUCHER_REQUEST
    values = {node.name: getattr(data, _ATTRIBUTES[node.name]) for node in container.nodes}
    present = {name: value for name, value in values.items() if value is not None}
    return Instance(container, present, data.unknown)
