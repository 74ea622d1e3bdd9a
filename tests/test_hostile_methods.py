"""Every method meets every hostile matrix: a verified solution or a typed error; no warning, no NaN, an end."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.portfolio import METHODS
from tests.matrices import laplacian

SIZE = 25
INSTALLED = [name for name in METHODS if name not in ENGINES or ENGINES[name].available()]


def changed(A, *entries):
    A = sp.lil_array(A)
    for where, value in entries:
        A[where] = value
    return sp.csr_array(A)


def hostile():
    """Matrices by name, of which a solution is known to exist where b is a product with them."""
    rng = np.random.default_rng(0)
    A = laplacian(5)
    neumann = sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))
    upwind = sp.csr_array(A + sp.diags_array(np.full(SIZE - 2, 0.3), offsets=2, shape=A.shape))
    indefinite = sp.csr_array(A - 2.5 * sp.eye_array(SIZE))
    shifted = sp.csr_array(A - (1.5 - 0.5j) * sp.eye_array(SIZE))
    D = sp.diags_array(10.0 ** rng.uniform(-60.0, 60.0, SIZE))
    kinds = {"definite": A, "upwind": upwind, "indefinite": indefinite, "Neumann": neumann, "complex": shifted}
    return {
        **{f"{name} times 1e150": 1e150 * kinds[name] for name in ("definite", "indefinite", "complex")},
        **{f"{name} times 1e-150": 1e-150 * kinds[name] for name in ("upwind", "indefinite", "Neumann")},
        **{f"definite times {c:g}": c * A for c in (1e300, 1e-300, 1e-310)},
        "negative Neumann": -neumann,
        "nearly Neumann": sp.csr_array(neumann + 1e-14 * sp.eye_array(SIZE)),
        "upwind Neumann": sp.csr_array(upwind - sp.diags_array(np.asarray(upwind.sum(axis=1)).ravel())),
        "one subnormal pivot": changed(A, ((3, 3), 5e-324)),
        "subnormal": sp.csr_array(5e-324 * sp.eye_array(SIZE)),
        "near overflow": sp.csr_array(1.7e308 * sp.eye_array(SIZE)),
        "rows that overflow": 2.5e307 * A,
        "Hilbert": sp.csr_array(1.0 / (np.arange(12)[:, None] + np.arange(12) + 1.0)),
        "one huge row": changed(A, (5, 1e150 * rng.normal(size=SIZE))),
        "one huge entry": changed(A, ((5, 5), 1e150)),
        "huge off the diagonal": changed(A, ((0, 9), 1e160), ((9, 0), 1e160)),
        "an empty row": changed(A, (7, np.zeros(SIZE))),
        "an empty row and column": changed(A, (7, np.zeros(SIZE)), ((slice(None), 7), np.zeros(SIZE))),
        "zero": sp.csr_array((SIZE, SIZE)),
        "ones": sp.csr_array(np.ones((SIZE, SIZE))),
        "nilpotent": sp.csr_array(np.triu(np.ones((SIZE, SIZE)), 1)),
        "badly scaled": sp.csr_array(D @ A @ D),
        "badly scaled, indefinite": sp.csr_array(D @ indefinite @ D),
        "badly scaled rows": sp.csr_array(D @ A),
        "disconnected": sp.csr_array(sp.block_diag([laplacian(3), 1e150 * laplacian(3), 1e-150 * laplacian(2)])),
        "exchange": sp.csr_array(np.fliplr(np.eye(SIZE))),
    }


MATRICES = hostile()
SINGULAR = ("upwind Neumann", "an empty row", "an empty row and column", "zero", "ones", "nilpotent")


def relative_residual(A, b, x):
    size = np.abs(b).max()
    if size == 0.0:
        return np.abs(x).max()
    with np.errstate(over="ignore", under="ignore"):
        return np.linalg.norm((b - A @ x) / size) / np.linalg.norm(b / size)


def check(solver, A, b):
    """Solve twice, the second time with what the first has left; True if both were solved."""
    for _ in range(2):
        try:
            x = solver.solve(A, b)
        except rt.ReiterateError as error:
            reason = error
            break
        assert np.isfinite(x).all()
        assert relative_residual(A, b, x) <= 1.001e-8
    else:
        return True
    assert len(str(reason)) > 40
    assert isinstance(reason, rt.InvalidInput) or np.isfinite(reason.x).all()
    return False


def right_hand_sides(A):
    rng = np.random.default_rng(1)
    return (A @ rng.uniform(-0.2, 0.2, size=A.shape[0]) if A.nnz else np.ones(SIZE)), rng.normal(size=A.shape[0])


@pytest.mark.parametrize("name", INSTALLED)
def test_a_solution_or_a_reason(name):
    for key, A in MATRICES.items():
        for b in right_hand_sides(A)[: 2 if key in SINGULAR else 1]:
            check(rt.Solver([name], fallback=None, cost="work", seed=0, max_iterations=100), A, b)


_SOLVED_BY_DEFAULT = {
    name for name in MATRICES
    if name not in SINGULAR and "subnormal" not in name and name not in ("definite times 1e-310", "nearly Neumann")
}  # fmt: skip


@pytest.mark.parametrize("name", MATRICES)
def test_by_default_what_has_a_solution_is_solved(name):
    A = MATRICES[name]
    consistent, other = right_hand_sides(A)
    solved = check(rt.Solver(seed=0), A, consistent)
    assert solved or name not in _SOLVED_BY_DEFAULT
    check(rt.Solver(seed=0), A, other)


@pytest.mark.parametrize("kind", ["definite", "indefinite", "Neumann"])
@pytest.mark.parametrize("size", [1e150, 1e-150, 1e300, 1e-300])
@pytest.mark.parametrize("method", ["minres", "jacobi_minres"])
def test_minres_solves_at_any_scale(method, size, kind):
    A = laplacian(5)
    if kind == "indefinite":
        A = sp.csr_array(A - 2.5 * sp.eye_array(SIZE))
    if kind == "Neumann":
        A = sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))
    A = size * A
    assert check(rt.Solver([method], fallback=None, guesses=False), A, right_hand_sides(A)[0])
