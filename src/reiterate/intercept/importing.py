"""Does something when a module has been imported, before whoever imports it sees it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def when_imported(name: str, do: Callable[[], object]) -> Callable[[], None]:
    """Call ``do`` once, when the module of that name has been imported; at once if it has been already.

    Returns
    -------
    forget : callable
        Has the import do nothing more.
    """
    watcher = _Watcher(name, do)
    if name in sys.modules:
        do()
    else:
        sys.meta_path.insert(0, watcher)
    return watcher.forget


class _Watcher(MetaPathFinder):
    """Finds nothing itself: it has the others find the module, and looks on while that is executed."""

    def __init__(self, name: str, do: Callable[[], object]) -> None:
        self._name = name
        self._do = do

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        with contextlib.suppress(AttributeError):
            self._look_on(spec.loader)
        return spec

    def _look_on(self, loader: object) -> None:
        """The loader stays what it is, also for a program that only asks for it, or has it wait for a first use."""
        execute = loader.exec_module  # type: ignore[attr-defined]

        def execute_and_do(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == self._name:  # that of an archive is the same for all that is in it
                with contextlib.suppress(AttributeError):
                    del loader.exec_module  # type: ignore[attr-defined]
                self._executed()

        loader.exec_module = execute_and_do  # type: ignore[attr-defined]

    def _executed(self) -> None:
        if self in sys.meta_path:
            self.forget()
            self._do()

    def forget(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
