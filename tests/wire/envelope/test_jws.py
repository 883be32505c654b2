"""JWS in general JSON serialization: opening, verifying, and what is refused."""

import json
import warnings
from typing import Any

import pytest
from joserfc import jws as library
from joserfc.jwk import ECKey, OKPKey

from sztb.encoding.base64text import encode_base64, encode_base64url
from sztb.envelope import jws
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import FileKey, SignatureAlgorithm
from tests.wire.vectors import public_key, read

ES256, ES384, EDDSA = SignatureAlgorithm
PAYLOAD = b'{"ietf-voucher:voucher":{"serial-number":"A"}}'
KEY = {algorithm: FileKey.generate(algorithm) for algorithm in SignatureAlgorithm}


def text(value: object) -> str:
    return encode_base64url(json.dumps(value).encode())


def built(algorithm: SignatureAlgorithm = ES256, **headers: object) -> dict[str, Any]:
    """Sign PAYLOAD with the library; the result may then be damaged."""
    kind = OKPKey if algorithm is EDDSA else ECKey
    registry = library.JWSRegistry(algorithms=list(jws._ALGORITHMS), strict_check_header=False)
    registry.max_header_length = 60000
    members = [{"protected": {"alg": algorithm.value, **headers}}]
    key = kind.import_key(KEY[algorithm].to_pem())
    with warnings.catch_warnings(action="ignore"):  # about the name EdDSA
        return dict(library.serialize_json(members, PAYLOAD, key, registry=registry))


def raw(message: object) -> bytes:
    return json.dumps(message).encode()


@pytest.mark.rule("X-13")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_opens_and_verifies(algorithm: SignatureAlgorithm) -> None:
    opened = jws.decode(raw(built(algorithm, typ="voucher-jws+json", unknown=1)))
    opened.verify(KEY[algorithm].public_key)
    assert opened.payload == PAYLOAD
    assert opened.algorithm is algorithm
    assert opened.certificates == ()
    for other in SignatureAlgorithm:
        wrong = FileKey.generate(other).public_key
        with pytest.raises(Refused) as caught:
            opened.verify(wrong)
        assert caught.value.refusal is Refusal.SIGNATURE


def test_ed25519_under_its_newer_name() -> None:
    jws.decode(raw(built(EDDSA, alg="Ed25519"))).verify(KEY[EDDSA].public_key)


@pytest.mark.rule("X-13")
def test_certificates_in_order() -> None:
    chain = [b"one" * 300, b"two"]
    opened = jws.decode(raw(built(x5c=[encode_base64(der) for der in chain])))
    assert opened.certificates == tuple(chain)
    opened.verify(KEY[ES256].public_key)


@pytest.mark.parametrize("x5c", ["", [1], ["-_"], [""] * 17, {}], ids=repr)
def test_a_wrong_x5c_fails_only_who_looks(x5c: object) -> None:
    message = built()
    message["signatures"][0]["protected"] = text({"alg": "ES256", "x5c": x5c})
    opened = jws.decode(raw(message))
    with pytest.raises(Malformed):
        _ = opened.certificates


def changed(**members: object) -> dict[str, object]:
    message = built()
    return message | members


def with_signature(**members: object) -> dict[str, object]:
    message = built()
    message["signatures"][0] |= members
    return message


GOOD = built()
COMPACT = ".".join(
    (GOOD["signatures"][0]["protected"], GOOD["payload"], GOOD["signatures"][0]["signature"])
)
FLATTENED = {"payload": GOOD["payload"], **GOOD["signatures"][0]}

MALFORMED: dict[str, bytes] = {
    "compact serialization": COMPACT.encode(),
    "compact serialization as text": raw(COMPACT),
    "flattened serialization": raw(FLATTENED),
    "no signature": raw(changed(signatures=[])),
    "two signatures": raw(changed(signatures=GOOD["signatures"] * 2)),
    "signatures is an object": raw(changed(signatures={})),
    "signature is text": raw(changed(signatures=["a"])),
    "no payload": raw({"signatures": GOOD["signatures"]}),
    "payload is an object": raw(changed(payload={})),
    "payload padded": raw(changed(payload="YQ==")),
    "payload standard base64": raw(changed(payload="+/+/")),
    "no protected header": raw(
        changed(signatures=[{"signature": "AA", "header": {"alg": "ES256"}}])
    ),
    "protected is an array": raw(with_signature(protected=text([]))),
    "protected is no JSON": raw(with_signature(protected=encode_base64url(b"alg"))),
    "protected has a duplicate": raw(
        with_signature(protected=encode_base64url(b'{"alg":"ES256","alg":"none"}'))
    ),
    "signature is null": raw(with_signature(signature=None)),
    "signature padded": raw(with_signature(signature="AA==")),
    "critical header": raw(with_signature(protected=text({"alg": "ES256", "crit": ["b64"]}))),
    "another typ": raw(with_signature(protected=text({"alg": "ES256", "typ": "JWT"}))),
}


@pytest.mark.rule("X-13")
@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_other_structures(message: bytes) -> None:
    with pytest.raises(Malformed):
        jws.decode(message)


@pytest.mark.rule("X-13")
@pytest.mark.parametrize("alg", [None, "none", "HS256", "RS256", "ES256K", "es256", 7, ["ES256"]])
def test_alg_must_be_protected_and_one_we_take(alg: object) -> None:
    protected = {} if alg is None else {"alg": alg}
    message = with_signature(protected=text(protected), header={"alg": "ES256"})
    with pytest.raises(Refused) as caught:
        jws.decode(raw(message))
    assert caught.value.refusal is Refusal.ALGORITHM


@pytest.mark.parametrize(
    "message",
    [
        changed(payload=encode_base64url(PAYLOAD + b" ")),
        with_signature(protected=text({"alg": "ES256", "more": 1})),
        with_signature(signature=encode_base64url(bytes(64))),
        with_signature(signature=encode_base64url(bytes(3))),
        with_signature(signature=""),
    ],
    ids=["payload", "protected", "signature", "short signature", "no signature"],
)
def test_changes_do_not_verify(message: dict[str, object]) -> None:
    opened = jws.decode(raw(message))
    with pytest.raises(Refused) as caught:
        opened.verify(KEY[ES256].public_key)
    assert caught.value.refusal is Refusal.SIGNATURE


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("jws/pvr.jws.json", "jws/pledge-key.pem"),
        ("jws/rvr.jws.json", "jws/registrar-rvr-signing-key.pem"),
        ("rfc8366bis/voucher.jws.json", "rfc8366bis/masa-00-D0-E5-F2-00-02.pem"),
    ],
)
def test_published_examples(name: str, key: str) -> None:
    opened = jws.decode(read(name))
    opened.verify(public_key(key))
    assert len(opened.certificates) == 1
