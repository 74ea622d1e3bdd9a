"""Where the store is: what was asked for, what the environment says, or the user's data directory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reiterate.errors import InvalidInput, ReiterateError
from reiterate.memory.complaints import complain

if TYPE_CHECKING:
    from reiterate.memory.store import Store

VARIABLE: Final = "REITERATE_MEMORY"
_OFF: Final = ("off", "0", "no", "false")
_ON: Final = ("", "on", "1", "yes", "true")

_lock = threading.Lock()
_opened: dict[Path | None, Store] = {}
_said: set[str] = set()


class NoHome(ReiterateError):
    """Nobody knows where the file is."""


def _renew_lock() -> None:
    """In a forked process: another thread of its parent may have held it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def default_path() -> Path:
    """``memory.sqlite3`` in the user's data directory for reiterate, e.g. ``~/.local/share/reiterate``.

    Raises
    ------
    NoHome
    """
    import platformdirs

    return _absolute(lambda: platformdirs.user_data_path("reiterate", appauthor=False) / "memory.sqlite3")


def _absolute(path: Callable[[], Path]) -> Path:
    try:
        return path().expanduser().absolute()
    except RuntimeError:
        raise NoHome("there is no home directory to keep it in; give the whole path of a file") from None
    except OSError as error:
        raise NoHome(f"the working directory is gone ({error.strerror}); give the whole path of a file") from None


def chosen_path(memory: str | os.PathLike[str] | bool | None) -> Path | None:
    """The file that is meant; ``None``: no memory.

    Parameters
    ----------
    memory
        A path. ``True``: the one that ``REITERATE_MEMORY`` names, or else the user's own, unless the variable says
        ``off``. ``None``: the one that the variable names, if it does. ``False``: none.

    Raises
    ------
    InvalidInput
        It is none of these.
    NoHome
    """
    if memory is False:
        return None
    if memory is None or memory is True:
        said = os.environ.get(VARIABLE)
        if said is None or not said.strip():
            return default_path() if memory else None
        if said.strip().lower() in _OFF:
            return None
        return default_path() if said.strip().lower() in _ON else _absolute(lambda: Path(said))
    if isinstance(memory, str | os.PathLike) and os.fspath(memory):
        return _absolute(lambda: Path(memory))
    raise InvalidInput("memory", f"{memory!r} is neither the path of a file nor True, False or None")


def open_store(memory: str | os.PathLike[str] | bool | Store | None = True) -> Store:
    """The store that is meant, as :func:`chosen_path` says; one for every file in a process."""
    from reiterate.memory.store import Store

    if isinstance(memory, Store):
        return memory
    path = chosen_path(memory)
    with _lock:
        if path not in _opened:
            _opened[path] = Store(path)
        return _opened[path]


def store_if_wanted(memory: str | os.PathLike[str] | bool | Store | None) -> Store | None:
    """The same; ``None`` where it is off, or impossible: that is said once.

    It is impossible without a home directory to keep it in, and in a Python that was built without SQLite.
    """
    try:
        if (memory is None or isinstance(memory, bool)) and chosen_path(memory) is None:
            return None
        store = open_store(memory)
    except (ImportError, NoHome) as error:
        if str(error) not in _said:
            _said.add(str(error))
            complain(f"nothing will be remembered in this run: {error}")
        return None
    return store if store.on else None
