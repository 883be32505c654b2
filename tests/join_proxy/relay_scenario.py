"""Runs inside a namespace: a real sztb-join-proxy between a pledge and an echoing registrar.

Prints one JSON object with what was seen; test_relay.py judges it.
"""

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from sztb.discovery.coap_links import join_ports, make_query, parse_answer

GROUP = "ff02::fd"


def udp(address="::", port=0, ifindex=0):
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((address, port, 0, ifindex))
    made.settimeout(5)
    return made


def link_local(name):
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        fields = line.split()
        if fields[5] == name and fields[0].startswith("fe80"):
            text = ":".join(fields[0][i : i + 4] for i in range(0, 32, 4))
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    raise LookupError(name)


def ask(ifindex, query, message_id):
    with udp() as asking:
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, ifindex)
        datagram = make_query(query, message_id=message_id, token=b"tokn")
        asking.sendto(datagram, (GROUP, 5683, 0, ifindex))
        asking.settimeout(2)
        try:
            answer, source = asking.recvfrom(1500)
        except TimeoutError:
            return None
        return source[0].partition("%")[0], list(join_ports(parse_answer(answer).links))


def errno_of(action):
    """The error number that a datagram comes back as, None when it is answered."""
    try:
        action()
    except OSError as error:
        return error.errno
    return None


def relay(pledge, registrar, target, text):
    pledge.sendto(text, target)
    datagram, upstream = registrar.recvfrom(1500)
    registrar.sendto(b"re:" + datagram, upstream)
    answer, source = pledge.recvfrom(1500)
    return upstream[1], datagram == text and answer == b"re:" + text, source[:2] == target[:2]


def wait_refused(pledge, target):
    """Send until an ICMP error comes back as an errno (the kernel matches the embedded packet)."""
    pledge.connect(target)
    for _ in range(20):
        with contextlib.suppress(OSError):
            pledge.send(b"anybody?")
        ready, _, _ = select.select([pledge], [], [], 0.5)
        if ready:
            return errno_of(lambda: pledge.recv(100))
        time.sleep(0.1)
    return None


def main():
    folder = Path(sys.argv[1])
    registrar = udp("::1")
    port = registrar.getsockname()[1]
    config = folder / "join-proxy.toml"
    command = [sys.executable, "-m", "join_proxy"]
    init = [*command, "init", "--config", str(config), "--interface", "sztb0"]
    subprocess.run([*init, "--registrar", f"[::1]:{port}"], check=True, stdout=subprocess.PIPE)
    config.write_text("leisure_seconds = 0\nlog_format = 'json'\n" + config.read_text())
    checked = subprocess.run([*command, "check", "--config", str(config)], check=False)
    proxy = subprocess.Popen(
        [*command, "run", "--config", str(config)], stderr=subprocess.PIPE, text=True
    )
    seen = {"check": checked.returncode}
    try:
        for line in proxy.stderr:
            if "serving" in line:
                break
        join = socket.if_nametoindex("sztb1")
        seen["offer"] = address, ports = ask(join, "brski-jp=*", 1)
        seen["join_address"] = link_local("sztb0")
        seen["wrong_filter"] = ask(join, "rt=brski", 2)
        target = (address, ports[0], 0, join)
        pledges = [udp(), udp(), udp()]
        relayed = [relay(pledge, registrar, target, b"hello") for pledge in pledges[:2]]
        seen["upstream_ports_differ"] = relayed[0][0] != relayed[1][0]
        seen["unchanged"] = all(row[1] for row in relayed)
        seen["from_where_it_was_sent"] = all(row[2] for row in relayed)
        seen["same_port_again"] = relay(pledges[0], registrar, target, b"x")[0] == relayed[0][0]
        seen["third_circuit_errno"] = wait_refused(pledges[2], target)
        registrar.close()
        time.sleep(1.1)  # JD11: at most one ICMP error a second and pledge
        seen["dead_registrar_errno"] = wait_refused(pledges[0], target)
    finally:
        proxy.send_signal(signal.SIGTERM)
        _, tail = proxy.communicate(timeout=10)
        seen["exit"], seen["log"] = proxy.returncode, tail[-2000:]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
