"""The rows of the format table."""

import pytest

from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.envelope import cose_sign1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import FileKey
from sztb.voucher.codec import Coding
from sztb.voucher.formats import FORMATS, open_voucher, open_voucher_request
from sztb.voucher.model import Voucher, VoucherRequest
from tests.wire.vectors import read

COSE = FORMATS[media.VOUCHER_COSE]
KEY = FileKey.generate()
VOUCHER = Voucher(serial_number="A", nonce=bytes(16), pinned_domain_cert=b"cert")
REQUEST = VoucherRequest(serial_number="A", nonce=bytes(16))


def test_rows_are_found_by_their_media_type() -> None:
    assert set(FORMATS) == {media.VOUCHER_COSE, media.VOUCHER_CMS, media.VOUCHER_JWS}
    assert all(FORMATS[row] is FORMATS[FORMATS[row].media] for row in FORMATS)


@pytest.mark.rule("X-10")
def test_seals_and_opens() -> None:
    raw = COSE.seal(VOUCHER, KEY, [b"a", b"b"], kid=b"k")
    sealed = open_voucher(media.VOUCHER_COSE, raw)
    sealed.envelope.verify(KEY.public_key)
    assert sealed.data == VOUCHER
    assert sealed.raw == raw
    assert sealed.envelope.certificates == (b"a", b"b")
    opened = cose_sign1.decode(raw)
    assert opened.kid == b"k"
    assert sealed.envelope.payload == opened.payload


@pytest.mark.rule("P-14")
def test_a_request_carries_nothing_unasked() -> None:
    opened = cose_sign1.decode(COSE.seal(REQUEST, KEY))
    assert opened.unprotected == {}
    assert opened.protected == {1: -7}


@pytest.mark.rule("M-03")
def test_coding_is_selectable() -> None:
    raw = COSE.seal(REQUEST, KEY, coding=Coding.NAMES)
    assert b"serial-number" in raw
    assert open_voucher_request(media.VOUCHER_COSE, raw).data == REQUEST


@pytest.mark.rule("X-10")
def test_a_request_is_never_taken_as_voucher_nor_the_reverse() -> None:
    with pytest.raises(Refused) as caught:
        open_voucher(media.VOUCHER_COSE, COSE.seal(REQUEST, KEY))
    assert caught.value.refusal is Refusal.CONTAINER
    with pytest.raises(Refused) as caught:
        open_voucher_request(media.VOUCHER_COSE, COSE.seal(VOUCHER, KEY))
    assert caught.value.refusal is Refusal.CONTAINER
    with pytest.raises(Refused) as caught:
        open_voucher(media.VOUCHER_CMS, read("rfc8995/vr_00-D0-E5-F2-00-02.b64"))
    assert caught.value.refusal is Refusal.CONTAINER
    with pytest.raises(Refused) as caught:
        open_voucher_request(media.VOUCHER_JWS, read("jws/voucher.jws.json"))
    assert caught.value.refusal is Refusal.CONTAINER


def test_untagged_is_read_because_the_media_type_says_what_it_is() -> None:
    """D13."""
    raw = COSE.seal(VOUCHER, KEY)[1:]
    assert open_voucher(media.VOUCHER_COSE, raw).data == VOUCHER


@pytest.mark.parametrize("other", [media.CBOR, media.JSON, media.PKCS10])
def test_other_media_types_are_refused(other: Media) -> None:
    with pytest.raises(Refused) as caught:
        open_voucher(other, b"")
    assert caught.value.refusal is Refusal.CONTENT_FORMAT


@pytest.mark.parametrize("row", [media.VOUCHER_CMS, media.VOUCHER_JWS])
def test_json_formats_are_read_only(row: Media) -> None:
    with pytest.raises(Refused) as caught:
        FORMATS[row].seal(VOUCHER, KEY)
    assert caught.value.refusal is Refusal.FORMAT_UNAVAILABLE
    assert FORMATS[row].strip(b"as it is") == b"as it is"


@pytest.mark.parametrize("row", FORMATS.values(), ids=lambda row: row.media.media_type)
@pytest.mark.parametrize("raw", [b"", b"{}", b"\xa0", b"\x30\x00"])
def test_garbage_is_malformed(row: object, raw: bytes) -> None:
    with pytest.raises(Malformed):
        row.open(raw)  # type: ignore[attr-defined]


@pytest.mark.rule("R-28")
def test_cose_is_stripped() -> None:
    raw = COSE.seal(VOUCHER, KEY, [b"a"])
    stripped = COSE.strip(raw)
    assert open_voucher(media.VOUCHER_COSE, stripped).envelope.certificates == ()
    assert stripped == COSE.seal(VOUCHER, KEY)[: len(stripped) - 64] + raw[-64:]
