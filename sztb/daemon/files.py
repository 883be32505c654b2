"""Files that survive power loss: written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path

from sztb.errors import Malformed, Misuse


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data` so that after a crash the old or the new content is there.

    Temporary file beside it, fsync, rename, fsync of the folder.

    Raises:
        OSError: the disk is full or the folder is not writable; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_new(folder: Path, files: Mapping[str, tuple[bytes, int]]) -> list[Path]:
    """Write files, none of which may exist yet, into a folder that is made if need be.

    Args:
        folder: gets mode 0700 when it is made.
        files: name -> content and mode, written in this order.

    Returns:
        Their paths.

    Raises:
        Misuse: one of them is there already; nothing is written.
        OSError: the folder cannot be written.
    """
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise Misuse(f"{folder / there[0]}: exists already, and nothing is overwritten")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, (data, mode) in files.items():
        write_atomic(folder / name, data, mode)
    return [folder / name for name in files]


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file that must not be larger than `max_bytes`.

    Raises:
        Malformed: the file is larger.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise Malformed(f"{path}: larger than {max_bytes} bytes")
    return data
