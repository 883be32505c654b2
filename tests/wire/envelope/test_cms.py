"""CMS SignedData: opening, verifying, and what is refused."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from asn1crypto import algos, cms
from asn1crypto.x509 import Certificate
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.codepoints import oid
from sztb.envelope import cms as envelope
from sztb.errors import Malformed, Refusal, Refused
from tests.wire.vectors import certificate, public_key, read

PAYLOAD = b'{"ietf-voucher:voucher":{"serial-number":"A"}}'
SIGNED_AT = datetime(2024, 6, 1, tzinfo=UTC)
EC = ec.derive_private_key(7, ec.SECP256R1())
P384 = ec.derive_private_key(7, ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
SMALL_RSA = rsa.generate_private_key(65537, 1024)
CERTIFICATE_DER = certificate("rfc8995/masa.crt").public_bytes(Encoding.DER)
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha1": hashes.SHA1()}


def signature_of(key: Any, data: bytes, digest: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), HASHES[digest])
    return key.sign(data, ec.ECDSA(HASHES[digest]))


def built(key: Any = EC, digest: str = "sha256", kind: str | None = None, **changes: Any) -> bytes:
    """Sign PAYLOAD as rfc8366bis says; keyword arguments change one thing each."""
    content_type = changes.get("content_type", oid.ANIMA_JSON_VOUCHER)
    attributes = [
        {"type": "content_type", "values": [changes.get("attribute_type", content_type)]},
        {
            "type": "signing_time",
            "values": [cms.Time("utc_time", datetime(2024, 6, 1, tzinfo=UTC))],
        },
        {
            "type": "message_digest",
            "values": [changes.get("digest_value", hashlib.new(digest, PAYLOAD).digest())],
        },
    ]
    attributes = changes.get("attributes", attributes)
    signed_attributes = cms.CMSAttributes(attributes)
    default = "rsassa_pkcs1v15" if isinstance(key, rsa.RSAPrivateKey) else f"{digest}_ecdsa"
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier("subject_key_identifier", b"k"),
        "digest_algorithm": {"algorithm": changes.get("digest_name", digest)},
        "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": kind or default}),
        "signature": signature_of(key, signed_attributes.dump(), digest),
    }
    if attributes:
        signer["signed_attrs"] = signed_attributes
    signed_data = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": digest}],
        "encap_content_info": {"content_type": content_type}
        | ({} if changes.get("detached") else {"content": cms.ParsableOctetString(PAYLOAD)}),
        "certificates": [Certificate.load(CERTIFICATE_DER)] * changes.get("certificates", 1),
        "signer_infos": [signer] * changes.get("signers", 1),
    }
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed_data}).dump())


@pytest.mark.rule("X-12")
@pytest.mark.parametrize(
    ("key", "digest", "kind"),
    [
        (EC, "sha256", None),
        (P384, "sha384", None),
        (P384, "sha256", None),
        (RSA, "sha256", None),
        (RSA, "sha256", "sha256_rsa"),
        (RSA, "sha384", "sha384_rsa"),
    ],
    ids=["P-256", "P-384", "P-384 SHA-256", "RSA", "RSA with its hash", "RSA SHA-384"],
)
def test_opens_and_verifies(key: Any, digest: str, kind: str | None) -> None:
    opened = envelope.decode(built(key, digest, kind), older_ok=False)
    opened.verify(key.public_key())
    assert opened.payload == PAYLOAD
    assert opened.certificates == (CERTIFICATE_DER,)
    assert opened.signing_time == SIGNED_AT
    other = ec.derive_private_key(8, ec.SECP256R1()).public_key()
    for wrong in (other, RSA.public_key() if key is not RSA else other):
        with pytest.raises(Refused) as caught:
            opened.verify(wrong)
        assert caught.value.refusal is Refusal.SIGNATURE


def test_keys_of_another_kind_do_not_verify() -> None:
    ed25519_key = ed25519.Ed25519PrivateKey.generate().public_key()
    for raw, key in [
        (built(RSA), EC.public_key()),
        (built(EC), RSA.public_key()),
        (built(EC), ed25519_key),
        (built(SMALL_RSA), SMALL_RSA.public_key()),
    ]:
        with pytest.raises(Refused) as caught:
            envelope.decode(raw).verify(key)
        assert caught.value.refusal is Refusal.SIGNATURE


def with_version(number: int, raw: bytes) -> bytes:
    """The version is not signed: it can be exchanged."""
    return raw.replace(b"\x02\x01\x03", bytes([2, 1, number]), 1)


OLDER = {
    "version": with_version(1, built()),
    "id-data": built(content_type=envelope.ID_DATA),
    "both": with_version(1, built(content_type=envelope.ID_DATA)),
}


@pytest.mark.parametrize("raw", OLDER.values(), ids=OLDER.keys())
def test_older_shapes_are_a_setting(raw: bytes) -> None:
    """D16."""
    envelope.decode(raw).verify(EC.public_key())
    with pytest.raises(Malformed):
        envelope.decode(raw, older_ok=False)


def attribute(kind: str, *values: object) -> dict[str, object]:
    return {"type": kind, "values": list(values)}


TYPE = attribute("content_type", oid.ANIMA_JSON_VOUCHER)
DIGEST = attribute("message_digest", hashlib.sha256(PAYLOAD).digest())

REFUSED = {
    "no signed attributes": (built(attributes=[]), Malformed),
    "no message digest": (built(attributes=[TYPE]), Refused),
    "no content type": (built(attributes=[DIGEST]), Malformed),
    "content type twice": (built(attributes=[TYPE, TYPE, DIGEST]), Malformed),
    "two digests in one attribute": (
        built(attributes=[TYPE, attribute("message_digest", *DIGEST["values"] * 2)]),  # type: ignore[operator]
        Refused,
    ),
    "attribute of another content type": (built(attribute_type=envelope.ID_DATA), Malformed),
    "digest of another content": (built(digest_value=bytes(32)), Refused),
    "another content type": (built(content_type="1.2.3.4"), Malformed),
    "version 4": (with_version(4, built()), Malformed),
    "detached": (built(detached=True), Malformed),
    "no signer": (built(signers=0), Malformed),
    "two signers": (built(signers=2), Malformed),
    "SHA-1": (built(digest="sha1"), Refused),
    "digest and signature disagree": (built(P384, "sha384", digest_name="sha256"), Refused),
    "unknown signature algorithm": (built(kind="rsassa_pss"), Malformed),
    "17 certificates": (built(certificates=17), Malformed),
    "nothing": (b"", Malformed),
    "no ASN.1": (b"{}", Malformed),
    "trailing byte": (built() + b"\x00", Malformed),
    "truncated": (built()[:-1], Malformed),
    "too large": (bytes(70000), Malformed),
    "another content info": (
        cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(),
        Malformed,
    ),
}


@pytest.mark.rule("X-12")
@pytest.mark.parametrize(("raw", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(raw: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        envelope.decode(raw)


def test_every_flipped_byte_is_noticed() -> None:
    """A change is malformed, or does not verify, or concerns nothing that was signed."""
    raw = built(certificates=0)
    good = envelope.decode(raw)
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 0x01]) + raw[at + 1 :]
        try:
            opened = envelope.decode(changed)
            opened.verify(EC.public_key())
        except (Malformed, Refused):
            continue
        assert (opened.payload, opened.signing_time) == (good.payload, good.signing_time)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("rfc8995/vr_00-D0-E5-F2-00-02.b64", "rfc8995/idevid_00-D0-E5-F2-00-02.key"),
        ("rfc8995/voucher_00-D0-E5-F2-00-02.b64", "rfc8995/masa.key"),
        ("rfc8366bis/voucher_00-D0-E5-F2-00-02.b64", "rfc8366bis/masa-00-D0-E5-F2-00-02.pem"),
    ],
)
def test_published_examples_need_the_older_shape(name: str, key: str) -> None:
    envelope.decode(read(name)).verify(public_key(key))
    with pytest.raises(Malformed):
        envelope.decode(read(name), older_ok=False)
