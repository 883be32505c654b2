"""Runs the programs of the suite in processes forked from one that has imported them all.

    python tests/flows/nursery.py SOCKET

A start then costs a few hundredths of a second instead of most of one: tests can afford hundreds.
From the command line's `main` on, everything is what the installed program does. Each connection
to SOCKET is one program: a line of JSON comes in, its process number and later its exit code go
out. Everything ends when standard input does. `programs` is the other end.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback

PROGRAMS = ("masa", "registrar", "pledge")
NEEDED = (  # what the programs import late
    *(f"{program}.{part}" for program in PROGRAMS for part in ("__main__", "daemon")),
    "sztb.transport.coaps_client", "sztb.store.migrate",
)  # fmt: skip


def become(order, inherited):
    """Turn this process into the program of `order`; never returns."""
    for one in inherited:
        one.close()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    sys.argv = [order["program"], *order["arguments"]]
    code = 1
    try:
        importlib.import_module(f"{order['program']}.__main__").main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # noqa: BLE001  # as the interpreter does at the end of a program
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Nursery:
    """The parent of all programs."""

    def __init__(self, path):
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        self.woken, waker = socket.socketpair()
        for end in (self.woken, waker):
            end.setblocking(False)
        self.waker = waker
        self.running = {}  # process number: connection
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno())
        for readable in (self.listener, self.woken, sys.stdin):
            self.selector.register(readable, selectors.EVENT_READ)

    def serve(self):
        """Until standard input ends; then nothing is left behind."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.start(self.listener.accept()[0])
                elif key.fileobj is self.woken:
                    self.woken.recv(4096)
                    self.reap()
                else:
                    for number in self.running:
                        os.kill(number, signal.SIGKILL)
                    return

    def start(self, connection):
        order = json.loads(connection.makefile("rb").readline())
        number = os.fork()
        if number == 0:
            self.selector.close()
            become(order, (connection, self.listener, self.woken, self.waker))
        self.running[number] = connection
        connection.sendall(b"%d\n" % number)

    def reap(self):
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                number, status = ended
                connection = self.running.pop(number)
                with contextlib.suppress(OSError):
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                connection.close()


def main():
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    for name in NEEDED:
        importlib.import_module(name)
    gc.freeze()
    nursery = Nursery(sys.argv[1])
    print("ready", flush=True)
    nursery.serve()


if __name__ == "__main__":
    main()
