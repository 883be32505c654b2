"""A credential as a folder of PEM files, the form in which other programs find it."""

import hashlib
from pathlib import Path

from cryptography import x509

from sztb.daemon.files import read_limited, write_atomic
from sztb.pki import certificates
from sztb.pki.keys import FileKey

from .anchors import ExplicitTrustAnchors
from .identity import Credential

KEY = "key.pem"  # PKCS#8, not encrypted, readable for the owner only
CERTIFICATE = "ldevid.pem"  # LDevID certificate first, then intermediate CAs
ANCHORS = "anchors.pem"
HELPERS = "helpers.pem"  # CA certificates that are no anchors
MAX_PEM = 262144


def folder_name(credential: Credential) -> str:
    """A name of its own for every content: a folder in use is never written to."""
    anchors = credential.anchors
    parts = (*credential.chain, *anchors.anchors, *anchors.intermediates)
    return hashlib.sha256(b"".join(map(certificates.fingerprint, parts))).hexdigest()[:16]


def write(folder: Path, credential: Credential) -> None:
    """Write a credential into a folder that is not in use yet."""
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomic(folder / KEY, credential.key.to_pem())
    write_atomic(folder / CERTIFICATE, _pem(credential.chain))
    write_atomic(folder / ANCHORS, _pem(credential.anchors.anchors))
    write_atomic(folder / HELPERS, _pem(credential.anchors.intermediates))


def read(folder: Path) -> Credential:
    """Read a credential.

    Raises:
        Malformed, OSError: a file is missing or damaged.
    """
    anchors = certificates.load_pem_chain(read_limited(folder / ANCHORS, MAX_PEM))
    helpers = read_limited(folder / HELPERS, MAX_PEM)
    return Credential(
        key=FileKey.from_pem(read_limited(folder / KEY, MAX_PEM)),
        chain=certificates.load_pem_chain(read_limited(folder / CERTIFICATE, MAX_PEM)),
        anchors=ExplicitTrustAnchors(
            anchors, certificates.load_pem_chain(helpers) if helpers else ()
        ),
    )


def _pem(chain: tuple[x509.Certificate, ...]) -> bytes:
    return b"".join(map(certificates.pem, chain))


def remove(folder: Path) -> None:
    """Remove a credential folder, whole or half written."""
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
