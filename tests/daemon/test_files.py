"""Files are written whole or not at all."""

import pytest

from sztb.daemon.files import read_limited, write_atomic, write_new
from sztb.errors import Malformed, Misuse


def test_replaces_with_the_wanted_mode(tmp_path):
    path = tmp_path / "state"
    write_atomic(path, b"old")
    write_atomic(path, b"new", mode=0o644)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "state"
    write_atomic(path, b"old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_read_limited(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(Malformed, match="larger than 4"):
        read_limited(path, 4)


def test_new_files_never_replace_one_that_is_there(tmp_path):
    folder = tmp_path / "new"
    files = {"key": (b"secret", 0o600), "certificate": (b"public", 0o644)}
    assert write_new(folder, files) == [folder / "key", folder / "certificate"]
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Misuse, match="key: exists already"):
        write_new(folder, {"other": (b"x", 0o600), **files})
    assert not (folder / "other").exists()
