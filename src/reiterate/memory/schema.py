"""The tables of the store, how older ones become them, and how a file is opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from reiterate.errors import ReiterateError
from reiterate.memory.place import default_path

APPLICATION: Final = 0x72746572  # marks a SQLite file as one of ours
_PATIENCE = 5.0  # seconds to wait for others who are making the same file, where nothing else is said
_STEPS = 4  # of opening it, each of which may have to wait
_PAGES = 500  # of the log, after which it is taken over into the file
_NETWORK: Final = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs", "9p", "fuse.sshfs")

MIGRATIONS: list[str] = [
    """
    CREATE TABLE machines (machine TEXT PRIMARY KEY, description TEXT NOT NULL);
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        site TEXT NOT NULL,
        machine TEXT NOT NULL,
        solves INTEGER NOT NULL,
        made REAL NOT NULL,
        used REAL NOT NULL,
        bytes INTEGER NOT NULL,
        packed INTEGER NOT NULL,
        state BLOB NOT NULL,
        UNIQUE (kind, site, machine)
    );
    CREATE INDEX by_use ON streams (used, bytes);
    """
]
"""The k-th turns version k into version k + 1, where version 0 is an empty file."""


class Unusable(ReiterateError):
    """The file must be left as it is, and cannot be used: it is another program's, or a later version's."""


def connect(path: Path, timeout: float, patience: float = _PATIENCE) -> sqlite3.Connection:
    """Open the file at ``path``, made or brought up to date if need be; it waits ``timeout`` seconds for locks.

    The directory is made only where it is the user's own for reiterate: others may have been misspelled. All that
    takes ``patience`` seconds at most, if others are at it.

    Raises
    ------
    sqlite3.Error, OSError, Unusable
    """
    if not path.parent.is_dir():
        if path != default_path():
            raise Unusable(f"{path}: there is no directory {str(path.parent)!r}; create it first")
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=patience / _STEPS, isolation_level=None, check_same_thread=False)
    try:
        _examine(connection, path)
        if connection.execute("PRAGMA user_version").fetchone()[0] < len(MIGRATIONS):
            _bring_up_to_date(connection, path, patience / _STEPS)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        connection.execute(f"PRAGMA busy_timeout = {round(1e3 * timeout)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    made = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION:
        if made > len(MIGRATIONS):
            raise Unusable(f"{path} was written by a later version of reiterate")
        return
    if application or made or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise Unusable(f"{path} is the database of another program")


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    """One process does it, the others wait and find it done."""
    _keep_log(connection, path, patience)
    connection.execute("BEGIN IMMEDIATE")
    try:
        made = connection.execute("PRAGMA user_version").fetchone()[0]
        for migration in MIGRATIONS[made:]:
            for statement in migration.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {max(made, len(MIGRATIONS))}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _keep_log(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    """Write-ahead logging, so that readers and writers do not wait for each other; not on a network's file system.

    There the log's index, which is shared memory, cannot be shared between machines.
    """
    if _on_network(path):
        return
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # SQLite does not wait for others here.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _on_network(path: Path) -> bool:
    """Whether the file lies on a file system of another machine, as far as Linux tells."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return False
    where, kind = "", ""
    for line in lines:
        _, mount, system, *_ = line.split(" ", 3)
        mount = mount.replace("\\040", " ")
        if len(mount) >= len(where) and path.resolve().is_relative_to(mount):
            where, kind = mount, system
    return kind.startswith(_NETWORK)


def set_aside(path: Path) -> Path:
    """Rename a file that cannot be read, with its log, to the first free ``NAME.corrupt-N``."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    os.rename(path, aside)
    for ending in ("-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.rename(f"{path}{ending}", f"{aside}{ending}")
    return aside
