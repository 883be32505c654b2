"""sztb-registrar init, check and run, as an operator calls them."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from registrar.__main__ import main
from registrar.assembly import make_rules
from registrar.ca.configured import read_authority
from registrar.checkup import findings
from registrar.new_domain import CONFIG, NewDomain, domain_files, make_domain
from registrar.records import AuditPolicy, Manufacturer
from registrar.rules import EstRules
from registrar.settings import Settings
from sztb.codepoints import oid
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.settings import load
from sztb.errors import Misuse
from sztb.pki import certificates
from sztb.pki.path import build_path
from tests.fakes.pki import NOW


def sztb_registrar(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


# --- init ---------------------------------------------------------------------------------------


@pytest.mark.rule("R-02", "R-54")
@pytest.mark.parametrize("intermediate", [False, True])
def test_what_a_new_domain_has(tmp_path: Path, intermediate: bool) -> None:
    wanted = NewDomain("Site", ("registrar.example", "2001:db8::1"), intermediate)
    files = make_domain(tmp_path / "site", wanted, utc_now(), random_bytes)
    assert files[-1].name == CONFIG
    chain = certificates.load_pem_chain((tmp_path / "site/registrar.pem").read_bytes())
    assert build_path(chain[0], chain[1:-1], chain[-1:], now=utc_now()) == chain
    assert len(chain) == (3 if intermediate else 2)
    for purpose in (oid.CMC_RA, oid.SERVER_AUTH, oid.CLIENT_AUTH):
        assert certificates.has_eku(chain[0], purpose)
    assert certificates.subject_key_id(chain[0]) is not None
    assert read_authority(load(files[-1], Settings).ca).certificates.chain == chain[1:]
    assert (tmp_path / "site/root.key").exists() is intermediate


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    make_domain(tmp_path / "site", NewDomain("Site"), NOW, random_bytes)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "site").iterdir()}
    assert {modes[name] for name in modes if name.endswith(".key")} == {0o600}
    assert (tmp_path / "site").stat().st_mode & 0o077 == 0


def test_keys_can_be_encrypted(tmp_path: Path) -> None:
    password = tmp_path / "secret"
    password.write_text("open sesame\n")
    site = tmp_path / "site"
    assert sztb_registrar("init", site, "--password-file", password).exit_code == 0
    assert b"ENCRYPTED" in (site / "ca.key").read_bytes()
    assert sztb_registrar("check", "--config", site / CONFIG).exit_code == 0


@pytest.mark.parametrize("name", list(domain_files(NewDomain("Site"), NOW, random_bytes)))
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(Misuse, match=name):
        make_domain(tmp_path, NewDomain("Site"), NOW, random_bytes)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    again = sztb_registrar("init", tmp_path)
    assert (again.exit_code, again.output.count("error:")) == (1, 1)


@pytest.mark.rule("R-51", "R-40", "E-34")
def test_nothing_is_lax_by_default(tmp_path: Path) -> None:
    make_domain(tmp_path / "site", NewDomain("Site"), NOW, random_bytes)
    settings = load(tmp_path / "site" / CONFIG, Settings)
    assert settings.admission.mode == "approve"
    assert make_rules(settings).est == EstRules(serverkeygen=False, without_voucher=False)
    maker = Manufacturer("any", ())
    assert (maker.ignore_lifetime, maker.audit) == (False, AuditPolicy(required=True))
    assert not maker.audit.allow_unknown_domains
    assert not maker.audit.allow_arbitrary_truncation


def test_init_says_what_to_do_next(tmp_path: Path) -> None:
    done = sztb_registrar("init", tmp_path / "site", "--intermediate", "--admission", "open")
    assert done.exit_code == 0
    assert "next: sztb-registrar manufacturer add" in done.output
    assert "root.key" in done.output
    assert load(tmp_path / "site" / CONFIG, Settings).admission.mode == "open"


# --- check --------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_domain(tmp_path / "site", NewDomain("Site", port=0), utc_now(), random_bytes)
    return tmp_path / "site"


def test_check_of_a_new_domain(site: Path) -> None:
    done = sztb_registrar("check", "--config", site / CONFIG)
    assert done.exit_code == 0
    assert done.output.endswith(f"{CONFIG}: ok\n")


def edit(site: Path, old: str, new: str) -> None:
    config = site / CONFIG
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('mode = "approve"', 'mode = "maybe"', "admission.mode"),
        ('mode = "approve"', 'mood = "open"', "did you mean 'mode'?"),
        ('key = "ca.key"', 'key = "registrar.key"', "does not belong"),
        ('certificate = "registrar.pem"', 'certificate = "ca.pem"', "does not belong"),
        ('key = "registrar.key"', 'key = "missing.key"', "missing.key: No such file"),
        ("# serverkeygen = false", 'extra_anchors = "registrar.key"', "registrar.key"),
        ("[store]", "[store", CONFIG),
    ],
)
def test_check_of_a_broken_one(site: Path, old: str, new: str, said: str) -> None:
    edit(site, old, new)
    done = sztb_registrar("check", "--config", site / CONFIG)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_check_speaks_of_certificates_that_end(site: Path) -> None:
    settings = load(site / CONFIG, Settings)
    in_five_years = utc_now() + timedelta(days=5 * 365 - 30)
    assert any("ends soon" in line for line in findings(settings, in_five_years))
    after = utc_now() + timedelta(days=5 * 365 + 1)
    assert any("NOT VALID NOW" in line for line in findings(settings, after))


def test_check_speaks_of_a_foreign_registrar_certificate(site: Path, tmp_path: Path) -> None:
    make_domain(tmp_path / "other", NewDomain("Other"), utc_now(), random_bytes)
    edit(site, 'certificate = "registrar.pem"', f'certificate = "{tmp_path}/other/registrar.pem"')
    edit(site, 'key = "registrar.key"', f'key = "{tmp_path}/other/registrar.key"')
    done = sztb_registrar("check", "--config", site / CONFIG)
    assert "no certificate in common" in done.output


# --- run ----------------------------------------------------------------------------------------


def test_run_without_configuration(tmp_path: Path) -> None:
    done = sztb_registrar("run", "--config", tmp_path / "none.toml")
    assert done.exit_code == 1
    assert "no such file" in done.output


def test_run_ends_well_on_sigterm(site: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "registrar", "run", "--config", str(site / CONFIG)],
        stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], env=os.environ.copy(),
    )  # fmt: skip
    assert program.stderr is not None
    line = ""
    while "serving" not in line:
        line = program.stderr.readline()
        assert line, "ended early"
    program.send_signal(signal.SIGTERM)
    _, rest = program.communicate(timeout=20)
    assert program.returncode == 0, rest
    assert "Traceback" not in rest
