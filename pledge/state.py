"""What a device remembers: one versioned state file, and credentials apart from it.

`DirectoryStore` survives power loss at any moment: everything a credential consists of is written
to a folder of its own first, and the rename of the state file is the one point where the device
changes from one state to the next. What a crash left behind is removed at the next start.
`MemoryStore` is the same without a disk, for simulated devices.
"""

import fcntl
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from sztb.daemon.files import read_limited, sync_folder, write_atomic
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, SztbError

from . import credential_files
from .identity import Credential

VERSION = 1
MAX_STATE = 65536
STATE_FILE = "state.json"
LOCK_FILE = "lock"
CREDENTIALS = "credentials"  # one folder per credential
CURRENT = "current"  # a link to the one in use, for other programs


class Registrar(msgspec.Struct, frozen=True):
    """Where the device was enrolled; tried first when it comes back."""

    host: str
    port: int
    ifindex: int = 0

    @property
    def endpoint(self) -> Endpoint:
        """As discovery names it."""
        return Endpoint(self.host, self.port, self.ifindex)


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state file.

    Attributes:
        version: of this layout.
        credential: name of the credential folder in use; None in factory state.
        registrar: where the device was enrolled.
        onboarded_at: wall clock of the first enrolment, for people; the clock may be wrong.
        report_due: the enrolment status has not been reported yet (P-34).
        hook_due: the hook that has not been run yet; a crash does not lose it.
        cacerts_etag: of the last /crts, in hex (P-37).
        cacerts_at: wall clock of the last /crts.
        renewal_failures: failed renewals since the last good one.
        last_error: what went wrong last, for people.
    """

    version: int = VERSION
    credential: str | None = None
    registrar: Registrar | None = None
    onboarded_at: datetime | None = None
    report_due: bool = False
    hook_due: Literal["", "onboarded", "renewed"] = ""
    cacerts_etag: str | None = None
    cacerts_at: datetime | None = None
    renewal_failures: int = 0
    last_error: str = ""


def hex_or_none(data: bytes | None) -> str | None:
    """How bytes that may be missing are kept in `State`."""
    return None if data is None else data.hex()


class StateStore(Protocol):
    """Where a device keeps what it knows."""

    @property
    def state(self) -> State:
        """The state in force."""

    def credential(self) -> Credential | None:
        """The credential in force, None in factory state."""

    def commit(self, credential: Credential, state: State) -> State:
        """Switch to a credential and a state in one step; returns the state in force."""

    def update(self, state: State) -> None:
        """Replace the state, keeping the credential it names."""

    def reset(self) -> None:
        """Back to factory state; what the domain gave is deleted."""


class StateLocked(SztbError):
    """Another process uses the state directory."""


@dataclass(slots=True)
class MemoryStore:
    """A store without a disk."""

    state: State = field(default_factory=State)
    _credential: Credential | None = None

    def credential(self) -> Credential | None:
        """See `StateStore`."""
        return self._credential

    def commit(self, credential: Credential, state: State) -> State:
        """See `StateStore`."""
        self._credential = credential
        self.state = msgspec.structs.replace(state, credential="memory")
        return self.state

    def update(self, state: State) -> None:
        """See `StateStore`."""
        self.state = state

    def reset(self) -> None:
        """See `StateStore`."""
        self.state, self._credential = State(), None


class DirectoryStore:
    """A store in a directory of mode 0700; files have mode 0600."""

    def __init__(self, folder: Path, state: State, lock: int | None) -> None:
        """Use `open` or `look`."""
        self.folder = folder
        self._state = state
        self._lock = lock

    @classmethod
    def open(cls, folder: Path) -> "DirectoryStore":
        """Take the directory for this process and clean up after a crash.

        Raises:
            StateLocked: another process has it.
            Malformed: the state file cannot be read.
            OSError: the directory cannot be used.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / CREDENTIALS).mkdir(mode=0o700, exist_ok=True)
        lock = _take_lock(folder / LOCK_FILE)
        try:
            store = cls(folder, _read_state(folder), lock)
            store._clean_up()
        except BaseException:
            os.close(lock)
            raise
        return store

    @classmethod
    def look(cls, folder: Path) -> "DirectoryStore":
        """Read the directory without taking it, for ``status``.

        Raises:
            Malformed: the state file cannot be read.
            OSError: the directory cannot be read.
        """
        return cls(folder, _read_state(folder), None)

    @property
    def state(self) -> State:
        """See `StateStore`."""
        return self._state

    def credential(self) -> Credential | None:
        """See `StateStore`.

        Raises:
            Malformed, OSError: the credential folder is damaged.
        """
        folder = self.credential_folder
        return None if folder is None else credential_files.read(folder)

    @property
    def credential_folder(self) -> Path | None:
        """The folder of the credential in force."""
        name = self._state.credential
        return None if name is None else self.folder / CREDENTIALS / name

    def commit(self, credential: Credential, state: State) -> State:
        """See `StateStore`."""
        name = credential_files.folder_name(credential)
        credential_files.write(self.folder / CREDENTIALS / name, credential)
        sync_folder(self.folder / CREDENTIALS)
        self.update(msgspec.structs.replace(state, credential=name))
        self._clean_up()
        return self._state

    def update(self, state: State) -> None:
        """See `StateStore`."""
        write_atomic(self.folder / STATE_FILE, msgspec.json.encode(state))
        self._state = state

    def reset(self) -> None:
        """See `StateStore`."""
        self.update(State())
        self._clean_up()

    def close(self) -> None:
        """Give the directory to others."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _clean_up(self) -> None:
        """Remove what no state names and make `CURRENT` point to what it names."""
        for folder in (self.folder, self.folder / CREDENTIALS):
            for left in folder.glob(".*.new"):
                left.unlink()
        for folder in (self.folder / CREDENTIALS).iterdir():
            if folder.name != self._state.credential:
                credential_files.remove(folder)
        _point(self.folder / CURRENT, self._state.credential)


def _take_lock(path: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StateLocked(f"{path.parent} is used by another process; stop it first") from None
    return lock


def _read_state(folder: Path) -> State:
    try:
        data = read_limited(folder / STATE_FILE, MAX_STATE)
    except FileNotFoundError:
        return State()
    try:
        state = msgspec.json.decode(data, type=State)
    except msgspec.MsgspecError as error:
        raise Malformed(f"{folder / STATE_FILE}: {error}") from error
    name = state.credential
    if state.version != VERSION or (name is not None and not name.isalnum()):
        raise Malformed(f"{folder / STATE_FILE}: version {state.version} is not understood")
    return state


def _point(link: Path, name: str | None) -> None:
    target = f"{CREDENTIALS}/{name}"
    if name is None:
        link.unlink(missing_ok=True)
    elif not link.is_symlink() or str(link.readlink()) != target:
        fresh = link.with_name(f".{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
        sync_folder(link.parent)
