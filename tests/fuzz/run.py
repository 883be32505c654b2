"""Any input decodes, or raises Malformed or Refused: `python -m tests.fuzz.run TARGET` (atheris).

Further arguments go to libFuzzer. An input that breaks the invariant becomes a vector.
"""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris  # type: ignore[import-not-found]

from tests.fuzz.targets import TARGETS, Target


def main() -> None:
    """Fuzz the named target, starting from its corpus."""
    by_name = {target.name: target for target in TARGETS}
    if len(sys.argv) < 2 or sys.argv[1] not in by_name:
        sys.exit(f"usage: python -m tests.fuzz.run {{{','.join(by_name)}}} [libFuzzer options]")
    target = by_name[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as seeds:
        for number, raw in enumerate(target.corpus()):
            (Path(seeds) / str(number)).write_bytes(raw)
        atheris.instrument_all()
        atheris.Setup([*sys.argv, seeds], _once(target))
        atheris.Fuzz()


def _once(target: Target) -> object:
    from sztb.errors import Malformed, Refused

    def once(raw: bytes) -> None:
        with suppress(Malformed, Refused):
            target.decode(raw)

    return once


if __name__ == "__main__":
    main()
