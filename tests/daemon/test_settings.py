"""Configuration errors name the line and what to do."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from sztb.daemon.settings import SettingsError, find_line, load


class Listen(msgspec.Struct, forbid_unknown_fields=True):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="UDP port")] = 5684


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    database: Path
    listen: Listen = msgspec.field(default_factory=Listen)


def write(tmp_path, text):
    path = tmp_path / "role.toml"
    path.write_text(text)
    return path


def test_relative_paths_start_at_the_file(tmp_path):
    settings = load(write(tmp_path, 'database = "x.db"\n[listen]\nport = 7\n'), Settings)
    assert settings.database == tmp_path / "x.db"
    assert settings.listen.port == 7


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param('database = "x"\n\n[listen]\nprot = 1\n', 4, "did you mean 'port'", id="typo"),
        pytest.param('database = "x"\n[listen]\nport = 0\n', 3, "listen.port", id="range"),
        pytest.param('database = "x"\nlisten = 3\n', 2, "listen", id="type"),
        pytest.param("database = \n", 1, "line 1", id="not TOML"),
        pytest.param("[listen]\n", None, "database", id="missing"),
        pytest.param('database = "x"\nzzz = 1\n', 2, "docs/configuration.md", id="unknown"),
        pytest.param("# " + "x" * (1 << 20), None, "larger", id="huge"),
    ],
)
def test_errors_name_the_line(tmp_path, text, line, words):
    with pytest.raises(SettingsError, match=words) as caught:
        load(write(tmp_path, text), Settings)
    assert caught.value.line == line


def test_unreadable_files(tmp_path):
    with pytest.raises(SettingsError, match="init"):
        load(tmp_path / "none.toml", Settings)
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="utf-8"):
        load(tmp_path / "bad.toml", Settings)


def test_find_line_falls_back_to_the_section():
    assert find_line("[a]\n[a.b]\nc = 1\n", ["a", "b", "missing"]) == 2
    assert find_line("x = 1\n", ["y"]) is None
