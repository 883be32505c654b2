"""The registrar's own certificate and key (R-02, R-54)."""

from pathlib import Path

import pytest

from registrar.assembly import load_credentials, make_masa_client
from registrar.credentials import check_credentials
from registrar.keys import read_chain, read_key
from registrar.settings import CredentialSettings, MasaSettings
from sztb.brski.audit_log import domain_id
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.certificates import pem
from sztb.pki.profiles import common_name, make_ldevid, make_registrar, make_tls_server
from tests.fakes.https_stub import write_pem
from tests.fakes.pki import LIFETIME, Identity, key, make_pki

PKI = make_pki(intermediate=True)
OWN = PKI.registrar


@pytest.mark.rule("R-54")
def test_it_knows_itself_by_every_certificate_of_its_chain() -> None:
    credentials = check_credentials(OWN.path, OWN.key)
    assert credentials.domain_ids == {domain_id(one) for one in OWN.path}
    assert credentials.certificate == OWN.certificate


def test_the_root_is_not_sent_in_the_handshake() -> None:
    assert check_credentials(OWN.path, OWN.key).tls.chain == OWN.chain[:-1]


def test_a_self_signed_registrar_is_sent() -> None:
    """cbrski.md 4.3 allows one."""
    own = key("self-signed registrar")
    issuer = Identity(PKI.domain_root.certificate, PKI.domain_root.key).issuer
    alone = make_registrar("alone", own.public_key, issuer, LIFETIME, 7)
    assert len(check_credentials([alone], own).tls.chain) == 1


@pytest.mark.rule("R-02")
@pytest.mark.parametrize(
    "certificate",
    [
        make_tls_server(["r.example"], OWN.key.public_key, PKI.domain_ca.issuer, LIFETIME, 8),
        make_ldevid(common_name("r"), OWN.key.public_key, PKI.domain_ca.issuer, LIFETIME, 9),
    ],
    ids=["no cmcRA", "neither cmcRA nor serverAuth"],
)
def test_purposes(certificate: object) -> None:
    with pytest.raises(Refused) as caught:
        check_credentials([certificate], OWN.key)  # type: ignore[list-item]
    assert caught.value.refusal is Refusal.CERTIFICATE_PURPOSE


def test_a_key_of_another_certificate() -> None:
    with pytest.raises(Refused) as caught:
        check_credentials(OWN.path, key("another key"))
    assert caught.value.refusal is Refusal.NOT_A_KEY_WE_TAKE


# --- files --------------------------------------------------------------------------------------


def test_from_files(tmp_path: Path) -> None:
    credentials = load_credentials(CredentialSettings(*write_pem(OWN, tmp_path)))
    assert credentials.chain == OWN.path


def test_the_order_in_the_file_does_not_matter_above_the_first(tmp_path: Path) -> None:
    chain, private = write_pem(OWN, tmp_path)
    chain.write_bytes(pem(OWN.path[0]) + pem(OWN.path[1]) + pem(OWN.path[2]))
    assert load_credentials(CredentialSettings(chain, private)).chain == OWN.path


def test_certificates_that_are_no_chain(tmp_path: Path) -> None:
    chain, private = write_pem(OWN, tmp_path)
    chain.write_bytes(pem(OWN.certificate) + pem(make_pki("stranger").domain_root.certificate))
    with pytest.raises(Refused) as caught:
        load_credentials(CredentialSettings(chain, private))
    assert caught.value.refusal is Refusal.CERTIFICATE_PATH


def test_an_encrypted_key(tmp_path: Path) -> None:
    _, private = write_pem(OWN, tmp_path)
    private.write_bytes(OWN.key.to_pem(b"open sesame"))
    password = tmp_path / "password"
    password.write_bytes(b"open sesame\nsecond line\n")
    assert read_key(private, password).public_key == OWN.key.public_key
    with pytest.raises(Malformed, match=str(private)):
        read_key(private, None)
    password.write_bytes(b"wrong")
    with pytest.raises(Malformed, match=str(private)):
        read_key(private, password)


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"")
    with pytest.raises(Malformed, match=r"empty\.pem"):
        read_chain(tmp_path / "empty.pem")
    with pytest.raises(OSError, match=r"missing\.pem"):
        read_chain(tmp_path / "missing.pem")


@pytest.mark.rule("R-26")
@pytest.mark.parametrize("shown", [True, False])
def test_what_the_masa_client_shows(tmp_path: Path, shown: bool) -> None:
    files = CredentialSettings(*write_pem(OWN, tmp_path))
    client = make_masa_client(MasaSettings(client_certificate=shown), files)
    assert (client._certificate is not None) is shown
