"""What need not be compiled any more: a list on disk beside Numba's own files, and who may add to these.

Numba can say whether one kernel is in its cache for given types, but not which kernels a method will call. So whoever
has warmed a method up writes that down here. The list is kept where Numba keeps the kernels (``NUMBA_CACHE_DIR``, or
``__pycache__`` beside their sources, or else the user's cache directory): both are lost together. Its name has a hash
of the sources, of the processor and of the versions of Python and Numba, since each of them makes Numba compile anew.
A list that says too much costs what there would be to wait for without it: the kernels are compiled when called.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

_LOOK = 0.2  # seconds between two looks whether the lock is free
_PATIENCE = 900.0


class ReadyList:
    """Names, one a line, in a file that several processes append to.

    Parameters
    ----------
    path
        Of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """All that are in it now; the file is read only if it has changed."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._names = frozenset(self.path.read_text(encoding="utf-8").splitlines())
                self._seen = seen
        except (OSError, ValueError):
            self._seen, self._names = None, frozenset()
        return self._names

    def add(self, names: Iterable[str]) -> None:
        """Append those that are not in it; nothing happens where it cannot be written."""
        new = [name for name in names if name not in self.names()]
        if new:
            with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as file:
                file.write("".join(f"{name}\n" for name in new))


def ready_list() -> ReadyList | None:
    """The list that belongs to the kernels of this process; ``None`` where Numba does not cache them."""
    from reiterate.kernels.fingerprint import fingerprint

    directory = getattr(getattr(fingerprint, "stats", None), "cache_path", None)
    return None if directory is None else ReadyList(Path(directory) / f"reiterate-{_stamp()}.ready")


def _stamp() -> str:
    """A hash of all that makes Numba compile anew."""
    import llvmlite.binding
    import numba

    features = numba.config.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten()
    processor = numba.config.CPU_NAME or llvmlite.binding.get_host_cpu_name()
    digest = hashlib.sha256(
        "\n".join((sys.version, sys.platform, platform.machine(), numba.__version__, processor, features)).encode()
    )
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Wait until no other process holds the lock file ``path``; whether that was so within a quarter of an hour.

    The system releases the lock of a process that has ended, however it did. Where files cannot be locked,
    nobody waits.
    """
    with path.open("a+b") as file:
        deadline = time.monotonic() + _PATIENCE
        while not (locked := _try_to_lock(file)) and time.monotonic() < deadline:
            time.sleep(_LOOK)
        yield locked


def _try_to_lock(file: IO[bytes]) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # a file system without locks: two processes compile the same, which is harmless
    return True
