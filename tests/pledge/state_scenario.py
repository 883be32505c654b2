"""Runs as a program: kills a child before its n-th file operation, for every n, and looks.

Prints one JSON object: per action the states that were found after the kills.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import msgspec

from pledge.anchors import ExplicitTrustAnchors
from pledge.identity import Credential
from pledge.state import CURRENT, DirectoryStore, State
from tests.fakes.pki import make_pki

PKI = make_pki()
TOUCHING = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.scandir"}


def credential(number):
    own = PKI.ldevid(PKI.device(), number)
    return Credential(
        own.key, (own.certificate,), ExplicitTrustAnchors((PKI.domain_ca.certificate,))
    )


OLD, NEW = credential(1), credential(2)


def commit(store):
    store.commit(NEW, msgspec.structs.replace(store.state, last_error="new"))


def first_commit(store):
    store.commit(NEW, State(last_error="new"))


def reset(store):
    store.reset()


def update(store):
    store.update(msgspec.structs.replace(store.state, last_error="new"))


ACTIONS = {  # action, is the device onboarded before
    "commit": (commit, True),
    "first commit": (first_commit, False),
    "reset": (reset, True),
    "update": (update, True),
}


def killed(folder, action, count):
    """Do the action in a child that dies before file operation `count`; False when it ended."""
    child = os.fork()
    if child:
        return os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 9
    store = DirectoryStore.open(folder)
    left = count

    def watch(event, _):
        nonlocal left
        if event in TOUCHING:
            left -= 1
            if left == 0:
                os._exit(9)

    sys.addaudithook(watch)
    action(store)
    os._exit(0)


def found(folder):
    """What a new start finds, in words."""
    store = DirectoryStore.open(folder)
    kept, current = store.credential(), folder / CURRENT
    names = {path.name for path in (folder / "credentials").iterdir()}
    assert names == ({store.state.credential} - {None}), names
    assert not list(folder.rglob("*.new"))
    store.close()
    if kept is None:
        assert not current.is_symlink()
        return "factory"
    assert (current / "key.pem").read_bytes() == kept.key.to_pem()
    which = "new" if kept.certificate == NEW.certificate else "old"
    return f"{which} {store.state.last_error}".strip()


def main(folder):
    seen = {}
    for name, (action, onboarded) in ACTIONS.items():
        start = folder / "start"
        store = DirectoryStore.open(start)
        if onboarded:
            store.commit(OLD, State())
        store.close()
        seen[name] = []
        for count in range(1, 200):
            tried = folder / "tried"
            shutil.copytree(start, tried, symlinks=True)
            dead = killed(tried, action, count)
            seen[name].append(found(tried))
            shutil.rmtree(tried)
            if not dead:
                break
        shutil.rmtree(start)
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
