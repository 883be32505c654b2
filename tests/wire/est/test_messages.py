"""EST bodies over CoAP: certificates, CA certificates, server-generated keys."""

from dataclasses import replace
from typing import Any

import pytest

from sztb.codepoints import media
from sztb.encoding import multipart
from sztb.errors import Malformed, Refusal, Refused
from sztb.est import messages
from sztb.pki import certificates
from sztb.pki.csr import SERVER_KEY_POLICY, check_csr
from sztb.pki.keys import FileKey, SignatureAlgorithm
from tests.wire.est.est_vectors import DOMAIN_CA, certificate, key, read, rows

LDEVID = "made/certs/ldevid.der"


@pytest.mark.rule("E-40", "R-07")
@pytest.mark.parametrize("wanted", [media.PKIX_CERT, media.CERTS_ONLY])
def test_one_certificate_in_both_formats(wanted: media.Media) -> None:
    body = messages.encode_certificate(wanted, certificate(LDEVID))
    assert messages.decode_certificates(wanted, body) == (certificate(LDEVID),)
    assert messages.decode_cacerts(wanted, body) == (certificate(LDEVID),)


@pytest.mark.rule("E-07", "E-39")
def test_bodies_are_raw_der() -> None:
    ldevid = certificate(LDEVID)
    assert messages.encode_certificate(media.PKIX_CERT, ldevid) == read(LDEVID)
    assert messages.encode_certificate(media.CERTS_ONLY, ldevid) == read("made/p7/1-ldevid.der")


def test_other_formats_are_refused() -> None:
    with pytest.raises(Refused) as wanted:
        messages.encode_certificate(media.PKCS8, certificate(LDEVID))
    with pytest.raises(Refused) as received:
        messages.decode_certificates(media.CBOR, b"")
    assert wanted.value.refusal is Refusal.ACCEPT
    assert received.value.refusal is Refusal.CONTENT_FORMAT


@pytest.mark.rule("R-11", "P-33")
def test_cacerts_as_multipart_keeps_its_order() -> None:
    body = read("made/mp/crts-287x2.hex")
    expected = (certificate(DOMAIN_CA), certificate("made/certs/sub_ca.der"))
    assert messages.decode_cacerts(media.MULTIPART_CORE, body) == expected
    assert messages.encode_cacerts_multipart(expected) == body
    assert body[0] == 0x84  # cbrski D25: the number of array elements, not of certificates


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([], id="no part"),
        pytest.param([(281, read("made/p7/1-cacert.der"))], id="certs-only inside"),
        pytest.param([(287, read(DOMAIN_CA)), (60, b"\xa0")], id="CBOR beside a certificate"),
        pytest.param([(287, b"\x30\x00")], id="not a certificate"),
    ],
)
def test_cacerts_multipart_with_anything_else_is_malformed(parts: list[tuple[int, bytes]]) -> None:
    with pytest.raises(Malformed):
        messages.decode_cacerts(media.MULTIPART_CORE, multipart.encode(parts))


@pytest.mark.rule("E-29")
def test_issued_certificate_is_picked_by_key_not_by_position() -> None:
    body = read("made/p7/enroll-with-chain.der")
    ours = key("made/keys/ldevid.pem").public_key
    picked = messages.decode_enrolled(media.CERTS_ONLY, body, ours)
    assert picked == certificate("made/certs/ldevid-sub.der")


@pytest.mark.rule("E-29")
def test_of_two_certificates_for_our_key_the_newer_counts() -> None:
    old, new = certificate(LDEVID), certificate("made/certs/ldevid-renewed.der")
    assert certificates.spki(old) == certificates.spki(new)
    ours = key("made/keys/ldevid.pem").public_key
    for pair in ((old, new), (new, old)):
        body = messages.encode_certs_only(pair)
        assert messages.decode_enrolled(media.CERTS_ONLY, body, ours) == new


@pytest.mark.rule("E-29")
@pytest.mark.parametrize("received", [media.PKIX_CERT, media.CERTS_ONLY])
def test_certificate_for_another_key_is_refused(received: media.Media) -> None:
    body = messages.encode_certificate(received, certificate(LDEVID))
    with pytest.raises(Refused) as refused:
        messages.decode_enrolled(received, body, key("made/keys/ldevid2.pem").public_key)
    assert refused.value.refusal is Refusal.KEY_MISMATCH


@pytest.mark.rule("E-32", "E-33", "E-35", "E-50")
@pytest.mark.parametrize("row", rows("multipart-core", "made/mp/sk"))
def test_server_generated_key(row: dict[str, Any]) -> None:
    generated = messages.decode_serverkeygen(read(row["file"]))
    assert {generated.key_format.content_format} < set(row["cfs"])
    assert certificate(row["cert"]) in generated.certificates
    if generated.key_format == media.PKCS8:
        opened, belonging = generated.open_plain()
        assert opened.pkcs8_der() == key(row["key"]).pkcs8_der()
        assert belonging == certificate(row["cert"])
    else:
        with pytest.raises(Refused) as refused:
            generated.open_plain()
        assert refused.value.refusal is Refusal.FORMAT_UNAVAILABLE


@pytest.mark.rule("E-35")
@pytest.mark.parametrize("row", rows("multipart-core", "made/mp/neg"))
def test_bad_server_generated_key(row: dict[str, Any]) -> None:
    with pytest.raises((Malformed, Refused)) as error:
        messages.decode_serverkeygen(read(row["file"])).open_plain()
    if "mismatch" in row["file"]:
        assert isinstance(error.value, Refused)
        assert error.value.refusal is Refusal.KEY_MISMATCH
    else:
        assert isinstance(error.value, Malformed)


@pytest.mark.rule("E-32", "E-33")
def test_answer_printed_in_rfc_9148() -> None:
    body = read("rfc9148/a3-skg-response.hex")
    generated = messages.decode_serverkeygen(body)
    opened, belonging = generated.open_plain()
    assert generated.key == read("rfc9148/a3-skg-key.hex")
    assert (belonging,) == messages.decode_certs_only(read("rfc9148/a3-skg-cert.hex"))
    assert certificates.public_key(belonging) == opened.public_key
    again = messages.encode_serverkeygen(media.PKCS8, generated.key, media.CERTS_ONLY, belonging)
    assert messages.decode_serverkeygen(again) == generated  # the RFC's has an empty CRL field


@pytest.mark.parametrize("pair", [(284, 284), (280, 284), (281, 287)], ids=str)
def test_two_parts_of_one_kind_are_no_answer(pair: tuple[int, int]) -> None:
    bodies = {
        284: key("made/keys/skg.pem").pkcs8_der(),
        280: b"x",
        281: read("made/p7/1-ldevid.der"),
        287: read(LDEVID),
    }
    with pytest.raises(Malformed):
        messages.decode_serverkeygen(multipart.encode([(cf, bodies[cf]) for cf in pair]))


def test_generated_key_of_a_type_we_do_not_take_is_refused() -> None:
    key_der = read("rfc7030/a4-skg-key.der")  # RSA
    with pytest.raises(Refused) as refused:
        messages.GeneratedKey(media.PKCS8, key_der, (certificate(LDEVID),)).open_plain()
    assert refused.value.refusal is Refusal.NOT_A_KEY_WE_TAKE


def test_generated_key_that_is_no_key_is_malformed() -> None:
    with pytest.raises(Malformed):
        messages.GeneratedKey(media.PKCS8, b"\x30\x00", (certificate(LDEVID),)).open_plain()


def test_generated_key_may_be_ed25519() -> None:
    own = FileKey.generate(SignatureAlgorithm.EDDSA)
    with pytest.raises(Refused) as refused:
        messages.GeneratedKey(media.PKCS8, own.pkcs8_der(), (certificate(LDEVID),)).open_plain()
    assert refused.value.refusal is Refusal.KEY_MISMATCH


@pytest.mark.rule("E-32", "E-33")
@pytest.mark.parametrize("row", rows("csr", "made/csr/skg"))
def test_how_the_client_wants_its_key(row: dict[str, Any]) -> None:
    request = check_csr(read(row["file"]), policy=SERVER_KEY_POLICY)
    assert messages.asked_key_format(request).content_format == row["key_form"]


@pytest.mark.rule("E-32")
@pytest.mark.parametrize(
    "names",
    [
        ("1.2.840.113549.1.9.15",),
        ("1.2.840.113549.1.9.16.2.37",),
        ("1.2.840.113549.1.9.15", "1.2.840.113549.1.9.16.2.37", "1.2.840.113549.1.9.16.2.54"),
    ],
    ids=["capabilities alone", "identifier alone", "two identifiers"],
)
def test_half_said_encryption_is_refused(names: tuple[str, ...]) -> None:
    request = check_csr(read("made/csr/skg-plain.der"), policy=SERVER_KEY_POLICY)
    half = replace(request, attributes=tuple((name, b"\x05\x00") for name in names))
    with pytest.raises(Refused) as refused:
        messages.asked_key_format(half)
    assert refused.value.refusal is Refusal.CSR


def test_a_format_without_number_cannot_be_a_part() -> None:
    with pytest.raises(Refused) as refused:
        messages.encode_serverkeygen(media.VOUCHER_CMS, b"", media.PKIX_CERT, certificate(LDEVID))
    assert refused.value.refusal is Refusal.ACCEPT
