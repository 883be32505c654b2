"""The audit log document (RFC 8995 5.8.1)."""

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sztb.brski import audit_log
from sztb.brski.audit_log import AuditEvent, AuditLog, Truncation, domain_id
from sztb.errors import Malformed
from sztb.voucher.model import Assertion
from tests.wire.vectors import certificate, read

DOMAIN = "BduJhdHPpfhQLyponf48JzXSGZ8="
NONCED = AuditEvent(
    datetime(2024, 6, 1, 12, tzinfo=UTC), DOMAIN, "AAAAAAAAAAA=", Assertion.PROXIMITY, truncated=3
)
NONCELESS = replace(NONCED, nonce=None, assertion=Assertion.VERIFIED, truncated=0)
LOG = AuditLog((NONCED, NONCELESS), Truncation(1, 2, 3))


@pytest.mark.rule("R-53", "M-20")
def test_the_published_log_with_numbers_as_text() -> None:
    """D17."""
    log = audit_log.decode_json(read("rfc8995/example-auditlog.json"))
    assert log == AuditLog(
        (
            AuditEvent(
                datetime(2019, 5, 15, 21, 25, 55, 644000, tzinfo=UTC),
                DOMAIN,
                "VOUFT-WwrEv0NuAQEHoV7Q",
                Assertion.PROXIMITY,
            ),
            AuditEvent(
                datetime(2017, 5, 15, 21, 25, 55, 644000, tzinfo=UTC),
                DOMAIN,
                "f4G6Vi1t8nKo/FieCVgpBg==",
                Assertion.PROXIMITY,
            ),
        ),
        Truncation(nonced_duplicates=0, nonceless_duplicates=1, arbitrary=2),
    )


@pytest.mark.rule("M-20", "M-34")
def test_writes_numbers_as_numbers_and_null_nonces() -> None:
    assert json.loads(audit_log.encode_json(LOG)) == {
        "version": 1,
        "events": [
            {
                "date": "2024-06-01T12:00:00Z",
                "domainID": DOMAIN,
                "nonce": "AAAAAAAAAAA=",
                "assertion": "proximity",
                "truncated": 3,
            },
            {
                "date": "2024-06-01T12:00:00Z",
                "domainID": DOMAIN,
                "nonce": None,
                "assertion": "verified",
            },
        ],
        "truncation": {"nonced duplicates": 1, "nonceless duplicates": 2, "arbitrary": 3},
    }
    assert audit_log.decode_json(audit_log.encode_json(LOG)) == LOG


@pytest.mark.rule("M-33")
def test_counters_stop() -> None:
    log = AuditLog((replace(NONCED, truncated=5000),), Truncation(5000, 0, 0))
    read_back = audit_log.decode_json(audit_log.encode_json(log))
    assert read_back.events[0].truncated == 1024
    assert read_back.truncation == Truncation(1024, 0, 0)


EVENT: dict[str, Any] = {
    "date": "2024-06-01T12:00:00Z",
    "domainID": DOMAIN,
    "nonce": None,
    "assertion": "agent-proximity",
}


def document(event: dict[str, Any] | None = None, **members: object) -> bytes:
    full: dict[str, object] = {"version": 1, "events": [EVENT | (event or {})]} | members
    return json.dumps(full).encode()


@pytest.mark.rule("R-53")
def test_later_versions_unknown_members_and_no_truncation() -> None:
    log = audit_log.decode_json(document({"more": 1}, version=2, other={}))
    assert log.version == 2
    assert log.truncation == Truncation()
    assert log.events[0].assertion is Assertion.AGENT_PROXIMITY


def test_a_missing_nonce_is_a_nonceless_voucher() -> None:
    event = {name: value for name, value in EVENT.items() if name != "nonce"}
    log = audit_log.decode_json(json.dumps({"version": 1, "events": [event]}).encode())
    assert log.events[0].nonce is None


BAD = {
    "array": b"[]",
    "no JSON": b"{",
    "no events": json.dumps({"version": 1}).encode(),
    "empty events": document(events=[]),
    "events is an object": document(events={}),
    "event is text": document(events=["x"]),
    "no version": json.dumps({"events": [EVENT]}).encode(),
    "version 0": document(version=0),
    "version is text": document(version="one"),
    "date without zone": document({"date": "2024-06-01T12:00:00"}),
    "no domainID": document({"domainID": None}),
    "nonce is a number": document({"nonce": 7}),
    "unknown assertion": document({"assertion": "guessed"}),
    "no assertion": document({"assertion": None}),
    "negative counter": document({"truncated": -1}),
    "negative counter as text": document({"truncated": "-1"}),
    "counter as float": document({"truncated": 1.0}),
    "counter as boolean": document({"truncated": True}),
    "counter of ten digits": document({"truncated": "1234567890"}),
    "counter in other digits": document({"truncated": "\u0661"}),
    "counter is null": document({"truncated": None}),
    "truncation is text": document(truncation="0"),
    "truncation counter": document(truncation={"arbitrary": "many"}),
}


@pytest.mark.rule("R-53")
@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_refuses(raw: bytes) -> None:
    with pytest.raises(Malformed):
        audit_log.decode_json(raw)


def test_size_is_bounded() -> None:
    with pytest.raises(Malformed, match="at most"):
        audit_log.decode_json(b" " * (1 << 20) + b"{}")


@pytest.mark.rule("R-54")
def test_domain_id_is_the_subject_key_identifier() -> None:
    expected = "kup2QEBKj6tPJwvzvDedhs1ygPg="
    assert domain_id(certificate("cose/certs/domain_ca.der")) == expected
    # V2: the certificate pinned by the published voucher is another one of the same key
    assert domain_id(certificate("cose/extracted/voucher-pinned-domain-cert.der")) == expected


@pytest.mark.rule("R-54")
def test_domain_id_without_one_is_the_hash_of_the_key() -> None:
    registrar = certificate("rfc8995/jrc_prime256v1.crt")
    spki = registrar.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert base64.b64decode(domain_id(registrar)) == hashlib.sha256(spki).digest()
