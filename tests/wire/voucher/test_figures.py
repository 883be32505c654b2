"""The JSON figures of RFC 8995 3.3 and 5.6; "base64encodedvalue==" is the RFC's placeholder."""

from datetime import UTC, datetime

import pytest

from sztb.encoding.base64text import decode_base64
from sztb.voucher import codec
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from sztb.voucher.nonce import nonce_text
from tests.wire.vectors import read

SERIAL = "JADA123456789"
NONCE = "62a2e7693d82fcda2624de58fb6722e5"
AT_TWO = datetime(2017, 1, 1, 0, 0, 2, tzinfo=UTC)
BLOB = decode_base64("base64encodedvalue==")
NONCE_VALUE = decode_base64(NONCE)

FIGURES = {
    "example-voucher.json": Voucher(
        serial_number=SERIAL,
        nonce=NONCE_VALUE,
        assertion=Assertion.LOGGED,
        pinned_domain_cert=BLOB,
    ),
    "ex-file-voucher-request.json": VoucherRequest(
        serial_number=SERIAL, idevid_issuer=BLOB, pinned_domain_cert=BLOB
    ),
    "ex-file-voucher-request-proximity.json": VoucherRequest(
        serial_number=SERIAL,
        nonce=NONCE_VALUE,
        assertion=Assertion.PROXIMITY,
        created_on=datetime(2017, 1, 1, tzinfo=UTC),
        proximity_registrar_cert=BLOB,
    ),
    "ex-file-voucher-request-constrained.json": VoucherRequest(
        serial_number=SERIAL, nonce=NONCE_VALUE, created_on=AT_TWO, idevid_issuer=BLOB
    ),
    "ex-file-voucher-request-offline.json": VoucherRequest(
        serial_number=SERIAL, created_on=AT_TWO, idevid_issuer=BLOB
    ),
    "ex-file-voucher-request-prior.json": VoucherRequest(
        serial_number=SERIAL,
        nonce=NONCE_VALUE,
        assertion=Assertion.PROXIMITY,
        created_on=AT_TWO,
        idevid_issuer=BLOB,
        prior_signed_voucher_request=BLOB,
    ),
}


@pytest.mark.rule("X-03")
@pytest.mark.parametrize(("name", "expected"), FIGURES.items(), ids=FIGURES.keys())
def test_figure(name: str, expected: Voucher | VoucherRequest) -> None:
    data = codec.decode_json(read(f"rfc8995/{name}"))
    assert data == expected
    if data.nonce is not None:
        assert nonce_text(data.nonce) == NONCE  # D15: copied as it came
    assert codec.decode_json(codec.encode_json(data)) == expected
