"""Certificates we issue have what their profile asks for, and nothing more."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sztb.errors import Refusal, Refused
from sztb.pki import profiles
from sztb.pki.certificates import der as cert_der
from sztb.pki.certificates import has_eku, is_ca, is_self_signed, is_signed_by, load, subject_key_id
from sztb.pki.idevid import masa_url, serial_number
from sztb.pki.keys import SignatureAlgorithm
from sztb.pki.profiles import Issuer, Revoked, Validity
from tests.fakes.pki import LIFETIME, NOW, key, make_pki

CMC_RA, SERVER, CLIENT = (f"1.3.6.1.5.5.7.3.{n}" for n in (28, 1, 2))


def names(certificate: x509.Certificate) -> set[str]:
    """Return the short names of all extensions."""
    return {type(one.value).__name__ for one in certificate.extensions}


@pytest.mark.rule("R-17")
def test_idevid() -> None:
    device = make_pki().device("SN-7", "masa.example:9443").certificate
    assert serial_number(device) == "SN-7"
    assert masa_url(device) == "masa.example:9443"
    assert device.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert b"\x18\x0f99991231235959Z" in cert_der(device)
    # RECOMMENDED: no key usage restriction; SKI not needed (cbrski.md 4.3)
    assert names(device) == {"AuthorityKeyIdentifier", "UnrecognizedExtension"}
    assert not any(one.critical for one in device.extensions)


def test_idevid_with_a_product_name_and_without_masa_url() -> None:
    pki = make_pki()
    device = profiles.make_idevid(
        key("d").public_key, "SN-8", None, pki.idevid_ca.issuer, NOW, 8, common_name="Sensor"
    )
    assert masa_url(device) is None
    [common_name] = device.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == "Sensor"
    assert serial_number(device) == "SN-8"


@pytest.mark.parametrize("number", ["", "a" * 65, "SN_1", "é", "a\n"])
def test_idevid_serial_number_must_be_a_printable_string(number: str) -> None:
    with pytest.raises(Refused) as refused:
        profiles.make_idevid(key("d").public_key, number, None, make_pki().idevid_ca.issuer, NOW, 8)
    assert refused.value.refusal is Refusal.IDEVID


@pytest.mark.rule("R-02", "R-54")
def test_registrar() -> None:
    registrar = make_pki().registrar.certificate
    assert all(has_eku(registrar, usage) for usage in (CMC_RA, SERVER, CLIENT))
    assert subject_key_id(registrar)
    assert not is_ca(registrar)


def test_ldevid_is_no_registrar() -> None:
    pki = make_pki()
    ldevid = pki.ldevid(pki.device()).certificate
    assert ldevid.subject == pki.device().certificate.subject
    assert has_eku(ldevid, CLIENT)
    assert not has_eku(ldevid, CMC_RA)
    assert not is_ca(ldevid)


def test_ldevid_with_a_crl_distribution_point() -> None:
    pki = make_pki()
    ldevid = profiles.make_ldevid(
        profiles.common_name("x"), key("l").public_key, pki.domain_ca.issuer, LIFETIME, 1,
        usages=(), crl_url="http://crl.example/1",
    )  # fmt: skip
    [point] = ldevid.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("http://crl.example/1")]
    assert "ExtendedKeyUsage" not in names(ldevid)


def test_voucher_signer_has_no_extended_key_usage() -> None:
    signer = make_pki().masa_signer.certificate
    assert names(signer) == {"AuthorityKeyIdentifier", "SubjectKeyIdentifier", "KeyUsage"}


def test_tls_server_names() -> None:
    server = make_pki().tls_server("masa.example", "127.0.0.1", "::1").certificate
    listed = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert listed.get_values_for_type(x509.DNSName) == ["masa.example"]
    assert [str(one) for one in listed.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert has_eku(server, SERVER)
    assert not has_eku(server, CLIENT)


def test_cas() -> None:
    pki = make_pki(intermediate=True)
    root, ca = pki.domain_root.certificate, pki.domain_ca.certificate
    assert is_ca(root)
    assert is_ca(ca)
    assert is_self_signed(root)
    assert is_signed_by(ca, root)
    assert not is_self_signed(ca)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=str)
def test_everything_made_is_read_strictly(algorithm: SignatureAlgorithm) -> None:
    pki = make_pki("strict", algorithm=algorithm, intermediate=True)
    for chain in (pki.device().chain, pki.registrar.chain, pki.masa_signer.chain):
        for one in chain:
            assert cert_der(load(one)) == one


def test_issuer_without_key_identifier_is_named_by_its_key() -> None:
    own = key("plain issuer")
    name = profiles.common_name("plain")
    plain = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(own.public_key)
        .serial_number(1)
        .not_valid_before(LIFETIME.not_before)
        .not_valid_after(LIFETIME.not_after)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(own.certificate_key(), hashes.SHA256())
    )
    below = profiles.make_voucher_signer("s", key("s").public_key, Issuer(plain, own), LIFETIME, 2)
    wanted = x509.SubjectKeyIdentifier.from_public_key(own.public_key).digest
    found = below.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert found.key_identifier == wanted


def test_revocation_list() -> None:
    pki = make_pki()
    revoked = [Revoked(5, NOW), Revoked(6, NOW, x509.ReasonFlags.key_compromise)]
    crl = profiles.make_crl(pki.domain_ca.issuer, revoked, NOW, NOW + timedelta(days=1), 17)
    public_key = pki.domain_ca.key.public_key
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public_key)
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 17
    entry, with_reason = (crl.get_revoked_certificate_by_serial_number(n) for n in (5, 6))
    assert entry is not None
    assert with_reason is not None
    assert not list(entry.extensions)  # unspecified is left out
    reason = with_reason.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise
    assert crl.get_revoked_certificate_by_serial_number(7) is None


def test_validity_in_whole_seconds() -> None:
    lasting = Validity.lasting(NOW + timedelta(microseconds=7), timedelta(days=1))
    assert lasting == Validity(NOW, NOW + timedelta(days=1))
    assert Validity.unlimited(NOW).not_after == profiles.NO_EXPIRY
