"""Runs a program under plain Python and measures its solves: `programs_share.py OUT.json [-m] PROGRAM [ARGS]`.

Written are the seconds of the whole program, those that it spent in SciPy's sparse solvers, and the unknowns of the
largest system that it solved. Solves that SciPy makes within another one are part of that.
"""

from __future__ import annotations

import functools
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BEGIN = time.perf_counter()
_SOLVERS = ("spsolve", "spsolve_triangular", "cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "minres", "gcrotmk")
_FACTORS = ("splu", "spilu")


class Clock:
    """Seconds inside solves, and the most unknowns."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.unknowns = 0
        self._inside = False

    def timing(self, solve: Callable[..., Any], unknowns: int | None = None) -> Callable[..., Any]:
        """The same function, clocked; the unknowns are those of its first argument unless given."""

        @functools.wraps(solve)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return solve(*args, **kwargs)
            self._inside, begin = True, time.perf_counter()
            try:
                return solve(*args, **kwargs)
            finally:
                self._inside = False
                self.seconds += time.perf_counter() - begin
                matrix = args[0] if args else kwargs.get("A")
                self.unknowns = max(self.unknowns, int(unknowns or getattr(matrix, "shape", (0,))[0]))

        return clocked

    def timing_factors(self, factor: Callable[..., Any]) -> Callable[..., Any]:
        """The same for a function that returns factors, whose solves are clocked, too."""
        clocked = self.timing(factor)

        @functools.wraps(factor)
        def factoring(*args: Any, **kwargs: Any) -> Any:
            return Factors(clocked(*args, **kwargs), self)

        return factoring

    def timing_factorized(self, factorized: Callable[..., Any]) -> Callable[..., Any]:
        """The same for a function that returns a function that solves."""
        clocked = self.timing(factorized)

        @functools.wraps(factorized)
        def factoring(A: Any) -> Any:
            return self.timing(clocked(A), A.shape[0])

        return factoring


class Factors:
    """SciPy's factors with a clock on their solves."""

    def __init__(self, factors: Any, clock: Clock) -> None:
        self._factors = factors
        self.solve = clock.timing(factors.solve, factors.shape[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factors, name)


def install(clock: Clock) -> None:
    """Put the clocks where programs import solvers from: before they do, so that nothing else has to be searched."""
    import scipy.sparse.linalg as home
    from scipy.sparse.linalg import _dsolve, _isolve

    kinds = [(_SOLVERS, clock.timing), (_FACTORS, clock.timing_factors), (("factorized",), clock.timing_factorized)]
    for names, wrap in kinds:
        for name in names:
            found = getattr(home, name)
            for module in (home, _dsolve, _isolve):
                if getattr(module, name, None) is found:
                    setattr(module, name, wrap(found))


def main() -> None:
    out, *rest = sys.argv[1:]
    out = str(Path(out).resolve())
    clock = Clock()
    install(clock)
    is_module = rest[0] == "-m"
    sys.argv = rest[1:] if is_module else rest
    sys.path[0] = str(Path.cwd()) if is_module else str(Path(rest[0]).resolve().parent)
    try:
        run = runpy.run_module if is_module else runpy.run_path
        run(sys.argv[0], run_name="__main__", **({"alter_sys": True} if is_module else {}))
    finally:
        found = {
            "seconds": time.perf_counter() - _BEGIN,
            "solving": clock.seconds,
            "unknowns": clock.unknowns,
        }
        Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
