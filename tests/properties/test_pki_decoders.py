"""Any bytes are decoded or raise Malformed or Refused: certificates, requests, EST bodies."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints import media
from sztb.encoding import der, multipart
from sztb.errors import Malformed, Refused
from sztb.est import csr_attributes, messages
from sztb.pki import certificates, idevid, keys
from sztb.pki.csr import SERVER_KEY_POLICY, check_csr
from sztb.pki.path import build_path
from tests.fakes.pki import NOW, key, make_pki

ROOT = Path(__file__).parent.parent / "vectors" / "est"


def samples(pattern: str) -> list[bytes]:
    """Return the vectors under tests/vectors/est that match, `.hex` decoded."""
    found = sorted(ROOT.glob(pattern))
    assert found, pattern
    return [
        bytes.fromhex(one.read_text()) if one.suffix == ".hex" else one.read_bytes()
        for one in found
    ]


def ask_certificate(data: bytes) -> None:
    """Load a certificate and ask it everything; then offer it to the path builder."""
    one = certificates.load(data)
    certificates.is_ca(one)
    certificates.path_length(one)
    certificates.subject_key_id(one)
    certificates.authority_key_id(one)
    certificates.has_eku(one, "1.3.6.1.5.5.7.3.28")
    certificates.is_self_signed(one)
    certificates.spki(one)
    for question in (idevid.serial_number, idevid.masa_url, idevid.device_ref):
        try:
            question(one)
        except Refused:
            continue
    anchor = make_pki().domain_root.certificate
    build_path(one, (anchor, one), (anchor, one), now=NOW)


def decode_enrolled(data: bytes) -> None:
    messages.decode_enrolled(media.CERTS_ONLY, data, key("property").public_key)


def decode_cacerts(data: bytes) -> None:
    messages.decode_cacerts(media.MULTIPART_CORE, data)


def decode_serverkeygen(data: bytes) -> None:
    messages.decode_serverkeygen(data).open_plain()


def check_server_keygen_csr(data: bytes) -> None:
    messages.asked_key_format(check_csr(data, policy=SERVER_KEY_POLICY))


def read_ber(data: bytes) -> None:
    der.children(der.read(data, ber=True), ber=True)


def read_values(data: bytes) -> None:
    element = der.read(data)
    (der.oid if element.tag == der.OBJECT_IDENTIFIER else der.integer)(element)


Decoder = Callable[[bytes], object]
CERTIFICATES = samples("made/certs/[!d]*.der")
DECODERS: dict[str, tuple[Decoder, list[bytes]]] = {
    "certificate": (ask_certificate, CERTIFICATES),
    "csr": (check_csr, samples("made/csr/*.der")),
    "csr for a server-made key": (check_server_keygen_csr, samples("made/csr/skg*.der")),
    "enrolled": (decode_enrolled, samples("made/p7/*.der")),
    "cacerts": (decode_cacerts, samples("made/mp/crts*.hex")),
    "serverkeygen": (decode_serverkeygen, samples("made/mp/*.hex")),
    "multipart": (multipart.decode, samples("*/*multipart.hex")),
    "csr attributes": (csr_attributes.decode, samples("made/att/*.der")),
    "idevid-issuer": (idevid.normalise_idevid_issuer, [b"\x04\x18\x30\x16\x80\x14" + bytes(20)]),
    "public key": (keys.load_spki, [keys.spki_der(key("property").public_key)]),
    "private key": (keys.FileKey.from_pkcs8_der, [key("property").pkcs8_der()]),
    "PEM key": (keys.FileKey.from_pem, [key("property").to_pem()]),
    "PEM chain": (
        certificates.load_pem_chain,
        [certificates.pem(certificates.load(CERTIFICATES[0]))],
    ),
    "ECDSA signature": (keys.ecdsa_der_from_raw, [bytes(64)]),
    "DER": (der.read, [b"\x30\x00"]),
    "BER": (read_ber, [b"\x30\x80\x05\x00\x00\x00"]),
    "DER value": (read_values, [b"\x06\x03\x55\x04\x05", b"\x02\x01\x05"]),
}
EACH = pytest.mark.parametrize(
    ("decoder", "good"), DECODERS.values(), ids=[name.replace(" ", "-") for name in DECODERS]
)


def decoded_or_refused(decoder: Decoder, data: bytes) -> None:
    """The invariant: nothing but these two errors comes out."""
    try:
        decoder(data)
    except (Malformed, Refused):
        return


@pytest.mark.rule("E-50")
@EACH
@given(data=st.binary(max_size=400))
def test_any_bytes(decoder: Decoder, good: list[bytes], data: bytes) -> None:
    decoded_or_refused(decoder, data)


@pytest.mark.rule("E-50")
@EACH
@given(data=st.data())
def test_good_bytes_with_some_changed(
    decoder: Decoder, good: list[bytes], data: st.DataObject
) -> None:
    changed = bytearray(data.draw(st.sampled_from(good)))
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    decoded_or_refused(decoder, bytes(changed))


@pytest.mark.rule("E-50")
@EACH
@given(data=st.data())
def test_good_bytes_cut_or_spliced(
    decoder: Decoder, good: list[bytes], data: st.DataObject
) -> None:
    whole = data.draw(st.sampled_from(good))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    piece = data.draw(st.one_of(st.just(b""), st.just(whole[start:end] * 2), st.binary(max_size=8)))
    decoded_or_refused(decoder, whole[:start] + piece + whole[end:])


@given(st.integers(-(1 << 200), 1 << 200))
def test_integers_round_trip(value: int) -> None:
    assert der.integer(der.read(der.encode_integer(value))) == value


ARCS = st.lists(st.integers(0, (1 << 62)), max_size=6)


@given(st.integers(0, 2), st.integers(0, 39), ARCS)
def test_object_identifiers_round_trip(top: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (top, second, *rest)))
    assert der.oid(der.read(der.encode_oid(dotted))) == dotted


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=50)), max_size=32))
def test_multipart_round_trips(parts: list[tuple[int, bytes]]) -> None:
    assert multipart.decode(multipart.encode(parts)) == parts


@given(st.binary(min_size=1, max_size=300), st.sampled_from(keys.SignatureAlgorithm), st.data())
def test_one_changed_bit_breaks_a_signature(
    message: bytes, algorithm: keys.SignatureAlgorithm, data: st.DataObject
) -> None:
    own = key("property", algorithm)
    signature = own.sign(message)
    at = data.draw(st.integers(0, 8 * len(message) - 1))
    changed = bytearray(message)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(Refused):
        keys.verify(own.public_key, signature, bytes(changed))
