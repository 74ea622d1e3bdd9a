"""Puts replacements where programs find SciPy's functions, and takes them out again.

A replacement is a plain function that is made once in a process and looks up the innermost session at every call: what
a program keeps of it after the last session has ended goes straight to SciPy. What SciPy calls itself, and what is
called while a session solves, goes to SciPy as well.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any, Final, Protocol

from reiterate.intercept import forking
from reiterate.intercept.frames import strip
from reiterate.intercept.importing import when_imported

NAMES: Final = (
    "spsolve",
    "splu",
    "spilu",
    "factorized",
    "cg",
    "cgs",
    "bicg",
    "bicgstab",
    "gmres",
    "lgmres",
    "minres",
    "gcrotmk",
    "tfqmr",
)
"""The functions that are replaced."""

_HOMES: Final = (
    "scipy.sparse.linalg",
    "scipy.sparse.linalg._dsolve",
    "scipy.sparse.linalg._dsolve.linsolve",
    "scipy.sparse.linalg._isolve",
    "scipy.sparse.linalg._isolve.iterative",
    "scipy.sparse.linalg._isolve.lgmres",
    "scipy.sparse.linalg._isolve.minres",
    "scipy.sparse.linalg._isolve._gcrotmk",
    "scipy.sparse.linalg._isolve.tfqmr",
)
_NEVER_SEARCHED: Final = (
    sys.stdlib_module_names | {"scipy", "numpy", "numba", "llvmlite", "matplotlib", "reiterate", "rslab", "rich"}
) - {"__main__"}
_LARGEST_SEARCHED = 1000  # entries of a dictionary of solvers

Function = Callable[..., Any]


class Answering(Protocol):
    """What a replacement asks of a call site."""

    least: int
    light: int
    left_to_scipy: int

    def answer(self, original: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the call returns."""


class Intercepting(Protocol):
    """What a replacement asks of a session."""

    known: dict[tuple[int, int, str], Answering | None]

    def look(self, frame: FrameType, function: str) -> Answering | None:
        """The call site; ``None`` where SciPy is to answer."""


class _Inside(threading.local):
    """How deep the thread is inside a session's own solve."""

    depth = 0


inside: Final = _Inside()
_sessions: list[Intercepting] = []
_awaiting: list[Callable[[], None]] = []  # to be called when SciPy's import is not waited for any more
_UNKNOWN: Any = object()  # a call site that was not looked at yet
_lock: Final = forking.Lock(delicate=True, reentrant=True)
forking.when_interrupted(_sessions.clear)
_originals: Final[dict[str, Function]] = {}
_replacements: Final[dict[str, Function]] = {}


def original(name: str) -> Function:
    """SciPy's own function, whatever stands in its place now."""
    found: Function = _originals[name] if name in _originals else getattr(import_module(_HOMES[0]), name)
    return found


def install(session: Intercepting) -> None:
    """From now on the session answers, before those that were installed earlier."""
    with _lock:
        first = not _sessions
        _sessions.append(session)
        if first:
            _awaiting.append(when_imported(_HOMES[0], _install_if_wanted))


def remove(session: Intercepting) -> None:
    """The session answers no more; after the last, SciPy's functions are back wherever replacements are found."""
    with _lock:
        if session not in _sessions:
            return
        _sessions.remove(session)
        if not _sessions:
            while _awaiting:
                _awaiting.pop()()
            _swap({id(_replacements[name]): _originals[name] for name in _replacements})


def _install_if_wanted() -> None:
    with _lock:
        if _sessions:
            _install()


def _install() -> None:
    home = import_module(_HOMES[0])
    for name in NAMES:
        found = getattr(home, name, None)
        if name not in _replacements and isinstance(found, FunctionType) and found.__module__.startswith("scipy."):
            _originals[name], _replacements[name] = found, _replacement(name, found)
    linsolve = vars(import_module(_HOMES[2]))
    if isinstance(linsolve.get("warn"), BuiltinFunctionType):
        linsolve["warn"] = _relocating(linsolve["warn"])  # stays: it changes nothing of calls from elsewhere
    _swap({id(_originals[name]): _replacements[name] for name in _replacements})


def _replacement(name: str, original: Function) -> Function:
    sessions, getframe = _sessions, sys._getframe

    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        try:
            if not sessions:
                return original(*args, **kwargs)
            frame = getframe(1)
            try:
                site = sessions[-1].known[id(frame.f_code), frame.f_lasti, name]
            except (KeyError, IndexError):
                site = _UNKNOWN
            if site is _UNKNOWN:  # not above, or whatever it raises would say that it came of a KeyError
                site = _looked(frame, name)
            if site is None:
                return original(*args, **kwargs)
            if args:
                try:
                    small = args[0].shape[0] < site.least or (site.light > 0 and args[0].nnz < site.light)
                except (AttributeError, IndexError, TypeError):
                    small = True
                if small:
                    site.left_to_scipy += 1
                    return original(*args, **kwargs)
            if inside.depth:
                return original(*args, **kwargs)
            return site.answer(original, args, kwargs)
        except BaseException as error:
            strip(error)
            raise

    replaced.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]  # also where wrappers are not
    return replaced


def _looked(frame: FrameType, name: str) -> Answering | None:
    try:
        session = _sessions[-1]
    except IndexError:  # another thread has just removed it
        return None
    return None if forking.interrupted() else session.look(frame, name)


def depth_of_program(frame: FrameType | None = None) -> int:
    """How many frames out from the caller, or from ``frame``, the program is: what ``warnings`` call ``stacklevel``."""
    depth, at = 1, frame or sys._getframe(1)
    while at.f_back is not None and at.f_globals.get("__name__", "").startswith("reiterate.intercept"):
        depth, at = depth + 1, at.f_back
    return depth


def _relocating(warn: Function) -> Function:
    """SciPy's warnings name the line that called it; replacements are not meant."""

    @functools.wraps(warn)
    def relocated(message: Any, category: Any = None, stacklevel: int = 1, *args: Any, **kwargs: Any) -> None:
        try:
            stacklevel += depth_of_program(sys._getframe(stacklevel))
        except ValueError:  # further out than there are frames
            stacklevel += 1
        try:
            warn(message, category, stacklevel, *args, **kwargs)
        except BaseException as error:  # where warnings are errors
            strip(error)
            raise

    return relocated


def _swap(table: dict[int, Function]) -> None:
    """Put ``table[id(f)]`` where programs would find ``f``: in modules, classes, default arguments, dictionaries."""
    if not table:
        return
    for name in _HOMES:
        _swap_values(vars(import_module(name)), table)
    for module in list(sys.modules.values()):
        if issubclass(type(module), ModuleType):
            namespace: dict[str, Any] = object.__getattribute__(module, "__dict__")
            called = namespace.get("__name__")
            if type(called) is str and called.partition(".")[0] not in _NEVER_SEARCHED:
                _swap_module(called, namespace, table)


# Modules may be lazy, and what is in them may stand for something else: nothing is asked that such an object would
# answer itself, as `isinstance`, `vars` and attributes are, because that would have it load what it stands for.


def _swap_module(module: str, namespace: dict[str, Any], table: dict[int, Function]) -> None:
    _swap_values(namespace, table)
    for value in list(namespace.values()):
        if type(value) is FunctionType:
            _swap_defaults(value, table)
        elif type(value) is dict and len(value) <= _LARGEST_SEARCHED:
            _swap_values(value, table)
        elif issubclass(type(value), type):
            inside_of_it = type.__getattribute__(value, "__dict__")
            if inside_of_it.get("__module__") == module:
                _swap_class(value, inside_of_it, table)


def _swap_class(kind: type, names: Mapping[str, Any], table: dict[int, Function]) -> None:
    for name, value in list(names.items()):
        inner = value.__func__ if type(value) is staticmethod else value
        try:
            if id(inner) in table:
                new = table[id(inner)]
                type.__setattr__(kind, name, staticmethod(new) if inner is not value else new)
            elif type(inner) is FunctionType:
                _swap_defaults(inner, table)
            elif type(inner) is dict and len(inner) <= _LARGEST_SEARCHED:
                _swap_values(inner, table)
        except (AttributeError, TypeError):  # a class that may not be changed
            continue


def _swap_values(values: dict[Any, Any], table: dict[int, Function]) -> None:
    for key, value in list(values.items()):
        if id(value) in table:
            values[key] = table[id(value)]


def _swap_defaults(function: FunctionType, table: dict[int, Function]) -> None:
    defaults = function.__defaults__
    if defaults and any(id(value) in table for value in defaults):
        function.__defaults__ = tuple(table.get(id(value), value) for value in defaults)
    if function.__kwdefaults__:
        _swap_values(function.__kwdefaults__, table)
