"""What a stream on disk is, in whatever form: systems in their order, each read when it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]


class System(NamedTuple):
    """One linear system: a sparse matrix, right-hand side(s), and where to begin."""

    A: Any
    b: Vector
    x0: Vector | None = None


@dataclass(frozen=True, slots=True)
class StoredSystem:
    """A system that has not been read yet.

    Attributes
    ----------
    label : str
        Its number, with as many digits as its files have: the name of its solution.
    where : str
        The files that it is read from, in words.
    read : callable
        Reads it; raises :class:`~reiterate.errors.UnreadableFile`.
    """

    label: str
    where: str
    read: Callable[[], System]


@dataclass(frozen=True, slots=True)
class StoredStream:
    """The systems that a directory or a file holds, in their order; iterate over it to read them one by one.

    Attributes
    ----------
    source : Path
    systems : sequence of StoredSystem
    description : str
        What was found, e.g. "30 systems with 12 matrices".
    """

    source: Path
    systems: Sequence[StoredSystem]
    description: str

    def __len__(self) -> int:
        return len(self.systems)

    def __iter__(self) -> Iterator[System]:
        return (system.read() for system in self.systems)


class Shelf:
    """Keeps the matrix that was read last, because the next system often has the same one."""

    def __init__(self) -> None:
        self._name: object = None
        self._matrix: Any = None

    def get(self, name: object, read: Callable[[], Any]) -> Any:
        """The matrix of that name, read if it is not the last one."""
        if self._matrix is None or self._name != name:
            self._matrix = None
            self._matrix, self._name = read(), name
        return self._matrix


def as_vector(array: Any) -> Vector:
    """A right-hand side as (n,) where it is a single column, and as (n, k) otherwise."""
    vector = np.asarray(array)
    return vector[:, 0] if vector.ndim == 2 and vector.shape[1] == 1 else vector
