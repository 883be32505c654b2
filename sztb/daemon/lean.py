"""What programs for small devices go without; called before anything else is imported."""

import sys

# asyncio does without `ssl`, hashlib and hmac do without `_hashlib`, as on interpreters that were
# built without OpenSSL: our TLS is GnuTLS, and cryptography brings what it needs. structlog colours
# tracebacks by `rich` where that is installed.
UNUSED = ("ssl", "_hashlib", "rich")


def go_lean() -> None:
    """Keep the interpreter from loading what a small device never uses: 10 MB of memory.

    Modules that have been imported already stay.
    """
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: an import fails
