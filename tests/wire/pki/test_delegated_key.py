"""A key that never leaves its place still makes certificates, requests and CRLs."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sztb.errors import Misuse
from sztb.pki import profiles
from sztb.pki.certificates import is_self_signed, is_signed_by
from sztb.pki.csr import check_csr, make_csr
from sztb.pki.delegated_key import delegated_key
from sztb.pki.keys import FileKey, PrivateKey, PublicKey, SignatureAlgorithm, verify
from sztb.pki.profiles import Issuer, Revoked
from tests.fakes.pki import LIFETIME, NOW, key


class Token:
    """A signer like a hardware token: it signs and gives nothing else away."""

    def __init__(self, hidden: FileKey) -> None:
        self.__hidden = hidden

    @property
    def public_key(self) -> PublicKey:
        return self.__hidden.public_key

    @property
    def algorithm(self) -> SignatureAlgorithm:
        return self.__hidden.algorithm

    def sign(self, data: bytes) -> bytes:
        return self.__hidden.sign(data)

    def certificate_key(self) -> PrivateKey:
        return delegated_key(self)


@pytest.fixture(params=SignatureAlgorithm, ids=str)
def token(request: pytest.FixtureRequest) -> Token:
    return Token(key("token", request.param))


def test_makes_certificates_requests_and_lists(token: Token) -> None:
    root = profiles.make_root_ca("token root", token, LIFETIME, 1)
    assert is_self_signed(root)
    issuer = Issuer(root, token)
    device = profiles.make_idevid(token.public_key, "SN-1", None, issuer, NOW, 2)
    assert is_signed_by(device, root)
    crl = profiles.make_crl(issuer, [Revoked(2, NOW)], NOW, LIFETIME.not_after, 1)
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    assert check_csr(make_csr(token, device.subject)).public_key == token.public_key


def test_library_builder_for_requests_works_too(token: Token) -> None:
    digest = {
        SignatureAlgorithm.ES256: hashes.SHA256(),
        SignatureAlgorithm.ES384: hashes.SHA384(),
    }.get(token.algorithm)
    built = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(profiles.common_name("x"))
        .sign(token.certificate_key(), digest)
    )
    assert built.is_signature_valid


def test_copies_sign_too(token: Token) -> None:
    for twin in (copy.copy(token.certificate_key()), copy.deepcopy(token.certificate_key())):
        assert twin.public_key() == token.public_key


def test_signature_is_the_tokens_own(token: Token) -> None:
    stand_in: Any = token.certificate_key()
    arguments = ()
    if token.algorithm is not SignatureAlgorithm.EDDSA:
        digest = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384()}[token.algorithm.value]
        arguments = (ec.ECDSA(digest),)
        assert stand_in.curve == stand_in.public_key().curve
        assert stand_in.key_size == stand_in.public_key().key_size
    verify(token.public_key, stand_in.sign(b"data", *arguments), b"data")


EXPORTS: list[Callable[[Any], Any]] = [
    lambda one: one.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ),
    lambda one: (
        one.private_numbers()
        if isinstance(one, ec.EllipticCurvePrivateKey)
        else one.private_bytes_raw()
    ),
]


@pytest.mark.parametrize("export", EXPORTS, ids=["private_bytes", "numbers"])
def test_private_key_cannot_be_exported(token: Token, export: Callable[[Any], Any]) -> None:
    with pytest.raises(Misuse):
        export(token.certificate_key())


def test_key_agreement_is_not_offered() -> None:
    stand_in = Token(key("token")).certificate_key()
    assert isinstance(stand_in, ec.EllipticCurvePrivateKey)
    with pytest.raises(Misuse):
        stand_in.exchange(ec.ECDH(), stand_in.public_key())


def test_another_hash_than_the_signers_is_misuse() -> None:
    stand_in = Token(key("token")).certificate_key()
    assert isinstance(stand_in, ec.EllipticCurvePrivateKey)
    with pytest.raises(Misuse):
        stand_in.sign(b"data", ec.ECDSA(hashes.SHA384()))
