"""The configuration's words become the policies."""

from datetime import timedelta
from pathlib import Path

import pytest

from registrar.ca.configured import make_rules, read_authority
from registrar.ca.profile import Names
from registrar.policy.admission import Mode, Reonboarding, SiteAdmission
from registrar.policy.configured import make_admission
from registrar.settings import AdmissionSettings, CaSettings
from sztb.errors import Malformed
from sztb.pki import certificates
from tests.fakes.pki import make_pki

CA = make_pki(intermediate=True).domain_ca


def test_admission() -> None:
    assert make_admission(AdmissionSettings()) == SiteAdmission(Mode.APPROVE)
    changed = AdmissionSettings(mode="list", reonboarding="ask", retry_seconds=5)
    assert make_admission(changed) == SiteAdmission(Mode.LIST, Reonboarding.ASK, 5)


def test_ca_rules() -> None:
    settings = CaSettings(
        Path("ca.pem"), Path("ca.key"), lifetime_days=2, renewal_grace_days=1, server_auth=True,
        subject="asked", alternative_names="asked", crl_url="http://ca.example/crl",
    )  # fmt: skip
    rules = make_rules(settings)
    assert rules.profile.lifetime == timedelta(days=2)
    assert rules.renewal_grace == timedelta(days=1)
    assert rules.profile.server_auth
    assert rules.profile.subject is rules.profile.alternative_names is Names.ASKED
    assert rules.profile.crl_url == "http://ca.example/crl"


@pytest.mark.parametrize("password", [None, b"secret"])
def test_ca_files(tmp_path: Path, password: bytes | None) -> None:
    files = CaSettings(
        tmp_path / "ca.pem", tmp_path / "ca.key", rollover=tmp_path / "none.pem",
        key_password_file=tmp_path / "password" if password else None,
    )  # fmt: skip
    files.certificate.write_bytes(b"".join(certificates.pem(one) for one in CA.path))
    files.key.write_bytes(CA.key.to_pem(password))
    (tmp_path / "password").write_bytes(b"secret\nnot this")
    with pytest.raises(FileNotFoundError, match=r"none\.pem"):
        read_authority(files)
    (tmp_path / "none.pem").write_bytes(certificates.pem(CA.path[-1]))  # the root itself: nothing
    authority = read_authority(files)
    assert authority.certificates.chain == CA.path
    assert authority.certificates.rollover == ()
    files.key.write_bytes(b"-----BEGIN nothing")
    with pytest.raises(Malformed, match=r"ca\.key"):
        read_authority(files)
