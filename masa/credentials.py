"""Certificates and keys in PEM files, read once at start or reload."""

from pathlib import Path
from typing import Protocol

from cryptography import x509

from sztb.daemon.files import read_limited
from sztb.errors import Malformed, SztbError
from sztb.pki import certificates
from sztb.pki.keys import FileKey, spki_der
from sztb.pki.profiles import Issuer

MAX_FILE = 262_144  # bytes


class KeyFiles(Protocol):
    """Settings that name a certificate and its key."""

    @property
    def certificate(self) -> Path:
        """PEM, end entity first."""
        ...

    @property
    def key(self) -> Path:
        """PEM, encrypted or not."""
        ...

    @property
    def key_password_file(self) -> Path | None:
        """File with the password of an encrypted key."""
        ...


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Read PEM certificates.

    Raises:
        Malformed: names the file that is not what it should be.
        OSError: it cannot be read.
    """
    try:
        return certificates.load_pem_chain(read_limited(path, MAX_FILE))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


def read_key(files: KeyFiles, certificate: x509.Certificate) -> FileKey:
    """Read a key that must be the certificate's.

    Raises:
        Malformed: names the file that is not what it should be.
        OSError: it cannot be read.
    """
    password = read_password(files.key_password_file)
    try:
        key = FileKey.from_pem(read_limited(files.key, MAX_FILE), password)
    except SztbError as error:
        raise Malformed(f"{files.key}: {error}") from error
    if spki_der(key.public_key) != certificates.spki(certificate):
        raise Malformed(f"{files.key}: not the key of {files.certificate}")
    return key


def read_password(path: Path | None) -> bytes | None:
    """Return the first line of a password file, None without a file."""
    if path is None:
        return None
    return read_limited(path, MAX_FILE).split(b"\n", 1)[0].rstrip(b"\r")


def read_issuer(files: KeyFiles) -> Issuer:
    """Read a CA with its key.

    Raises:
        Malformed: as above, or the certificate is not a CA's.
        OSError: a file cannot be read.
    """
    certificate = read_chain(files.certificate)[0]
    if not certificates.is_ca(certificate):
        raise Malformed(f"{files.certificate}: not a CA certificate")
    return Issuer(certificate, read_key(files, certificate))
