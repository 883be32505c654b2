"""The vector files of tests/vectors/cbrski and the keys that belong to them."""

import base64
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sztb.pki.keys import FileKey

ROOT = Path(__file__).parent.parent / "vectors" / "cbrski"
FROZEN = datetime(2024, 6, 1, 12, 0, 10, tzinfo=UTC)  # for cose/ and made/
MANIFEST: list[dict[str, Any]] = json.loads((ROOT / "manifest.json").read_text())["vectors"]


def read(name: str) -> bytes:
    """Return the artifact in a file: `.hex` and `.b64` decoded, anything else as it is."""
    raw = (ROOT / name).read_bytes()
    if name.endswith(".hex"):
        return bytes.fromhex(raw.decode())
    if name.endswith(".b64"):
        return base64.b64decode(raw)
    return raw


@cache
def signer(name: str) -> FileKey:
    """Return the private key in a PEM file."""
    return FileKey.from_pem(read(name))


@cache
def certificate(name: str) -> x509.Certificate:
    """Return the certificate in a DER file, or in a PEM file with text around it."""
    raw = read(name)
    if name.endswith(".der"):
        return x509.load_der_x509_certificate(raw)
    return x509.load_pem_x509_certificate(raw[raw.index(b"-----BEGIN") :])


def public_key(name: str) -> Any:
    """Return the public key of a private key file or of a certificate file."""
    if b"PRIVATE KEY" in read(name):
        return serialization.load_pem_private_key(read(name), None).public_key()
    return certificate(name).public_key()


PLEDGE = "cose/keys/privkey_pledge.pem"
REGISTRAR = "cose/keys/privkey_registrar.pem"
MASA = "cose/keys/privkey_masa_ca.pem"
