"""Section ``columns``: several right-hand sides side by side, against as many solves one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from machine import fill_page, markdown_table, processor_time, write_csv
from portfolio_systems import grid_systems, unstructured_systems
from portfolio_targets import PAGE
from reiterate.contracts import Method, Prepared, Status, Stop, Values
from reiterate.linear.block import ColumnByColumn
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS, configuration

WIDTHS = (8, 32)
CANDIDATES = (
    "jacobi_cg", "ssor_cg(omega=1.8)", "ic_cg(modification=0.95)", "ict_cg", "amg_cg(theta=0.05, bits=32)", "factor_cg",
)  # fmt: skip
RTOL = 1e-6
_SINGLE = 3  # columns that are solved one after another: each takes as long as the next
_ENOUGH = 1.0  # seconds of measuring, after which there is no further round
_ROUNDS = 5
_LONGEST = 15.0  # seconds that the columns of a wide block may take one by one; else it is left out
_LARGEST_GRID_FACTOR = 30_000  # unknowns; beyond, factoring a grid in space takes longer than all the rest


def run(quick: bool) -> None:
    """Measure, and fill the section of the page, after each system anew."""
    systems = {
        "7-point grid": grid_systems(16 if quick else 48)[0][0],
        "P1 on random points": unstructured_systems(3_000 if quick else 100_000)[0][0],
    }
    rows: list[tuple[str, int, str, float, float, float, int]] = []
    scipy_seconds: dict[str, float] = {}
    for title, A in systems.items():
        for spelling in CANDIDATES:
            if spelling == "factor_cg" and title.startswith("7") and A.shape[0] > _LARGEST_GRID_FACTOR:
                continue
            one, blocks, iterations = _measure(spelling, A)
            rows.append((title, A.shape[0], spelling, one, *blocks, iterations))
            print(f"  {title}: {spelling}: {1e3 * one:.1f} ms a column, {_listed(blocks)}", flush=True)
        scipy_seconds[title] = _scipy(A)
        print(f"  {title}: SciPy: {1e3 * scipy_seconds[title]:.1f} ms a column", flush=True)
        _publish(rows, scipy_seconds)


def _measure(spelling: str, A: Any) -> tuple[float, list[float], int]:
    """Seconds a column one after another and for every width of a block, and iterations of the slowest column."""
    chosen = configuration(spelling)
    method, values = METHODS[chosen.method], dict(chosen.values)
    method.warm_up()
    method.rehearse_block()  # type: ignore[attr-defined]
    door, rng = Door(), np.random.default_rng(0)
    B = rng.standard_normal((A.shape[0], max(WIDTHS)))
    instances = [door.admit_block(A, B[:, :width], None, rtol=RTOL, atol=0.0).instance for width in WIDTHS]
    prepared = method.prepare(instances[0], values)
    iterations = 0

    def one_by_one() -> None:
        for column in instances[0].columns[:_SINGLE]:
            _solve(method, prepared, column, values)

    def block(instance: Any) -> Callable[[], None]:
        def solve() -> None:
            nonlocal iterations
            iterations = _solve(ColumnByColumn(method), prepared, instance, values)

        return solve

    runs = [one_by_one, *map(block, instances)]
    best = [np.inf] * len(runs)
    spent = 0.0
    for _ in range(_ROUNDS):
        for k, solve in enumerate(runs):
            if k > 1 and WIDTHS[k - 1] * best[0] / _SINGLE > _LONGEST:
                continue
            begin = processor_time()
            solve()
            seconds = processor_time() - begin
            best[k], spent = min(best[k], seconds), spent + seconds
        if spent > _ENOUGH:
            break
    return best[0] / _SINGLE, [seconds / width for seconds, width in zip(best[1:], WIDTHS, strict=True)], iterations


def _solve(method: Method, prepared: Prepared, instance: Any, values: Values) -> int:
    progress = method.iterate(prepared, instance, values, np.zeros_like(instance.b), Stop(instance.target, 20_000))
    assert progress.status is Status.CONVERGED, progress.reason
    return progress.iterations


def _scipy(A: Any) -> float:
    """Seconds of one ``scipy.sparse.linalg.cg`` with the diagonal as preconditioner."""
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    M = sp.diags_array(1.0 / A.diagonal()).tocsr()
    begin = processor_time()
    _, code = spla.cg(A, b, rtol=RTOL, atol=0.0, maxiter=20_000, M=M)
    assert code == 0
    return processor_time() - begin


def _listed(blocks: list[float]) -> str:
    return ", ".join(f"{1e3 * seconds:.1f} of {width}" for width, seconds in zip(WIDTHS, blocks, strict=True))


def _publish(rows: list[tuple[str, int, str, float, float, float, int]], scipy_seconds: dict[str, float]) -> None:
    write_csv(
        "portfolio_columns.csv",
        ["system", "n", "method", "seconds a column", *(f"of {width}" for width in WIDTHS), "iterations"],
        rows,
    )
    cells = [
        [
            f"{title}, n = {n:,}", f"`{spelling}`", iterations, f"{1e3 * one:.1f}",
            *(f"{1e3 * seconds:.1f} ({one / seconds:.1f})" if seconds < np.inf else "" for seconds in blocks),
            f"{1e3 * scipy_seconds[title]:.1f}",
        ]
        for title, n, spelling, one, *blocks, iterations in rows
    ]  # fmt: skip
    header = [
        "system",
        "method",
        "iterations",
        "one by one",
        *(f"{width} columns" for width in WIDTHS),
        "SciPy, Jacobi",
    ]
    fill_page(PAGE, "columns", markdown_table(header, cells))
