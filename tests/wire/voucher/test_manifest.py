"""Every file of the published and made vectors, with the expectation its manifest states."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.brski import telemetry
from sztb.codepoints import media
from sztb.codepoints.coap import Code, Option
from sztb.codepoints.cose import X5BAG
from sztb.codepoints.media import Media
from sztb.codepoints.sid import VOUCHER_NAME, VOUCHER_REQUEST_NAME
from sztb.encoding import cbor, coap_message, multipart
from sztb.encoding.cbor import Tag
from sztb.encoding.coap_message import MessageType
from sztb.envelope import cms, cose_sign1, jws
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import keys
from sztb.voucher import codec
from sztb.voucher.formats import FORMATS, open_voucher, open_voucher_request
from sztb.voucher.model import Voucher, VoucherRequest
from sztb.voucher.pins import Kind, ProximityLeaf, proximity_leaf
from tests.wire.vectors import MANIFEST, ROOT, certificate, public_key, read

BY_NAME = {entry["file"]: entry for entry in MANIFEST}
SIGNED = [entry for entry in MANIFEST if "outer" in entry]
ALGORITHMS = {-7: keys.SignatureAlgorithm.ES256, -8: keys.SignatureAlgorithm.EDDSA}

# Signed artifacts that are refused before a signature is looked at, and how.
NOT_OPENED: dict[str, Refusal | None] = {
    "made/neg-voucher-alg-unprotected.hex": Refusal.ALGORITHM,
    "made/neg-voucher-detached.hex": None,
    "made/neg-voucher-is-request.hex": Refusal.CONTAINER,
    "legacy/vr_00-D0-E5-F2-00-03.vrq.hex": Refusal.ALGORITHM,
    "legacy/parboiled_vr_00-D0-E5-F2-00-03.vrq.hex": Refusal.ALGORITHM,
    "legacy/voucher_00-D0-E5-F2-00-03.vch.hex": Refusal.ALGORITHM,
    "legacy/pledge-to-regis.hex": Refusal.ALGORITHM,
    "legacy/regis-to-MASA.hex": Refusal.ALGORITHM,
    "legacy/voucher-from-MASA.hex": Refusal.ALGORITHM,
}
OPENED = [entry for entry in SIGNED if entry["file"] not in NOT_OPENED]


def named(entries: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry["file"])


def having(*keys_of_entry: str) -> Any:
    """Parametrize over the opened artifacts whose manifest entry states something."""
    return named([entry for entry in OPENED if set(keys_of_entry) <= set(entry)])


def kind_is(*kinds: str) -> list[dict[str, Any]]:
    return [entry for entry in MANIFEST if entry["kind"] in kinds]


def media_of(name: str) -> Media:
    if name.endswith(".b64"):
        return media.VOUCHER_CMS
    return media.VOUCHER_JWS if name.endswith(".json") else media.VOUCHER_COSE


def opened(entry: dict[str, Any]) -> Any:
    """Open as what it is said to be: a voucher as voucher, a request as request."""
    opener = open_voucher if entry["kind"] == "voucher" else open_voucher_request
    return opener(media_of(entry["file"]), read(entry["file"]))


def test_the_list_is_complete() -> None:
    """Each entry belongs to a test below; each artifact on disk has an entry."""
    covered = {
        entry["file"]
        for entry in [
            *SIGNED,
            *kind_is("pvr-payload", "rvr-payload", "voucher-payload"),
            *kind_is("telemetry", "coap", "multipart-core"),
        ]
    }
    assert covered == set(BY_NAME)
    artifacts = {
        str(path.relative_to(ROOT))
        for pattern in ("*.hex", "*.b64", "*.jws.json")
        for path in ROOT.rglob(pattern)
    }
    assert artifacts == set(BY_NAME)


# signed artifacts


@pytest.mark.rule("X-06", "X-07", "X-10")
@pytest.mark.parametrize(("name", "refusal"), NOT_OPENED.items(), ids=NOT_OPENED.keys())
def test_must_not_open(name: str, refusal: Refusal | None) -> None:
    entry = BY_NAME[name]
    assert entry.get("must_reject") or entry["accept_by_pledge_of_pvr"] is False
    with pytest.raises((Malformed, Refused)) as caught:
        opened(entry)
    assert getattr(caught.value, "refusal", None) is refusal


@pytest.mark.rule("X-12", "X-13", "X-15")
@having("signature_ok", "signer")
def test_signature(entry: dict[str, Any]) -> None:
    envelope = opened(entry).envelope
    key = public_key(entry["signer"])
    if entry["signature_ok"]:
        envelope.verify(key)
        return
    with pytest.raises(Refused) as caught:
        envelope.verify(key)
    assert caught.value.refusal is Refusal.SIGNATURE


def test_the_request_posing_as_voucher_is_signed_by_the_masa() -> None:
    """X-10 is what refuses it: its signature is good."""
    entry = BY_NAME["made/neg-voucher-is-request.hex"]
    assert entry["signature_ok"]
    cose_sign1.decode(read(entry["file"])).verify(public_key(entry["signer"]))


@named([entry for entry in SIGNED if entry["signature_ok"] == "as ES256 only; alg absent"])
def test_legacy_signatures_are_good_and_still_refused(entry: dict[str, Any]) -> None:
    """X-06: without alg nobody knows what to verify, even where guessing would succeed."""
    protected, _, payload, signature = cbor.decode(read(entry["file"])).value  # type: ignore[attr-defined]
    assert protected == b"\xa0"
    to_be_signed = cbor.encode(["Signature1", protected, b"", payload])
    keys.verify(public_key(entry["signer"]), keys.ecdsa_der_from_raw(signature), to_be_signed)


def test_wrong_signer_is_the_domain_ca() -> None:
    opened_voucher = opened(BY_NAME["made/neg-voucher-wrong-signer.hex"])
    opened_voucher.envelope.verify(public_key("cose/keys/privkey_domain_ca.pem"))


@having("kind")
def test_container(entry: dict[str, Any]) -> None:
    expected = Voucher if entry["kind"] == "voucher" else VoucherRequest
    assert type(opened(entry).data) is expected


@having("payload_sid")
def test_coding_of_the_container(entry: dict[str, Any]) -> None:
    [top] = cbor.decode(opened(entry).envelope.payload)  # type: ignore[misc]
    names = {VOUCHER_NAME, VOUCHER_REQUEST_NAME}
    assert top in (names if entry["payload_sid"] == "names" else {entry["payload_sid"]})


@named([entry for entry in OPENED if isinstance(entry.get("alg"), int)])
def test_algorithm(entry: dict[str, Any]) -> None:
    assert opened(entry).envelope.algorithm is ALGORITHMS[entry["alg"]]


@having("nonce")
def test_nonce(entry: dict[str, Any]) -> None:
    assert opened(entry).data.nonce.hex() == entry["nonce"]


@pytest.mark.rule("X-09")
@having("x5bag_count")
def test_number_of_certificates(entry: dict[str, Any]) -> None:
    assert len(opened(entry).envelope.certificates) == entry["x5bag_count"]


@pytest.mark.rule("X-09")
@having("x5bag_form")
def test_one_certificate_is_a_bare_bstr(entry: dict[str, Any]) -> None:
    assert entry["x5bag_form"] == "bstr"
    assert isinstance(opened(entry).envelope.unprotected[X5BAG], bytes)


@pytest.mark.rule("X-09")
def test_one_certificate_in_an_array_is_read_as_well() -> None:
    """V4: published like this; D1."""
    envelope = opened(BY_NAME["cose/voucher-from-masa.hex"]).envelope
    assert isinstance(envelope.unprotected[X5BAG], list)
    assert len(envelope.certificates) == 1


@having("kid")
def test_kid(entry: dict[str, Any]) -> None:
    assert opened(entry).envelope.kid == bytes.fromhex(entry["kid"])


@pytest.mark.rule("R-28")
@having("stripped_form_of")
def test_stripped_form(entry: dict[str, Any]) -> None:
    assert FORMATS[media.VOUCHER_COSE].strip(read(entry["stripped_form_of"])) == read(entry["file"])


REGISTRAR_DER = certificate("cose/certs/registrar.der").public_bytes(Encoding.DER)
REGISTRAR_SPKI = keys.spki_der(public_key("cose/keys/privkey_registrar.pem"))
PROXIMITY = {
    "pubk of cose/certs/registrar": ProximityLeaf(Kind.PUBK, REGISTRAR_SPKI),
    "certificate cose/certs/registrar.der": ProximityLeaf(Kind.CERT, REGISTRAR_DER),
    "SHA-256 of SPKI DER": ProximityLeaf(
        Kind.PUBK_SHA256,
        bytes.fromhex("39bc09797383bfd7dcb42d3762b5a2d77b340cdecfc49e3a47e48b077e0f3a91"),
    ),
}


@having("proximity")
def test_proximity_leaf(entry: dict[str, Any]) -> None:
    assert proximity_leaf(opened(entry).data) == PROXIMITY[entry["proximity"]]


@having("embeds")
def test_embeds_the_pledges_request_byte_for_byte(entry: dict[str, Any]) -> None:
    prior = opened(entry).data.prior_signed_voucher_request
    if entry["embeds"].startswith("jws/"):
        inner = open_voucher_request(media.VOUCHER_JWS, prior)
        assert inner.data == open_voucher_request(media.VOUCHER_JWS, read("jws/pvr.jws.json")).data
        inner.envelope.verify(public_key("jws/pledge-key.pem"))
    else:
        assert prior == read(entry["embeds"])


OUTER: dict[str, Callable[[bytes], Any]] = {
    "COSE_Sign1 tag 18": cose_sign1.decode,
    "CMS SignedData v1, eContentType 1.2.840.113549.1.7.1, signedAttrs present": cms.decode,
    "JWS general JSON serialization": jws.decode,
}


@pytest.mark.rule("X-07", "X-12", "X-13")
@having("outer")
def test_outer_structure(entry: dict[str, Any]) -> None:
    envelope = OUTER[entry["outer"]](read(entry["file"]))
    assert envelope.payload == opened(entry).envelope.payload


def test_bag_order_carries_no_meaning() -> None:
    straight = opened(BY_NAME["made/rvr-signed-fullbag.hex"])
    shuffled = opened(BY_NAME["made/rvr-signed-fullbag-shuffled.hex"])
    assert shuffled.data == straight.data
    assert shuffled.envelope.certificates == straight.envelope.certificates[::-1]
    expected = {
        read(f"cose/certs/{name}.der") for name in ("registrar", "domain_ca", "pledge", "masa_ca")
    }
    assert set(straight.envelope.certificates) == expected


def test_extracted_certificates() -> None:
    """V2: not the listed ones, but of the same keys."""
    bag = opened(BY_NAME["cose/rvr.hex"]).envelope.certificates
    assert bag[0] == read("cose/extracted/rvr-x5bag-0-registrar.der")
    assert bag[1] == read("cose/extracted/rvr-x5bag-1-domain_ca.der")
    pinned = opened(BY_NAME["cose/voucher.hex"]).data.pinned_domain_cert
    assert pinned == read("cose/extracted/voucher-pinned-domain-cert.der") == bag[1]
    assert pinned != read("cose/certs/domain_ca.der")


# payloads alone


@named([entry for entry in MANIFEST if "equals_payload_of" in entry])
def test_payload_is_the_one_that_was_signed(entry: dict[str, Any]) -> None:
    signed = cose_sign1.decode(read(entry["equals_payload_of"]))
    assert signed.payload == read(entry["file"])


@pytest.mark.rule("X-16", "X-01")
@named([entry for entry in MANIFEST if "equal_model_as" in entry])
def test_payload_parses_to_the_same_model(entry: dict[str, Any]) -> None:
    same = codec.decode_cbor(read(entry["equal_model_as"]))
    assert codec.decode_cbor(read(entry["file"])) == same


@pytest.mark.rule("X-05")
@named([entry for entry in kind_is("voucher-payload") if "expect" in entry])
def test_extension(entry: dict[str, Any]) -> None:
    document = cbor.decode(read(entry["file"]))
    assert document[2451][15] == [305823299950]  # type: ignore[index]
    assert document[2451][Tag(47, 305823299950)]  # type: ignore[index]
    assert codec.decode_cbor(read(entry["file"])).extensions == (305823299950,)


# telemetry, CoAP, /crts


@pytest.mark.rule("X-15")
@named(kind_is("telemetry"))
def test_telemetry(entry: dict[str, Any]) -> None:
    status = telemetry.decode(media.CBOR, read(entry["file"]), telemetry.EnrollStatus)
    assert {"version": status.version, "status": status.status} == entry["expect"]
    assert status.unknown == ()
    assert telemetry.encode_cbor(status) == read(entry["file"])


COAP = {
    "CON POST mid=0xab0f token=4d /b/es CF 60": (MessageType.CON, Code.POST, ("b", "es"), 60),
    "ACK 2.04 mid=0xab0f token=4d": (MessageType.ACK, Code.CHANGED, (), None),
}


@named(kind_is("coap"))
def test_coap(entry: dict[str, Any]) -> None:
    message = coap_message.decode(read(entry["file"]))
    kind, code, path, content_format = COAP[entry["expect"]]
    assert (message.type, message.code, message.message_id) == (kind, code, 0xAB0F)
    assert message.token == b"\x4d"
    assert message.texts(Option.URI_PATH) == path
    assert message.uint(Option.CONTENT_FORMAT) == content_format
    if message.payload:
        telemetry.decode(media.CBOR, message.payload, telemetry.EnrollStatus)


@pytest.mark.rule("X-14")
@named(kind_is("multipart-core"))
def test_crts_body_is_raw_der(entry: dict[str, Any]) -> None:
    assert entry["expect"] == "[287, domain_ca.der, 287, masa_ca.der(third-party TA)]"
    assert multipart.decode(read(entry["file"])) == [
        (287, read("cose/certs/domain_ca.der")),
        (287, read("cose/certs/masa_ca.der")),
    ]
