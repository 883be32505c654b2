"""From files to a service: what `init` writes works, and every broken file is named."""

import re
from pathlib import Path

import msgspec
import pytest

from masa.assembly import make_customers, make_revocation, make_rules, make_server_tls, make_service
from masa.credentials import read_issuer
from masa.metrics import Metrics
from masa.new_manufacturer import NewManufacturer, configuration, make_manufacturer
from masa.policy.ownership import Open
from masa.revocation.crl import CrlCheck
from masa.settings import PolicySettings, RevocationSettings, load_settings
from sztb.daemon.clock import random_bytes
from sztb.daemon.journal import Journal
from sztb.daemon.settings import SettingsError
from sztb.errors import Malformed, Misuse
from sztb.pki import certificates, profiles
from sztb.pki.path import build_path
from tests.fakes.masa import MemoryStore
from tests.fakes.pki import LIFETIME, NOW, key, make_pki

PKI = make_pki()
WANTED = NewManufacturer("Acme", ("masa.acme.example", "192.0.2.1"), 9443)


@pytest.fixture
def folder(tmp_path) -> Path:
    make_manufacturer(tmp_path, WANTED, NOW, random_bytes)
    return tmp_path


def service(folder: Path):
    settings = load_settings(folder / "masa.toml")
    return make_service(settings, MemoryStore(), Journal("masa"), Metrics(), lambda: NOW)


def edit(folder: Path, pattern: str, text: str) -> None:
    config = folder / "masa.toml"
    changed = re.sub(pattern, text, config.read_text(), flags=re.MULTILINE)
    assert changed != config.read_text()
    config.write_text(changed)


def pem(*chain) -> bytes:
    return b"".join(certificates.pem(one) for one in chain)


def test_new_manufacturer(folder):
    made = service(folder)
    root = made.manufacturer.anchors.certificates[0]
    assert made.voucher_key.chain[-1] == root
    settings = load_settings(folder / "masa.toml")
    assert settings.factory is not None
    assert settings.factory.masa_url == "masa.acme.example:9443"
    assert made.manufacturer.issued(read_issuer(settings.factory).certificate)
    tls = make_server_tls(settings.tls)
    server, *above = map(certificates.load, tls.identity.chain)
    assert build_path(server, above, [root], now=NOW)
    assert tls.client_certificate == "requested"
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}


def test_new_manufacturer_with_encrypted_keys(tmp_path):
    wanted = NewManufacturer("Acme", ("localhost",), password=b"secret")
    make_manufacturer(tmp_path, wanted, NOW, random_bytes)
    assert service(tmp_path)
    (tmp_path / "password").write_text("wrong\n")
    with pytest.raises(Malformed, match=r"signer\.key"):
        service(tmp_path)


def test_nothing_is_overwritten(folder):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(Misuse, match="exists already"):
        make_manufacturer(folder, WANTED, NOW, random_bytes)
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("a.example", 443, "a.example"),
        ("a.example", 1, "a.example:1"),
        ("2001:db8::1", 9443, "[2001:db8::1]:9443"),
    ],
)
def test_masa_url(host, port, url):
    assert NewManufacturer("x", (host,), port).masa_url == url


def test_every_key_of_the_template_is_known():
    assert "{" not in configuration(WANTED)


def other_key(folder):
    (folder / "signer.key").write_bytes(key("x").to_pem())


def not_a_ca(folder):
    (folder / "manufacturer-ca.pem").write_bytes(pem(PKI.registrar.certificate))


def foreign_authority(folder):
    (folder / "idevid-ca.pem").write_bytes(pem(PKI.idevid_ca.certificate))


def ee_authority(folder):
    (folder / "idevid-ca.pem").write_bytes(pem(*PKI.device().path))


def broken_chain(folder):
    signer = certificates.load_pem_chain((folder / "signer.pem").read_bytes())[0]
    (folder / "signer.pem").write_bytes(pem(signer, PKI.manufacturer_root.certificate))


def customer(*chain):
    def write(folder):
        (folder / "customers" / "acme.pem").write_bytes(pem(*chain))

    return write


def customer_is_manufacturer(folder):
    root = (folder / "manufacturer-ca.pem").read_bytes()
    (folder / "customers" / "self.pem").write_bytes(root)


def listed_twice(folder):
    for name in ("a", "b"):
        (folder / "customers" / f"{name}.pem").write_bytes(pem(PKI.domain_root.certificate))


def no_folder(folder):
    (folder / "customers").rmdir()


def no_pem(folder):
    (folder / "signer.pem").write_bytes(b"x")


BROKEN = [
    (other_key, "not the key of"),
    (not_a_ca, "is not a CA"),
    (foreign_authority, "no CA of an anchor"),
    (ee_authority, "no CA of an anchor"),
    (broken_chain, "not a chain"),
    (customer(PKI.registrar.certificate), "no CA of a customer"),
    (customer_is_manufacturer, "no CA of a customer"),
    (listed_twice, "is of a and of b"),
    (no_folder, "no such folder"),
    (no_pem, r"signer\.pem"),
]


@pytest.mark.rule("M-11")
@pytest.mark.parametrize(("break_", "said"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
def test_what_is_broken_is_named(folder, break_, said):
    break_(folder)
    with pytest.raises(Malformed, match=said):
        service(folder)


def test_missing_file(folder):
    (folder / "tls.key").unlink()
    with pytest.raises(FileNotFoundError):
        make_server_tls(load_settings(folder / "masa.toml").tls)


def test_signer_without_chain_is_a_chain(folder):
    signer = certificates.load_pem_chain((folder / "signer.pem").read_bytes())[0]
    (folder / "signer.pem").write_bytes(pem(signer))
    assert service(folder).voucher_key.chain == (signer,)


def test_factory_needs_a_ca(folder):
    settings = load_settings(folder / "masa.toml").factory
    own = key("no ca")
    issuer = PKI.manufacturer_root.issuer
    no_ca = profiles.make_voucher_signer("x", own.public_key, issuer, LIFETIME, 7)
    (folder / "idevid-ca.pem").write_bytes(pem(no_ca))
    (folder / "idevid-ca.key").write_bytes(own.to_pem())
    with pytest.raises(Malformed, match="not a CA certificate"):
        read_issuer(settings)


def test_customers(folder):
    customer(PKI.domain_root.certificate)(folder)
    assert service(folder).customers.names == {"acme"}
    assert make_customers(None, service(folder).manufacturer).names == frozenset()


def test_policy():
    rules = make_rules(PolicySettings(ownership="open", max_request_days=0, proximity="preferred"))
    assert isinstance(rules.ownership, Open)
    assert (rules.max_age, rules.proximity_required, rules.nonceless) == (None, False, False)


async def test_revocation():
    check = make_revocation(RevocationSettings(check="crl"))
    assert isinstance(check, CrlCheck)
    await check.close()


SETTINGS = [
    (r"^port = .*", 'port = "x"', "listen.port"),
    (r"^port = .*", "prt = 1", "did you mean 'port'"),
    (r'^nonceless = "never"', 'nonceless = "always"', "policy.nonceless"),
    (
        r'^ownership = "first-come"(.*)\n(.*)\nnonceless = "never"',
        'ownership = "open"\nnonceless = "known-registrars"',
        "needs an owner",
    ),
    (
        r'^customers = .*\nnonceless = "never"', 'nonceless = "known-registrars"',
        "policy.customers is missing",
    ),
    (r"^customers = .*", 'nonceless_days = 0', "nonceless_days"),
]  # fmt: skip


@pytest.mark.rule("M-36")
@pytest.mark.parametrize(("pattern", "text", "said"), SETTINGS)
def test_settings_that_cannot_be(folder, pattern, text, said):
    edit(folder, pattern, text)
    with pytest.raises(SettingsError, match=said):
        load_settings(folder / "masa.toml")


def test_every_key_is_described():
    def undescribed(kind):
        for field in msgspec.inspect.type_info(kind).fields:
            extra = getattr(field.type, "extra_json_schema", None) or {}
            if not extra.get("description"):
                yield field.name
            inner = getattr(field.type, "type", field.type)
            if isinstance(inner, msgspec.inspect.StructType):
                yield from undescribed(inner.cls)

    from masa.settings import Settings

    assert list(undescribed(Settings)) == []
