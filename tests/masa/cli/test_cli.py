"""The command line as real processes."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pledge.identity import load_factory
from sztb.pki import certificates
from sztb.pki.csr import make_csr
from tests.fakes.masa_process import Manufacturer, make_manufacturer
from tests.fakes.pki import key, make_pki

PKI = make_pki()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manufacturer:
    """One manufacturer for all tests of this file; each uses serial numbers of its own."""
    return make_manufacturer(tmp_path_factory.mktemp("manufacturer"))


def shown(made: Manufacturer, serial_number: str) -> dict:
    return json.loads(made.run("device", "show", serial_number, "--json"))


def test_init_says_what_to_do_next_and_overwrites_nothing(made, tmp_path):
    other = Manufacturer(tmp_path, 9443)
    said = other.spawn("init", str(tmp_path), "--host", "a.example", "--name", "Acme")
    assert "sztb-masa run --config" in said
    assert "manufacturer-ca.pem" in said
    assert "https://a.example:9443" in said
    again = other.spawn("init", str(tmp_path), "--host", "a.example", code=1)
    assert "error:" in again
    assert "exists already" in again


def test_check(made):
    said = made.spawn("check")
    assert "TLS server: until" in said
    assert said.endswith("masa.toml: ok\n")


def test_check_of_a_missing_file(made, tmp_path):
    other = Manufacturer(tmp_path, 9443)
    assert "no such file (make one with the 'init' command" in other.spawn("check", code=1)


def test_mint_show_list(made):
    [device] = made.mint("M-1")
    assert load_factory(made.folder / "devices" / "M-1").serial_number == "M-1"
    row = shown(made, "M-1")
    assert row["idevid_sha256"] == certificates.fingerprint(device.certificate).hex()
    assert row["blocked"] is None
    assert "M-1" in [
        one["serial_number"] for one in json.loads(made.spawn("device", "list", "--json"))
    ]
    assert "M-1" in made.spawn("device", "list")
    assert "IDevID issuer" in made.spawn("device", "show", "M-1")


def test_mint_a_batch_twice(made, tmp_path):
    batch = tmp_path / "batch.csv"
    batch.write_text("serial_number,pins\nB-1,key\nB-2,\n")
    arguments = ("device", "mint", "--csv", str(batch), "--out", str(tmp_path / "out"))
    assert "2 devices" in made.run(*arguments)
    assert "0 of them new" in made.run(*arguments)
    assert shown(made, "B-1")["pins"] == "key"
    assert shown(made, "B-2")["pins"] == "certificate"


def test_mint_from_a_csr_and_with_an_encrypted_key(made, tmp_path):
    der = make_csr(key("csr"), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")]))
    pem = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM)
    for number, data in (("C-1", der), ("C-2", pem)):
        (tmp_path / "csr").write_bytes(data)
        out = str(tmp_path / "out")
        made.run("device", "mint", "--serial", number, "--csr", str(tmp_path / "csr"), "--out", out)
        assert not (tmp_path / "out" / number / "idevid.key").exists()
    password = tmp_path / "password"
    password.write_text("secret\nsecond line\n")
    out = str(tmp_path / "out")
    made.run(
        "device", "mint", "--serial", "C-3", "--password-file", str(password), "--out", out,
        "--key-type", "EdDSA", "--common-name", "Lamp", "--keys", "names",
    )  # fmt: skip
    assert load_factory(tmp_path / "out" / "C-3", b"secret").serial_number == "C-3"
    assert shown(made, "C-3")["keys"] == "names"


MISUSE = [
    (("--out", "x"), 2, "name devices with --serial or --csv"),
    (("--serial", "a", "--serial", "b", "--csr", "{csr}", "--out", "x"), 2, "exactly one --serial"),
    (("--serial", "a", "--csr", "{csr}", "--out", "x"), 1, "not a certification request"),
    (("--csv", "{csr}", "--out", "x"), 1, "csr: line 1: columns are"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), MISUSE)
def test_wrong_use_of_mint(made, tmp_path, arguments, code, said):
    csr = tmp_path / "csr"
    csr.write_text("-----BEGIN NOTHING-----")
    filled = [str(csr) if part == "{csr}" else part for part in arguments]
    assert said in made.run("device", "mint", *filled, code=code)


def test_mint_without_a_factory_ca(made, tmp_path):
    other = Manufacturer(tmp_path, 1)
    text = made.config.read_text()
    start, end = text.index("[factory]"), text.index("# [health]")
    for path in made.folder.glob("*.*"):
        if path.suffix in {".pem", ".key"}:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "customers").mkdir()
    other.config.write_text(text[:start] + text[end:])
    said = other.run("device", "mint", "--serial", "x", "--out", "y", code=1)
    assert "no [factory]" in said


def test_import(made, tmp_path):
    anchors = 'anchors = ["manufacturer-ca.pem"'
    (made.folder / "older-ca.pem").write_bytes(certificates.pem(PKI.manufacturer_root.certificate))
    made.edit(anchors, f'{anchors}, "older-ca.pem"')
    idevid, root = tmp_path / "idevid.pem", tmp_path / "root.pem"
    idevid.write_bytes(b"".join(map(certificates.pem, PKI.device("I-1").path)))
    root.write_bytes(certificates.pem(PKI.idevid_ca.certificate))
    assert "1 devices, 1 of them new" in made.run(
        "device", "import", str(idevid), "--sold-to", "acme"
    )
    assert shown(made, "I-1")["sold_to"] == "acme"
    assert "I-1" in made.run("device", "list", "--sold-to", "acme")
    assert "CA certificate is no IDevID" in made.run("device", "import", str(root), code=1)
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(certificates.pem(make_pki("other").device().certificate))
    assert "not under manufacturer.anchors" in made.run("device", "import", str(foreign), code=1)


def test_block_and_the_like(made):
    made.mint("K-1", "K-2")
    assert "blocked" in made.run("device", "block", "K-1", "K-2", "--reason", "stolen\x1b[2J")
    assert shown(made, "K-2")["blocked"] == "stolen\x1b[2J"
    assert "stolen?[2J" in made.run("device", "show", "K-2")
    rows = json.loads(made.run("device", "list", "--blocked", "--json"))
    assert [row["serial_number"] for row in rows] == ["K-1", "K-2"]
    made.run("device", "unblock", "K-1")
    made.run("device", "sell", "K-1", "--to", "acme")
    row = shown(made, "K-1")
    assert (row["blocked"], row["sold_to"]) == (None, "acme")
    made.run("device", "release", "K-1")
    assert shown(made, "K-1")["sold_to"] is None


def test_one_wrong_device_changes_none(made):
    made.mint("W-1")
    assert "no device W-2" in made.run("device", "block", "W-1", "W-2", code=1)
    assert shown(made, "W-1")["blocked"] is None


def test_devices_with_the_same_serial_number(made, tmp_path):
    made.mint("S-1")
    idevid = tmp_path / "idevid.pem"
    idevid.write_bytes(b"".join(map(certificates.pem, PKI.device("S-1").path)))
    (made.folder / "other-ca.pem").write_bytes(certificates.pem(PKI.manufacturer_root.certificate))
    made.edit(
        'anchors = ["manufacturer-ca.pem"', 'anchors = ["manufacturer-ca.pem", "other-ca.pem"'
    )
    assert "same serial number" in made.run("device", "import", str(idevid), code=1)
    made.edit("[policy]\n", "[policy]\nserial_numbers_unique = false\n")
    made.run("device", "import", str(idevid))
    assert "name one with --issuer" in made.run("device", "show", "S-1", code=1)
    issuer = PKI.device("S-1").ref.idevid_issuer.hex()
    row = json.loads(made.run("device", "show", "S-1", "--issuer", issuer[:6].upper(), "--json"))
    assert row["idevid_issuer"] == issuer


def test_empty_log(made):
    made.mint("L-1")
    assert "no voucher was issued" in made.run("audit-log", "show", "L-1")
    assert json.loads(made.run("audit-log", "show", "L-1", "--json"))["events"] == []
    assert "0 entries" in made.run("audit-log", "verify")


@pytest.mark.parametrize(
    "command",
    ["", "init", "check", "run", "device", "device mint", "device import", "device list",
     "device show", "device block", "device unblock", "device sell", "device release",
     "audit-log", "audit-log show", "audit-log verify"],
)  # fmt: skip
def test_help(command):
    from click.testing import CliRunner

    from masa.__main__ import main

    said = CliRunner().invoke(main, [*command.split(), "--help"])
    assert said.exit_code == 0
    assert len(said.output.splitlines()) > 4


def test_operator_without_a_name(monkeypatch):
    import getpass

    from masa.cli.common import operator

    def nobody() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert operator() == "unknown"


def test_folder_for_devices_is_made_where_it_was_asked_for(made, tmp_path: Path):
    made.run("device", "mint", "--serial", "F-1", "--out", str(tmp_path / "a" / "b"))
    assert {path.name for path in (tmp_path / "a" / "b" / "F-1").iterdir()} == {
        "idevid.pem", "idevid.key", "masa.pem",
    }  # fmt: skip
