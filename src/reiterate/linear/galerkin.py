"""Galerkin products Pᵀ A P: with patterns that are still to be found, and again and again with known ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reiterate.kernels import csr, galerkin, galerkin_plan
from reiterate.linear.coarsening import LevelPattern, Transfer
from reiterate.linear.instance import Vector
from reiterate.linear.pattern import Index

_DENSEST = 4.0  # entries of a coarse matrix over those of the fine one: beyond, the product would exhaust memory
_LONGEST_PLAN = 12.0  # terms for each entry of A and P: two bytes a term, so at most twice what A and P take

Restriction = tuple[Index, Index, Vector]
"""Pᵀ: row pointers, indices, numbers."""


def transposed(transfer: Transfer, weights: Vector) -> Restriction:
    """Pᵀ, with sorted rows."""
    indptr = np.empty(transfer.coarse_size + 1, dtype=np.uint32)
    indices, data = np.empty(weights.size, dtype=np.uint32), np.empty(weights.size)
    galerkin.transpose(transfer.indptr, transfer.indices, weights, indptr, indices, data)
    return indptr, indices, data


def first_product(
    level: LevelPattern, transfer: Transfer, data: Vector, restriction: Restriction, weights: Vector
) -> tuple[LevelPattern, Vector] | None:
    """Pattern and numbers of Pᵀ A P; ``None`` where it would be too dense."""
    size = transfer.coarse_size
    stamp, found = np.zeros(level.size, dtype=np.uint32), np.empty(level.size, dtype=np.uint32)
    sums, coarse_sums = np.empty(level.size), np.zeros(size)
    coarse_stamp, indptr = np.zeros(size, dtype=np.uint32), np.empty(size + 1, dtype=np.uint32)
    most = int(_DENSEST * data.size) + 1000
    capacity = min(most, data.size + 1000)
    indices, values = np.empty(capacity, dtype=np.uint32), np.empty(capacity)
    done = 0
    while True:
        done = galerkin.galerkin_product(
            *level.arrays, data, *restriction, transfer.indptr, transfer.indices, weights,
            done, stamp, sums, found, coarse_stamp, coarse_sums, indptr, indices, values,
        )  # fmt: skip
        if done == size:
            break
        if indices.size == most:
            return None
        longer = min(most, 2 * indices.size)
        indices, values = np.resize(indices, longer), np.resize(values, longer)
    count = int(indptr[-1])
    # The product is symmetric, so its transpose is itself with sorted rows.
    sorted_indptr, sorted_indices = np.empty_like(indptr), np.empty(count, dtype=np.uint32)
    sorted_values, position = np.empty(count), np.empty(size, dtype=np.uint32)
    galerkin.transpose(indptr, indices, values, sorted_indptr, sorted_indices, sorted_values)
    csr.find_diagonal(sorted_indptr, sorted_indices, position)
    return LevelPattern(level.depth + 1, sorted_indptr, sorted_indices, position), sorted_values


def restricted_diagonal(scale: Vector, restriction: Restriction) -> Vector:
    """What the terms of each diagonal entry of Pᵀ D P add up to, shape (n_coarse,)."""
    magnitude = np.empty(restriction[0].size - 1)
    galerkin.restricted_diagonal(scale, *restriction, magnitude)
    return magnitude


class KnownProduct:
    """Pᵀ A P for new numbers of A and P on a level whose patterns, and that of the product, are known.

    A plan is made beforehand (:mod:`reiterate.kernels.galerkin_plan`), which costs as much as two to three products,
    and is kept; where it would be long, every product searches like the first one.

    Attributes
    ----------
    terms : int
        Of the plan; 0 where there is none.
    memory : int
        Bytes of the plan.
    """

    def __init__(self, level: LevelPattern, transfer: Transfer, coarse: LevelPattern) -> None:
        self._level, self._transfer, self._coarse = level, transfer, coarse
        plan = _plan(level, transfer, coarse)
        self._plan = plan
        self.terms = 0 if plan is None else plan[1].size + plan[2].size
        self.memory = 0 if plan is None else sum(array.nbytes for array in plan)
        self._longest = 0 if plan is None else int(plan[0].max())

    def compute(self, data: Vector, scale: Vector, weights: Vector) -> tuple[Vector, Vector]:
        """The numbers of Pᵀ A P, and of the diagonal of Pᵀ D P."""
        level, transfer, coarse = self._level, self._transfer, self._coarse
        values, magnitude = np.empty(coarse.indices.size), np.empty(coarse.size)
        if self._plan is None:
            restriction = transposed(transfer, weights)
            stamp, found = np.zeros(level.size, dtype=np.uint32), np.empty(level.size, dtype=np.uint32)
            sums, coarse_sums = np.empty(level.size), np.zeros(coarse.size)
            galerkin.refresh_galerkin_product(
                *level.arrays, data, *restriction, transfer.indptr, transfer.indices, weights,
                stamp, sums, found, coarse_sums, *coarse.arrays, values,
            )  # fmt: skip
            return values, restricted_diagonal(scale, restriction)
        galerkin_plan.refresh_half(
            *level.arrays, level.position, data, transfer.indptr, transfer.indices, weights,
            *self._plan, coarse.indptr, np.empty(self._longest), magnitude, values,
        )  # fmt: skip
        galerkin_plan.add_transpose(*coarse.arrays, coarse.position, np.empty(coarse.size, dtype=np.uint32), values)
        return values, magnitude


def _plan(
    level: LevelPattern, transfer: Transfer, coarse: LevelPattern
) -> tuple[Index, NDArray[np.uint16], NDArray[np.uint16]] | None:
    """Lengths, slots and places, as the kernels take them; ``None`` where they would be long."""
    width, size = np.empty(level.size, dtype=np.uint32), transfer.coarse_size
    fine = *level.arrays, level.position, transfer.indptr, transfer.indices
    inner, outer = galerkin_plan.count_terms(*fine, np.zeros(size, dtype=np.uint32), width)
    longest_row = int(np.diff(coarse.indptr).max())
    if (
        inner + outer > _LONGEST_PLAN * (level.indices.size + transfer.indices.size)
        or longest_row > galerkin_plan.LONGEST_ROW
    ):
        return None
    slots, places = np.empty(inner, dtype=np.uint16), np.empty(outer, dtype=np.uint16)
    columns, place = np.empty(int(width.sum(dtype=np.int64)), dtype=np.uint32), np.empty(size, dtype=np.uint32)
    galerkin_plan.assign_slots(*fine, np.zeros(size, dtype=np.uint32), place, slots, columns)
    r_indptr, r_indices, _ = transposed(transfer, np.empty(transfer.indices.size))
    complete = galerkin_plan.assign_places(
        transfer.indptr, transfer.indices, r_indptr, r_indices, width, columns, *coarse.arrays, place, places
    )
    return (width, slots, places) if complete else None
