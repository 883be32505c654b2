"""A link for strangers: a private network namespace where possible, else an interface we have."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from join_proxy.interfaces import usable

from .processes import WorldError

INSIDE = "SZTB_WORLD_NAMESPACE"
SET_UP = """
set -e
PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
# Names resolve only for address families that are configured beyond loopback.
ip address add 192.0.2.1/32 dev lo
ip address add 2001:db8::1/128 dev lo nodad
ip link add sztb0 type veth peer name sztb1
for name in sztb0 sztb1; do
    echo 0 > /proc/sys/net/ipv6/conf/$name/accept_dad
    ip link set $name up
done
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Link:
    """Two interface names: of the join proxy and of the devices (equal on a real interface)."""

    proxy: str
    devices: str


def namespace_command() -> list[str]:
    """The beginning of a command whose rest runs in a fresh namespace with sztb0 and sztb1.

    For root, or for any user where the kernel lets users make namespaces.
    """
    enter = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
    return [*enter, "sh", "-c", SET_UP, "sh"]


def enter_namespace() -> None:
    """Run this very command again inside a namespace with a private link, if that is possible."""
    if os.environ.get(INSIDE) or shutil.which("unshare") is None:
        return
    shell = namespace_command()
    if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp(shell[0], [*shell, sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def find_link() -> Link:
    """Return the link to use.

    Raises:
        WorldError: there is none.
    """
    if os.environ.get(INSIDE):
        return Link("sztb0", "sztb1")
    import socket  # noqa: PLC0415  # only without a namespace

    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    found = sorted(usable(names), key=lambda interface: interface.ifindex)
    if not found:
        raise WorldError(
            "no interface with a link-local IPv6 address, and no right to make one: run as root,"
            " or use --via direct"
        )
    return Link(found[0].name, found[0].name)
