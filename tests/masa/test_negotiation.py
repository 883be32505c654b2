"""Content-Type and Accept (D6, D30)."""

import pytest

from masa.negotiation import answer_format, request_format
from sztb.codepoints.media import VOUCHER_COSE
from sztb.errors import Refusal, Refused

NAME = "application/voucher+cose"


@pytest.mark.rule("M-02")
@pytest.mark.parametrize(
    "content_type",
    [NAME, "Application/Voucher+COSE", f"{NAME}; a=b", "application/voucher-cose+cbor"],
)
def test_reads(content_type):
    assert request_format(content_type) is VOUCHER_COSE


@pytest.mark.rule("M-38", "M-28")
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/json", "application/voucher-cms+json", f"x{NAME}"],
)
def test_refuses_other_formats(content_type):
    with pytest.raises(Refused) as refused:
        request_format(content_type)
    assert refused.value.refusal is Refusal.CONTENT_FORMAT


@pytest.mark.parametrize(
    "accept",
    [None, "", "*/*", "application/*;q=0.1", NAME, f"text/plain, {NAME};q=0.5",
     "application/voucher-cose+cbor"],
)  # fmt: skip
def test_answers_in_the_format_of_the_request(accept):
    assert answer_format(VOUCHER_COSE, accept) is VOUCHER_COSE


@pytest.mark.rule("M-28")
@pytest.mark.parametrize(
    "accept", ["application/voucher-cms+json", "text/*", f"{NAME};q=0", f"{NAME};q=0.000", ",", ";"]
)
def test_refuses_to_answer_in_another(accept):
    with pytest.raises(Refused) as refused:
        answer_format(VOUCHER_COSE, accept)
    assert refused.value.refusal is Refusal.ACCEPT
