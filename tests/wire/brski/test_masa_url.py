"""MASA URLs (cbrski.md 10)."""

from collections.abc import Callable

import pytest

from sztb.brski.masa_url import request_audit_log_url, request_voucher_url
from sztb.errors import Malformed
from sztb.pki import idevid
from tests.wire.vectors import certificate

BASES = {
    "masa.stok.nl": "https://masa.stok.nl/.well-known/brski",
    "highway-test.example.com:9443": "https://highway-test.example.com:9443/.well-known/brski",
    "192.0.2.1": "https://192.0.2.1/.well-known/brski",
    "[2001:db8::1]:8443": "https://[2001:db8::1]:8443/.well-known/brski",
    "https://masa.example.com/other/brski": "https://masa.example.com/other/brski",
    "https://masa.example.com:9443/other": "https://masa.example.com:9443/other",
    "https://masa.example.com/other/": "https://masa.example.com/other",
    "https://masa.example.com/": "https://masa.example.com/.well-known/brski",
    "https://masa.example.com": "https://masa.example.com/.well-known/brski",
    "HTTPS://masa.example.com/a": "https://masa.example.com/a",
    "http://masa.example.com/a": "https://masa.example.com/a",
    "coaps://masa.example.com/a": "https://masa.example.com/a",
    "//masa.example.com/a": "https://masa.example.com/a",
    "masa.example.com/a": "https://masa.example.com/a",
    "masa.example.com:1/a%20b": "https://masa.example.com:1/a%20b",
}


@pytest.mark.rule("R-27")
@pytest.mark.parametrize(("location", "base"), BASES.items())
def test_builds_both_urls(location: str, base: str) -> None:
    assert request_voucher_url(location) == f"{base}/requestvoucher"
    assert request_audit_log_url(location) == f"{base}/requestauditlog"


@pytest.mark.rule("R-27")
def test_of_a_published_idevid() -> None:
    location = idevid.masa_url(certificate("cose/certs/pledge.der"))
    assert location is not None
    assert request_voucher_url(location) == "https://masa.stok.nl/.well-known/brski/requestvoucher"


BAD = [
    "",
    " ",
    "/",
    "///a",
    "https://",
    "https:///a",
    "user@masa.example.com",
    "https://user:pw@masa.example.com/a",
    "https://masa.example.com@evil.example/a",
    "masa.example.com:",
    "masa.example.com:0",
    "masa.example.com:65536",
    "masa.example.com:http",
    "masa.example.com:\u0664\u0664\u0663",
    "masa example.com",
    "masa.example.com\r\nHost: evil",
    "masa.example.com\n",
    "https://masa.example.com/a?b",
    "https://masa.example.com/a#b",
    "https://masa.example.com?b=/",
    "https://masa.example.com/../x",
    "https://masa.example.com/./x",
    "https://masa.example.com/a b",
    "https://masa.example.com/a\\b",
    "https:\\\\masa.example.com/a",
    "mása.example.com",
    "[2001:db8::1",
    "2001:db8::1",
    "-masa.example.com",
    "a" * 513,
]


@pytest.mark.rule("R-27")
@pytest.mark.parametrize("location", BAD, ids=lambda text: repr(text[:40]))
@pytest.mark.parametrize("build", [request_voucher_url, request_audit_log_url])
def test_refuses(build: Callable[[str], str], location: str) -> None:
    with pytest.raises(Malformed):
        build(location)
