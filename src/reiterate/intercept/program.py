"""Runs a program as ``python program.py`` or ``python -m module`` would run it, in this very process.

Its ``__main__``, ``__file__``, ``sys.argv``, ``sys.path``, exit status, traceback and its end by Ctrl-C are those that
it has without us. Before it begins, nothing is imported but the standard library.
"""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, SourceFileLoader
from types import ModuleType, TracebackType
from typing import Final

from reiterate.intercept.frames import strip

_UNREADABLE: Final = 2  # Python's exit status for a program that it cannot open


def run_program(
    program: str, arguments: Sequence[str], *, is_module: bool, ended: Callable[[bool, bool], object]
) -> None:
    """Run a program to its end.

    Parameters
    ----------
    program
        Path of a script, of a directory or archive with a ``__main__.py``, ``"-"`` for standard input, or the name of a
        module.
    arguments
        What follows in ``sys.argv``.
    is_module
        Whether it is the name of a module.
    ended
        Called when the main thread has come to its end, with whether it was interrupted and whether the program had
        begun: its file may be missing, or no Python. Other threads and what is registered with :mod:`atexit` may go on.

    Raises
    ------
    SystemExit
        With the program's own status, or with 1 after an error that nobody caught and that has been shown.
    KeyboardInterrupt
        As Python does: to be passed on, so that the process dies of SIGINT. It has been shown.
    """
    kept = sys.modules["__main__"]  # its functions need what they refer to for as long as they run
    interrupted = False
    try:
        if is_module:
            _execute_module(program, arguments)
        else:
            _execute_path(program, arguments)
    except SystemExit:
        raise
    except KeyboardInterrupt as error:
        _show(error)
        sys.excepthook = _show_nothing
        interrupted = True
    except BaseException as error:
        _show(error)
    else:
        return
    finally:
        ended(interrupted, _had_begun(kept))
        del kept
    if interrupted:
        raise KeyboardInterrupt
    raise SystemExit(1)


def _had_begun(ours: ModuleType) -> bool:
    """Whether there is code of the program's that was begun: only then is it known where it comes from."""
    main = sys.modules.get("__main__")
    return main is None or (main is not ours and hasattr(main, "__file__"))


def _execute_module(name: str, arguments: Sequence[str]) -> None:
    _set_path(os.getcwd())
    sys.argv = ["-m", *arguments]
    _new_main()
    _run_as_main(name, alter_argv=True)


def _execute_path(path: str, arguments: Sequence[str]) -> None:
    sys.argv = [path, *arguments]
    if path == "-":
        _set_path("")
        _execute(sys.stdin.buffer.read(), "<stdin>", BuiltinImporter)
        return
    if pkgutil.get_importer(path) is not None:
        _set_path(os.path.abspath(path), always=True)
        _new_main()
        _run_as_main("__main__", alter_argv=False)
        return
    absolute = os.path.abspath(path)
    try:
        with io.open_code(absolute) as file:
            source = file.read()
    except OSError as error:
        print(f"reiterate: can't open file {absolute!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(_UNREADABLE) from None
    _set_path(os.path.dirname(os.path.realpath(path)))
    _execute(source, absolute, SourceFileLoader("__main__", absolute))


def _execute(source: bytes, file: str, loader: object) -> None:
    namespace = vars(_new_main())
    code = compile(source, file, "exec", dont_inherit=True)
    namespace.update(__file__=file, __loader__=loader, __cached__=None)
    exec(code, namespace)


def _set_path(place: str, *, always: bool = False) -> None:
    """Put the program's directory where Python has put that of this command; with ``python -P`` it has not."""
    if not sys.flags.safe_path:
        sys.path[0] = place
    elif always:
        sys.path.insert(0, place)


def _new_main() -> ModuleType:
    main = ModuleType("__main__")
    vars(main).update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main
    return main


def _run_as_main(name: str, *, alter_argv: bool) -> None:
    # What `python -m` itself calls: there is no other way to have the same traceback and the same messages.
    runpy._run_module_as_main(name, alter_argv)  # type: ignore[attr-defined]


def _show(error: BaseException) -> None:
    """What Python does with an error that nobody caught."""
    strip(error)
    kind, trace = type(error), error.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(kind, error, trace)
    except SystemExit:
        raise
    except BaseException as failure:
        failure.__context__ = None
        strip(failure)
        print("Error in sys.excepthook:", file=sys.stderr)
        traceback.print_exception(failure)
        print("\nOriginal exception was:", file=sys.stderr)
        traceback.print_exception(error)


def _show_nothing(_kind: type[BaseException], _error: BaseException, _trace: TracebackType | None, /) -> None:
    """Of an interruption that has been shown already."""
