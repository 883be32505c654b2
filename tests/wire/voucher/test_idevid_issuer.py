"""idevid-issuer in requests against the pledge's certificate (cbrski.md 6.5, X-11)."""

import pytest

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.encoding.base64text import encode_base64
from sztb.pki import idevid
from sztb.voucher import codec
from sztb.voucher.formats import open_voucher_request
from sztb.voucher.model import VoucherRequest
from tests.wire.vectors import certificate, read


@pytest.mark.rule("X-11")
@pytest.mark.parametrize(
    ("row", "name", "pledge"),
    [
        (media.VOUCHER_COSE, "cose/rvr.hex", "cose/certs/pledge.der"),
        (media.VOUCHER_COSE, "made/rvr-signed-fullbag.hex", "cose/certs/pledge.der"),
        (media.VOUCHER_JWS, "jws/rvr.jws.json", "jws/pledge-idevid-cert.pem"),
    ],
)
def test_is_the_extension_value_with_its_octet_string_header(
    row: Media, name: str, pledge: str
) -> None:
    """D4."""
    value = open_voucher_request(row, read(name)).data.idevid_issuer
    assert value is not None
    assert value == idevid.idevid_issuer(certificate(pledge))
    assert value[:6] == bytes.fromhex("041830168014")


@pytest.mark.rule("X-11")
def test_without_authority_key_identifier() -> None:
    """D5: the value stated for the RFC 8995 example device."""
    value = idevid.idevid_issuer(certificate("rfc8995/idevid_00-D0-E5-F2-00-02.crt"))
    assert value.hex() == "0418301680144588cc9696006437b0ba236564645408066c56ad"


@pytest.mark.rule("X-11")
def test_the_same_bytes_in_json() -> None:
    value = idevid.idevid_issuer(certificate("cose/certs/pledge.der"))
    text = codec.encode_json(VoucherRequest(serial_number="A", idevid_issuer=value))
    assert encode_base64(value).startswith("BBgwFoAU")
    assert encode_base64(value).encode() in text
    assert codec.decode_json(text).idevid_issuer == value
