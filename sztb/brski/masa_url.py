"""Where a MASA is asked: from the IDevID's extension or an operator's override (cbrski.md 10).

Without a slash the text is only the authority, else a whole URI. The scheme is https in any case
(RFC 8995 2.3.2), and nothing that could send the request elsewhere than it seems is let through.
"""

import re
from typing import Final

from sztb.errors import Malformed

WELL_KNOWN: Final = "/.well-known/brski"
MAX_CHARACTERS: Final = 512

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})"
_AUTHORITY = re.compile(rf"(?:{_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(\d{{1,5}}))?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*", re.ASCII)
_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//", re.ASCII)


def request_voucher_url(location: str) -> str:
    """Return the URL to post a registrar voucher-request to.

    Args:
        location: authority or URI, from the IDevID or configured.

    Raises:
        Malformed: neither, or with user information, query, fragment or dot segments.
    """
    return f"{_base(location)}/requestvoucher"


def request_audit_log_url(location: str) -> str:
    """Return the URL to ask for the audit log at.

    Args:
        location: authority or URI, from the IDevID or configured.

    Raises:
        Malformed: as `request_voucher_url`.
    """
    return f"{_base(location)}/requestauditlog"


def _base(location: str) -> str:
    if len(location) > MAX_CHARACTERS:
        raise Malformed(f"MASA URL of {len(location)} characters")
    if "/" not in location:
        return f"https://{_check_authority(location)}{WELL_KNOWN}"
    rest = _SCHEME.sub("", location, count=1) if _SCHEME.match(location) else location
    authority, slash, path = rest.partition("/")
    path = _check_path(slash + path).rstrip("/")
    return f"https://{_check_authority(authority)}{path or WELL_KNOWN}"


def _check_authority(authority: str) -> str:
    found = _AUTHORITY.fullmatch(authority)
    if not found or not 0 < int(found[1] or 443) < 65536:
        raise Malformed("MASA URL: not an authority")
    return authority


def _check_path(path: str) -> str:
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise Malformed("MASA URL: not a plain path")
    return path
