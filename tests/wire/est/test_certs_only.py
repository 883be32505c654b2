"""PKCS#7 certs-only: every vector, and shapes that must not pass."""

from typing import Any

import pytest

from sztb.encoding import der
from sztb.errors import Malformed
from sztb.est.certs_only import MAX_CERTIFICATES, decode_certs_only, encode_certs_only
from sztb.pki import certificates
from tests.wire.est.est_vectors import DOMAIN_CA, certificate, read, rows


@pytest.mark.rule("E-06", "E-20", "E-39", "X-14")
@pytest.mark.parametrize("row", rows("certs-only"))
def test_vector(row: dict[str, Any]) -> None:
    if not row["accept"]:
        with pytest.raises(Malformed):
            decode_certs_only(read(row["file"]))
        return
    found = decode_certs_only(read(row["file"]))
    assert len(found) == row["count"]
    if "certs" in row:
        assert set(found) == {certificate(name) for name in row["certs"]}
    if row.get("der"):
        assert encode_certs_only(found[::-1]) == read(row["file"])
    if "self_signed" in row:
        assert certificates.is_self_signed(found[0]) is row["self_signed"]


@pytest.mark.rule("E-06")
def test_writes_der_set_order_whatever_the_input_order() -> None:
    pair = [certificate(DOMAIN_CA), certificate("made/certs/sub_ca.der")]
    assert encode_certs_only(pair) == encode_certs_only(pair[::-1])
    assert encode_certs_only(pair) == read("made/p7/2-cacerts.der")


CA = read(DOMAIN_CA)
DATA = der.encode_oid("1.2.840.113549.1.7.1")
SIGNED_DATA = der.encode_oid("1.2.840.113549.1.7.2")
EMPTY_SET = der.encode(der.SET)
ENCAPSULATED = der.encode(der.SEQUENCE, DATA)


def message(
    *,
    content_type: bytes = SIGNED_DATA,
    version: int = 1,
    digests: bytes = EMPTY_SET,
    encapsulated: bytes = ENCAPSULATED,
    certs: bytes = CA,
    crls: bytes = b"",
    signers: bytes = EMPTY_SET,
    more: bytes = b"",
) -> bytes:
    """Return a certs-only message of one certificate, with one part replaced."""
    signed_data = der.encode(
        der.SEQUENCE, der.encode_integer(version), digests, encapsulated,
        der.encode(der.context(0), certs), crls, signers, more,
    )  # fmt: skip
    return der.encode(der.SEQUENCE, content_type, der.encode(der.context(0), signed_data))


def test_the_builder_of_bad_messages_can_build_a_good_one() -> None:
    assert decode_certs_only(message()) == (certificate(DOMAIN_CA),)


BAD = {
    "content type data": message(content_type=DATA),
    "version 0": message(version=0),
    "version 6": message(version=6),
    "digests not a set": message(digests=der.encode(der.SEQUENCE)),
    "encapsulated content": message(
        encapsulated=der.encode(
            der.SEQUENCE, DATA, der.encode(der.context(0), der.encode(der.OCTET_STRING, b"x"))
        )
    ),
    "encapsulated type": message(encapsulated=der.encode(der.SEQUENCE, SIGNED_DATA)),
    "encapsulated empty": message(encapsulated=der.encode(der.SEQUENCE)),
    "no certificates": message(certs=b""),
    "attribute certificate": message(certs=der.encode(der.context(1), CA)),
    "certificate with a byte after": message(certs=CA + b"\0"),
    "too many certificates": message(certs=CA * (MAX_CERTIFICATES + 1)),
    "seven members": message(crls=der.encode(der.context(1)), more=EMPTY_SET),
    "fifth member not CRLs": message(crls=der.encode(der.context(2))),
    "signer": message(signers=der.encode(der.SET, ENCAPSULATED)),
    "signers not a set": message(signers=der.encode(der.SEQUENCE)),
    "three parts": der.encode(der.SEQUENCE, SIGNED_DATA, EMPTY_SET, EMPTY_SET),
    "two SignedData": der.encode(
        der.SEQUENCE, SIGNED_DATA, der.encode(der.context(0), EMPTY_SET, EMPTY_SET)
    ),
    "empty": b"",
    "too long": der.encode(der.OCTET_STRING, bytes(der.MAX_BYTES)),
}


@pytest.mark.rule("E-20", "E-50")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_refuses(bad: bytes) -> None:
    with pytest.raises(Malformed):
        decode_certs_only(bad)
