"""One call site: one stream, one solver, and a ledger of what answering costs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal

import numpy as np

Handler = Callable[["Site", Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

_SMALLEST = 150  # unknowns; below, no method can make up for its own overhead


@dataclass(slots=True)
class Options:
    """What the sites of a session have in common."""

    direct_tolerance: float
    audit: float
    recorder: Any
    solver_options: dict[str, Any]
    rng: np.random.Generator
    lock: threading.Lock = field(default_factory=threading.Lock)


class Site:
    """A place in a program that calls one of SciPy's solvers."""

    def __init__(self, code: CodeType, line: int, function: str, handler: Handler, options: Options) -> None:
        self.where = f"{os.path.basename(code.co_filename)}:{line} in {code.co_qualname}"
        self.function = function
        self.options = options
        self.least = 0 if options.recorder is not None else _SMALLEST
        self.solves = self.left_to_scipy = self.timed_left = 0
        self.seconds = 0.0
        self.disagreement: float | None = None
        self.solver: Any = None
        self._handler = handler

    def answer(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the call returns."""
        return self._handler(self, original, args, kwargs)

    def before(self) -> tuple[float | None, Literal["audited", "estimated", "unknown"]]:
        """What SciPy would have spent."""
        return None, "unknown"

    def chosen(self) -> list[tuple[str, int]]:
        """Configurations and how many solves they began."""
        if self.solver is None:
            return []
        tallies = self.solver.history.tallies
        return sorted(((str(c), tally.solves) for c, tally in tallies.items()), key=lambda item: -item[1])
