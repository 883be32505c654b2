"""A network namespace with one link, for tests that need real link-local addresses.

Run as root or, where the kernel lets them, as any user (a user namespace then gives root inside).
"""

import shutil
import subprocess
import sys
from pathlib import Path

from world.links import namespace_command


def why_not() -> str:
    """Say in one line why namespaces cannot be used here; empty when they can."""
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None and not Path("/usr/sbin", tool).exists():
            return f"needs the command {tool}"
    tried = subprocess.run(
        [*namespace_command(), "true"], capture_output=True, text=True, check=False
    )
    return "" if tried.returncode == 0 else f"no namespace with a link: {tried.stderr.strip()}"


def run(script: Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a Python script inside; sztb0 and sztb1 are the two ends of its only link."""
    return subprocess.run(
        [*namespace_command(), sys.executable, str(script), *arguments],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
