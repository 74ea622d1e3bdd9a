"""Kernels that Numba is shown when they are first called.

A first solve calls some thirty of our 250 kernels, and declaring one takes Numba a quarter of a millisecond.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import njit

Function = Callable[..., Any]


class Kernel:
    """Stands for a compiled function, from Python and in other kernels, until it is first called.

    What is there of a compiled function is found here, too: ``signatures``, ``stats``, ``py_func``.

    Parameters
    ----------
    function
        A function of a module, to be compiled.
    options
        Of :func:`numba.njit`.
    """

    def __init__(self, function: Function, **options: Any) -> None:
        functools.update_wrapper(self, function)
        self._function, self._options = function, options
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns, which is compiled or loaded for these types if need be."""
        return (self._compiled or self._declare())(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_options" not in vars(self):  # as copies are made
            raise AttributeError(name)
        return getattr(self._compiled or self._declare(), name)

    def _declare(self) -> Any:
        self._compiled = _declare(self._function, self._options)
        # Whoever asks the module for the kernel from now on finds what Numba made of it, and saves a call. Two threads
        # that get here at a time have one each, and both are right.
        names = self._function.__globals__
        if names.get(self._function.__name__) is self:
            names[self._function.__name__] = self._compiled
        return self._compiled


def _declare(function: Function, options: dict[str, Any]) -> Any:
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        # Nowhere to write: a read-only installation under a read-only home still has to run, if slowly at first.
        return njit(**options)(function)
