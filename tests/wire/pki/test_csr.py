"""Certification requests: the vectors, ours, and what is refused."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sztb.encoding import der
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import csr
from sztb.pki.csr import SERVER_KEY_POLICY, check_csr, check_pop_linking, make_csr
from sztb.pki.keys import FileKey, SignatureAlgorithm, spki_der
from tests.fakes.pki import key
from tests.wire.est.est_vectors import certificate, read, rows
from tests.wire.est.est_vectors import key as vector_key

SUBJECT = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "SN-1")])
BINDING = bytes.fromhex("7fce3386f540e3e3ef541741")
CHALLENGE_OID = "1.2.840.113549.1.9.7"

WHY = {
    "bad-signature": Refusal.CSR_SIGNATURE,
    "signed-by-other-key": Refusal.CSR_SIGNATURE,
    "challenge-not-base64": Refusal.CSR,
    "challenge-256": Refusal.CSR,
    "challenge-twice": Refusal.CSR,
    "ca-request": Refusal.CSR,
    "empty-subject": Refusal.CSR_SUBJECT,
    "rsa512": Refusal.CSR_KEY,
}
FITS_NO_CLIENT = {"other-serial", "wrong-challenge"}  # good by themselves, see test_identity


def case(row: dict[str, Any]) -> str:
    return str(row["file"]).rsplit("/neg-")[-1].removesuffix(".der")


@pytest.mark.rule("E-21", "E-28", "R-34")
@pytest.mark.parametrize("row", rows("csr", "made/"))
def test_vector(row: dict[str, Any]) -> None:
    raw = read(row["file"])
    if row["accept"] or case(row) in FITS_NO_CLIENT:
        request = check_csr(raw)
        assert request.raw == raw
        assert request.challenge_password == row.get("challenge", request.challenge_password)
        if "key" in row:
            assert request.public_key == vector_key(row["key"]).public_key
        if "subject_of" in row:
            assert request.subject == certificate(row["subject_of"]).subject
    elif case(row) in WHY:
        with pytest.raises(Refused) as refused:
            check_csr(raw)
        assert refused.value.refusal is WHY[case(row)]
    else:
        with pytest.raises(Malformed):
            check_csr(raw)


@pytest.mark.rule("E-28")
def test_asked_alternative_name_and_key_usage_are_passed_on() -> None:
    request = check_csr(read("made/csr/san.der"))
    assert [one.oid.dotted_string for one in request.extensions_asked] == ["2.5.29.15", "2.5.29.17"]
    names = request.alternative_names
    assert names is not None
    assert names.get_values_for_type(x509.DNSName) == ["y-42.example.test"]
    assert check_csr(read("made/csr/rekey.der")).alternative_names is None


@pytest.mark.rule("E-22")
@pytest.mark.parametrize("row", rows("csr", "made/csr/tls-"))
def test_pop_linking_verifies(row: dict[str, Any]) -> None:
    request = check_csr(read(row["file"]))
    binding = bytes.fromhex(row.get("tls_unique") or row["tls_exporter"])
    assert check_pop_linking(request, binding)
    assert check_pop_linking(request, binding, required=True)


@pytest.mark.rule("E-22")
@pytest.mark.parametrize(
    ("file", "binding", "required"),
    [
        pytest.param("neg-wrong-challenge", BINDING, False, id="another value"),
        pytest.param("tls-unique", None, False, id="connection without binding"),
        pytest.param("tls-unique", BINDING[:-1], False, id="shorter binding"),
        pytest.param("tls-exporter", BINDING, False, id="another kind of binding"),
        pytest.param("idevid-subject", BINDING, True, id="missing though required"),
    ],
)
def test_pop_linking_refuses(file: str, binding: bytes | None, required: bool) -> None:
    request = check_csr(read(f"made/csr/{file}.der"))
    with pytest.raises(Refused) as refused:
        check_pop_linking(request, binding, required=required)
    assert refused.value.refusal is Refusal.CSR


@pytest.mark.rule("E-22")
def test_request_without_challenge_is_not_linked() -> None:
    assert not check_pop_linking(check_csr(read("made/csr/idevid-subject.der")), BINDING)


@pytest.mark.rule("E-21", "E-22")
def test_requests_printed_in_the_rfcs() -> None:
    for name in ("rfc7030/a3-enroll-request.der", "rfc7030/a4-skg-request.der"):
        with pytest.raises(Refused) as refused:  # SHA-1
            check_csr(read(name))
        assert refused.value.refusal is Refusal.ALGORITHM
    with pytest.raises(Refused) as refused:  # its challengePassword is not base64
        check_csr(read("rfc9148/a2-sen-request.hex"))
    assert refused.value.refusal is Refusal.CSR
    assert check_csr(read("rfc9148/a3-skg-request.hex")).attributes == ()


@pytest.mark.rule("E-32")
@pytest.mark.parametrize("name", ["bad-signature", "signed-by-other-key", "rsa512"])
def test_key_and_signature_do_not_count_when_the_server_makes_the_key(name: str) -> None:
    request = check_csr(read(f"made/csr/neg-{name}.der"), policy=SERVER_KEY_POLICY)
    assert request.subject.rdns


@pytest.mark.rule("E-28")
def test_refused_key_is_refused_later_too() -> None:
    request = check_csr(read("made/csr/neg-rsa512.der"), policy=SERVER_KEY_POLICY)
    with pytest.raises(Refused) as refused:
        _ = request.public_key
    assert refused.value.refusal is Refusal.CSR_KEY


@pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=str)
def test_our_request_is_accepted_and_strict_der(algorithm: SignatureAlgorithm) -> None:
    own = key("csr", algorithm)
    request = check_csr(make_csr(own, SUBJECT, "f84zhvVA4+PvVBdB"))
    assert request.subject == SUBJECT
    assert request.spki == spki_der(own.public_key)
    assert request.challenge_password == "f84zhvVA4+PvVBdB"
    assert check_pop_linking(request, BINDING)


def test_our_challenge_is_a_printable_string_as_in_the_vector() -> None:
    raw = make_csr(key("csr"), SUBJECT, "f84zhvVA4+PvVBdB")
    wanted = der.encode(der.PRINTABLE_STRING, b"f84zhvVA4+PvVBdB")  # est D2
    assert wanted in raw
    assert wanted in read("made/csr/tls-unique.der")


def ask(*values: x509.ExtensionType, own: FileKey | None = None) -> bytes:
    """Return a request of ours with these extensions."""
    return make_csr(
        own or key("csr"), SUBJECT, extensions=[x509.Extension(v.oid, True, v) for v in values]
    )


def usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=cert_sign, crl_sign=False,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@pytest.mark.rule("E-28")
def test_harmless_extensions() -> None:
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    identifier = x509.SubjectKeyIdentifier(b"12345678")
    request = check_csr(
        ask(usage(cert_sign=False), client, identifier, x509.BasicConstraints(False, None))
    )
    kinds = [type(one.value) for one in request.extensions_asked]
    assert kinds == [x509.KeyUsage, x509.ExtendedKeyUsage]  # the others are not passed on


@pytest.mark.rule("E-28")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(x509.BasicConstraints(True, None), id="CA:TRUE"),
        pytest.param(usage(cert_sign=True), id="keyCertSign"),
        pytest.param(
            x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")]), id="cmcRA"
        ),
        pytest.param(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), id="any usage"
        ),
    ],
)
def test_nobody_becomes_ca_or_registrar_by_asking(asked: x509.ExtensionType) -> None:
    with pytest.raises(Refused) as refused:
        check_csr(ask(asked))
    assert refused.value.refusal is Refusal.CSR


def signed_info(*attributes: bytes) -> bytes:
    """Return a request with these attributes in DER, signed by the key "csr"."""
    own = key("csr")
    info = der.encode(
        der.SEQUENCE, der.encode_integer(0), SUBJECT.public_bytes(), spki_der(own.public_key),
        der.encode(der.context(0), *attributes),
    )  # fmt: skip
    algorithm = der.encode(der.SEQUENCE, der.encode_oid("1.2.840.10045.4.3.2"))
    signature = der.encode(der.BIT_STRING, b"\0", own.sign(info))
    return der.encode(der.SEQUENCE, info, algorithm, signature)


def attribute(name: str, *values: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.encode_oid(name), der.encode(der.SET, *values))


ONE = der.encode(der.PRINTABLE_STRING, b"AAAA")


@pytest.mark.rule("E-22", "E-50")
@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param((attribute("2.999.1", ONE), attribute("2.999.1", ONE)), id="attribute twice"),
        pytest.param((attribute("2.999.1", ONE, ONE),), id="two values"),
        pytest.param((attribute(CHALLENGE_OID, b"\x05\x00"),), id="challenge is NULL"),
        pytest.param((attribute(CHALLENGE_OID, b"\x1e\x04\0A\0A"),), id="challenge is a BMPString"),
        pytest.param((attribute(CHALLENGE_OID, b"\x0c\x02\xc3\xa9"),), id="challenge not ASCII"),
    ],
)
def test_attributes_refused(attributes: tuple[bytes, ...]) -> None:
    with pytest.raises((Refused, Malformed)) as error:
        check_csr(signed_info(*attributes))
    assert isinstance(error.value, Malformed) or error.value.refusal is Refusal.CSR


def test_unknown_attribute_is_kept() -> None:
    assert check_csr(signed_info(attribute("2.999.1", ONE))).attributes == (("2.999.1", ONE),)


@pytest.mark.rule("E-50")
def test_extension_asked_twice_is_malformed() -> None:
    one = der.encode(
        der.SEQUENCE, der.encode_oid("2.5.29.14"), der.encode(der.OCTET_STRING, b"\x04\x01x")
    )
    twice = attribute("1.2.840.113549.1.9.14", der.encode(der.SEQUENCE, one, one))
    with pytest.raises(Malformed):
        check_csr(signed_info(twice))


@pytest.mark.rule("E-50")
def test_more_than_8_kib_is_refused_unread() -> None:
    with pytest.raises(Malformed):
        check_csr(bytes(csr.MAX_CSR_BYTES + 1))


def built(private_key: Any, digest: Any) -> bytes:
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(SUBJECT)
        .sign(private_key, digest)
        .public_bytes(Encoding.DER)
    )


@pytest.mark.rule("E-28")
def test_key_policy() -> None:
    strong = rsa.generate_private_key(65537, 2048)
    assert check_csr(built(strong, hashes.SHA256())).public_key == strong.public_key()
    with pytest.raises(Refused) as refused:
        check_csr(built(ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()))
    assert refused.value.refusal is Refusal.CSR_KEY
    with pytest.raises(Refused) as refused:
        check_csr(built(strong, hashes.SHA224()))
    assert refused.value.refusal is Refusal.ALGORITHM


@pytest.mark.rule("E-28")
def test_key_of_unknown_type_is_refused() -> None:
    raw = make_csr(key("csr"), SUBJECT)
    # the curve's OID, 1.2.840.10045.3.1.7, becomes one that nobody registered
    other = raw.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))
    with pytest.raises(Refused) as refused:
        check_csr(other)
    assert refused.value.refusal is Refusal.CSR_KEY


def test_unknown_signature_algorithm_is_refused() -> None:
    raw = make_csr(key("csr"), SUBJECT)
    other = raw.replace(
        bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a8648ce3d04037f")
    )
    with pytest.raises(Refused) as refused:
        check_csr(other)
    assert refused.value.refusal is Refusal.CSR_SIGNATURE
