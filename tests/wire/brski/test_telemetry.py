"""Status telemetry in CBOR and JSON."""

import json

import pytest

from sztb.brski import telemetry
from sztb.brski.telemetry import EnrollStatus, VoucherStatus
from sztb.codepoints import media
from sztb.encoding import cbor
from sztb.errors import Malformed, Refusal, Refused
from tests.wire.vectors import read


@pytest.mark.rule("X-15", "P-28")
def test_minimal_success_is_the_published_bytes() -> None:
    minimal = bytes.fromhex("A2 6776657273696F6E 01 66737461747573 F5")
    assert telemetry.encode_cbor(VoucherStatus(status=True)) == minimal
    assert minimal == read("made/vs-success.hex")
    assert telemetry.decode(media.CBOR, minimal, VoucherStatus) == VoucherStatus(status=True)


@pytest.mark.rule("X-15", "P-29")
def test_failure_with_context() -> None:
    status = telemetry.decode(media.CBOR, read("cose/telemetry-voucher_status.hex"), VoucherStatus)
    assert status == VoucherStatus(
        status=False,
        reason="Informative human-readable error message",
        reason_context={0: "Additional information"},  # integer keys are allowed inside
    )


@pytest.mark.rule("X-15", "P-50")
@pytest.mark.parametrize(
    ("name", "success"),
    [("rfc8995/example-telemetry.json", False), ("rfc8995/example-enrollstatus.json", True)],
)
def test_published_json(name: str, *, success: bool) -> None:
    status = telemetry.decode(media.JSON, read(name), EnrollStatus)
    assert status == EnrollStatus(
        status=success,
        reason="Informative human readable message",
        reason_context={"additional": "JSON"},
    )
    assert json.loads(telemetry.encode_json(status)) == json.loads(read(name))


@pytest.mark.rule("X-15", "R-57")
def test_later_versions_and_unknown_keys_are_handed_up() -> None:
    raw = cbor.encode({"version": 2, "status": True, "Reason": "x", "more": [1]})
    status = telemetry.decode(media.CBOR, raw, VoucherStatus)
    assert status == VoucherStatus(status=True, version=2, unknown=("Reason", "more"))


BAD = {
    "no version": {"status": True},
    "no status": {"version": 1},
    "version 0": {"version": 0, "status": True},
    "version is text": {"version": "1", "status": True},
    "version is a boolean": {"version": True, "status": True},
    "status is a number": {"version": 1, "status": 1},
    "status is null": {"version": 1, "status": None},
    "upper-case keys": {"Version": 1, "Status": True},  # D18
    "reason is a number": {"version": 1, "status": False, "reason": 7},
    "context is text": {"version": 1, "status": False, "reason-context": "x"},
    "array": [1, True],
}


@pytest.mark.rule("X-15")
@pytest.mark.parametrize("document", BAD.values(), ids=BAD.keys())
def test_refuses(document: object) -> None:
    with pytest.raises(Malformed):
        telemetry.decode(media.CBOR, cbor.encode(document), VoucherStatus)
    with pytest.raises(Malformed):
        telemetry.decode(media.JSON, json.dumps(document).encode(), VoucherStatus)


def test_refuses_integer_keys_at_the_top() -> None:
    raw = cbor.encode({"version": 1, "status": True, 0: "x"})
    with pytest.raises(Malformed):
        telemetry.decode(media.CBOR, raw, VoucherStatus)


def test_size_is_bounded() -> None:
    raw = telemetry.encode_cbor(VoucherStatus(status=False, reason="x" * 4096))
    with pytest.raises(Malformed, match="at most"):
        telemetry.decode(media.CBOR, raw, VoucherStatus)


def test_other_media_types_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        telemetry.decode(media.VOUCHER_COSE, read("made/vs-success.hex"), VoucherStatus)
    assert caught.value.refusal is Refusal.CONTENT_FORMAT
