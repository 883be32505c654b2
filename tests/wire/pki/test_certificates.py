"""Certificates are read strictly, and say what they are."""

import ssl
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import NameOID

from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates, profiles
from sztb.pki.certificates import load, load_pem_chain
from sztb.pki.keys import SignatureAlgorithm, spki_der
from tests.fakes.pki import LIFETIME, key, make_pki
from tests.wire import vectors
from tests.wire.pki.made import ANCHOR, ROOT, cases, chain

CMC_RA = "1.3.6.1.5.5.7.3.28"


@pytest.mark.rule("E-50")
@pytest.mark.parametrize(("file", "expect"), cases("load"))
def test_made_bytes(file: str, expect: str) -> None:
    assert expect == "malformed"
    with pytest.raises(Malformed):
        load((ROOT / file).read_bytes())


@pytest.mark.parametrize(("file", "expect"), cases("registrar"))
@pytest.mark.rule("M-05", "P-26", "R-02")
def test_made_registrar(file: str, expect: str) -> None:
    assert certificates.has_eku(chain(file)[0], CMC_RA) is (expect == "ok")


def read_in_a_program(file: str) -> tuple[bytes, bytes]:
    """Return the output and errors of a program that reads the file, with the usual filters."""
    program = (
        "import sys; from sztb.errors import Malformed; from sztb.pki import certificates\n"
        "try: print(len(certificates.load_pem_chain(sys.stdin.buffer.read())))\n"
        "except Malformed: print('refused')"
    )
    raw = (ROOT / file).read_bytes()
    text = ssl.DER_cert_to_PEM_cert(raw).encode() if file.endswith(".der") else raw
    command = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    return done.stdout, done.stderr


def test_a_daemon_is_as_strict_as_the_tests_where_warnings_are_errors() -> None:
    assert read_in_a_program("good-country-canada.pem") == (b"1\n", b"")
    assert read_in_a_program("bad-number-zero.der") == (b"refused\n", b"")


@pytest.mark.parametrize("who", ["device", "masa"])
def test_names_beyond_their_bounds_are_in_the_field(who: str) -> None:
    text = vectors.read(f"legacy/{who}_00-D0-E5-F2-00-03.crt")
    [certificate] = load_pem_chain(text)
    [country] = certificate.issuer.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    assert country.value == "Canada"


def test_bytes_are_kept() -> None:
    raw = certificates.der(ANCHOR)
    assert certificates.der(load(raw)) == raw
    assert load(bytearray(raw)) == ANCHOR


@pytest.mark.rule("E-50")
@pytest.mark.parametrize(
    "raw", [b"", bytes(certificates.MAX_CERTIFICATE_BYTES + 1), b"\x30\x00"], ids=len
)
def test_not_a_certificate(raw: bytes) -> None:
    with pytest.raises(Malformed):
        load(raw)


def test_pem_chain_keeps_its_order() -> None:
    text = (
        certificates.pem(ANCHOR)
        + b"some text\n"
        + certificates.pem(make_pki().registrar.certificate)
    )
    assert load_pem_chain(text) == (ANCHOR, make_pki().registrar.certificate)


@pytest.mark.parametrize(
    "text",
    [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
     b"-" * (certificates.MAX_PEM_BYTES + 1)],
    ids=["empty", "text", "not DER", "too long"],
)  # fmt: skip
def test_not_a_pem_chain(text: bytes) -> None:
    with pytest.raises(Malformed):
        load_pem_chain(text)


def test_facts_about_a_ca_and_a_device() -> None:
    pki = make_pki(intermediate=True)
    ca, device = pki.domain_ca.certificate, pki.device().certificate
    assert certificates.is_ca(ca)
    assert not certificates.is_ca(device)
    assert certificates.path_length(ca) == 0
    assert certificates.path_length(pki.domain_root.certificate) is None
    assert certificates.path_length(device) is None
    assert certificates.authority_key_id(ca) == certificates.subject_key_id(
        pki.domain_root.certificate
    )
    assert certificates.subject_key_id(device) is None
    assert certificates.authority_key_id(ANCHOR) is None
    assert len(certificates.fingerprint(ca)) == 32


@pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=str)
def test_key_and_its_info_as_it_stands(algorithm: SignatureAlgorithm) -> None:
    pki = make_pki("keys", algorithm=algorithm)
    certificate = pki.registrar.certificate
    assert certificates.public_key(certificate) == pki.registrar.key.public_key
    assert certificates.spki(certificate) == spki_der(pki.registrar.key.public_key)


def test_raw_extension() -> None:
    found = certificates.raw_extension(ANCHOR, "2.5.29.19")
    assert found == bytes.fromhex("30030101ff")
    assert certificates.raw_extension(ANCHOR, "2.999.1") is None


Foreign = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def foreign_root(private_key: Foreign, extensions: bool = True) -> x509.Certificate:
    """Return a self-signed CA on a key type that is not ours."""
    name = profiles.common_name("foreign")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(LIFETIME.not_before)
        .not_valid_after(LIFETIME.not_after)
    )
    if extensions:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return builder.sign(private_key, hashes.SHA256())


RSA_2048 = rsa.generate_private_key(65537, 2048)


def test_a_manufacturer_may_still_sign_with_rsa_or_p521() -> None:
    for private_key in (RSA_2048, ec.generate_private_key(ec.SECP521R1())):
        root = foreign_root(private_key)
        assert certificates.is_self_signed(load(certificates.der(root)))
        with pytest.raises(Refused) as refused:
            certificates.public_key(root)  # but it is no key for protocol signatures
        assert refused.value.refusal is Refusal.NOT_A_KEY_WE_TAKE


def test_weak_issuer_keys_sign_nothing() -> None:
    weak = foreign_root(rsa.generate_private_key(65537, 1024))
    odd = foreign_root(ec.generate_private_key(ec.SECP256K1()))
    assert not certificates.is_self_signed(weak)
    assert not certificates.is_self_signed(odd)


def test_certificate_without_extensions() -> None:
    bare = foreign_root(RSA_2048, extensions=False)
    assert certificates.raw_extension(bare, "2.5.29.19") is None
    assert not certificates.is_ca(bare)
    assert not certificates.has_eku(bare, CMC_RA)


def test_self_signed_is_decided_by_signature() -> None:
    pki = make_pki()
    assert certificates.is_self_signed(pki.domain_root.certificate)
    own = key("namesake of the root")
    root_name = pki.domain_root.certificate
    twin = profiles.make_intermediate_ca(
        "example domain root", own.public_key, pki.domain_root.issuer, LIFETIME, 99
    )
    assert twin.subject == twin.issuer == root_name.subject
    assert not certificates.is_self_signed(twin)


def test_key_the_library_cannot_read() -> None:
    raw = certificates.der(ANCHOR)
    # the curve's OID, 1.2.840.10045.3.1.7, becomes one that nobody registered
    other = load(
        raw.replace(bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f"))
    )
    with pytest.raises(Malformed):
        certificates.public_key(other)
    assert not certificates.is_self_signed(other)
    assert certificates.spki(other)


def test_key_of_a_signature_type_nobody_uses_any_more() -> None:
    private_key = dsa.generate_private_key(1024)
    name = profiles.common_name("dsa")
    made = profiles.make_root_ca("dsa", key("dsa"), LIFETIME, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(made.subject)
        .public_key(private_key.public_key())
        .serial_number(1)
        .not_valid_before(LIFETIME.not_before)
        .not_valid_after(LIFETIME.not_after)
        .sign(private_key, hashes.SHA256())
    )
    assert not certificates.is_self_signed(certificate)
