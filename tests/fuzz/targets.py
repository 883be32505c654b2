"""What is fuzzed: one target per decoder, each with the vectors that make its corpus.

Invariant of every target: any input decodes, or raises `Malformed` or `Refused`; nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sztb.brski import audit_log, masa_url, telemetry
from sztb.brski.telemetry import EnrollStatus
from sztb.codepoints import media
from sztb.encoding import base64text, cbor, rfc3339, strict_json
from sztb.envelope import cms, cose_sign1, jws
from sztb.errors import Malformed
from sztb.voucher import codec
from sztb.voucher.extensions import extension_data
from sztb.voucher.formats import open_voucher
from tests.wire.vectors import ROOT, read


@dataclass(frozen=True)
class Target:
    """One decoder.

    Attributes:
        name: of the harness.
        decode: takes any bytes.
        patterns: globs of its corpus below the vectors.
        examples: what has no file of its own.
    """

    name: str
    decode: Callable[[bytes], object]
    patterns: tuple[str, ...] = ()
    examples: tuple[bytes, ...] = ()

    def corpus(self) -> list[bytes]:
        """Return valid and invalid examples, at least one."""
        paths = sorted(path for pattern in self.patterns for path in ROOT.glob(pattern))
        return [*self.examples, *(read(str(path.relative_to(ROOT))) for path in paths)]


def _envelope(decode: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    """Open, look at everything, decode the payload."""

    def whole(raw: bytes) -> object:
        opened = decode(raw)
        return opened.certificates, opened.payload

    return whole


def _voucher_data(decode: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    return lambda raw: extension_data(decode(raw))


def _text(decode: Callable[[str], object]) -> Callable[[bytes], object]:
    def from_bytes(raw: bytes) -> object:
        try:
            return decode(raw.decode())
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None

    return from_bytes


TARGETS = (
    Target("cbor", cbor.decode, ("cose/*.hex", "made/*.hex")),
    Target("strict_json", strict_json.decode, ("rfc8995/*.json", "jws/*.json")),
    Target(
        "voucher_cbor", _voucher_data(codec.decode_cbor), ("*/*-nonsigned.hex", "made/*-data-*.hex")
    ),
    Target("voucher_json", _voucher_data(codec.decode_json), ("rfc8995/ex*voucher*.json",)),
    Target("cose_sign1", _envelope(cose_sign1.decode), ("cose/*r.hex", "made/*voucher*.hex")),
    Target(
        "cose_strip", cose_sign1.without_unprotected_certs, ("cose/voucher*.hex", "made/rvr-s*.hex")
    ),
    Target("cms", _envelope(cms.decode), ("rfc8995/*.b64", "rfc8366bis/*.b64")),
    Target("jws", _envelope(jws.decode), ("jws/*.json", "rfc8366bis/*.json")),
    Target(
        "open_voucher",
        lambda raw: open_voucher(media.VOUCHER_COSE, raw),
        ("made/*voucher*.hex", "legacy/*.hex"),
    ),
    Target(
        "telemetry_cbor",
        lambda raw: telemetry.decode(media.CBOR, raw, EnrollStatus),
        ("cose/telemetry*.hex", "made/?s-*.hex"),
    ),
    Target(
        "telemetry_json",
        lambda raw: telemetry.decode(media.JSON, raw, EnrollStatus),
        ("rfc8995/example-*.json",),
    ),
    Target("audit_log", audit_log.decode_json, ("rfc8995/example-auditlog.json",)),
    Target(
        "masa_url",
        _text(masa_url.request_voucher_url),
        examples=(b"masa.stok.nl", b"[2001:db8::1]:9443", b"http://masa.example.com/a%20b/"),
    ),
    Target(
        "rfc3339",
        _text(rfc3339.decode_instant),
        examples=(b"2024-06-01T12:00:05Z", b"2019-05-15T17:25:55.644-04:00"),
    ),
    Target("base64", _text(base64text.decode_base64), examples=(b"BBgwFoAU", b"+/8=")),
    Target("base64url", _text(base64text.decode_base64url), examples=(b"-_XE9zK9q8Ll1qylMtLKeg",)),
)
