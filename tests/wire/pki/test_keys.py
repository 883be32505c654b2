"""Keys of the three algorithms: files, signatures, encodings."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import keys
from sztb.pki.keys import FileKey, SignatureAlgorithm
from tests.fakes.pki import key

ALGORITHMS = pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=str)
PASSWORD = b"correct horse"
RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.rule("X-08")
@ALGORITHMS
def test_signs_and_verifies(algorithm: SignatureAlgorithm) -> None:
    own = key("signing", algorithm)
    assert own.algorithm is algorithm
    assert keys.algorithm_of(own.public_key) is algorithm
    keys.verify(own.public_key, own.sign(b"data"), b"data")


@ALGORITHMS
@pytest.mark.parametrize("change", ["data", "signature", "key", "empty"])
def test_refuses_signatures(algorithm: SignatureAlgorithm, change: str) -> None:
    own, signature, data = key("signing", algorithm), b"", b"data"
    if change != "empty":
        signature = own.sign(data)
    if change == "signature":
        signature = signature[:-1] + bytes((signature[-1] ^ 1,))
    verifier = key("another", algorithm) if change == "key" else own
    with pytest.raises(Refused) as refused:
        keys.verify(verifier.public_key, signature, b"other" if change == "data" else data)
    assert refused.value.refusal is Refusal.SIGNATURE


@ALGORITHMS
def test_survives_pem_and_pkcs8(algorithm: SignatureAlgorithm) -> None:
    own = key("signing", algorithm)
    assert FileKey.from_pem(own.to_pem()).pkcs8_der() == own.pkcs8_der()
    assert FileKey.from_pem(own.to_pem(PASSWORD), PASSWORD).pkcs8_der() == own.pkcs8_der()
    assert FileKey.from_pkcs8_der(own.pkcs8_der()).public_key == own.public_key
    assert b"ENCRYPTED" in own.to_pem(PASSWORD)


@pytest.mark.parametrize(
    ("pem", "password"),
    [
        pytest.param(key("signing").to_pem(PASSWORD), None, id="password missing"),
        pytest.param(key("signing").to_pem(PASSWORD), b"wrong", id="password wrong"),
        pytest.param(key("signing").to_pem(), PASSWORD, id="password not needed"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\n", None, id="cut off"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_unreadable_pem(pem: bytes, password: bytes | None) -> None:
    with pytest.raises(Malformed):
        FileKey.from_pem(pem, password)


@pytest.mark.parametrize(
    "der",
    [b"", b"\x30\x00", key("signing").pkcs8_der()[:-1]],
    ids=["empty", "no key", "cut off"],
)
def test_unreadable_pkcs8(der: bytes) -> None:
    with pytest.raises(Malformed):
        FileKey.from_pkcs8_der(der)


def pem(
    private_key: rsa.RSAPrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey,
) -> bytes:
    return private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "foreign",
    [RSA_KEY, ed448.Ed448PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())],
    ids=["RSA", "Ed448", "P-521"],
)
def test_other_key_types_are_refused(
    foreign: rsa.RSAPrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    with pytest.raises(Refused) as from_file:
        FileKey.from_pem(pem(foreign))
    with pytest.raises(Refused) as public:
        keys.check_key_type(foreign.public_key())
    assert from_file.value.refusal is public.value.refusal is Refusal.NOT_A_KEY_WE_TAKE


def test_curve_is_checked_where_a_signature_is_verified_too() -> None:
    with pytest.raises(Refused) as refused:
        keys.verify(ec.generate_private_key(ec.SECP521R1()).public_key(), b"", b"")
    assert refused.value.refusal is Refusal.NOT_A_KEY_WE_TAKE


def test_a_key_for_key_agreement_is_no_signing_key() -> None:
    der = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(Refused):
        FileKey.from_pkcs8_der(der)


@ALGORITHMS
def test_subject_public_key_info(algorithm: SignatureAlgorithm) -> None:
    lengths = {"ES256": 91, "ES384": 120, "EdDSA": 44}
    public_key = key("signing", algorithm).public_key
    der = keys.spki_der(public_key)
    assert len(der) == lengths[algorithm.value]
    assert keys.load_spki(der) == public_key


def compressed(public_key: keys.PublicKey) -> bytes:
    """Return an SPKI with a compressed point: the same key, other bytes."""
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    point = public_key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    return bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point


SPKI = keys.spki_der(key("signing").public_key)


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(SPKI + b"\0", id="byte after"),
        pytest.param(SPKI[:-1], id="cut off"),
        pytest.param(b"", id="empty"),
        pytest.param(bytes(keys.MAX_SPKI_BYTES + 1), id="too long"),
        pytest.param(compressed(key("signing").public_key), id="compressed point"),
    ],
)
def test_malformed_subject_public_key_info(der: bytes) -> None:
    with pytest.raises(Malformed):
        keys.load_spki(der)


def test_rsa_subject_public_key_info_is_refused() -> None:
    der = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with pytest.raises(Refused):
        keys.load_spki(der)


@pytest.mark.parametrize(
    ("algorithm", "length"), [(SignatureAlgorithm.ES256, 64), (SignatureAlgorithm.ES384, 96)]
)
def test_ecdsa_raw_and_der(algorithm: SignatureAlgorithm, length: int) -> None:
    own = key("signing", algorithm)
    assert isinstance(own.public_key, ec.EllipticCurvePublicKey)
    signature = own.sign(b"data")
    raw = keys.ecdsa_raw_from_der(signature, own.public_key)
    assert len(raw) == length
    assert keys.ecdsa_der_from_raw(raw) == signature


def test_small_numbers_keep_their_leading_zeros() -> None:
    public_key = key("signing").public_key
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    raw = keys.ecdsa_raw_from_der(bytes.fromhex("3006020101020102"), public_key)
    assert raw == bytes(31) + b"\x01" + bytes(31) + b"\x02"


@pytest.mark.parametrize(
    "signature",
    [b"", b"\x30\x00", bytes.fromhex("30 26 02 21 01") + bytes(32) + bytes.fromhex("02 01 01")],
    ids=["empty", "no numbers", "number of 33 bytes"],
)
def test_not_an_ecdsa_signature(signature: bytes) -> None:
    public_key = key("signing").public_key
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    with pytest.raises(Malformed):
        keys.ecdsa_raw_from_der(signature, public_key)


@pytest.mark.parametrize("raw", [b"", bytes(63)], ids=["empty", "odd"])
def test_not_a_raw_ecdsa_signature(raw: bytes) -> None:
    with pytest.raises(Malformed):
        keys.ecdsa_der_from_raw(raw)


def test_secret_does_not_show() -> None:
    own = FileKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    assert repr(own) == "FileKey(EdDSA)"
