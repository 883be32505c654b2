"""The committed certificates are those of the script."""

import importlib.util
import sys
from pathlib import Path

from tests.wire.pki.made import MANIFEST, ROOT

SCRIPT = Path(__file__).parents[3] / "scripts" / "make_test_pki.py"


def test_script_makes_the_same_bytes_again() -> None:
    spec = importlib.util.spec_from_file_location("make_test_pki", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    made = script.files()
    assert made == {name: (ROOT / name).read_bytes() for name in made}


def test_every_file_is_in_the_manifest() -> None:
    listed = {row["file"] for row in MANIFEST["cases"]}
    present = {path.name for path in ROOT.iterdir()}
    assert present - listed == {"README.md", "anchor.pem", "manifest.json"}
