"""CSR attributes in the three generations of their text: RFC 7030, RFC 8951, RFC 9908."""

from typing import Any

import pytest
from cryptography import x509

from sztb.encoding import der
from sztb.errors import Malformed
from sztb.est import csr_attributes
from sztb.est.csr_attributes import CsrAttributes
from sztb.est.csr_template import CsrTemplate, ExtensionTemplate, KeyType
from tests.wire.est.est_vectors import read, rows

EC, RSA = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1"
P256, P384 = "1.2.840.10045.3.1.7", "1.3.132.0.34"
SAN = "2.5.29.17"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
TEMPLATE = "1.2.840.113549.1.9.16.2.61"
EXTENSION_TEMPLATE = "1.2.840.113549.1.9.16.2.62"


def seq(*contents: bytes) -> bytes:
    return der.encode(der.SEQUENCE, *contents)


def attribute(name: str, *values: bytes) -> bytes:
    return seq(der.encode_oid(name), der.encode(der.SET, *values))


@pytest.mark.rule("E-30", "E-31", "E-50")
@pytest.mark.parametrize("row", rows("csrattrs"))
def test_vector(row: dict[str, Any]) -> None:
    data = read(row.get("equals", row["file"]))
    if not row.get("accept", True):
        with pytest.raises(Malformed):
            csr_attributes.decode(data)
        return
    found = csr_attributes.decode(data)
    key_type = found.template.key_type if found.template else found.key_type
    extensions = found.template.extensions if found.template else found.extensions
    if "oids" in row:
        assert list(found.oids) == row["oids"]
    if "key_type" in row:
        assert key_type == KeyType(row["key_type"], row["key_param"])
    if "unknown_attributes" in row:
        assert [name for name, _ in found.other] == row["unknown_attributes"]
    for name in row.get("extensions", row.get("extension_templates", [])):
        assert name in [one.oid for one in extensions]
    assert (found.template is not None) == row.get("template", False)
    assert found.pop_linking == row.get("pop_linking", "1.2.840.113549.1.9.7" in found.oids)


WRITTEN_BACK = [
    row
    for row in rows("csrattrs")
    if row.values[0].get("accept")
    and not row.id.startswith("rfc7030/s452")  # an attribute of it is left out
    and not row.id.endswith("template-and-legacy.der")
]


@pytest.mark.parametrize("row", WRITTEN_BACK)
def test_vectors_are_written_back_element_by_element(row: dict[str, Any]) -> None:
    data = read(row["file"])
    again = csr_attributes.encode(csr_attributes.decode(data))
    assert csr_attributes.decode(again) == csr_attributes.decode(data)
    assert sorted(map(_raw, _elements(again))) == sorted(map(_raw, _elements(data)))


def _elements(data: bytes) -> tuple[der.Element, ...]:
    return der.children(der.read(data))


def _raw(element: der.Element) -> bytes:
    return element.raw


@pytest.mark.rule("E-31")
def test_alternative_name_of_the_autonomic_control_plane() -> None:
    [extension] = csr_attributes.decode(read("rfc9908/realistic-acp.der")).extensions
    assert extension.oid == SAN
    assert b"rfc8994+fd739fc23c3440112233445500000000+@acp.example.com" in (extension.value or b"")


@pytest.mark.rule("E-31")
def test_template_wins_over_everything_beside_it() -> None:
    alone = csr_attributes.decode(read("made/att/template.der"))
    assert csr_attributes.decode(read("made/att/template-and-legacy.der")) == alone
    assert alone.template is not None
    assert alone.template.subject == (
        (("2.5.4.3", None),),
        (("2.5.4.11", b"\x0c\x06myDept"),),
        (("2.5.4.11", b"\x0c\x07myGroup"),),
    )
    holes = {one.oid: one for one in alone.template.extensions}
    assert holes["2.5.29.37"].value is None
    assert holes["2.5.29.15"].critical


@pytest.mark.rule("E-30")
@pytest.mark.parametrize("body", [b"", csr_attributes.EMPTY], ids=["no bytes", "empty sequence"])
def test_nothing_special(body: bytes) -> None:
    assert csr_attributes.decode(body) == CsrAttributes()
    assert csr_attributes.encode(CsrAttributes()) == csr_attributes.EMPTY


def test_asked_extension_can_be_put_into_a_request() -> None:
    [extension] = csr_attributes.decode(read("made/att/p256-san.der")).extensions
    value = x509.SubjectAlternativeName([x509.DNSName("y-42.example.test")])
    assert extension == ExtensionTemplate(SAN, value.public_bytes())


GOOD_EXTENSION = ExtensionTemplate(SAN, b"\x30\x00").encode()
LEFT_OUT = {  # est D23: one bad attribute is ignored
    "bare OID as Extensions (RFC 7030 4.5.2)": attribute(EXTENSION_REQUEST, der.encode_oid(SAN)),
    "two Extensions": attribute(EXTENSION_REQUEST, seq(), seq()),
    "no Extensions": attribute(EXTENSION_REQUEST),
    "extension twice": attribute(EXTENSION_REQUEST, seq(GOOD_EXTENSION, GOOD_EXTENSION)),
    "extension without value": attribute(EXTENSION_REQUEST, seq(seq(der.encode_oid(SAN)))),
    "extension with two values": attribute(
        EXTENSION_REQUEST, seq(seq(der.encode_oid(SAN), b"\x04\0", b"\x04\0"))
    ),
    "critical is FALSE": attribute(
        EXTENSION_REQUEST, seq(seq(der.encode_oid(SAN), b"\x01\x01\x00", b"\x04\x00"))
    ),
    "two curves": attribute(EC, der.encode_oid(P256), der.encode_oid(P384)),
    "curve is a number": attribute(EC, der.encode_integer(256)),
    "modulus is a curve": attribute(RSA, der.encode_oid(P256)),
    "modulus of 2^40 bits": attribute(RSA, der.encode_integer(1 << 40)),
}


@pytest.mark.rule("E-30", "E-31")
@pytest.mark.parametrize("bad", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_one_bad_attribute_is_left_out(bad: bytes) -> None:
    found = csr_attributes.decode(seq(bad, der.encode_oid("1.2.840.113549.1.9.7")))
    assert found == CsrAttributes(oids=("1.2.840.113549.1.9.7",))


VERSION = der.encode_integer(0)
CURVE = der.encode(der.context(0), seq(der.encode_oid(EC), der.encode_oid(P256)))


def template(*fields: bytes) -> bytes:
    return attribute(TEMPLATE, seq(*fields))


def rsa_template(placeholder: bytes) -> bytes:
    algorithm = seq(der.encode_oid(RSA), b"\x05\x00")
    return template(VERSION, der.encode(der.context(0), algorithm, placeholder))


def attributes_template(*names: str) -> bytes:
    return template(
        VERSION, der.encode(der.context(1), *(attribute(name, seq()) for name in names))
    )


REFUSED = {
    "not a sequence": der.encode_oid(SAN),
    "byte after": seq() + b"\0",
    "attribute without set": seq(seq(der.encode_oid(SAN))),
    "attribute with a sequence": seq(seq(der.encode_oid(SAN), seq())),
    "number as element": seq(der.encode_integer(1)),
    "two key types": seq(attribute(EC), attribute(RSA)),
    "two extensionRequests": seq(attribute(EXTENSION_REQUEST), attribute(EXTENSION_REQUEST)),
    "two templates": seq(template(VERSION), template(VERSION)),
    "template attribute without template": seq(attribute(TEMPLATE)),
    "template version 1": seq(template(der.encode_integer(1))),
    "template empty": seq(template()),
    "template key twice": seq(template(VERSION, CURVE, CURVE)),
    "template field unknown": seq(template(VERSION, der.encode(der.context(2)))),
    "template RDN not a set": seq(template(VERSION, seq(seq()))),
    "template attribute empty": seq(template(VERSION, seq(der.encode(der.SET, seq())))),
    "template key without algorithm": seq(template(VERSION, der.encode(der.context(0)))),
    "template placeholder of 64 bits": seq(
        rsa_template(der.encode(der.BIT_STRING, b"\0", seq(der.encode_integer(1 << 63), VERSION)))
    ),
    "template placeholder not a bit string": seq(rsa_template(VERSION)),
    "template with both kinds of extensions": seq(
        attributes_template(EXTENSION_REQUEST, EXTENSION_TEMPLATE)
    ),
    "too long": seq(der.encode(der.OCTET_STRING, bytes(csr_attributes.MAX_BYTES))),
}


@pytest.mark.rule("E-31", "E-50")
@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(bad: bytes) -> None:
    with pytest.raises(Malformed):
        csr_attributes.decode(bad)


@pytest.mark.parametrize(
    "attributes",
    [
        CsrAttributes(("1.2.840.113549.1.9.7",), KeyType(EC, P384)),
        CsrAttributes(key_type=KeyType(RSA, 3072)),
        CsrAttributes(key_type=KeyType(EC)),
        CsrAttributes(extensions=(ExtensionTemplate(SAN, b"\x30\x00", critical=True),)),
        CsrAttributes(other=(("2.999.1", (b"\x05\x00", b"\x0c\x01a")),)),
        CsrAttributes(template=CsrTemplate()),
        CsrAttributes(template=CsrTemplate(key_type=KeyType(RSA, 2048))),
        CsrAttributes(template=CsrTemplate(key_type=KeyType(RSA))),
        CsrAttributes(template=CsrTemplate((), KeyType(EC, P256))),
        CsrAttributes(
            template=CsrTemplate(((("2.5.4.5", None),),), None, (ExtensionTemplate(SAN, None),))
        ),
    ],
    ids=repr,
)
def test_round_trip(attributes: CsrAttributes) -> None:
    assert csr_attributes.decode(csr_attributes.encode(attributes)) == attributes


def test_template_attributes_of_other_kinds_are_skipped() -> None:
    found = csr_attributes.decode(seq(attributes_template("2.999.1")))
    assert found == CsrAttributes(template=CsrTemplate())
