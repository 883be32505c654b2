"""The certificates that scripts/make_test_pki.py makes."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sztb.pki.certificates import load_pem_chain

ROOT = Path(__file__).parents[2] / "vectors" / "pki"
MANIFEST: dict[str, Any] = json.loads((ROOT / "manifest.json").read_text())
NOW = datetime.fromisoformat(MANIFEST["now"])


def cases(kind: str) -> list[Any]:
    """Return the manifest's cases of one kind as parameters (file, expected result)."""
    found = [row for row in MANIFEST["cases"] if row["kind"] == kind]
    assert found, kind
    return [pytest.param(row["file"], row["expect"], id=row["file"]) for row in found]


def chain(name: str) -> tuple[x509.Certificate, ...]:
    return load_pem_chain((ROOT / name).read_bytes())


[ANCHOR] = chain("anchor.pem")
