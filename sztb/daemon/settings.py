"""TOML configuration into msgspec structs; errors name the line and the nearest known key.

Every settings struct sets ``forbid_unknown_fields=True`` and describes each field with
``Annotated[..., msgspec.Meta(description=...)]``; docs/configuration.md is made from that.
Relative `Path` values are taken from the folder of the configuration file.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sztb.errors import SztbError

T = TypeVar("T", bound=msgspec.Struct)

MAX_BYTES = 1 << 20
_AT_PATH = re.compile(r" - at `\$\.?([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_TOML_LINE = re.compile(r"line (\d+)")


class SettingsError(SztbError):
    """The configuration cannot be used; the text says where and what to do.

    Attributes:
        path: the file.
        line: the line that is wrong (from 1), None when the whole file is.
    """

    def __init__(self, path: Path, line: int | None, message: str, hint: str = "") -> None:
        self.path, self.line, self.hint = path, line, hint
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {message}" + (f" ({hint})" if hint else ""))


def load(path: Path, kind: type[T]) -> T:
    """Read and validate a configuration file.

    Raises:
        SettingsError: unreadable, not TOML, unknown key, wrong type or value.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        raise SettingsError(path, int(found[1]) if found else None, str(error)) from error
    base = path.resolve().parent

    def hook(wanted: type, value: Any) -> Any:  # noqa: ANN401  # msgspec's signature
        if wanted is Path and isinstance(value, str):
            return base / value
        raise NotImplementedError(f"no conversion to {wanted}")

    try:
        return msgspec.convert(document, kind, dec_hook=hook)
    except msgspec.ValidationError as error:
        raise _explain(path, text, kind, str(error)) from error


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise SettingsError(path, None, f"larger than {MAX_BYTES} bytes")
        return data.decode()
    except FileNotFoundError as error:
        raise SettingsError(
            path, None, "no such file", "make one with the 'init' command or name it with --config"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(path, None, str(error)) from error


def _explain(path: Path, text: str, kind: type, message: str) -> SettingsError:
    found = _AT_PATH.search(message)
    keys = _keys(found[1]) if found else []
    plain = _AT_PATH.sub("", message)
    unknown = _UNKNOWN.search(plain)
    if not unknown:
        where = ".".join(keys)
        return SettingsError(path, find_line(text, keys), f"{where}: {plain}" if where else plain)
    keys = [*keys, unknown[1]]
    near = difflib.get_close_matches(unknown[1], _known_names(kind), n=1)
    hint = f"did you mean '{near[0]}'?" if near else "see docs/configuration.md"
    return SettingsError(path, find_line(text, keys), f"unknown key '{'.'.join(keys)}'", hint)


def _keys(path: str) -> list[str]:
    return [key for key in re.split(r"[.\[\]]+", path) if key and key != "..."]


def _known_names(kind: Any) -> list[str]:  # noqa: ANN401  # walks arbitrary annotations
    """All field names of a struct and of the structs inside it."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        inner = getattr(kind, "__args__", ())
        return [name for part in inner for name in _known_names(part)]
    names: list[str] = []
    for field in msgspec.structs.fields(kind):
        names += [field.encode_name, *_known_names(field.type)]
    return names


def find_line(text: str, keys: list[str]) -> int | None:
    """Return the line (from 1) on which the last of `keys` is set, None when it is not found."""
    if not keys:
        return None
    names = [key for key in keys if not key.isdigit()]
    section: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            section = [part.strip(" \"'") for part in header[1].split(".")]
            if section == names:
                return number
        assigned = re.match(r"\s*([A-Za-z0-9_\-.\"']+)\s*=", line)
        if assigned:
            parts = [part.strip(" \"'") for part in assigned[1].split(".")]
            if section + parts == names:
                return number
    return find_line(text, keys[:-1])
