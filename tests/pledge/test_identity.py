"""Factory data: what is read, what is refused."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pledge.identity import check_same_device, load_factory
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import profiles
from sztb.pki.certificates import pem
from sztb.pki.keys import FileKey, SignatureAlgorithm
from tests.fakes.pki import LIFETIME, NOW, key, make_pki

PKI = make_pki()


def write_factory(folder: Path, **changes: bytes) -> Path:
    """Write the factory folder of a device; a change replaces one file, b"" leaves it out."""
    device = PKI.device()
    files = {
        "idevid.pem": b"".join(map(pem, device.path)),
        "idevid.key": device.key.to_pem(),
        "masa.pem": pem(PKI.masa_signer.certificate),
    } | {name.replace("_", "."): content for name, content in changes.items()}
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        if content:
            (folder / name).write_bytes(content)
    return folder


def test_reads_what_the_factory_wrote(tmp_path):
    identity = load_factory(write_factory(tmp_path))
    assert identity.serial_number == "SN-1"
    assert identity.chain == PKI.device().path
    assert identity.tls.chain == PKI.device().chain
    assert identity.voucher_anchors.certificates == (PKI.masa_signer.certificate,)


def test_the_key_may_be_encrypted(tmp_path):
    write_factory(tmp_path, idevid_key=PKI.device().key.to_pem(b"secret"))
    assert load_factory(tmp_path, b"secret").serial_number == "SN-1"
    with pytest.raises(Malformed):
        load_factory(tmp_path)
    with pytest.raises(Malformed):
        load_factory(tmp_path, b"wrong")


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_other_key_types(tmp_path, algorithm):
    device = make_pki(f"pki {algorithm.value}", algorithm=algorithm).device()
    write_factory(tmp_path, idevid_pem=pem(device.certificate), idevid_key=device.key.to_pem())
    assert load_factory(tmp_path).key.algorithm is algorithm


def test_anchors_are_certificates_and_bare_keys_in_any_number_of_files(tmp_path):
    bare = key("bare").public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_factory(tmp_path, masa_pem=pem(PKI.masa_signer.certificate) + b"text\n" + bare)
    (tmp_path / "masa-2.pem").write_bytes(pem(PKI.manufacturer_root.certificate))
    anchors = load_factory(tmp_path).voucher_anchors
    assert len(anchors.certificates) == 2
    assert anchors.keys == (key("bare").public_key,)


@pytest.mark.rule("P-30")
def test_a_device_without_anchor_does_not_start(tmp_path):
    with pytest.raises(Malformed, match="no voucher anchor"):
        load_factory(write_factory(tmp_path, masa_pem=b""))


RSA = b"""-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALo2HwZbsV6vHlLZuwCyT3lHLRCI5xkU
k3AoYI5xh3cVQ3wQw5zW3dLZ1x1S6uzVYwYw9r3c1FzYJv3v4m1QmVcCAwEAAQ==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"idevid_key": key("other").to_pem()}, Malformed, id="key of another"),
        pytest.param({"idevid_key": b"nonsense"}, Malformed, id="no key"),
        pytest.param({"idevid_pem": b"nonsense"}, Malformed, id="no certificate"),
        pytest.param({"idevid_pem": bytes(70000)}, Malformed, id="too large"),
        pytest.param({"idevid_pem": b""}, OSError, id="missing"),
        pytest.param({"masa_pem": b"nonsense"}, Malformed, id="no anchor"),
        pytest.param(
            {"masa_pem": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
            Malformed, id="no public key",
        ),
        pytest.param({"masa_pem": RSA}, Refused, id="a key type that is not ours"),
    ],
)  # fmt: skip
def test_refuses(tmp_path, changes, error):
    with pytest.raises(error):
        load_factory(write_factory(tmp_path, **changes))


def test_a_certificate_that_names_no_device(tmp_path):
    own = FileKey.generate()
    nameless = profiles.make_voucher_signer("x", own.public_key, PKI.idevid_ca.issuer, LIFETIME, 5)
    write_factory(tmp_path, idevid_pem=pem(nameless), idevid_key=own.to_pem())
    with pytest.raises(Refused) as caught:
        load_factory(tmp_path)
    assert caught.value.refusal is Refusal.IDEVID


@pytest.mark.parametrize(("serial_number", "refused"), [("SN-1", False), ("SN-2", True)])
def test_an_ldevid_must_not_name_another_device(serial_number, refused):
    ldevid = PKI.ldevid(PKI.device()).certificate
    if not refused:
        check_same_device(ldevid, serial_number)
        return
    with pytest.raises(Refused) as caught:
        check_same_device(ldevid, serial_number)
    assert caught.value.refusal is Refusal.OTHER_IDENTITY


def test_an_ldevid_need_not_name_the_device():
    nameless = profiles.make_ldevid(
        profiles.common_name("pump"), key("leaf").public_key, PKI.domain_ca.issuer, LIFETIME, 9
    )
    check_same_device(nameless, "SN-1")
    assert nameless.not_valid_before_utc < NOW
