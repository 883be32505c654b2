"""What an IDevID says: serial number, MASA URL, issuer; the shapes of idevid-issuer."""

import hashlib

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from sztb.encoding import der
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import issuing
from sztb.pki.certificates import authority_key_id, spki, subject_key_id
from sztb.pki.idevid import (
    DeviceRef,
    device_ref,
    idevid_issuer,
    key_identifier,
    masa_url,
    normalise_idevid_issuer,
    serial_number,
)
from tests.fakes.pki import LIFETIME, key, make_pki
from tests.wire import vectors
from tests.wire.est.est_vectors import PLEDGE, certificate
from tests.wire.pki.made import ANCHOR, cases, chain

IDENTIFIER = bytes(range(20))
SEQUENCE = bytes.fromhex("30168014") + IDENTIFIER
EXTN_VALUE = bytes.fromhex("0418") + SEQUENCE
FULL = der.encode(
    der.SEQUENCE,
    der.encode(0x80, IDENTIFIER),
    der.encode(0xA1, bytes.fromhex("a40f300d310b3009060355040613024445")),
    der.encode(0x82, b"\x01"),
)


@pytest.mark.rule("R-17", "R-27")
@pytest.mark.parametrize(("file", "expect"), cases("idevid"))
def test_made_certificate(file: str, expect: str) -> None:
    [device] = chain(file)
    if expect == "ok":
        assert serial_number(device) in {"SN-1", "N" * 64}
        assert masa_url(device) in {"masa.example", None}
        assert device_ref(device).serial_number == serial_number(device)
        return
    with pytest.raises(Refused) as refused:
        (masa_url if "masa-url" in file else serial_number)(device)
    assert refused.value.refusal is Refusal[expect]


@pytest.mark.rule("R-17", "R-18", "X-11")
def test_published_idevid() -> None:
    pledge = certificate(PLEDGE)
    assert serial_number(pledge) == "JADA123456789"
    assert masa_url(pledge) == "masa.stok.nl"
    value = idevid_issuer(pledge)
    assert value[:6] == bytes.fromhex("041830168014")
    assert value[6:] == authority_key_id(pledge) == normalise_idevid_issuer(value)
    assert str(device_ref(pledge)) == f"JADA123456789@{value[6:10].hex()}"


@pytest.mark.rule("R-37")
def test_serial_number_in_another_attribute() -> None:
    pledge = certificate(PLEDGE)
    common_name = NameOID.COMMON_NAME.dotted_string
    assert serial_number(pledge, common_name) == "Stok IoT sensor Y-42"
    assert device_ref(pledge, common_name).serial_number == "Stok IoT sensor Y-42"


def test_attribute_that_is_not_text_is_no_serial_number() -> None:
    unique = NameOID.X500_UNIQUE_IDENTIFIER
    name = x509.Name([x509.NameAttribute(unique, b"\x01", _ASN1Type.BitString)])
    builder = issuing.start(name, key("odd").public_key, LIFETIME, 5).issuer_name(name)
    odd = issuing.sign(builder, key("odd"))
    with pytest.raises(Refused) as refused:
        serial_number(odd, unique.dotted_string)
    assert refused.value.refusal is Refusal.IDEVID


@pytest.mark.rule("X-11", "R-18")
@pytest.mark.parametrize("file", ["good-idevid-without-aki.pem", "good-idevid-aki-by-name.pem"])
def test_without_key_identifier_the_devices_own_key_stands_in(file: str) -> None:
    [device] = chain(file)
    _, bits = der.children(der.read(spki(device)))
    own = hashlib.sha1(bits.content[1:], usedforsecurity=False).digest()
    assert idevid_issuer(device) == bytes.fromhex("041830168014") + own  # cbrski D5
    assert device_ref(device).idevid_issuer == own


@pytest.mark.rule("X-11", "R-18")
def test_further_fields_of_the_identifier_are_included() -> None:
    [device] = chain("good-idevid-aki-full.pem")
    value = idevid_issuer(device)
    inner = der.read(value).expect(der.OCTET_STRING).content
    assert len(der.children(der.read(inner))) == 3
    assert normalise_idevid_issuer(value) == subject_key_id(ANCHOR)


def test_key_identifier_is_that_of_rfc_5280() -> None:
    pki = make_pki()
    assert key_identifier(pki.idevid_ca.key.public_key) == subject_key_id(pki.idevid_ca.certificate)


SHAPES = {
    "extnValue with OCTET STRING": EXTN_VALUE,
    "SEQUENCE alone": SEQUENCE,
    "bare identifier": IDENTIFIER,
    "identifier as OCTET STRING": b"\x04\x14" + IDENTIFIER,
    "further fields": FULL,
    "further fields in OCTET STRING": der.encode(der.OCTET_STRING, FULL),
}


@pytest.mark.rule("X-11", "P-20")
@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES.keys())
def test_all_shapes_of_idevid_issuer_are_equal(value: bytes) -> None:
    assert normalise_idevid_issuer(value) == IDENTIFIER


@pytest.mark.rule("X-11")
@pytest.mark.parametrize(
    "bare",
    [
        pytest.param(b"\x04\x12" + bytes(18), id="begins like an OCTET STRING"),
        pytest.param(b"\x30\x12" + bytes(18), id="begins like a SEQUENCE"),
    ],
)
def test_bare_identifier_that_looks_like_something_else_by_chance(bare: bytes) -> None:
    assert normalise_idevid_issuer(bare) == bare


@pytest.mark.rule("X-11")
@pytest.mark.parametrize(
    "value",
    [b"", IDENTIFIER[:-1], EXTN_VALUE[:-1], EXTN_VALUE + b"\0", b"\x30\x03\x82\x01\x01",
     b"\x04\x02\x30\x00"],
    ids=["empty", "19 bytes", "cut off", "byte after", "no keyIdentifier", "empty SEQUENCE"],
)  # fmt: skip
def test_no_idevid_issuer(value: bytes) -> None:
    with pytest.raises(Malformed):
        normalise_idevid_issuer(value)


def test_identifier_of_another_length_is_kept_whole() -> None:
    long = bytes(32)
    value = der.encode(der.SEQUENCE, der.encode(0x80, long))
    assert normalise_idevid_issuer(value) == long


def test_device_names_sort_and_hash() -> None:
    one, two = DeviceRef(b"a", "1"), DeviceRef(b"a", "2")
    assert sorted({two, one, DeviceRef(b"a", "1")}) == [one, two]


def test_published_idevids_of_the_older_examples_have_names() -> None:
    device = vectors.certificate("rfc8995/idevid_00-D0-E5-F2-00-02.crt")
    assert device_ref(device).serial_number == "00-D0-E5-F2-00-02"
