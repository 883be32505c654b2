#!/usr/bin/env python3
"""Write tests/vectors/pki: certificates and chains with one defect each, named after it.

Keys come from their names and ECDSA is deterministic (RFC 6979): every run writes the same bytes.

    python scripts/make_test_pki.py [DIRECTORY]
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typing_extensions import override

from sztb.codepoints import oid
from sztb.encoding import der as asn1
from sztb.pki import issuing, profiles
from sztb.pki.certificates import der, pem
from sztb.pki.delegated_key import delegated_key
from sztb.pki.issuing import Issuer, Validity, common_name
from sztb.pki.keys import PrivateKey, PublicKey, SignatureAlgorithm, Signer, check_key_type

DIRECTORY = Path(__file__).parent.parent / "tests" / "vectors" / "pki"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LONG = Validity(NOW - 100 * DAY, NOW + 3650 * DAY)
PAST = Validity(NOW - 100 * DAY, NOW - DAY)
FUTURE = Validity(NOW + DAY, NOW + 100 * DAY)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.1"), b"\x05\x00")

_GROUP_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class NamedKey(Signer):
    """A P-256 key made from a name, signing deterministically."""

    def __init__(self, name: str) -> None:
        """Derive the key from the SHA-256 of `name`."""
        secret = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big")
        self._key = ec.derive_private_key(secret % (_GROUP_ORDER - 1) + 1, ec.SECP256R1())

    @property
    @override
    def public_key(self) -> PublicKey:
        return check_key_type(self._key.public_key())

    @property
    @override
    def algorithm(self) -> SignatureAlgorithm:
        return SignatureAlgorithm.ES256

    @override
    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    @override
    def certificate_key(self) -> PrivateKey:
        return delegated_key(self)


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: of the file, saying the defect.
        kind: which check meets it: path, idevid, registrar or load.
        expect: "ok", "malformed" or the name of a Refusal.
        why: for people.
        certificates: end entity first, then what else the peer presents.
        raw: instead of certificates, for what is not one.
    """

    name: str
    kind: str
    expect: str
    why: str
    certificates: tuple[x509.Certificate, ...] = ()
    raw: bytes = b""

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.{'der' if self.raw else 'pem'}"


@cache
def key(name: str) -> NamedKey:
    """Return the key of this name."""
    return NamedKey(name)


@cache
def number(name: str) -> int:
    """Return the certificate number of this name."""
    return int.from_bytes(hashlib.sha256(b"number " + name.encode()).digest()[:8], "big") | 1 << 62


@cache
def root(name: str = "anchor") -> Issuer:
    """Return a root CA."""
    made = profiles.make_root_ca(name, key(name), LONG, number(name))
    return Issuer(made, key(name))


def ca(name: str, above: Issuer, validity: Validity = LONG, length: int | None = None) -> Issuer:
    """Return a CA below `above`."""
    made = profiles.make_intermediate_ca(
        name, key(name).public_key, above, validity, number(name), length
    )
    return Issuer(made, key(name))


Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def certificate(
    name: str, above: Issuer, extensions: Extensions, validity: Validity = LONG
) -> x509.Certificate:
    """Return a certificate with exactly these extensions."""
    builder = issuing.start(common_name(name), key(name).public_key, validity, number(name))
    builder = builder.issuer_name(above.certificate.subject)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return issuing.sign(builder, above.signer)


def registrar(above: Issuer, validity: Validity = LONG) -> x509.Certificate:
    """Return a registrar's certificate, the usual end entity of the path cases."""
    return profiles.make_registrar(
        "registrar", key("registrar").public_key, above, validity, number("registrar")
    )


def chain(length: int) -> tuple[x509.Certificate, ...]:
    """Return a chain of `length` certificates, the anchor counted but not in it."""
    issuers = [root()]
    for depth in range(length - 2):
        issuers.append(ca(f"CA {depth}", issuers[-1]))
    return (registrar(issuers[-1]), *(one.certificate for one in issuers[:0:-1]))


def basic(*, is_ca: bool, length: int | None = None) -> tuple[x509.ExtensionType, bool]:
    """Return critical basic constraints."""
    return x509.BasicConstraints(is_ca, length), True


def usage(*, cert_sign: bool) -> tuple[x509.ExtensionType, bool]:
    """Return a critical key usage."""
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=cert_sign, crl_sign=cert_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    ), True  # fmt: skip


def below(name: str, extensions: Extensions) -> tuple[x509.Certificate, ...]:
    """Return a registrar under a CA of the anchor that has exactly these extensions."""
    made = certificate(name, root(), extensions)
    return registrar(Issuer(made, key(name))), made


def path_cases() -> list[Case]:
    """Return chains that are presented to the path builder with the anchor `anchor.pem`."""
    path, dates = "CERTIFICATE_PATH", "CERTIFICATE_DATES"
    sub = ca("sub CA", root())
    narrow = ca("narrow CA", root(), length=0)
    past, future = ca("past CA", root(), PAST), ca("future CA", root(), FUTURE)
    constraint = x509.NameConstraints([x509.DNSName("example")], None)
    policies = x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier("2.999.3"), None)]
    )
    made = [
        ("good-direct", "ok", "signed by the anchor", chain(2)),
        ("good-intermediate", "ok", "one CA between", chain(3)),
        ("good-country-canada", "ok", "names beyond their upper bounds are in the field",
         (_in_canada(),)),
        ("good-8-certificates", "ok", "the longest chain taken", chain(8)),
        ("bad-9-certificates", path, "one more than is taken", chain(9)),
        ("bad-no-intermediate", path, "the CA between is missing", chain(3)[:1]),
        ("bad-expired", dates, "end entity ended a day ago", (registrar(root(), PAST),)),
        ("bad-not-yet-valid", dates, "end entity starts tomorrow", (registrar(root(), FUTURE),)),
        ("bad-expired-ca", dates, "CA ended a day ago", (registrar(past), past.certificate)),
        ("bad-future-ca", dates, "CA starts tomorrow", (registrar(future), future.certificate)),
        ("bad-ca-without-basic-constraints", path, "not a CA", below("no BC", [])),
        ("bad-ca-false", path, "cA FALSE", below("FALSE", [basic(is_ca=False)])),
        ("bad-ca-without-key-cert-sign", path, "keyUsage lacks keyCertSign",
         below("no keyCertSign", [basic(is_ca=True), usage(cert_sign=False)])),
        ("good-ca-without-key-usage", "ok", "no keyUsage, no restriction",
         below("no keyUsage", [basic(is_ca=True)])),
        ("good-path-length", "ok", "pathLen 0, no CA below",
         (registrar(narrow), narrow.certificate)),
        ("bad-path-length", path, "pathLen 0, a CA below", _under(narrow)),
        ("good-path-length-self-issued", "ok", "self-issued CAs do not count (RFC 5280 6.1.4 l)",
         _rekeyed(narrow)),
        ("bad-critical-extension", path, "unknown critical extension in the end entity",
         (certificate("critical", root(), [(UNKNOWN, True)]),)),
        ("good-unknown-extension", "ok", "the same, not critical",
         (certificate("not critical", root(), [(UNKNOWN, False)]),)),
        ("bad-critical-extension-in-ca", path, "unknown critical extension in the CA",
         below("critical CA", [basic(is_ca=True), (UNKNOWN, True)])),
        ("bad-name-constraints", path, "critical name constraints are not implemented",
         below("constrained", [basic(is_ca=True), (constraint, True)])),
        ("good-critical-policies", "ok", "any policy is acceptable",
         below("policies", [basic(is_ca=True), (policies, True)])),
        ("bad-other-root", path, "a complete chain to a root nobody trusts",
         (registrar(root("stranger")), root("stranger").certificate)),
        ("bad-signature", path, "right name and key identifier, another key signed",
         (registrar(replace(root(), signer=key("forger"))),)),
        ("bad-issuer-name", path, "right key, another issuer name",
         (registrar(Issuer(root("stranger").certificate, key("anchor"))),)),
        ("good-misleading-namesake", "ok", "31 CAs of one name, the right one last",
         _namesakes(sub)),
        ("bad-namesakes", path, "31 CAs of one name, none of them the issuer",
         _namesakes(sub)[:-1]),
        ("bad-cross-signed-loop", path, "two CAs that certify each other", _loop()),
        ("good-cross-signed", "ok", "the same loop, one of the two also by the anchor",
         (*_loop(), ca("loop A", root()).certificate)),
        ("bad-many-loops", path, "30 CAs of one name and no key identifiers in cycles",
         _many_loops()),
    ]  # fmt: skip
    return [Case(name, "path", expect, why, certs) for name, expect, why, certs in made]


def _under(narrow: Issuer) -> tuple[x509.Certificate, ...]:
    sub = ca("CA below", narrow)
    return registrar(sub), sub.certificate, narrow.certificate


def _rekeyed(narrow: Issuer) -> tuple[x509.Certificate, ...]:
    """Return a chain where the narrow CA certified its own next key."""
    made = profiles.make_intermediate_ca(
        "narrow CA", key("narrow CA 2").public_key, narrow, LONG, number("narrow CA 2"), 0
    )
    return registrar(Issuer(made, key("narrow CA 2"))), made, narrow.certificate


def _in_canada() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "Canada", _validate=False)])
    builder = issuing.start(name, key("canada").public_key, LONG, number("canada"))
    return issuing.sign(builder.issuer_name(root().certificate.subject), key("anchor"))


def _namesakes(sub: Issuer) -> tuple[x509.Certificate, ...]:
    """Return an end entity without key identifier, 30 wrong CAs of its issuer's name, the right."""
    leaf = certificate("plain", sub, [])
    wrong = [
        profiles.make_intermediate_ca(
            "sub CA", key(f"namesake {n}").public_key, root(), LONG, number(f"namesake {n}")
        )
        for n in range(30)
    ]
    return (leaf, *wrong, sub.certificate)


def _loop() -> tuple[x509.Certificate, ...]:
    a, b = root("loop A"), root("loop B")
    return registrar(a), ca("loop A", b).certificate, ca("loop B", a).certificate


def _many_loops() -> tuple[x509.Certificate, ...]:
    """Return CAs of one name, each certified by the next: a dense graph for the search."""
    keys = [f"maze {n}" for n in range(6)]
    name = common_name("maze")
    made = []
    for upper in keys:
        for lower in keys:
            if upper != lower:
                start = issuing.start(name, key(lower).public_key, LONG, number(upper + lower))
                start = start.issuer_name(name).add_extension(*basic(is_ca=True))
                made.append(issuing.sign(start, key(upper)))
    return certificate("in the maze", Issuer(made[0], key(keys[1])), []), *made


def serial(value: str, kind: _ASN1Type | None = None) -> x509.NameAttribute:
    """Return a serialNumber attribute, a PrintableString unless said otherwise."""
    return x509.NameAttribute(NameOID.SERIAL_NUMBER, value, kind)


def idevid(
    subject: Sequence[x509.NameAttribute],
    masa_url: bytes | None = asn1.encode(asn1.IA5_STRING, b"masa.example"),
    *,
    aki: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """Return an IDevID with this subject and MASA URL value, None leaves the extension out."""
    name = x509.Name(subject)
    validity = Validity.unlimited(NOW)
    builder = issuing.start(name, key("device").public_key, validity, number("device"))
    builder = builder.issuer_name(root().certificate.subject)
    if aki is not None:
        builder = builder.add_extension(aki, critical=False)
    if masa_url is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid.MASA_URL), masa_url)
        builder = builder.add_extension(extension, critical=False)
    return issuing.sign(builder, key("anchor"))


def idevid_cases() -> list[Case]:
    """Return device certificates."""
    usual = issuing.authority_key_identifier(root().certificate)
    by_name = x509.AuthorityKeyIdentifier(
        None, [x509.DirectoryName(root().certificate.subject)], root().certificate.serial_number
    )
    full = replace_key_identifier(by_name, usual.key_identifier)
    good = [serial("SN-1")]
    named = [x509.NameAttribute(NameOID.COMMON_NAME, "SN-1")]
    made: list[tuple[str, str, str, x509.Certificate]] = [
        ("good-idevid", "ok", "usual", idevid(good, aki=usual)),
        ("good-idevid-without-masa-url", "ok", "the registrar has one", idevid(good, None)),
        ("good-idevid-without-aki", "ok", "cbrski D5", idevid(good)),
        ("good-idevid-aki-by-name", "ok", "AKI without keyIdentifier", idevid(good, aki=by_name)),
        ("good-idevid-aki-full", "ok", "AKI with all three fields", idevid(good, aki=full)),
        ("good-idevid-64-characters", "ok", "longest", idevid([serial("N" * 64)])),
        ("bad-idevid-65-characters", "IDEVID", "too long", idevid([serial("N" * 65)])),
        ("bad-no-serial-number", "IDEVID", "no serialNumber", idevid(named)),
        ("bad-two-serial-numbers", "IDEVID", "which?", idevid([*good, serial("SN-2")])),
        ("bad-serial-number-newline", "IDEVID", "would split a log line",
         idevid([serial("SN\n1", _ASN1Type.UTF8String)])),
        ("bad-masa-url-utf8string", "IDEVID", "not an IA5String",
         idevid(good, asn1.encode(asn1.UTF8_STRING, b"masa.example"))),
        ("bad-masa-url-8-bit", "IDEVID", "an octet above 127",
         idevid(good, asn1.encode(asn1.IA5_STRING, b"masa\xe9"))),
        ("bad-masa-url-empty", "IDEVID", "no character", idevid(good, b"\x16\x00")),
        ("bad-masa-url-newline", "IDEVID", "a control character", idevid(good, b"\x16\x02a\n")),
        ("bad-masa-url-trailing", "IDEVID", "a byte after the string",
         idevid(good, b"\x16\x01a\x00")),
        ("bad-masa-url-too-long", "IDEVID", "513 characters",
         idevid(good, asn1.encode(asn1.IA5_STRING, b"a" * 513))),
    ]  # fmt: skip
    return [Case(name, "idevid", expect, why, (one,)) for name, expect, why, one in made]


def replace_key_identifier(
    aki: x509.AuthorityKeyIdentifier, identifier: bytes | None
) -> x509.AuthorityKeyIdentifier:
    """Return `aki` with a keyIdentifier."""
    return x509.AuthorityKeyIdentifier(
        identifier, aki.authority_cert_issuer, aki.authority_cert_serial_number
    )


def registrar_cases() -> list[Case]:
    """Return end entities that claim to be registrars."""
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    anything = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    bare = certificate("no usages", root(), [])
    made = [
        ("good-registrar", "ok", "cmcRA", registrar(root())),
        (
            "bad-no-cmc-ra",
            "no",
            "serverAuth only",
            certificate("server", root(), [(server, False)]),
        ),
        (
            "bad-any-usage",
            "no",
            "any is not cmcRA",
            certificate("any", root(), [(anything, False)]),
        ),
        ("bad-no-usages", "no", "no extended key usage", bare),
    ]
    return [Case(name, "registrar", expect, why, (one,)) for name, expect, why, one in made]


def load_cases() -> list[Case]:
    """Return bytes that are not a certificate we read."""
    good = registrar(root())
    made = [
        ("bad-trailing-byte", "a byte after the certificate", der(good) + b"\0"),
        ("bad-truncated", "the last byte is missing", der(good)[:-1]),
        ("bad-number-zero", "certificate number 0", _patched(good, 1, lambda _: b"\x02\x01\x00")),
        ("bad-number-negative", "certificate number -1",
         _patched(good, 1, lambda _: b"\x02\x01\xff")),
        ("bad-extension-twice", "one extension two times", _patched(good, 7, _double_first)),
        ("bad-null-parameters", "ECDSA algorithm with parameters NULL (RFC 5758 3.2)",
         _with_null_parameters(good)),
    ]  # fmt: skip
    return [Case(name, "load", "malformed", why, raw=raw) for name, why, raw in made]


def _patched(original: x509.Certificate, field: int, change: Callable[[bytes], bytes]) -> bytes:
    """Return the certificate with one field of its TBSCertificate changed and signed again."""
    fields = [one.raw for one in asn1.children(asn1.read(original.tbs_certificate_bytes))]
    fields[field] = change(fields[field])
    return _signed(asn1.encode(asn1.SEQUENCE, *fields), original, b"")


def _double_first(extensions: bytes) -> bytes:
    [listed] = asn1.children(asn1.read(extensions))
    members = [one.raw for one in asn1.children(listed)]
    return asn1.encode(asn1.context(3), asn1.encode(asn1.SEQUENCE, members[0], *members))


def _with_null_parameters(original: x509.Certificate) -> bytes:
    fields = [one.raw for one in asn1.children(asn1.read(original.tbs_certificate_bytes))]
    fields[2] = _algorithm(original, b"\x05\x00")
    return _signed(asn1.encode(asn1.SEQUENCE, *fields), original, b"\x05\x00")


def _algorithm(original: x509.Certificate, parameters: bytes) -> bytes:
    name = asn1.encode_oid(original.signature_algorithm_oid.dotted_string)
    return asn1.encode(asn1.SEQUENCE, name, parameters)


def _signed(tbs: bytes, original: x509.Certificate, parameters: bytes) -> bytes:
    signature = asn1.encode(asn1.BIT_STRING, b"\0", key("anchor").sign(tbs))
    return asn1.encode(asn1.SEQUENCE, tbs, _algorithm(original, parameters), signature)


def cases() -> list[Case]:
    """Return every case."""
    return [*path_cases(), *idevid_cases(), *registrar_cases(), *load_cases()]


def files() -> dict[str, bytes]:
    """Return the name and content of every file."""
    found = {"anchor.pem": pem(root().certificate)}
    for case in cases():
        found[case.file] = case.raw or b"".join(pem(one) for one in case.certificates)
    rows = [
        {"file": one.file, "kind": one.kind, "expect": one.expect, "why": one.why}
        for one in cases()
    ]
    manifest = {"origin": "scripts/make_test_pki.py", "now": NOW.isoformat(), "cases": rows}
    found["manifest.json"] = json.dumps(manifest, indent=1).encode() + b"\n"
    return found


def main(directory: Path) -> None:
    """Write all files."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_bytes(content)
    print(f"{len(files())} files in {directory}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
