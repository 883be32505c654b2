"""Which files make a usable CA, and the order in which a device gets its certificates."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from registrar.ca.authority import check_authority, rollover_set
from sztb.errors import Refusal, Refused
from sztb.pki import profiles
from sztb.pki.certificates import subject_key_id
from tests.fakes.pki import LIFETIME, Identity, key, make_pki
from tests.registrar.ca.conftest import NewRoot

FLAT = make_pki().domain_ca
DEEP = make_pki(intermediate=True).domain_ca


@pytest.mark.rule("R-11", "E-18")
@pytest.mark.parametrize("ca", [FLAT, DEEP], ids=["root", "intermediate"])
def test_issuer_first_up_to_the_root(ca: Identity) -> None:
    authority = check_authority(ca.path, ca.key)
    assert authority.certificates.chain == ca.path
    assert authority.certificates.rollover == ()
    assert authority.issuer.certificate == ca.certificate
    assert authority.key_id == subject_key_id(ca.certificate)


LEAF = make_pki().registrar
BAD = [
    pytest.param(FLAT.path, DEEP.key, Refusal.NOT_A_KEY_WE_TAKE, id="key of another"),
    pytest.param(LEAF.path, LEAF.key, Refusal.CERTIFICATE_PURPOSE, id="not a CA"),
    pytest.param(DEEP.path[:1], DEEP.key, Refusal.CERTIFICATE_PATH, id="root missing"),
    pytest.param(
        (DEEP.certificate, make_pki("other").domain_root.certificate), DEEP.key,
        Refusal.CERTIFICATE_PATH, id="another root",
    ),
    pytest.param(
        (DEEP.certificate, LEAF.certificate, DEEP.path[-1]), DEEP.key,
        Refusal.CERTIFICATE_PATH, id="stranger in the chain",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("chain", "signer", "why"), BAD)
def test_unusable(chain: tuple[x509.Certificate, ...], signer: object, why: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        check_authority(chain, signer)
    assert refused.value.refusal is why


class TestRollover:
    """All four have one name; keys and signatures tell them apart (est-D12)."""

    @pytest.mark.rule("E-18")
    def test_order(self) -> None:
        mixed = (NewRoot.new_with_old, NewRoot.new, NewRoot.old_with_new, NewRoot.old)
        expected = (NewRoot.old, NewRoot.old_with_new, NewRoot.new_with_old)
        assert rollover_set(NewRoot.new, mixed) == expected
        authority = check_authority((NewRoot.new,), NewRoot.new_key, mixed)
        assert authority.certificates.rollover == expected

    def test_part_of_the_set_is_enough(self) -> None:
        assert rollover_set(NewRoot.new, (NewRoot.old_with_new,)) == (NewRoot.old_with_new,)

    @pytest.mark.parametrize("case", ["other name", "other signer", "old root missing"])
    def test_strangers(self, case: str) -> None:
        root = profiles.Issuer(NewRoot.new, NewRoot.new_key)
        public = NewRoot.old_key.public_key
        other = make_pki("other").domain_root
        stranger = {
            "other name": profiles.make_intermediate_ca("x", public, root, LIFETIME, 5),
            "other signer": profiles.make_intermediate_ca(
                "site root", public, other.issuer, LIFETIME, 6
            ),
            "old root missing": NewRoot.new_with_old,
        }[case]
        with pytest.raises(Refused) as refused:
            rollover_set(NewRoot.new, (stranger,))
        assert refused.value.refusal is Refusal.CERTIFICATE_PATH


def test_a_ca_without_key_identifier_gets_one_computed() -> None:
    own = key("plain root")
    builder = (
        x509.CertificateBuilder()
        .subject_name(profiles.common_name("plain"))
        .issuer_name(profiles.common_name("plain"))
        .public_key(own.public_key)
        .serial_number(1)
        .not_valid_before(LIFETIME.not_before)
        .not_valid_after(LIFETIME.not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    plain = Identity(builder.sign(own.certificate_key(), hashes.SHA256()), own)
    key_id = check_authority(plain.path, plain.key).key_id
    assert key_id == x509.SubjectKeyIdentifier.from_public_key(own.public_key).digest
