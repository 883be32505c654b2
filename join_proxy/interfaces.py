"""Which of the chosen interfaces have a usable link-local address now (Linux)."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

_IF_INET6 = Path("/proc/net/if_inet6")
_LINK_SCOPE = 0x20  # column 4
_NOT_READY = 0x40 | 0x08  # column 5: tentative, duplicate address found (linux/if_addr.h)


@dataclass(frozen=True, slots=True)
class JoinInterface:
    """An interface on which strangers may join.

    Attributes:
        ifindex: its number now; a re-created interface gets another one.
        name: its name.
        address: its link-local address.
    """

    ifindex: int
    name: str
    address: str


def usable(names: Iterable[str], table: str | None = None) -> set[JoinInterface]:
    """Return the interfaces of `names` that can be served now.

    Args:
        names: interface names of the configuration.
        table: content of ``/proc/net/if_inet6``; read when None.
    """
    wanted = set(names)
    if table is None:
        table = _IF_INET6.read_text() if _IF_INET6.exists() else ""
    found: dict[str, JoinInterface] = {}
    for line in table.splitlines():
        address, ifindex, _, scope, flags, name = line.split()
        if name not in wanted or int(scope, 16) != _LINK_SCOPE or int(flags, 16) & _NOT_READY:
            continue
        text = str(IPv6Address(bytes.fromhex(address)))
        found.setdefault(name, JoinInterface(int(ifindex, 16), name, text))
    return set(found.values())


def missing(names: Iterable[str]) -> list[str]:
    """Return the names that no interface of this machine has at all."""
    present = {name for _, name in socket.if_nameindex()}
    return [name for name in names if name not in present]
