"""Voucher data in CBOR and JSON."""

from datetime import UTC, datetime

import pytest

from sztb.encoding import cbor
from sztb.encoding.cbor import Tag
from sztb.errors import Malformed
from sztb.voucher import codec
from sztb.voucher.codec import Coding
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.wire.vectors import read

AT = datetime(2024, 6, 1, 12, 0, 5, tzinfo=UTC)
KEY_HASH = bytes(range(32))

VOUCHER = Voucher(
    serial_number="JADA123456789",
    assertion=Assertion.AGENT_PROXIMITY,
    created_on=AT,
    domain_cert_revocation_checks=False,
    expires_on=AT,
    idevid_issuer=b"\x04\x00",
    last_renewal_date=AT,
    nonce=b"12345678",
    pinned_domain_cert=b"cert",
    pinned_domain_pubk=b"key",
    pinned_domain_pubk_sha256=KEY_HASH,
    additional_configuration_url="https://example.com/",
    est_domain="est.example.com",
    manufacturer_proprietary=b"\x01",
    extensions=("a",),
    unknown=(("extension:a", {"b": 1}),),
)
REQUEST = VoucherRequest(
    serial_number="JADA123456789",
    assertion=Assertion.PROXIMITY,
    nonce=b"12345678",
    prior_signed_voucher_request=b"prior",
    proximity_registrar_cert=b"cert",
    proximity_registrar_pubk=b"key",
    proximity_registrar_pubk_sha256=KEY_HASH,
    agent_provided_proximity_registrar_cert=b"a",
    agent_sign_cert=b"b",
    agent_signed_data=b"c",
)


@pytest.mark.rule("X-01", "M-03")
@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("data", [VOUCHER, REQUEST], ids=["voucher", "request"])
def test_cbor_both_ways(data: Voucher | VoucherRequest, coding: Coding) -> None:
    assert codec.decode_cbor(codec.encode_cbor(data, coding=coding)) == data


@pytest.mark.parametrize("data", [VOUCHER, REQUEST], ids=["voucher", "request"])
def test_json_both_ways(data: Voucher | VoucherRequest) -> None:
    assert codec.decode_json(codec.encode_json(data)) == data


@pytest.mark.rule("X-02")
def test_the_same_key_is_another_leaf_in_a_request() -> None:
    voucher = codec.decode_cbor(cbor.encode({2451: {11: "A", 9: b"key"}}))
    request = codec.decode_cbor(cbor.encode({2501: {13: "A", 9: b"prior"}}))
    assert voucher == Voucher(serial_number="A", pinned_domain_pubk=b"key")
    assert request == VoucherRequest(serial_number="A", prior_signed_voucher_request=b"prior")


@pytest.mark.rule("X-03")
@pytest.mark.parametrize(
    ("number", "word"),
    [(0, "verified"), (1, "logged"), (2, "proximity"), (3, "agent-proximity")],
)
def test_assertion_is_a_number_in_cbor_and_a_word_in_json(number: int, word: str) -> None:
    data = Voucher(serial_number="A", assertion=Assertion(number))
    assert cbor.decode(codec.encode_cbor(data)) == {2451: {1: number, 11: "A"}}
    names = cbor.decode(codec.encode_cbor(data, coding=Coding.NAMES))
    assert names == {"ietf-voucher:voucher": {"assertion": number, "serial-number": "A"}}
    text = codec.encode_json(data)
    expected = f'{{"ietf-voucher:voucher":{{"assertion":"{word}","serial-number":"A"}}}}'
    assert text == expected.encode()
    assert codec.decode_json(text) == data


@pytest.mark.rule("X-03")
@pytest.mark.parametrize("value", [4, -1, "proximity", True, None, 1.0])
def test_other_assertions_are_refused(value: object) -> None:
    with pytest.raises(Malformed):
        codec.decode_cbor(cbor.encode({2451: {1: value, 11: "A"}}))


@pytest.mark.rule("X-04")
@pytest.mark.parametrize(("length", "ok"), [(0, 0), (7, 0), (8, 1), (16, 1), (32, 1), (33, 0)])
def test_nonce_length(length: int, *, ok: int) -> None:
    payload = cbor.encode({2501: {7: bytes(length), 13: "A"}})
    if ok:
        assert codec.decode_cbor(payload).nonce == bytes(length)
    else:
        with pytest.raises(Malformed, match="nonce"):
            codec.decode_cbor(payload)


@pytest.mark.rule("X-05")
def test_unknown_keys_do_not_fail_and_are_reported() -> None:
    payload = cbor.encode({2451: {11: "A", 40: [1], "new": {"a": Tag(1, 2)}, Tag(47, 99): 1}})
    voucher = codec.decode_cbor(payload)
    assert voucher.serial_number == "A"
    assert voucher.unknown == ((2491, [1]), ("new", {"a": Tag(1, 2)}), (99, 1))
    text = b'{"ietf-voucher:voucher":{"serial-number":"A","new":[1]}}'
    assert codec.decode_json(text).unknown == (("new", [1]),)


@pytest.mark.rule("X-05")
def test_a_request_leaf_in_a_voucher_is_unknown() -> None:
    payload = cbor.encode({2451: {11: "A", "proximity-registrar-cert": b"x"}})
    assert codec.decode_cbor(payload).unknown == (("proximity-registrar-cert", b"x"),)


BAD = {
    "no serial-number": {2501: {1: 2}},
    "serial-number is bytes": {2501: {13: b"A"}},
    "serial-number in the voucher's place": {2501: {11: "A"}},
    "date as CBOR tag": {2501: {13: "A", 2: Tag(1, 1717243205)}},
    "date as number": {2501: {13: "A", 2: 1717243205}},
    "certificate as base64": {2451: {11: "A", 8: "MIIB"}},
    "certificate empty": {2451: {11: "A", 8: b""}},
    "hash of 31 bytes": {2451: {11: "A", 10: bytes(31)}},
    "nonce is text": {2451: {11: "A", 7: "12345678"}},
    "legacy container": {1001154: {1: 2}},
    "twice": {2451: {11: "A", "serial-number": "A"}},
}


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("document", BAD.values(), ids=BAD.keys())
def test_refuses(document: object) -> None:
    with pytest.raises(Malformed):
        codec.decode_cbor(cbor.encode(document))


def test_refuses_json_without_serial_number() -> None:
    with pytest.raises(Malformed, match="serial-number"):
        codec.decode_json(b'{"ietf-voucher:voucher":{}}')


@pytest.mark.parametrize(
    "name", ["cose/pvr-nonsigned.hex", "made/rvr-data-sid.hex", "made/voucher-data-extension.hex"]
)
def test_published_payloads_are_written_again_byte_for_byte(name: str) -> None:
    assert codec.encode_cbor(codec.decode_cbor(read(name))) == read(name)


@pytest.mark.rule("X-16", "X-01")
@pytest.mark.parametrize("coding", ["names", "mixed"])
def test_names_sids_and_mixes_parse_to_the_same_model(coding: str) -> None:
    by_sid = codec.decode_cbor(read("made/rvr-data-sid.hex"))
    assert codec.decode_cbor(read(f"made/rvr-data-{coding}.hex")) == by_sid


def test_names_are_written_byte_for_byte() -> None:
    request = codec.decode_cbor(read("made/rvr-data-sid.hex"))
    assert codec.encode_cbor(request, coding=Coding.NAMES) == read("made/rvr-data-names.hex")


@pytest.mark.rule("X-01")
def test_indefinite_lengths() -> None:
    payload = bytes.fromhex("bf1909c5bf0d7f61416142ff0102ffff")
    assert codec.decode_cbor(payload) == VoucherRequest(
        serial_number="AB", assertion=Assertion.PROXIMITY
    )
