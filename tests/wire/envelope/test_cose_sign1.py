"""COSE_Sign1: shapes read and refused, signing, stripping."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cwt import COSE, COSEKey

from sztb.codepoints import cose
from sztb.encoding import cbor
from sztb.encoding.cbor import Tag
from sztb.envelope import cose_sign1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import FileKey, PublicKey, SignatureAlgorithm, ecdsa_raw_from_der
from tests.wire.vectors import MASA, PLEDGE, REGISTRAR, read, signer

ES256, ES384, EDDSA = SignatureAlgorithm
PAYLOAD = b"\xa1\x19\x09\x93\xa0"
KEY = {algorithm: FileKey.generate(algorithm) for algorithm in SignatureAlgorithm}
SIZE = {ES256: 64, ES384: 96, EDDSA: 64}
ONE, TWO = b"\x30\x01\x01", b"\x30\x01\x02"


def message(
    protected: object = None,
    unprotected: object = None,
    payload: object = PAYLOAD,
    signature: object = bytes(64),
    tag: int = 18,
) -> bytes:
    """Build a message from parts that may be wrong."""
    header = cbor.encode({1: -7}) if protected is None else protected
    parts = [header, {} if unprotected is None else unprotected, payload, signature]
    return cbor.encode(Tag(tag, parts))


def header(**labels: object) -> bytes:
    return cbor.encode({1: -7} | {int(label[1:]): value for label, value in labels.items()})


def signed(
    protected: bytes, algorithm: SignatureAlgorithm = ES256, payload: bytes = PAYLOAD
) -> bytes:
    """Build a message whose protected header is given as bytes and which verifies."""
    key = KEY[algorithm]
    signature = key.sign(cbor.encode(["Signature1", protected, b"", payload]))
    if isinstance(key.public_key, EllipticCurvePublicKey):
        signature = ecdsa_raw_from_der(signature, key.public_key)
    return message(protected, {32: [ONE]}, payload, signature)


def verifies(raw: bytes, public_key: PublicKey) -> bool:
    try:
        cose_sign1.decode(raw).verify(public_key)
    except Refused as error:
        if error.refusal is not Refusal.SIGNATURE:
            raise
        return False
    return True


@pytest.mark.rule("X-07", "X-08")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_signs_with_every_algorithm(algorithm: SignatureAlgorithm) -> None:
    raw = cose_sign1.sign(PAYLOAD, KEY[algorithm])
    opened = cose_sign1.decode(raw)
    opened.verify(KEY[algorithm].public_key)
    assert opened.payload == PAYLOAD
    assert opened.algorithm is algorithm
    assert len(opened.signature) == SIZE[algorithm]
    assert opened.unprotected == {}
    assert raw[0] == 0xD2  # tag 18


@pytest.mark.rule("X-08")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_the_library_reads_what_we_write(algorithm: SignatureAlgorithm) -> None:
    raw = cose_sign1.sign(PAYLOAD, KEY[algorithm], x5bag=[ONE, TWO])
    key = COSEKey.from_pem(KEY[algorithm].to_pem())
    assert COSE.new().decode(raw, key) == PAYLOAD


@pytest.mark.rule("X-08")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_we_read_what_the_library_writes(algorithm: SignatureAlgorithm) -> None:
    key = COSEKey.from_pem(KEY[algorithm].to_pem())
    raw = COSE.new(alg_auto_inclusion=True).encode_and_sign(PAYLOAD, key, unprotected={4: b"k"})
    assert isinstance(raw, bytes)
    cose_sign1.decode(raw).verify(KEY[algorithm].public_key)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
@pytest.mark.parametrize("other", SignatureAlgorithm)
def test_verifies_with_the_right_key_only(
    algorithm: SignatureAlgorithm, other: SignatureAlgorithm
) -> None:
    raw = cose_sign1.sign(PAYLOAD, KEY[algorithm])
    assert verifies(raw, KEY[other].public_key) is (algorithm is other)
    assert not verifies(raw, FileKey.generate(algorithm).public_key)


@pytest.mark.rule("X-06", "X-07")
@pytest.mark.parametrize(
    ("alg", "key"),
    [(-9, ES256), (-51, ES384), (-19, EDDSA)],
    ids=["ESP256", "ESP384", "Ed25519"],
)
def test_fully_specified_algorithms_are_synonyms_on_input(
    alg: int, key: SignatureAlgorithm
) -> None:
    """D7."""
    opened = cose_sign1.decode(signed(cbor.encode({1: alg}), key))
    assert opened.algorithm is key
    opened.verify(KEY[key].public_key)


@pytest.mark.rule("X-06", "X-07")
@pytest.mark.parametrize(
    "protected",
    [
        b"",
        cbor.encode({}),
        cbor.encode({1: -47}),
        cbor.encode({1: -257}),
        cbor.encode({1: 5}),
        cbor.encode({1: "ES256"}),
        cbor.encode({1: True}),
        cbor.encode({1: -7.0}),
        cbor.encode({1: [-7]}),
        cbor.encode({4: b"x"}),
    ],
    ids=lambda raw: raw.hex() or "empty",
)
def test_alg_must_be_one_we_take(protected: bytes) -> None:
    with pytest.raises(Refused) as caught:
        cose_sign1.decode(message(protected))
    assert caught.value.refusal is Refusal.ALGORITHM


@pytest.mark.rule("X-06", "X-07")
@pytest.mark.parametrize("protected", [b"", cbor.encode({}), cbor.encode({4: b"x"})])
def test_alg_must_be_protected(protected: bytes) -> None:
    with pytest.raises(Refused) as caught:
        cose_sign1.decode(message(protected, {1: -7}))
    assert caught.value.refusal is Refusal.ALGORITHM


MALFORMED = {
    "no CBOR": b"\xff",
    "trailing byte": message() + b"\x00",
    "tag 17": message(tag=17),
    "tag 98": message(tag=98),
    "tag in a tag": cbor.encode(Tag(18, Tag(18, [header(), {}, b"", bytes(64)]))),
    "no array": cbor.encode(Tag(18, {})),
    "three elements": cbor.encode(Tag(18, [b"", {}, b""])),
    "five elements": cbor.encode(Tag(18, [header(), {}, b"", bytes(64), 0])),
    "payload nil": message(payload=None),
    "payload is text": message(payload="a"),
    "payload is a map": message(payload={}),
    "protected is a map": message(protected={1: -7}),
    "protected is no CBOR": message(protected=b"\xff"),
    "protected is an array": message(protected=b"\x80"),
    "protected has a duplicate": message(protected=bytes.fromhex("a201260126")),
    "protected has trailing bytes": message(protected=header() + b"\x00"),
    "unprotected is an array": message(unprotected=[]),
    "unprotected is bytes": message(unprotected=b"\xa0"),
    "signature is text": message(signature="a" * 64),
    "signature of 63 bytes": message(signature=bytes(63)),
    "signature of 65 bytes": message(signature=bytes(65)),
    "signature in DER": message(signature=bytes(71)),
    "ES384 signature of 64 bytes": message(protected=cbor.encode({1: -35})),
    "Ed25519 signature of 96 bytes": message(cbor.encode({1: -8}), signature=bytes(96)),
    "alg in both": message(unprotected={1: -7}),
    "kid in both": message(header(_4=b"a"), {4: b"b"}),
    "label is bytes": message(unprotected={b"a": 1}),
    "label is tagged": message(unprotected={Tag(47, 1): 1}),
    "protected kid is a number": message(header(_4=7)),
    "unknown critical": message(header(_2=[99], _99=1)),
    "critical but absent": message(header(_2=[15])),
    "critical is no array": message(header(_2=15)),
    "critical holds an array": message(header(_2=[[1]])),
    "critical unprotected": message(unprotected={2: [1]}),
    "too large": message(payload=bytes(70000)),
}


@pytest.mark.rule("X-06", "X-07")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_other_structures(raw: bytes) -> None:
    with pytest.raises(Malformed):
        cose_sign1.decode(raw)


def test_known_critical_headers_are_no_obstacle() -> None:
    opened = cose_sign1.decode(message(header(_2=[15], _15={6: 1})))
    assert opened.claims == {6: 1}


@pytest.mark.rule("X-07")
def test_untagged_only_where_the_media_type_says_it() -> None:
    """D13."""
    raw = cose_sign1.sign(PAYLOAD, KEY[ES256])[1:]
    with pytest.raises(Malformed):
        cose_sign1.decode(raw)
    cose_sign1.decode(raw, untagged_ok=True).verify(KEY[ES256].public_key)


FLIPS = ["protected_raw", "payload", "signature"]


@pytest.mark.parametrize("part", FLIPS)
def test_a_flipped_bit_is_noticed(part: str) -> None:
    raw = cose_sign1.sign(PAYLOAD, KEY[ES256], claims={6: 1700000000})
    opened = cose_sign1.decode(raw)
    at = raw.index(getattr(opened, part)) + len(getattr(opened, part)) - 1
    changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
    assert not verifies(changed, KEY[ES256].public_key)


def test_signature_numbers_out_of_range_are_refused_not_raised() -> None:
    for signature in (bytes(64), b"\xff" * 64):
        assert not verifies(message(signature=signature), KEY[ES256].public_key)


def test_protected_header_that_the_library_cannot_read_does_not_verify() -> None:
    # tag 0 with a nonsense date: our reader hands tags up, the library's acts on them
    raw = message(header(_15={6: Tag(0, "nonsense")}))
    assert not verifies(raw, KEY[ES256].public_key)


# certificates


X5BAG_SHAPES: dict[str, tuple[dict[int, object], tuple[bytes, ...]]] = {
    "none": ({}, ()),
    "bstr": ({32: ONE}, (ONE,)),
    "array of one": ({32: [ONE]}, (ONE,)),
    "array of two": ({32: [ONE, TWO]}, (ONE, TWO)),
    "x5chain": ({33: ONE}, (ONE,)),
    "both": ({33: [ONE], 32: TWO}, (TWO, ONE)),
}


@pytest.mark.rule("X-09")
@pytest.mark.parametrize(("headers", "found"), X5BAG_SHAPES.values(), ids=X5BAG_SHAPES.keys())
@pytest.mark.parametrize("bucket", ["protected", "unprotected"])
def test_reads_certificates_in_every_shape(
    bucket: str, headers: dict[int, object], found: tuple[bytes, ...]
) -> None:
    """D1."""
    if bucket == "protected":
        raw = message(cbor.encode({1: -7} | headers))
    else:
        raw = message(unprotected=headers)
    assert cose_sign1.decode(raw).certificates == found


@pytest.mark.rule("X-09")
def test_certificates_of_both_headers_are_joined() -> None:
    raw = message(header(_32=TWO), {33: ONE})
    assert cose_sign1.decode(raw).certificates == (ONE, TWO)


BAD_BAGS = {
    "empty array": [],
    "text": "a",
    "number": 1,
    "null": None,
    "array with text": [ONE, "a"],
    "array in an array": [[ONE]],
    "too many": [ONE] * 17,
}


@pytest.mark.rule("X-09", "R-15")
@pytest.mark.parametrize("bag", BAD_BAGS.values(), ids=BAD_BAGS.keys())
def test_a_wrong_bag_fails_only_who_looks_into_it(bag: object) -> None:
    opened = cose_sign1.decode(message(unprotected={32: bag}))
    with pytest.raises(Malformed):
        _ = opened.certificates


@pytest.mark.rule("X-09", "M-16")
def test_writes_one_certificate_bare_and_more_as_array() -> None:
    def bag(*certificates: bytes) -> object:
        raw = cose_sign1.sign(PAYLOAD, KEY[ES256], x5bag=certificates)
        return cose_sign1.decode(raw).unprotected.get(cose.X5BAG)

    assert bag() is None
    assert bag(ONE) == ONE
    assert bag(ONE, TWO) == [ONE, TWO]


def test_signs_optional_headers() -> None:
    raw = cose_sign1.sign(
        PAYLOAD, KEY[ES256], x5bag=[ONE], protected_x5bag=[], kid=b"k", claims={6: 1700000000}
    )
    opened = cose_sign1.decode(raw)
    opened.verify(KEY[ES256].public_key)
    assert opened.protected == {1: -7, 15: {6: 1700000000}}
    assert opened.unprotected == {4: b"k", 32: ONE}
    assert opened.kid == b"k"
    assert opened.claims == {6: 1700000000}


def test_protected_bag_is_signed() -> None:
    raw = cose_sign1.sign(PAYLOAD, KEY[ES256], protected_x5bag=[ONE])
    opened = cose_sign1.decode(raw)
    opened.verify(KEY[ES256].public_key)
    assert opened.protected == {1: -7, 32: ONE}
    assert cose_sign1.without_unprotected_certs(raw) == raw  # kept: it is signed


@pytest.mark.parametrize("kid", [b"", b"1", bytes(40)])
def test_kid_is_a_hint_in_either_header(kid: bytes) -> None:
    opened = cose_sign1.decode(signed(header(_4=kid)))
    assert opened.kid == kid
    opened.verify(KEY[ES256].public_key)
    assert cose_sign1.decode(message(unprotected={4: kid})).kid == kid
    assert cose_sign1.decode(message(unprotected={4: 7})).kid is None


def test_claims_that_are_no_map_are_no_claims() -> None:
    assert cose_sign1.decode(message(header(_15=[1]))).claims == {}


# stripping


@pytest.mark.rule("R-28")
@pytest.mark.parametrize(
    ("from_masa", "to_pledge"),
    [
        ("cose/voucher-from-masa.hex", "cose/voucher.hex"),
        ("made/voucher-nonced-from-masa.hex", "made/voucher-nonced-to-pledge.hex"),
    ],
)
def test_strips_to_the_published_bytes(from_masa: str, to_pledge: str) -> None:
    assert cose_sign1.without_unprotected_certs(read(from_masa)) == read(to_pledge)


def rebuilt(change: Callable[[dict[object, object]], dict[object, object]]) -> bytes:
    opened = cose_sign1.decode(cose_sign1.sign(PAYLOAD, KEY[ES256]))
    unprotected = change(dict(opened.unprotected))
    parts = [opened.protected_raw, unprotected, opened.payload, opened.signature]
    return cbor.encode(Tag(18, parts))


@pytest.mark.rule("R-28")
def test_strips_x5bag_and_x5chain_and_nothing_else() -> None:
    raw = rebuilt(lambda _: {4: b"k", 33: [ONE, TWO], 32: ONE, 99: {"a": [1]}})
    stripped = cose_sign1.without_unprotected_certs(raw)
    opened = cose_sign1.decode(stripped)
    assert opened.unprotected == {4: b"k", 99: {"a": [1]}}
    opened.verify(KEY[ES256].public_key)


@pytest.mark.rule("R-28")
def test_keeps_signed_bytes_of_any_encoding() -> None:
    # longer heads and indefinite lengths than we would write: encoding again would break them
    protected, payload = bytes.fromhex("bf180126ff"), bytes.fromhex("bf1a00000993bfffff")
    raw = signed(protected, payload=payload)
    opened = cose_sign1.decode(cose_sign1.without_unprotected_certs(raw))
    assert (opened.protected_raw, opened.payload) == (protected, payload)
    assert opened.certificates == ()
    opened.verify(KEY[ES256].public_key)


@pytest.mark.rule("R-28")
def test_nothing_to_strip_leaves_every_byte() -> None:
    raw = b"\xd2\x9f" + cbor.encode(header()) + b"\xbf\xff" + b"\x41\x00" + b"\x58\x40" + bytes(64)
    raw += b"\xff"
    assert cose_sign1.without_unprotected_certs(raw) == raw


@pytest.mark.rule("R-28")
def test_what_cannot_be_taken_apart_is_not_passed_on() -> None:
    for raw in (b"", b"\xa0", message(tag=17), message(payload=None)):
        with pytest.raises(Malformed):
            cose_sign1.without_unprotected_certs(raw)


# published keys


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cose/pvr.hex", PLEDGE),
        ("cose/rvr.hex", REGISTRAR),
        ("cose/voucher.hex", MASA),
        ("made/pvr-ed25519.hex", "made/privkey_pledge_ed25519.pem"),
    ],
)
def test_published_signatures(name: str, key: str) -> None:
    assert verifies(read(name), signer(key).public_key)
    assert not verifies(read(name), FileKey.generate(signer(key).algorithm).public_key)


def test_ed25519_signs_the_published_bytes() -> None:
    """Ed25519 is deterministic: the vector can be written again."""
    published = cose_sign1.decode(read("made/pvr-ed25519.hex"))
    key = signer("made/privkey_pledge_ed25519.pem")
    assert cose_sign1.sign(published.payload, key) == published.raw


def test_the_library_is_not_loaded_before_the_first_signature() -> None:
    script = "import sys; import sztb.voucher.formats; assert 'cwt' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
