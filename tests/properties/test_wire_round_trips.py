"""Round trips, agreement with cbor2, and flipped bytes of sealed artifacts."""

from contextlib import suppress

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.brski import audit_log, telemetry
from sztb.brski.audit_log import AuditEvent, AuditLog, Truncation
from sztb.brski.telemetry import EnrollStatus
from sztb.codepoints import media
from sztb.encoding import base64text, cbor
from sztb.encoding.rfc3339 import decode_instant, encode_instant
from sztb.errors import Malformed, Refused
from sztb.pki.keys import FileKey, SignatureAlgorithm
from sztb.voucher import codec
from sztb.voucher.codec import Coding
from sztb.voucher.formats import FORMATS, open_voucher, open_voucher_request
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.properties.strategies import blobs, instants, items, keys, requests, texts, vouchers

COSE = FORMATS[media.VOUCHER_COSE]
KEYS = {algorithm: FileKey.generate(algorithm) for algorithm in SignatureAlgorithm}


@given(items)
def test_cbor(item: object) -> None:
    with suppress(Malformed):  # deeper than we read
        assert cbor.decode(cbor.encode(item)) == item


@given(st.binary(max_size=60))
def test_cbor_agrees_with_cbor2(raw: bytes) -> None:
    """What we read, cbor2 reads as the same, where it acts on no tag."""
    try:
        ours = cbor.decode(raw)
    except Malformed:
        return
    if b"Tag" not in repr(ours).encode():
        theirs = cbor2.loads(raw)
        assert repr(theirs) == repr(ours)  # nan is equal to itself here


@given(st.binary(max_size=60))
def test_what_cbor2_refuses_we_refuse(raw: bytes) -> None:
    with suppress(Malformed):
        if "CBORTag" not in repr(cbor.decode(raw)):
            cbor2.loads(raw)


@pytest.mark.rule("X-01", "X-16", "M-03")
@given(vouchers | requests, st.sampled_from(Coding))
def test_voucher_data_in_cbor(data: Voucher | VoucherRequest, coding: Coding) -> None:
    assert codec.decode_cbor(codec.encode_cbor(data, coding=coding)) == data


@given(vouchers | requests)
def test_voucher_data_in_json(data: Voucher | VoucherRequest) -> None:
    assert codec.decode_json(codec.encode_json(data)) == data


@pytest.mark.rule("X-10")
@given(vouchers, requests, st.sampled_from(SignatureAlgorithm), st.lists(blobs, max_size=3))
def test_sealed(
    voucher: Voucher, request: VoucherRequest, algorithm: SignatureAlgorithm, bag: list[bytes]
) -> None:
    key = KEYS[algorithm]
    sealed = open_voucher(media.VOUCHER_COSE, COSE.seal(voucher, key, bag))
    sealed.envelope.verify(key.public_key)
    assert sealed.data == voucher
    assert sealed.envelope.certificates == tuple(bag)
    asked = open_voucher_request(media.VOUCHER_COSE, COSE.seal(request, key, bag))
    asked.envelope.verify(key.public_key)
    assert asked.data == request


@pytest.mark.rule("R-28")
@given(vouchers, st.lists(blobs, min_size=1, max_size=3))
def test_stripping_keeps_the_signature(voucher: Voucher, bag: list[bytes]) -> None:
    key = KEYS[SignatureAlgorithm.ES256]
    stripped = open_voucher(media.VOUCHER_COSE, COSE.strip(COSE.seal(voucher, key, bag)))
    stripped.envelope.verify(key.public_key)
    assert stripped.envelope.certificates == ()


@given(vouchers, st.data())
def test_a_flipped_byte_of_a_sealed_artifact_is_refused(
    voucher: Voucher, data: st.DataObject
) -> None:
    """Without unprotected headers every byte is signed, or is structure that must be as it is."""
    key = KEYS[SignatureAlgorithm.EDDSA]
    raw = COSE.seal(voucher, key)
    at = data.draw(st.integers(0, len(raw) - 1))
    flipped = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    with pytest.raises((Malformed, Refused)):
        open_voucher(media.VOUCHER_COSE, flipped).envelope.verify(key.public_key)


@given(instants)
def test_dates(instant: object) -> None:
    assert decode_instant(encode_instant(instant)) == instant  # type: ignore[arg-type]


@given(blobs)
def test_base64(data: bytes) -> None:
    assert base64text.decode_base64(base64text.encode_base64(data)) == data
    assert base64text.decode_base64url(base64text.encode_base64url(data)) == data


statuses = st.builds(
    EnrollStatus,
    st.booleans(),
    st.none() | texts,
    st.none() | st.dictionaries(keys, texts, max_size=3),
)


@pytest.mark.rule("X-15")
@given(statuses)
def test_telemetry(status: EnrollStatus) -> None:
    raw = telemetry.encode_cbor(status)
    assert telemetry.decode(media.CBOR, raw, EnrollStatus) == status


events = st.builds(
    AuditEvent,
    instants,
    texts,
    st.none() | texts,
    st.sampled_from(Assertion),
    st.integers(0, 1024),
)
counters = st.integers(0, 1024)
logs = st.builds(
    AuditLog,
    st.lists(events, min_size=1, max_size=4).map(tuple),
    st.builds(Truncation, counters, counters, counters),
)


@given(logs)
def test_audit_logs(log: AuditLog) -> None:
    assert audit_log.decode_json(audit_log.encode_json(log)) == log
