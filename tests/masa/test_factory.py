"""Minting and importing devices: orders, identities, folders, the device table."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from masa.factory.line import Line, folder_name, register
from masa.factory.mint import ANCHOR, CERTIFICATE, KEY, IdevidCa, Order, imported, mint
from masa.factory.orders import COLUMNS, read_orders
from masa.interfaces import VoucherKey
from masa.manufacturer import Manufacturer
from masa.records import Abilities, Action, Keys, Pins
from pledge.identity import load_factory
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates, idevid
from sztb.pki.csr import make_csr
from sztb.pki.keys import SignatureAlgorithm, spki_der
from sztb.pki.numbers import NUMBER_BYTES, certificate_number
from sztb.pki.profiles import NO_EXPIRY
from sztb.pki.trust_anchors import TrustAnchors
from tests.fakes.masa import MemoryStore
from tests.fakes.pki import NOW, key, make_pki

PKI, OTHER = make_pki(), make_pki("other")
CA = IdevidCa(
    PKI.idevid_ca.issuer,
    (),
    "masa.example:9443",
    VoucherKey(PKI.masa_signer.key, PKI.masa_signer.path),
)
ORDER = Order("SN-7")
SUBJECT = x509.Name([x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "SN-7")])


def made(order: Order = ORDER, password: bytes | None = None):
    return mint(order, CA, NOW, 12345, password)


def certificate_of(minted) -> x509.Certificate:
    return certificates.load_pem_chain(minted.files[CERTIFICATE][0])[0]


@pytest.mark.rule("M-01")
def test_idevid():
    minted = made(replace(ORDER, common_name="Lamp"))
    certificate, *above = certificates.load_pem_chain(minted.files[CERTIFICATE][0])
    assert idevid.serial_number(certificate) == "SN-7"
    assert idevid.masa_url(certificate) == "masa.example:9443"
    assert certificate.not_valid_after_utc == NO_EXPIRY
    assert above == [PKI.idevid_ca.certificate]
    assert certificates.is_signed_by(certificate, PKI.idevid_ca.certificate)
    assert "CN=Lamp" in certificate.subject.rfc4514_string()
    assert minted.record.ref == idevid.device_ref(certificate)
    assert minted.files[KEY][1] == 0o600


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
@pytest.mark.parametrize("password", [None, b"secret"])
def test_the_pledge_takes_what_the_factory_gives(tmp_path, algorithm, password):
    for name, (data, _) in made(replace(ORDER, algorithm=algorithm), password).files.items():
        (tmp_path / name).write_bytes(data)
    identity = load_factory(tmp_path, password)
    assert identity.serial_number == "SN-7"
    assert identity.voucher_anchors.certificates == PKI.masa_signer.path
    assert identity.key.algorithm is algorithm
    if password:
        with pytest.raises(Malformed):
            load_factory(tmp_path)


@pytest.mark.parametrize(
    "subject", [SUBJECT, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])]
)
def test_csr_of_a_device_with_its_own_key(subject):
    own = key("device with a CSR")
    minted = made(replace(ORDER, csr=make_csr(own, subject)))
    assert certificates.spki(certificate_of(minted)) == spki_der(own.public_key)
    assert set(minted.files) == {CERTIFICATE, ANCHOR}


def rsa_request() -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization

    private = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateSigningRequestBuilder().subject_name(SUBJECT)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_unusable_csr():
    other = x509.Name([x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "SN-8")])
    for csr, why in (
        (make_csr(key("x"), other), Refusal.CSR_SUBJECT),
        (rsa_request(), Refusal.NOT_A_KEY_WE_TAKE),
    ):
        with pytest.raises(Refused) as refused:
            made(replace(ORDER, csr=csr))
        assert refused.value.refusal is why
    with pytest.raises(Malformed):
        made(replace(ORDER, csr=b"0"))


@pytest.mark.parametrize("serial_number", ["", "x" * 65])
def test_impossible_serial_numbers(serial_number):
    with pytest.raises((Refused, ValueError)):
        made(Order(serial_number))


def test_import_of_a_ca():
    with pytest.raises(Malformed):
        imported(PKI.idevid_ca.certificate, NOW, ORDER)


def test_numbers_are_positive_and_20_octets():
    for random in (bytes(NUMBER_BYTES), b"\xff" * NUMBER_BYTES):
        number = certificate_number(random)
        assert 0 < number < 1 << 159
        assert (number.bit_length() + 7) // 8 == NUMBER_BYTES


# batches


def orders(text: str | bytes, **default):
    data = text if isinstance(text, bytes) else text.encode()
    return read_orders(
        data, replace(ORDER, serial_number="", **default), lambda name: name.encode()
    )


def test_batch():
    first, second = orders(
        "serial_number,pins,keys,csr,sold_to,common_name\n"
        'A 1,key,names,a.csr,acme,Lamp\n"B,2",,,,,\n',
        sold_to="nobody",
    )
    assert first == Order("A 1", b"a.csr", "Lamp", Abilities(Keys.NAMES, Pins.KEY), "acme")
    assert second == Order("B,2", sold_to="nobody")


def test_batch_of_a_spreadsheet():
    assert [one.serial_number for one in orders(b"\xef\xbb\xbfserial_number\r\nA\r\nB\r\n")] == [
        "A",
        "B",
    ]


BAD_BATCHES = {
    "nothing": ("", "line 1"),
    "no devices": ("serial_number\n", "no devices"),
    "no serial number": ("sold_to\nx\n", "line 1: columns are"),
    "unknown column": ("serial_number,serial\nA,B\n", "'serial'"),
    "too many values": ("serial_number\nA,B\n", "line 2: more values"),
    "bad value": ("serial_number,pins\nA,x\n", "line 2: 'x'"),
    "empty serial number": ("serial_number,pins\n,key\n", "line 2: idevid"),
    "control character": ('serial_number\n"A\tB"\n', "line 2: idevid"),
    "twice": ("serial_number\nA\nB\nA\n", "line 4: A is in line 2 too"),
    "quote": ('serial_number\n"A"B\n', "line 2"),
    "latin-1": ("serial_number\n\xe4".encode("latin-1"), "UTF-8"),
}


@pytest.mark.parametrize(("text", "said"), BAD_BATCHES.values(), ids=BAD_BATCHES)
def test_bad_batches(text, said):
    with pytest.raises(Malformed, match=said):
        orders(text)


def test_columns_are_documented():
    from masa.factory import orders as module

    assert all(name in (module.__doc__ or "") for name in COLUMNS)


# the production line


@pytest.fixture
def line(tmp_path):
    return Line(
        ca=CA,
        manufacturer=Manufacturer(
            TrustAnchors([PKI.manufacturer_root.certificate]), (PKI.idevid_ca.certificate,)
        ),
        store=MemoryStore(),
        folder=tmp_path / "out",
        password=None,
        operator="tester",
        serials_unique=True,
        now=lambda: NOW,
        random=lambda length: b"\x5a" * length,
    )


def nothing() -> None:
    """Nobody watches the progress."""


async def test_line_makes_folders_and_rows(line):
    ticks = []
    assert await line.run([Order("A"), Order("B/../1")], lambda: ticks.append(1)) == 2
    assert len(ticks) == 2
    assert sorted(path.name for path in line.folder.iterdir()) == ["A", "B%2F..%2F1"]
    assert load_factory(line.folder / "B%2F..%2F1").serial_number == "B/../1"
    assert {ref.serial_number for ref in line.store.table} == {"A", "B/../1"}
    assert line.store.acts == [Action(NOW, "devices-minted", "tester", "", "2 devices")]


async def test_line_goes_on_where_it_was_interrupted(line):
    await line.run([Order("A")], nothing)
    before = (line.folder / "A" / CERTIFICATE).read_bytes()
    line.store.table.clear()  # the crash came between files and table
    assert await line.run([Order("A"), Order("B")], nothing) == 2
    assert await line.run([Order("A"), Order("B")], nothing) == 0
    assert (line.folder / "A" / CERTIFICATE).read_bytes() == before


async def test_what_was_made_before_an_error_is_registered(line):
    with pytest.raises(Malformed):
        await line.run([Order("A"), replace(ORDER, csr=b"0")], nothing)
    assert [ref.serial_number for ref in line.store.table] == ["A"]


async def test_many_devices_in_few_transactions(line, monkeypatch):
    monkeypatch.setattr("masa.factory.line.REGISTER_AT_ONCE", 3)
    assert await line.run([Order(f"D{number}") for number in range(7)], nothing) == 7
    assert len(line.store.acts) == 3


@pytest.mark.parametrize("chain", [OTHER.device("A").path, PKI.device("B").path])
async def test_folder_of_another_device(line, chain):
    folder = line.folder / "A"
    folder.mkdir(parents=True)
    (folder / CERTIFICATE).write_bytes(b"".join(map(certificates.pem, chain)))
    with pytest.raises(Malformed, match="not the IDevID"):
        await line.run([Order("A")], nothing)


@pytest.mark.rule("M-14")
def test_registering_what_does_not_fit():
    store = MemoryStore()
    first = imported(PKI.device("A").certificate, NOW, ORDER)
    again = imported(certificate_of(made(Order("A"))), NOW, ORDER)
    foreign = imported(OTHER.device("A").certificate, NOW, ORDER)
    action = Action(NOW, "x", "y")
    assert register(store, [first, first], action, serials_unique=True) == 1
    with pytest.raises(Malformed, match="another key"):
        register(store, [again], action, serials_unique=True)
    with pytest.raises(Malformed, match="same serial number"):
        register(store, [foreign], action, serials_unique=True)
    assert register(store, [foreign], action, serials_unique=False) == 1


@pytest.mark.parametrize(
    ("serial_number", "name"),
    [("A-1_b.c", "A-1_b.c"), ("..", "%2E%2E"), (".", "%2E"), ("a/b", "a%2Fb"), ("ä", "%C3%A4")],
)
def test_folder_names(serial_number, name):
    assert folder_name(serial_number) == name
