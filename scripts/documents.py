"""Write the documents that are made from the code, or check that they are up to date.

    python scripts/documents.py [--check]

docs/conformance.md     requirement numbers -> where they are enforced -> tests
docs/configuration.md   every configuration key, from the settings types
docs/wire-index.md      where each rule of the standards is read in the code

and sztb/transport/tls/_gnutls_abi.py, the GnuTLS declarations in cffi's form.
"""

import contextlib
import io
import re
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

import cffi
import msgspec
import pytest

from sztb.transport.tls.gnutls_h import DECLARATIONS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sztb", "pledge", "join_proxy", "registrar", "masa")
FAMILIES = {
    "X": "codec, all roles",
    "P": "pledge",
    "R": "registrar",
    "M": "MASA",
    "E": "EST",
    "J": "join proxy",
    "D": "discovery",
}
NUMBER = re.compile(r"\b([XPRMEJD]-\d\d)\b")
SETTINGS = {
    "sztb-pledge": "pledge.settings",
    "sztb-join-proxy": "join_proxy.settings",
    "sztb-registrar": "registrar.settings",
    "sztb-masa": "masa.settings",
}


class Markers:
    """A pytest plug-in that notes which test carries which requirement number."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the `rule` markers of everything collected."""
        for item in items:
            path = item.path.relative_to(ROOT).as_posix()
            name = getattr(item, "originalname", None) or item.name
            for marker in item.iter_markers("rule"):
                for number in marker.args:
                    self.tests[number].add(f"{path}::{name}")


def collect_markers() -> dict[str, set[str]]:
    """Let pytest collect all tests of the checkout and return number -> tests."""
    plugin = Markers()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = pytest.main(
            ["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")],
            plugins=[plugin],
        )
    if code != 0:
        sys.exit(f"{output.getvalue()[-2000:]}\nerror: the tests cannot be collected")
    return plugin.tests


def places_in_code() -> dict[str, set[str]]:
    """Return number -> modules whose comments or docstrings name it."""
    places: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for number in NUMBER.findall(path.read_text()):
                places[number].add(path.relative_to(ROOT).as_posix())
    return places


def requirements() -> dict[str, dict[str, str]]:
    """Read the list of requirements."""
    return tomllib.loads((ROOT / "tests/conformance/requirements.toml").read_text())


def short(places: set[str], limit: int = 4) -> str:
    """Join the first few places; say how many more there are."""
    shown = [f"`{place}`" for place in sorted(places)[:limit]]
    more = len(places) - limit
    return "<br>".join(shown) + (f"<br>and {more} more" if more > 0 else "")


def conformance() -> str:
    """Make docs/conformance.md."""
    rules, tests, code = requirements(), collect_markers(), places_in_code()
    unknown = sorted(set(tests) - set(rules))
    if unknown:
        sys.exit(f"error: tests are marked with numbers that do not exist: {', '.join(unknown)}")
    lines = [
        "# Conformance",
        "",
        "Requirement numbers of the standards' digests, where the code enforces them, and their",
        "tests. Made by `scripts/documents.py` from the tests' `rule` markers; do not edit.",
        "",
    ]
    for letter, title in FAMILIES.items():
        own = {number: row for number, row in rules.items() if number.startswith(letter)}
        covered = [number for number in own if tests.get(number)]
        lines += [
            f"## {letter}: {title}",
            "",
            f"{len(covered)} of {len(own)} have tests.",
            "",
            "| # | level | requirement | in the code | tests |",
            "|---|---|---|---|---|",
        ]
        for number, row in own.items():
            cell = short(tests[number]) if tests.get(number) else f"none: {row.get('reason', '?')}"
            text = f"{row['text']} ({row['source']})".replace("|", "\\|")
            places = short(code.get(number, set()))
            lines.append(f"| {number} | {row['level']} | {text} | {places} | {cell} |")
        lines.append("")
    missing = [n for n, row in rules.items() if not tests.get(n) and not row.get("reason")]
    if missing:
        print(f"numbers without a test and without a reason: {', '.join(missing)}", file=sys.stderr)
        sys.exit(1)
    stale = [n for n, row in rules.items() if tests.get(n) and row.get("reason")]
    if stale:
        sys.exit(f"error: have a test, so need no reason any more: {', '.join(stale)}")
    return "\n".join(lines)


CITATION = re.compile(r"#.*?\b(RFC \d{4,5}) (\d+(?:\.\d+)*)")


def standard_order(row: tuple[tuple[str, tuple[int, ...]], set[str]]) -> tuple[Any, ...]:
    """Sort by RFC number, then by section."""
    (rfc, section), _ = row
    return int(rfc.removeprefix("RFC ")), section


def wire_index() -> str:
    """Make docs/wire-index.md: RFC section -> modules whose comments cite it."""
    cited: dict[tuple[str, tuple[int, ...]], set[str]] = defaultdict(set)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for rfc, section in CITATION.findall(path.read_text()):
                key = (rfc, tuple(int(part) for part in section.split(".")))
                cited[key].add(path.relative_to(ROOT).as_posix())
    lines = [
        "# Wire index",
        "",
        "Which module to open for a section of a standard. Made by `scripts/documents.py` from the",
        "citations in comments; requirement numbers are in [conformance.md](conformance.md).",
        "",
        "| standard | section | module |",
        "|---|---|---|",
    ]
    for (rfc, section), places in sorted(
        cited.items(), key=lambda row: (int(row[0][0][4:]), row[0][1])
    ):
        lines.append(f"| {rfc} | {'.'.join(map(str, section))} | {short(places, 6)} |")
    return "\n".join([*lines, ""])


WORDS = {
    "StrType": "text",
    "IntType": "integer",
    "FloatType": "number",
    "BoolType": "true or false",
}
MANY = {"ListType", "VarTupleType", "SetType", "FrozenSetType"}


def describe_type(info: Any) -> str:  # noqa: ANN401  # msgspec's type descriptions
    """Spell a msgspec type description in plain words."""
    name = type(info).__name__
    match name:
        case "LiteralType":
            text = " or ".join(f"`{value}`" for value in info.values)
        case "UnionType":
            text = " or ".join(map(describe_type, without_none(info.types)))
        case "DictType":
            text = f"table of {describe_type(info.value_type)}"
        case "CustomType" | "StructType":
            text = info.cls.__name__.lower()
        case "Metadata":
            text = describe_type(info.type)
        case _ if name in MANY:
            text = f"list of {describe_type(info.item_type)}"
        case _:
            text = WORDS.get(name, name) + limits(info)
    return text


def without_none(types: Any) -> list[Any]:  # noqa: ANN401  # msgspec's type descriptions
    """Leave out None: that a key may be missing is seen by its default."""
    return [part for part in types if type(part).__name__ != "NoneType"]


def limits(info: Any) -> str:  # noqa: ANN401  # msgspec's type descriptions
    """Spell the range of a number."""
    low = info.ge if getattr(info, "ge", None) is not None else getattr(info, "gt", None)
    high = info.le if getattr(info, "le", None) is not None else getattr(info, "lt", None)
    if low is None and high is None:
        return ""
    return f", {'' if low is None else low}..{'' if high is None else high}"


def description(info: Any) -> str:  # noqa: ANN401  # msgspec's type descriptions
    """Find the description that `Meta` carries."""
    extra = getattr(info, "extra_json_schema", None) or {}
    return str(extra.get("description", ""))


def struct_rows(kind: type, prefix: str = "") -> list[str]:
    """One table row per key of a settings struct, sub-tables included."""
    rows: list[str] = []
    info = msgspec.inspect.type_info(kind)
    for field in info.fields:
        name = f"{prefix}{field.encode_name}"
        inner = field.type.type if type(field.type).__name__ == "Metadata" else field.type
        if type(inner).__name__ == "StructType":
            rows += struct_rows(inner.cls, f"{name}.")
            continue
        rows.append(
            f"| `{name}` | {describe_type(field.type)} | {default_of(field)}"
            f" | {description(field.type)} |"
        )
        element = getattr(inner, "item_type", None)
        if type(element).__name__ == "StructType":
            rows += struct_rows(element.cls, f"{name}[].")
    return rows


def default_of(field: Any) -> str:  # noqa: ANN401  # msgspec's field
    """Spell the default of a field."""
    if field.required:
        return "required"
    has_value = field.default is not msgspec.NODEFAULT
    value = field.default if has_value else field.default_factory()
    if value is None or value in ("", [], ()):
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{value if not isinstance(value, bool) else str(value).lower()}`"


def configuration() -> str:
    """Make docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Every program reads one TOML file (`--config`, by default `/etc/sztb/<role>.toml`);",
        "`init` writes a commented one, `check` validates it. Relative paths start at the folder",
        "of the file. Unknown keys are errors. Made by `scripts/documents.py`; do not edit.",
        "",
    ]
    for program, module in SETTINGS.items():
        settings = __import__(module, fromlist=["Settings"]).Settings
        lines += [f"## {program}", "", "| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [*struct_rows(settings), ""]
    return "\n".join(lines)


def gnutls_abi() -> str:
    """Make sztb/transport/tls/_gnutls_abi.py, cffi's own form of the declarations."""
    ffi = cffi.FFI()
    ffi.set_source("sztb.transport.tls._gnutls_abi", None)
    ffi.cdef(DECLARATIONS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "abi.py"
        with contextlib.redirect_stdout(io.StringIO()):  # it tells what it writes
            ffi.emit_python_code(str(path))
        return path.read_text()


DOCUMENTS = {
    "sztb/transport/tls/_gnutls_abi.py": gnutls_abi,
    "docs/conformance.md": conformance,
    "docs/configuration.md": configuration,
    "docs/wire-index.md": wire_index,
}


def main() -> int:
    """Write or check all documents."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in DOCUMENTS.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(text)
            print(f"wrote {name}")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python scripts/documents.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
