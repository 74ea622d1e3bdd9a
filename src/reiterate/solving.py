"""One system, or all systems of an iterable, without keeping a solver by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from numpy.typing import ArrayLike

from reiterate.errors import InvalidInput
from reiterate.linear.instance import Vector
from reiterate.solver import Solver


def solve(A: Any, b: ArrayLike, x0: ArrayLike | None = None, **options: Any) -> Vector:
    """Solve one system A x = b, as :meth:`Solver.solve`; ``options`` are those of :class:`Solver`.

    The first solve of a stream is a race of what looks cheapest, and so is this one.
    """
    return Solver(**options).solve(A, b, x0)


def solve_stream(
    systems: Iterable[Any], solver: Solver | None = None, *, progress: bool = False, **options: Any
) -> Iterator[Vector]:
    """Solve the systems of an iterable one after another, lazily.

    Parameters
    ----------
    systems
        Tuples (A, b), (A, b, x0) or (A, b, x0, context), or objects with these attributes, such as those of the
        gallery.
    solver
        Whose knowledge to use and extend; a new :class:`Solver` by default.
    progress
        Show a progress bar on the terminal, on standard error, once it has taken a second.
    options
        Those of the new :class:`Solver`; none may be given with ``solver``.

    Yields
    ------
    ndarray of the shape of b, (n,) or (n, k)
    """
    if solver is not None and options:
        raise InvalidInput("solver", f"has options of its own; give either it or {', '.join(options)}")
    chooser = Solver(**options) if solver is None else solver
    try:
        iterator = iter(systems)
    except TypeError:
        raise InvalidInput("systems", f"{systems!r} is not an iterable of systems; {_FORMS}") from None
    solutions = (chooser.solve(**_arguments(system)) for system in iterator)
    return _watched(solutions, len(systems) if isinstance(systems, Sized) else None) if progress else solutions


def _watched(solutions: Iterator[Vector], total: int | None) -> Iterator[Vector]:
    from reiterate.progress import late_progress

    with late_progress("Solving", total) as advance:
        for solution in solutions:
            advance()
            yield solution


_FORMS = "give (A, b), (A, b, x0), (A, b, x0, context), or objects with these attributes"


def _arguments(system: Any) -> dict[str, Any]:
    """What a stream's element passes to :meth:`Solver.solve`."""
    names = ("A", "b", "x0", "context")
    if isinstance(system, tuple | list) and 2 <= len(system) <= len(names):
        return dict(zip(names, system, strict=False))
    if hasattr(system, "A") and hasattr(system, "b"):
        return {name: getattr(system, name) for name in names if hasattr(system, name)}
    raise InvalidInput("systems", f"holds a {type(system).__name__}; {_FORMS}")
