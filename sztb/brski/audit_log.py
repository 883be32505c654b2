"""The MASA's audit log of one device as JSON (RFC 8995 5.8.1, cbrski.md 9.4).

What to think of a history is the registrar's policy; here is only what it says.
"""

import hashlib
from dataclasses import astuple, dataclass
from typing import Final

from cryptography import x509

from sztb.encoding import strict_json
from sztb.encoding.base64text import encode_base64
from sztb.encoding.rfc3339 import Instant, decode_instant, encode_instant
from sztb.encoding.strict_json import as_object, as_text
from sztb.errors import Malformed
from sztb.pki import certificates, keys
from sztb.voucher.model import Assertion

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20
MAX_COUNTER: Final = 1024  # counters may stop here

_COUNTERS: Final = ("nonced duplicates", "nonceless duplicates", "arbitrary")
_WORDS: Final = {member.word: member for member in Assertion}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One voucher that was issued.

    Attributes:
        date: when.
        domain_id: of the domain it pinned, base64 text, see `domain_id`.
        nonce: its JSON text (`voucher.nonce.nonce_text`); None for a nonceless voucher.
        assertion: what the voucher said.
        truncated: how many earlier events of this domain were dropped.
    """

    date: Instant
    domain_id: str
    nonce: str | None
    assertion: Assertion
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class Truncation:
    """What is no longer in the log; `arbitrary` above 0 means: incomplete."""

    nonced_duplicates: int = 0
    nonceless_duplicates: int = 0
    arbitrary: int = 0


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The history of one device.

    Attributes:
        events: in the MASA's order; at least one.
        truncation: all zero when nothing was dropped.
        version: 1; a later one only adds information (R-53).
    """

    events: tuple[AuditEvent, ...]
    truncation: Truncation = Truncation()
    version: int = VERSION


def domain_id(certificate: x509.Certificate) -> str:
    """Return the domainID of a pinned certificate as base64 (RFC 8995 5.8.2).

    The SubjectKeyIdentifier where there is one, else the SHA-256 of the SubjectPublicKeyInfo. For
    a pinned key it is that of the registrar's end-entity certificate (D17).

    Raises:
        Malformed, Refused: NOT_A_KEY_WE_TAKE: no key to take a fingerprint of.
    """
    identifier = certificates.subject_key_id(certificate)
    if not identifier:
        spki = keys.spki_der(certificates.public_key(certificate))
        identifier = hashlib.sha256(spki).digest()
    return encode_base64(identifier)


def decode_json(raw: bytes) -> AuditLog:
    """Decode an audit log; digit strings count as numbers (D17), unknown members are skipped.

    Args:
        raw: at most 1 MiB.

    Raises:
        Malformed: not such a document, or without an event.
    """
    document = as_object(strict_json.decode(raw, max_bytes=MAX_BYTES), "audit log")
    events = document.get("events")
    if not isinstance(events, list) or not events:
        raise Malformed("audit log: no events")
    version = _number(document.get("version"))
    if version < VERSION:
        raise Malformed(f"audit log: version {version}")
    truncation = as_object(document.get("truncation", {}), "truncation")
    return AuditLog(
        tuple(_event(as_object(event, "event")) for event in events), _cut(truncation), version
    )


def encode_json(log: AuditLog) -> bytes:
    """Encode with numbers as numbers and nonce null for nonceless vouchers (M-34, D17)."""
    counts = (min(count, MAX_COUNTER) for count in astuple(log.truncation))
    return strict_json.encode(
        {
            "version": log.version,
            "events": [_encoded(event) for event in log.events],
            "truncation": dict(zip(_COUNTERS, counts, strict=True)),
        }
    )


def _encoded(event: AuditEvent) -> dict[str, object]:
    encoded: dict[str, object] = {
        "date": encode_instant(event.date),
        "domainID": event.domain_id,
        "nonce": event.nonce,
        "assertion": event.assertion.word,
    }
    if event.truncated:
        encoded["truncated"] = min(event.truncated, MAX_COUNTER)
    return encoded


def _event(event: dict[str, object]) -> AuditEvent:
    nonce, assertion = event.get("nonce"), _WORDS.get(as_text(event.get("assertion"), "assertion"))
    if assertion is None:
        raise Malformed("audit log: unknown assertion")
    return AuditEvent(
        decode_instant(as_text(event.get("date"), "date")),
        as_text(event.get("domainID"), "domainID"),
        None if nonce is None else as_text(nonce, "nonce"),
        assertion,
        _number(event.get("truncated", 0)),
    )


def _cut(truncation: dict[str, object]) -> Truncation:
    return Truncation(*(_number(truncation.get(name, 0)) for name in _COUNTERS))


def _number(value: object) -> int:
    """Return a counter; some MASAs write digits as text (D17)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if type(value) is int and value >= 0:
        return value
    raise Malformed("audit log: number expected")
