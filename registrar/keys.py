"""Reading certificates and keys from the files that the configuration names."""

from pathlib import Path

from cryptography import x509

from sztb.daemon.files import read_limited
from sztb.errors import Malformed
from sztb.pki import certificates
from sztb.pki.keys import FileKey

MAX_FILE = 1 << 18  # bytes


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file in their order.

    Raises:
        Malformed: none, or one that cannot be read; the text names the file.
        OSError: the file cannot be read.
    """
    try:
        return certificates.load_pem_chain(read_limited(path, MAX_FILE))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


def read_key(path: Path, password_file: Path | None) -> FileKey:
    """Return a private key of a PEM file.

    Raises: as `read_chain`.
    """
    password = read_password(password_file)
    try:
        return FileKey.from_pem(read_limited(path, MAX_FILE), password)
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from error


def read_password(path: Path | None) -> bytes | None:
    """Return the first line of a file, None without a file."""
    return None if path is None else read_limited(path, MAX_FILE).split(b"\n", 1)[0]
