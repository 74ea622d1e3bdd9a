"""The cycle against its dense definition and PyAMG's; the hierarchy against dense algebra; refreshes; hostile input."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import reiterate as rt
from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear import coarsening, galerkin, hierarchy
from reiterate.linear.door import Door
from reiterate.linear.multigrid import ClassicalMultigrid, SmoothedAggregationMultigrid
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from tests.matrices import arrow, definite_matrices, laplacian

FAMILIES = [SmoothedAggregationMultigrid(), ClassicalMultigrid()]
both = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture(autouse=True)
def _small_coarsest_level(monkeypatch):
    """Matrices of a size that dense algebra checks quickly have several levels."""
    monkeypatch.setattr(hierarchy, "_COARSEST", 4)


def values(family, **given):
    return {parameter.name: given.get(parameter.name, parameter.default) for parameter in family.parameters}


def build(family, A, *, door=None, previous=None, **given):
    instance = (door or Door()).admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)
    return family.build(instance, values(family, **given), previous)


def dense(preconditioner):
    n = preconditioner.size
    M, z = np.empty((n, n)), np.empty(n)
    for j in range(n):
        preconditioner.apply(np.eye(n)[j], z)
        M[:, j] = z
    return M


def levels_of(preconditioner):
    """The scaled matrices and prolongators, as SciPy's."""
    table, matrices, prolongators = preconditioner._table, [], []
    for row, level in zip(table, preconditioner._levels, strict=True):
        n, count = level.size, level.indices.size
        data = preconditioner._values[row[3] : row[3] + count] if matrices else preconditioner._fine_values
        arrays = data, level.indices.astype(np.int32), level.indptr.astype(np.int32)
        matrices.append(sp.csr_array(arrays, shape=(n, n)))
        t = level.transfer
        if t is not None:
            data = preconditioner._p_values[row[5] : row[5] + t.indices.size]
            arrays = data, t.indices.astype(np.int32), t.indptr.astype(np.int32)
            prolongators.append(sp.csr_array(arrays, shape=(n, t.coarse_size)))
    return matrices, prolongators


def definition(matrices, prolongators, r, sweeps):
    """One V-cycle from zero, dense."""
    A = matrices[0].toarray()
    if not prolongators and A.shape[0] <= hierarchy._COARSEST:
        return np.linalg.pinv(A, hermitian=True) @ r
    L, U = np.tril(A), np.triu(A)
    x = np.zeros_like(r)
    for _ in range(sweeps):
        x = x + np.linalg.lstsq(L, r - A @ x)[0]
    if prolongators:
        P = prolongators[0].toarray()
        x = x + P @ definition(matrices[1:], prolongators[1:], P.T @ (r - A @ x), sweeps)
    for _ in range(sweeps):
        x = x + np.linalg.lstsq(U, r - A @ x)[0]
    return x


@both
@pytest.mark.parametrize("sweeps", [1, 2, 3])
@pytest.mark.parametrize("A", [laplacian(12), laplacian(5, 3, shift=0.2), arrow(30), laplacian(70, 1)])
def test_the_cycle_is_its_definition(family, A, sweeps):
    preconditioner = build(family, A, sweeps=sweeps, theta=0.001)
    assert len(preconditioner.level_sizes) > 1
    r = np.random.default_rng(0).normal(size=A.shape[0])
    z, scale = np.empty_like(r), 1.0 / np.sqrt(A.diagonal())
    preconditioner.apply(r, z)
    np.testing.assert_allclose(z, scale * definition(*levels_of(preconditioner), scale * r, sweeps), rtol=1e-10)


@both
@pytest.mark.parametrize("gap", [1, 255, 256, 700])
def test_the_cycle_passes_over_rows_without_coarse_unknowns(family, gap):
    A = sp.csr_array(sp.block_diag([sp.eye_array(gap), laplacian(6), sp.eye_array(gap), laplacian(6), sp.eye_array(3)]))
    preconditioner = build(family, A)
    assert np.count_nonzero(np.diff(preconditioner._levels[0].transfer.indptr) == 0) >= 2 * gap + 3
    r = np.random.default_rng(0).normal(size=A.shape[0])
    z, scale = np.empty_like(r), 1.0 / np.sqrt(A.diagonal())
    preconditioner.apply(r, z)
    np.testing.assert_allclose(z, scale * definition(*levels_of(preconditioner), scale * r, 1), rtol=1e-10)


@both
def test_the_cycle_is_that_of_pyamg(family):
    from pyamg.multilevel import MultilevelSolver
    from pyamg.relaxation.smoothing import change_smoothers

    A = laplacian(30, shift=0.1)
    preconditioner = build(family, A, sweeps=2)
    levels = []
    matrices, prolongators = levels_of(preconditioner)
    for matrix, P in zip(matrices, [*prolongators, None], strict=True):
        level = MultilevelSolver.Level()
        level.A, level.P = sp.csr_matrix(matrix), P
        if P is not None:
            level.P, level.R = sp.csr_matrix(P), sp.csr_matrix(P.T)
        levels.append(level)
    solver = MultilevelSolver(levels, coarse_solver="pinv")
    sweep = {"iterations": 2}
    change_smoothers(
        solver, ("gauss_seidel", sweep | {"sweep": "forward"}), ("gauss_seidel", sweep | {"sweep": "backward"})
    )
    r = np.random.default_rng(1).normal(size=900)
    z, scale = np.empty_like(r), 1.0 / np.sqrt(A.diagonal())
    preconditioner.apply(r, z)
    np.testing.assert_allclose(z, scale * (solver.aspreconditioner() @ (scale * r)), rtol=1e-9)


@both
@given(A=definite_matrices(), sweeps=st.integers(1, 2), theta=st.sampled_from([0.01, 0.08, 0.25]))
@settings(max_examples=60)
def test_the_inverse_is_symmetric_positive_definite(family, A, sweeps, theta):
    M = dense(build(family, A, sweeps=sweeps, theta=theta))
    d = np.sqrt(A.diagonal())
    scaled = d[:, None] * M * d
    np.testing.assert_allclose(scaled, scaled.T, rtol=1e-9, atol=1e-9 * np.abs(scaled).max())
    assert np.linalg.eigvalsh(scaled)[0] > 0.0
    # A convergent symmetric cycle never overshoots: the eigenvalues of M⁻¹A lie in (0, 1].
    images = np.linalg.eigvals(M @ A.toarray()).real
    assert images.min() > 0.0
    assert images.max() <= 1.0 + 1e-8


@both
def test_coarse_matrices_are_galerkin_products(family):
    rng = np.random.default_rng(5)
    B = sp.random_array((80, 80), density=0.04, rng=rng)
    A = sp.csr_array(laplacian(80, 1) + B + B.T + sp.diags_array((B + B.T).sum(axis=1)))
    matrices, prolongators = levels_of(build(family, A))
    assert len(prolongators) > 1
    for fine, P, coarse in zip(matrices, prolongators, matrices[1:], strict=False):
        np.testing.assert_allclose(coarse.toarray(), (P.T @ fine @ P).toarray(), rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(coarse.diagonal(), 1.0, rtol=1e-12)


def smoothed_by_definition(A, aggregate, theta, keep):
    """(I − ω D⁻¹ A_F) T for the constant candidate, dense; ``keep`` is the pattern of P."""
    A, n = A.toarray(), A.shape[0]
    T = np.zeros((n, aggregate.max() + 1))
    T[np.arange(n), aggregate] = 1.0
    T /= np.linalg.norm(T, axis=0)
    filtered = np.where(keep[:, aggregate], A, 0.0)
    filtered += np.diag((A - filtered).sum(axis=1))
    D = np.diag(A)
    omega = 4.0 / 3.0 / np.linalg.eigvalsh(A / np.sqrt(np.outer(D, D)))[-1]
    return T - omega / D[:, None] * (filtered @ T)


@pytest.mark.parametrize("theta", [0.001, 0.3])
def test_smoothed_prolongators_are_their_definition(monkeypatch, theta):
    monkeypatch.setattr(coarsening, "_LANCZOS_STEPS", 60)
    anisotropic = sp.kron(laplacian(7, 1), sp.eye_array(7)) + 0.2 * sp.kron(sp.eye_array(7), laplacian(7, 1))
    A = sp.csr_array(anisotropic)
    door = Door()
    preconditioner = build(FAMILIES[0], A, theta=theta, door=door)
    transfer = preconditioner._levels[0].transfer
    keep = (
        sp.csr_array(
            (np.ones(transfer.indices.size), transfer.indices.astype(np.int32), transfer.indptr.astype(np.int32))
        ).toarray()
        > 0
    )
    for numbers in (A, sp.csr_array(A + 0.3 * sp.eye_array(49)), sp.csr_array(7.0 * anisotropic)):
        preconditioner = build(FAMILIES[0], numbers, theta=theta, door=door, previous=preconditioner)
        level = preconditioner._levels[0]
        scale = 1.0 / np.sqrt(numbers.diagonal())
        weights = transfer.weights(level, Door().admit(numbers, scale, None, rtol=1e-8, atol=0.0).data, scale, None)
        found = sp.csr_array((weights, transfer.indices.astype(np.int32), transfer.indptr.astype(np.int32)))
        expected = smoothed_by_definition(numbers, transfer.aggregate.astype(int), theta, keep)
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6, atol=1e-9)


def test_direct_interpolation_is_that_of_pyamg():
    from pyamg.classical.interpolate import direct_interpolation

    rng = np.random.default_rng(6)
    A = laplacian(15, shift=0.05)
    # An M-matrix, where every convention for positive entries agrees.
    A = sp.csr_array(A + sp.diags_array(rng.uniform(0.0, 1.0, 225)))
    preconditioner = build(FAMILIES[1], A)
    level = preconditioner._levels[0]
    transfer = level.transfer
    splitting = (transfer.coarse != 0xFFFFFFFF).astype(np.int32)
    weights = transfer.weights(level, A.data, 1.0 / np.sqrt(A.diagonal()), None)
    found = sp.csr_array((weights, transfer.indices.astype(np.int32), transfer.indptr.astype(np.int32)))
    strong = sp.csr_matrix(strength_of_connection(A, 0.25))
    expected = direct_interpolation(sp.csr_matrix(A), strong, splitting)
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-12, atol=1e-14)


def strength_of_connection(A, theta):
    off = A.toarray() - np.diag(A.diagonal())
    strong = (np.abs(off) >= theta * np.abs(off).max(axis=1, keepdims=True)) & (off != 0.0)
    return A.toarray() * (strong | np.eye(A.shape[0], dtype=bool))


def changed(A, seed):
    """The same pattern, symmetric, with other numbers that keep the matrix definite."""
    rng = np.random.default_rng(seed)
    root = sp.diags_array(rng.uniform(0.7, 1.5, A.shape[0]))
    B = sp.csr_array(root @ A @ root)
    B = sp.csr_array((B + B.T) / 2)
    B.sort_indices()
    return B


@both
@pytest.mark.parametrize("bits", [32, 64])
def test_a_refresh_with_the_same_numbers_changes_nothing(family, bits):
    A, door = laplacian(20), Door()
    r = np.random.default_rng(2).normal(size=400)
    first, second = np.empty(400), np.empty(400)
    preconditioner = build(family, A, door=door, bits=bits)
    preconditioner.apply(r, first)
    again = build(family, A.copy(), door=door, previous=preconditioner, bits=bits)
    assert again is preconditioner
    again.apply(r, second)
    np.testing.assert_allclose(second, first, rtol=1e-10 if bits == 64 else 1e-4, atol=1e-12 if bits == 64 else 1e-5)


@both
def test_a_refresh_with_other_numbers_is_the_galerkin_hierarchy_of_those(family):
    A, door = laplacian(20, shift=0.3), Door()
    preconditioner = build(family, A, door=door)
    fresh = preconditioner.setup_traffic
    before = preconditioner.level_sizes
    B = changed(A, 3)
    preconditioner = build(family, B, door=door, previous=preconditioner)
    assert preconditioner.level_sizes == before
    assert preconditioner.setup_traffic < fresh
    matrices, prolongators = levels_of(preconditioner)
    scale = 1.0 / np.sqrt(B.diagonal())
    np.testing.assert_allclose(matrices[0].toarray(), scale[:, None] * B.toarray() * scale, rtol=1e-13)
    for fine, P, coarse in zip(matrices, prolongators, matrices[1:], strict=False):
        np.testing.assert_allclose(coarse.toarray(), (P.T @ fine @ P).toarray(), rtol=1e-9, atol=1e-13)
    z, r = np.empty(400), np.random.default_rng(4).normal(size=400)
    preconditioner.apply(r, z)
    np.testing.assert_allclose(z, scale * definition(matrices, prolongators, scale * r, 1), rtol=1e-9)
    other = build(family, laplacian(21), door=door, previous=preconditioner)
    assert other is not preconditioner


def iterations(family, A, b, **given):
    method = PreconditionedConjugateGradients(family)
    instance = Door().admit(A, b, None, rtol=1e-8, atol=0.0)
    prepared = method.prepare(instance, values(family, **given))
    progress = method.iterate(prepared, instance, values(family, **given), np.zeros(b.size), Stop(instance.target, 400))
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1.01e-8
    return progress.iterations


@both
@pytest.mark.parametrize("bits", [32, 64])
def test_iterations_hardly_depend_on_the_size(family, bits):
    counts = [
        iterations(family, laplacian(m), np.random.default_rng(0).normal(size=m * m), bits=bits) for m in (25, 50, 100)
    ]
    assert counts[-1] <= counts[0] + 6
    assert counts[-1] <= 20


@both
def test_a_scaled_matrix_costs_no_more_than_the_one_it_was(family):
    A = laplacian(40)
    b = np.random.default_rng(0).normal(size=1600)
    scale = sp.diags_array(10.0 ** np.random.default_rng(1).uniform(-3, 3, 1600))
    S = sp.csr_array(scale @ A @ scale)
    S = sp.csr_array((S + S.T) / 2)
    # The residuals of the two systems differ by the scaling, hence the margin.
    assert iterations(family, S, S @ b, bits=32) <= 2 * iterations(family, A, b) + 5


@both
@pytest.mark.parametrize("blocks", [1, 3])
def test_neumann_problems_are_solved(family, blocks):
    one = laplacian(15)
    one = sp.csr_array(one - sp.diags_array(one.sum(axis=1)))
    A = sp.csr_array(sp.block_diag([one] * blocks))
    b = A @ np.random.default_rng(0).normal(size=A.shape[0])
    assert iterations(family, A, b) <= 25


def positive_off_diagonals():
    A = abs(laplacian(10, shift=2.0))
    return sp.csr_array(A)


HOSTILE = {
    "1 by 1": sp.csr_array([[3.0]]),
    "diagonal": sp.csr_array(sp.diags_array(np.arange(1.0, 40.0))),
    "disconnected": sp.csr_array(sp.block_diag([laplacian(6), laplacian(4, 3), sp.eye_array(5), laplacian(9, 1)])),
    "dense row": arrow(200),
    "dense": sp.csr_array(np.ones((30, 30)) + 30 * np.eye(30)),
    "huge": sp.csr_array(laplacian(12) * 1e100),
    "tiny": sp.csr_array(laplacian(12) * 1e-100),
    "positive off-diagonals": positive_off_diagonals(),
    "tridiagonal": laplacian(300, 1),
}


@both
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input(family, bits, name):
    A = HOSTILE[name]
    b = A @ np.random.default_rng(0).normal(size=A.shape[0])
    assert iterations(family, A, b, bits=bits) <= 40


@both
@pytest.mark.parametrize("bits", [32, 64])
def test_units_of_the_residual_do_not_matter(family, bits):
    preconditioner = build(family, laplacian(12), bits=bits)
    r = np.random.default_rng(0).normal(size=144)
    z, scaled = np.empty(144), np.empty(144)
    preconditioner.apply(r, z)
    for unit in (1e-150, 1e150):
        preconditioner.apply(unit * r, scaled)
        np.testing.assert_allclose(scaled / unit, z, rtol=1e-5 if bits == 32 else 1e-12, atol=1e-6)
    preconditioner.apply(0.0 * r, z)
    np.testing.assert_array_equal(z, 0.0)


def test_units_that_vary_from_block_to_block():
    A = sp.csr_array(sp.block_diag([laplacian(8) * 1e100, laplacian(8), laplacian(8) * 1e-100]))
    for family in FAMILIES:
        z = np.empty(192)
        build(family, A, bits=32).apply(np.ones(192), z)
        assert np.all(np.isfinite(z))


@both
def test_an_indefinite_matrix_breaks_down(family):
    A = laplacian(10, shift=-3.0)
    method = PreconditionedConjugateGradients(family)
    instance = Door().admit(A, np.ones(100), None, rtol=1e-10, atol=0.0)
    with pytest.raises(Breakdown, match="not positive definite"):
        method.prepare(instance, values(family))


@both
def test_a_refresh_that_breaks_down_leaves_the_hierarchy_as_it_was(family):
    A, door, r = laplacian(10), Door(), np.ones(100)
    preconditioner = build(family, A, door=door)
    before, after = np.empty(100), np.empty(100)
    preconditioner.apply(r, before)
    with pytest.raises(Breakdown):
        build(family, laplacian(10, shift=-3.0), door=door, previous=preconditioner)
    preconditioner.apply(r, after)
    np.testing.assert_array_equal(after, before)


@both
def test_a_refresh_follows_a_new_scaling(family):
    A, door, n = laplacian(40), Door(), 1600
    b = np.random.default_rng(0).normal(size=n)
    method, state, counts = PreconditionedConjugateGradients(family), None, []
    for seed in (1, 2, 3):
        scale = sp.diags_array(10.0 ** np.random.default_rng(seed).uniform(-1, 1, n))
        S = sp.csr_array(scale @ A @ scale)
        S = sp.csr_array((S + S.T) / 2)
        instance = door.admit(S, scale @ b, None, rtol=1e-8, atol=0.0)
        state = method.prepare(instance, values(family), state)
        counts.append(method.iterate(state, instance, values(family), 0.0 * b, Stop(instance.target, 99)).iterations)
    assert max(counts[1:]) <= counts[0] + 3


def test_a_product_that_would_be_too_dense_falls_back_to_plain_aggregation(monkeypatch):
    monkeypatch.setattr(galerkin, "_DENSEST", 0.2)
    A = laplacian(16, 3)
    plain = build(FAMILIES[0], A)
    assert plain._levels[0].transfer.indices.size == 4096
    assert build(FAMILIES[1], A).level_sizes == [4096]  # no sparser interpolation: Gauss-Seidel alone
    b = np.random.default_rng(0).normal(size=4096)
    for family in FAMILIES:
        assert iterations(family, A, b) < 150


def test_input_is_left_alone_and_not_kept():
    A = laplacian(12)
    kept = A.data.copy()
    for family in FAMILIES:
        preconditioner = build(family, A)
        r = np.ones(144)
        before, after = np.empty(144), np.empty(144)
        preconditioner.apply(r, before)
        A.data *= 3.0
        preconditioner.apply(r, after)
        np.testing.assert_array_equal(after, before)
        np.testing.assert_array_equal(r, 1.0)
        A.data[:] = kept


def test_single_precision_holds_and_moves_less():
    A = laplacian(40)
    for family in FAMILIES:
        single, double = build(family, A, bits=32), build(family, A, bits=64)
        assert single.memory < double.memory
        assert single.traffic < double.traffic


def test_the_solver_tunes_it():
    A, b = laplacian(30), np.random.default_rng(0).normal(size=900)
    x = rt.Solver(["amg_cg", "classical_amg_cg"], fallback=None, cost="work").solve(A, b)
    np.testing.assert_allclose(A @ x, b, atol=1e-5)


@both
@pytest.mark.parametrize("longest", [galerkin._LONGEST_PLAN, 0.0])
def test_a_refresh_is_a_fresh_hierarchy_with_the_same_coarse_unknowns(family, longest, monkeypatch):
    monkeypatch.setattr(galerkin, "_LONGEST_PLAN", longest)
    A, B, door = laplacian(9, 3, shift=0.3), 3.0 * laplacian(9, 3, shift=0.301), Door()
    monkeypatch.setattr(coarsening, "_REFRESHES", 1)  # the spectral radius is not estimated anew every time
    refreshed = build(family, A, door=door, theta=0.01)
    for numbers in (A, B):
        build(family, numbers, door=door, previous=refreshed, theta=0.01)
    assert all((product.terms > 0) == (longest > 0.0) for product in refreshed._products)
    fresh = build(family, B, theta=0.01)
    assert refreshed.level_sizes == fresh.level_sizes
    assert len(fresh.level_sizes) > 2
    for found, expected in zip(levels_of(refreshed), levels_of(fresh), strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.toarray(), other.toarray(), rtol=1e-10, atol=1e-13)


def test_a_plan_is_held_only_once_there_was_a_refresh():
    A, door = laplacian(40), Door()
    preconditioner = build(FAMILIES[0], A, door=door)
    memory, cost = preconditioner.memory, preconditioner.setup_traffic
    build(FAMILIES[0], A, door=door, previous=preconditioner)
    first = preconditioner.setup_traffic
    build(FAMILIES[0], A, door=door, previous=preconditioner)
    assert preconditioner.memory == memory + sum(product.memory for product in preconditioner._products) > memory
    assert preconditioner.setup_traffic < first < cost


def test_between_estimates_the_spectral_radius_follows_the_norm(monkeypatch):
    estimates = []
    estimate = coarsening.spectral_radius
    monkeypatch.setattr(
        coarsening, "spectral_radius", lambda *level: estimates.append(estimate(*level)) or estimates[-1]
    )
    door = Door()
    built = build(SmoothedAggregationMultigrid(), laplacian(9, 3, shift=0.3), door=door)
    first = len(estimates)
    radii = []
    for k in range(7):
        A = (k + 1.0) * laplacian(9, 3, shift=0.3 + 0.001 * k)
        build(SmoothedAggregationMultigrid(), A, door=door, previous=built)
        transfer = built._levels[0].transfer
        radii.append(transfer._part * transfer._norm)
        eigenvalues = np.linalg.eigvalsh((A / A.diagonal()[0]).toarray())
        assert abs(radii[-1] - eigenvalues[-1]) <= 0.1 * eigenvalues[-1]
    assert len(estimates) == first
    build(SmoothedAggregationMultigrid(), laplacian(9, 3, shift=0.31), door=door, previous=built)
    assert len(estimates) == 2 * first
    build(SmoothedAggregationMultigrid(), laplacian(9, 3, shift=30.0), door=door, previous=built)
    assert len(estimates) == 3 * first
