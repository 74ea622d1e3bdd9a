"""The embedded store: what was learnt, in one SQLite file for all programs of a user."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from reiterate.memory import schema
from reiterate.memory.complaints import complain
from reiterate.memory.patience import Patience
from reiterate.memory.recognition import Fingerprint, machine

T = TypeVar("T")

_HEADER = b"SQLite format 3\0"
_SHORT_WAIT = 0.01  # seconds that a solve may have to wait for other processes
_FIRST_WAIT = 0.5  # the same of a solve that begins with what is found
_LAST_WAIT = 2.0  # the same of everything together at the end of a program
_LONG_WAIT = 5.0  # the same of the command line
_MOST_STREAMS = 2000
_MOST_BYTES = 16 * 2**20
_LARGEST = 2**18  # bytes of what is known of one stream
_PACKED = 1024  # characters, from which on text is compressed
_LOOKS = 16  # streams written between two looks at the size
_HOUR = 3600.0
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of a stream.

    Attributes
    ----------
    state : dict
        As it was given to :meth:`Store.remember`.
    same_stream
        Whether it comes from the same site; else from another one with instances of the same kind.
    same_machine
        Whether it comes from such a machine as this.
    """

    state: dict[str, Any]
    same_stream: bool
    same_machine: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream as it is stored; ``made`` and ``used`` are seconds since 1970, ``machine`` is a short name."""

    id: int
    kind: dict[str, Any]
    site: str
    machine: str
    solves: int
    made: float
    used: float
    bytes: int


class Store:
    """Knowledge in a file that many processes may use at once.

    :meth:`recall` and :meth:`remember` never raise because of the file: what cannot be read is set aside, and where
    nothing can be written the store is off from then on; either with one warning. What :meth:`remember` has returned
    from survives the end of the process, however it comes. Everything else is for people, and raises what goes wrong.

    Parameters
    ----------
    path
        Of the file, which is made when it is first needed. ``None``: the store is off.
    streams, size
        How many streams it may hold, and how many bytes of what is known of them; those that were not used for the
        longest time go.

    Attributes
    ----------
    path : Path or None
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, *, streams: int = _MOST_STREAMS, size: int = _MOST_BYTES
    ) -> None:
        self.path = None if path is None else Path(path)
        self._most_streams, self._most_bytes = streams, size
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.RLock()
        self._off = self.path is None
        self._told_machine = False
        self._until_look = 0
        self._patience, self._told_busy = Patience(_LAST_WAIT), False
        _stores.add(self)

    @property
    def on(self) -> bool:
        """Whether anything is remembered."""
        return not self._off

    def recall(self, fingerprint: Fingerprint) -> Recalled | None:
        """What is known: of this stream, on this machine or else on another; or else of another stream of its kind."""
        found = self._try(lambda connection: _find(connection, fingerprint), wait=_FIRST_WAIT)
        if found is None:
            return None
        number, site, where, used, packed, data = found
        try:
            state = _unpacked(packed, data)
        except (ValueError, TypeError, zlib.error, RecursionError):
            self._try(lambda connection: connection.execute("DELETE FROM streams WHERE id = ?", (number,)))
            return None
        now = time.time()
        if now - used > _HOUR:
            self._try(lambda connection: connection.execute("UPDATE streams SET used = ? WHERE id = ?", (now, number)))
        return Recalled(state, bool(site) and site == fingerprint.site, where == machine()[0])

    def remember(self, fingerprint: Fingerprint, state: Mapping[str, Any], *, patiently: bool = False) -> bool:
        """Keep what is known of a stream: plain data, with ``solves``, the number of solves it comes from.

        Knowledge from more solves that another process has written within the hour stays. ``patiently``: at the end,
        when all writes together may wait for other processes for two seconds; what cannot be written then is lost, with
        one warning.

        Returns
        -------
        bool
            Whether it could be written.
        """
        if self._off:
            return False
        packed, data = _packed(state)
        if len(data) > _LARGEST:
            return False
        name, description = machine()

        def write(connection: sqlite3.Connection) -> bool:
            if not self._told_machine:
                connection.execute("INSERT OR IGNORE INTO machines VALUES (?, ?)", (name, description))
                self._told_machine = True
            _write(connection, fingerprint, name, int(state.get("solves", 0)), packed, data)
            self._until_look -= 1
            if self._until_look < 0:
                self._until_look = _LOOKS
                self._shrink(connection)
            return True

        if not patiently:
            return self._try(write) or False
        with self._patience.waiting() as wait:
            written = self._try(write, wait=wait) or False
        if self.on and not written and not self._told_busy:
            self._told_busy = True
            complain(f"other processes keep {self.path} busy; not all that this run has learnt will be remembered")
        return written

    def entries(self) -> list[Entry]:
        """Every stream, the one used last first."""
        columns = "id, kind, site, machine, solves, made, used, bytes"
        query = f"SELECT {columns} FROM streams ORDER BY used DESC, id DESC"
        rows = self._do(lambda connection: connection.execute(query).fetchall())
        return [Entry(number, _table(kind), *rest) for number, kind, *rest in rows]

    def state(self, number: int) -> dict[str, Any] | None:
        """What is known of a stream; ``None``: there is none of that number."""
        query = "SELECT packed, state FROM streams WHERE id = ?"
        row = self._do(lambda connection: connection.execute(query, (number,)).fetchone())
        return None if row is None else _unpacked(*row)

    def machines(self) -> dict[str, str]:
        """Descriptions of machines by their short names."""
        return dict(self._do(lambda connection: connection.execute("SELECT * FROM machines").fetchall()))

    def add(self, entry: Entry, state: Mapping[str, Any], description: str) -> bool:
        """Take in a stream from another store, unless as much or more is known of it; says whether it was."""
        packed, data = _packed(state)
        kind = json.dumps(entry.kind, sort_keys=True, separators=(",", ":"))

        def write(connection: sqlite3.Connection) -> bool:
            with _transaction(connection):
                query = "SELECT solves FROM streams WHERE kind = ? AND site = ? AND machine = ?"
                known = connection.execute(query, (kind, entry.site, entry.machine)).fetchone()
                if known is not None and known[0] >= entry.solves:
                    return False
                connection.execute("INSERT OR IGNORE INTO machines VALUES (?, ?)", (entry.machine, description))
                _write(connection, Fingerprint(kind, entry.site), entry.machine, entry.solves, packed, data)
                self._shrink(connection)
            return True

        return self._do(write)

    def forget(self, number: int | None = None, *, unused_for: float = 0.0) -> int:
        """Forget one stream, or all that were not used for so many seconds; returns how many."""
        if number is not None:
            query, values = "DELETE FROM streams WHERE id = ?", (float(number),)
        else:
            query, values = "DELETE FROM streams WHERE used <= ?", (time.time() - unused_for,)

        def delete(connection: sqlite3.Connection) -> int:
            deleted = connection.execute(query, values).rowcount
            connection.execute("DELETE FROM machines WHERE machine NOT IN (SELECT machine FROM streams)")
            with contextlib.suppress(
                sqlite3.OperationalError
            ):  # another process is at work; space is used again anyway
                connection.execute("VACUUM")
            return int(deleted)

        self._told_machine = False
        return self._do(delete)

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Keep the bounds: the streams that were not used for the longest time go."""
        streams, size = connection.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM streams").fetchone()
        if streams <= self._most_streams and size <= self._most_bytes:
            return
        going = []
        # A tenth more than has to go, so that this is not needed each time.
        for number, held in connection.execute("SELECT id, bytes FROM streams ORDER BY used"):
            if streams <= 0.9 * self._most_streams and size <= 0.9 * self._most_bytes:
                break
            going.append((number,))
            streams, size = streams - 1, size - held
        connection.executemany("DELETE FROM streams WHERE id = ?", going)

    def _try(self, work: Callable[[sqlite3.Connection], T], wait: float | None = None) -> T | None:
        """What the work returns; ``None`` where it cannot be done now, or the store is off."""
        if self._off:
            return None
        try:
            return self._do(work, wait)
        except (sqlite3.Error, OSError, schema.Unusable) as error:
            if _code(error) not in _BUSY:
                self._off = True
                self.close()
                complain(f"nothing will be remembered in this run: {self._reason(error)}")
            return None

    def _do(self, work: Callable[[sqlite3.Connection], T], wait: float | None = _LONG_WAIT) -> T:
        """The same, but raise what goes wrong; a damaged file is set aside, and the work done with a new one."""
        with self._lock:
            try:
                return self._with_wait(work, wait)
            except sqlite3.Error as error:
                if _code(error) not in _BROKEN or not self._set_aside():
                    raise
            return self._with_wait(work, wait)

    def _with_wait(self, work: Callable[[sqlite3.Connection], T], wait: float | None) -> T:
        begin = time.monotonic()
        connection = self._open(_FIRST_WAIT if wait is None else wait)
        if wait is None:
            return work(connection)
        left = max(wait - (time.monotonic() - begin), 0.0)
        connection.execute(f"PRAGMA busy_timeout = {round(1e3 * left)}")
        try:
            return work(connection)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(1e3 * _SHORT_WAIT)}")

    def _open(self, wait: float) -> sqlite3.Connection:
        if self.path is None:
            raise schema.Unusable("the memory is off")
        if self._connection is None:
            self._file = _identity(self.path)
            self._connection = schema.connect(self.path, _SHORT_WAIT, wait)
            self._file = _identity(self.path)
        return self._connection

    def _set_aside(self) -> bool:
        """Rename the damaged file, unless another process has done so; whether it is worth trying again."""
        self.close()
        self._told_machine = False
        if self.path is None:
            return False
        if self._file is not None and _identity(self.path) != self._file:
            return True
        if not _may_be_a_memory(self.path):
            return False
        try:
            aside = schema.set_aside(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        complain(f"{self.path} is damaged; it is now {aside.name}, and what it knew is learnt anew")
        return True

    def _reason(self, error: Exception) -> str:
        return str(error) if isinstance(error, schema.Unusable) else f"{self.path}: {error}"


def _may_be_a_memory(path: Path) -> bool:
    """Whether a file is a database or is called one: any other was named by mistake, and is not to be touched."""
    try:
        with open(path, "rb") as file:
            return path.suffix.startswith((".sqlite", ".db")) or file.read(len(_HEADER)) == _HEADER
    except OSError:
        return True


def _find(connection: sqlite3.Connection, fingerprint: Fingerprint) -> tuple[int, str, str, float, int, bytes] | None:
    """The row to go by: of the same site if there is one, of this machine if there is one, the last one used."""
    query = (
        "SELECT id, site, machine, used, packed, state FROM streams WHERE kind = ? "
        "ORDER BY site = ? AND site != '' DESC, machine = ? DESC, used DESC LIMIT 1"
    )
    row = connection.execute(query, (fingerprint.kind, fingerprint.site, machine()[0])).fetchone()
    return None if row is None else tuple(row)


def _write(
    connection: sqlite3.Connection, fingerprint: Fingerprint, where: str, solves: int, packed: bool, data: bytes
) -> None:
    now = time.time()
    connection.execute(
        "INSERT INTO streams (kind, site, machine, solves, made, used, bytes, packed, state) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, site, machine) DO UPDATE SET solves = excluded.solves, used = excluded.used, "
        "bytes = excluded.bytes, packed = excluded.packed, state = excluded.state "
        "WHERE excluded.solves >= solves OR used < ?",
        (fingerprint.kind, fingerprint.site, where, solves, now, now, len(data), packed, data, now - _HOUR),
    )


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _packed(state: Mapping[str, Any]) -> tuple[bool, bytes]:
    data = json.dumps(state, separators=(",", ":"), allow_nan=False).encode()
    return (True, zlib.compress(data, 1)) if len(data) > _PACKED else (False, data)


def _unpacked(packed: int, data: bytes) -> dict[str, Any]:
    if packed:
        unpacking = zlib.decompressobj()
        # Bounded: a few bytes may say that they are gigabytes.
        text = unpacking.decompress(bytes(data), 64 * _LARGEST)
    else:
        text = bytes(data)
    state = json.loads(text)
    if not isinstance(state, dict):
        raise ValueError("is no table")
    return state


def _table(text: str) -> dict[str, Any]:
    try:
        kind = json.loads(text)
    except ValueError:
        return {}
    return kind if isinstance(kind, dict) else {}


def _code(error: Exception) -> int | None:
    """SQLite's primary code of an error."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_held: list[Store] = []


def _before_fork() -> None:
    """A connection must not be there twice."""
    for store in list(_stores):
        store._lock.acquire()
        store.close()
        _held.append(store)


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
