"""The vector files of tests/vectors/est and their manifest."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sztb.pki import certificates
from sztb.pki.keys import FileKey

ROOT = Path(__file__).parents[2] / "vectors" / "est"
FROZEN = datetime(2024, 6, 1, 12, 30, tzinfo=UTC)  # for made/
MANIFEST: list[dict[str, Any]] = json.loads((ROOT / "manifest.json").read_text())["vectors"]
DOMAIN_CA = "../cbrski/cose/certs/domain_ca.der"
PLEDGE = "../cbrski/cose/certs/pledge.der"


def rows(kind: str, under: str = "") -> list[Any]:
    """Return the manifest's rows of one kind, with the file as test id."""
    found = [row for row in MANIFEST if row["kind"] == kind and row["file"].startswith(under)]
    assert found, kind
    return [pytest.param(row, id=row["file"]) for row in found]


def read(name: str) -> bytes:
    """Return the artifact in a file: `.hex` decoded, anything else as it is."""
    raw = (ROOT / name).read_bytes()
    return bytes.fromhex(raw.decode()) if name.endswith(".hex") else raw


@cache
def certificate(name: str) -> x509.Certificate:
    return certificates.load(read(name))


@cache
def key(name: str) -> FileKey:
    return FileKey.from_pem(read(name))
