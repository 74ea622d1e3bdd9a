"""Several right-hand sides at once: every column is verified, and nobody pays for another's."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

import reiterate as rt
from reiterate.contracts import Method, Status, Stop
from reiterate.errors import Breakdown
from reiterate.linear.block import BlockInstance, ColumnByColumn
from reiterate.linear.cg import JacobiConjugateGradients
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS
from tests.matrices import definite_matrices, laplacian

SPELLINGS = [
    "cg", "jacobi_cg", "ssor_cg(omega=1.5)", "ic_cg", "amg_cg", "factor_cg", "direct", "ilu_bicgstab", "gmres",
    "jacobi_minres",
]  # fmt: skip


def neumann(m):
    A = laplacian(m)
    return sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))


def worst(A, B, X, rtol=1e-8, atol=0.0):
    """The largest residual of a column in units of what is allowed; scaled, so that huge and tiny ones are judged."""
    found = 0.0
    for b, x in zip(B.T, X.T, strict=True):
        size = np.abs(b).max()
        if size == 0.0:
            assert not x.any()
            continue
        allowed = max(rtol * np.linalg.norm(b / size), atol / size)
        found = max(found, np.linalg.norm(b / size - A @ (x / size)) / allowed)
    return found


def columns_of(A, B, rtol=1e-8):
    return Door().admit_block(A, B, None, rtol=rtol, atol=0.0).instance


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_columns_of_every_scale_duplicates_and_zeros(spelling):
    A, rng = laplacian(9), np.random.default_rng(0)
    B = rng.normal(size=(81, 11)) * 10.0 ** np.array([0, 200, -200, 5, -5, 0, 0, 300, -290, 0, 1])
    B[:, 3] = 0.0
    B[:, 5] = B[:, 6] = B[:, 0]
    B.setflags(write=False)
    solver = rt.Solver([spelling], fallback=None)
    for _ in range(2):
        X = solver.solve(A, B)
        assert X.shape == B.shape
        assert X.flags.c_contiguous
        assert worst(A, B, X) <= 1.001
    assert len(solver.history) == 2
    assert len(solver.last.attempts) == 1
    assert solver.last.merit <= solver.last.target == 1e-8


@given(A=definite_matrices(largest=12), width=st.integers(1, 17), seed=st.integers(0, 100), data=st.data())
@settings(max_examples=40, deadline=None)
def test_blocks_agree_with_dense_solves(A, width, seed, data):
    spelling = data.draw(st.sampled_from(["cg", "jacobi_cg", "ic_cg", "direct"]))
    rng = np.random.default_rng(seed)
    B = rng.normal(size=(A.shape[0], width)) * (rng.random(width) > 0.2)
    start = rng.normal(size=B.shape)
    copies = B.copy(), start.copy()
    X = rt.Solver([spelling], rtol=1e-10).solve(A, B, x0=start)
    assert worst(A, B, X, rtol=1e-10) <= 1.01
    exact = np.linalg.solve(A.toarray(), B)
    bound = 1.1e-10 * np.linalg.cond(A.toarray()) * np.linalg.norm(exact, axis=0)
    assert np.all(np.linalg.norm(X - exact, axis=0) <= bound)
    np.testing.assert_array_equal(B, copies[0])
    np.testing.assert_array_equal(start, copies[1])


@pytest.mark.parametrize("width", [3, 4, 5, 8, 13])
@pytest.mark.parametrize("dense_rows", [False, True])
def test_lock_step_iterates_are_those_of_the_columns(width, dense_rows):
    A = laplacian(8) if not dense_rows else sp.csr_array(laplacian(8) @ laplacian(8) @ laplacian(8))
    B, method = np.random.default_rng(1).normal(size=(64, width)), JacobiConjugateGradients()
    instance = columns_of(A, B)
    prepared = method.prepare(instance, {})
    together = method.iterate_block(prepared, instance, {}, np.zeros_like(B), Stop(instance.target, 7))
    assert together.status is Status.ITERATION_CAP
    assert together.iterations == 7
    for j, column in enumerate(instance.columns[:4]):
        alone = method.iterate(prepared, column, {}, np.zeros(64), Stop(column.target, 7))
        np.testing.assert_allclose(together.x[:, j], alone.x, rtol=1e-9, atol=1e-9 * np.abs(alone.x).max())


LOCK_STEP = {
    "cg": {}, "jacobi_cg": {}, "ssor_cg": {"omega": 1.3}, "ic_cg": {"modification": 0.5}, "ict_cg": {"tau": 0.05},
    "amg_cg": {}, "classical_amg_cg": {"sweeps": 2}, "factor_cg": {},
}  # fmt: skip


def prepared_for(name, A, B):
    method, instance = METHODS[name], columns_of(A, B)
    values = {parameter.name: parameter.default for parameter in method.parameters} | LOCK_STEP[name]
    return method, instance, values, method.prepare(instance, values)


@pytest.mark.parametrize("name", LOCK_STEP)
@pytest.mark.parametrize("triangles", [False, True])
@given(width=st.integers(1, 11), seed=st.integers(0, 100), data=st.data())
@settings(max_examples=6, deadline=None)
def test_every_lock_step_solves_what_the_columns_solve(name, triangles, width, seed, data):
    grid, rng = laplacian(14), np.random.default_rng(seed)
    A = sp.csr_array(grid @ grid) if triangles else grid
    X = rng.normal(size=(196, width))
    for j in range(width):
        match data.draw(st.sampled_from(["random", "smooth", "duplicate", "huge", "solved"])):
            case "smooth":
                X[:, j] = 1.0
            case "duplicate":
                X[:, j] = X[:, 0]
            case "huge":
                X[:, j] *= 1e100
    B, start = A @ X, np.zeros_like(X)
    solved = rng.random(width) < 0.2
    start[:, solved] = X[:, solved]
    method, instance, values, prepared = prepared_for(name, A, B)
    entered, copy = instance.enter(start), instance.enter(start).copy()
    progress = method.iterate_block(prepared, instance, values, entered, Stop(instance.target, 5000))
    np.testing.assert_array_equal(entered, copy)
    if width < 3:
        assert progress is None
        return
    assert progress.status is Status.CONVERGED
    found = 0
    for j, column in enumerate(instance.columns):
        alone = method.iterate(prepared, column, values, entered[:, j].copy(), Stop(column.target, 5000))
        assert column.merit(progress.x[:, j]) <= 1.01 * column.target
        found = max(found, alone.iterations)
    assert abs(progress.iterations - found) <= 2 + 0.05 * found


@pytest.mark.parametrize("name", LOCK_STEP)
@pytest.mark.parametrize("width", [3, 5, 11])
def test_every_lock_step_takes_the_iterates_of_the_columns(name, width):
    A = laplacian(14)
    B = np.random.default_rng(1).normal(size=(196, width))
    method, instance, values, prepared = prepared_for(name, A, B)
    for cap in (1, 4):
        together = method.iterate_block(prepared, instance, values, np.zeros_like(B), Stop(1e-14, cap))
        for j, column in enumerate(instance.columns):
            alone = method.iterate(prepared, column, values, np.zeros(196), Stop(column.target, cap))
            if alone.status is Status.ITERATION_CAP and j < min(width, 4):
                np.testing.assert_allclose(together.x[:, j], alone.x, rtol=1e-8, atol=1e-8 * np.abs(alone.x).max())


@pytest.mark.parametrize("name", sorted(LOCK_STEP.keys() - {"factor_cg"}))
def test_a_column_that_overflows_leaves_the_others_solved(name):
    A, B = laplacian(14), np.random.default_rng(4).normal(size=(196, 5))
    method, instance, values, prepared = prepared_for(name, A, B)
    start = np.zeros_like(B)
    start[:, 2] = 1e300
    with np.errstate(over="ignore", invalid="ignore"):
        progress = method.iterate_block(prepared, instance, values, start, Stop(instance.target, 1000))
    assert progress.status is Status.BREAKDOWN
    assert progress.reason
    for j in (0, 1, 3, 4):
        assert instance.columns[j].merit(progress.x[:, j]) <= 1.001 * instance.target


@pytest.mark.parametrize("name", ["ssor_cg", "ic_cg", "amg_cg"])
def test_negative_curvature_ends_the_block_and_says_so(name):
    A = sp.csr_array(laplacian(14) - 1.0 * sp.eye_array(196))
    B = np.random.default_rng(4).normal(size=(196, 9))
    try:
        method, instance, values, prepared = prepared_for(name, A, B)
    except Breakdown:
        return
    progress = method.iterate_block(prepared, instance, values, np.zeros_like(B), Stop(instance.target, 1000))
    assert progress.status is Status.BREAKDOWN
    assert "definite" in progress.reason
    assert np.isfinite(progress.x).all()


def test_one_hard_column_and_many_easy_ones():
    A = laplacian(20)
    values, vectors = np.linalg.eigh(A.toarray())
    B = np.column_stack([vectors[:, :20], np.random.default_rng(2).normal(size=400)])
    method = JacobiConjugateGradients()
    instance = columns_of(A, B)
    prepared = method.prepare(instance, {})
    stop = Stop(instance.target, 1000)
    progress = method.iterate_block(prepared, instance, {}, np.zeros_like(B), stop)
    alone = [
        method.iterate(prepared, column, {}, np.zeros(400), Stop(column.target, 1000)) for column in instance.columns
    ]
    assert progress.status is Status.CONVERGED
    assert progress.iterations == max(p.iterations for p in alone) > 10 * np.median([p.iterations for p in alone])
    assert progress.work <= 1.1 * sum(p.work for p in alone)
    np.testing.assert_allclose(A @ progress.x, B, atol=1e-6)
    assert values[0] > 0.0


def test_the_cap_is_one_for_every_column():
    A, B = laplacian(40), np.random.default_rng(3).normal(size=(1600, 6))
    for spelling in ("jacobi_cg", "ssor_cg(omega=1.0)", "gmres"):
        start = np.full(B.shape, 1e3)
        start[:, 0] = 0.0
        with pytest.raises(rt.NotConverged) as caught:
            rt.Solver([spelling], max_iterations=5, fallback=None, guesses=False).solve(A, B, x0=start)
        x = caught.value.x
        assert x.shape == B.shape
        assert np.all(np.linalg.norm(B - A @ x, axis=0) <= np.linalg.norm(B, axis=0) * (1 + 1e-12))
        assert caught.value.attempts[0].iterations == 5
        assert caught.value.attempts[0].status is Status.ITERATION_CAP


def test_time_is_that_of_all_columns():
    A, B = laplacian(12), np.random.default_rng(3).normal(size=(144, 6))
    instance, method = columns_of(A, B), ColumnByColumn(METHODS["sor"])
    prepared = method.prepare(instance, {"omega": 1.0})
    progress = method.iterate(prepared, instance, {"omega": 1.0}, np.zeros_like(B), Stop(1e-8, 1000, 1e-12))
    assert progress.status is Status.TIME_CAP
    assert progress.x[:, 0].any()
    assert not progress.x[:, 1:].any()


def test_the_rescue_keeps_what_is_solved():
    A = sp.csr_array(laplacian(9) - 0.5 * sp.eye_array(81))  # indefinite
    B = np.random.default_rng(4).normal(size=(81, 5))
    solver = rt.Solver(["cg"])
    assert worst(A, B, solver.solve(A, B)) <= 1.001
    assert [a.configuration.method for a in solver.last.attempts] == ["cg", "direct"]
    assert "negative curvature" in solver.last.attempts[0].reason


def test_singular_blocks_are_loud():
    A = sp.csr_array(np.diag([1.0, 2.0, 0.0, 3.0]))
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver().solve(A, np.arange(12.0).reshape(4, 3))
    assert caught.value.x.shape == (4, 3)
    assert np.isfinite(caught.value.x).all()


@pytest.mark.parametrize("spelling", ["cg", "ssor_cg(omega=1.0)", "direct"])
def test_neumann_blocks_have_zero_mean(spelling):
    A, B = neumann(8), np.random.default_rng(5).normal(size=(64, 6))
    with pytest.raises(rt.InvalidInput, match="null_space='constant'"):
        rt.Solver([spelling]).solve(A, B)
    B -= B.mean(axis=0)
    B[:, 2] = 0.0
    X = rt.Solver([spelling], fallback=None).solve(A, B, x0=np.full(B.shape, 3.0))
    assert worst(A, B, X) <= 1.001
    assert np.abs(X.mean(axis=0)).max() <= 1e-12
    with_constants = rt.Solver([spelling], null_space="constant").solve(A, B + 1.0)
    np.testing.assert_allclose(with_constants, X, atol=1e-5)


def test_a_complex_block_of_a_real_system_is_real_and_imaginary_parts():
    A, rng = laplacian(7), np.random.default_rng(6)
    B = rng.normal(size=(49, 3)) + 1j * rng.normal(size=(49, 3)) * np.array([1.0, 1e-12, 0.0])
    solver = rt.Solver(["jacobi_cg"], fallback=None)
    for start in (None, B, B.real):
        X = solver.solve(A, B, x0=start)
        assert X.dtype == complex
        assert worst(A, B, X) <= 1.001
    x = solver.solve(A, B[:, 0], x0=B[:, 0])
    assert x.shape == (49,)
    assert np.linalg.norm(B[:, 0] - A @ x) <= 1e-8 * np.linalg.norm(B[:, 0])
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(["cg"], max_iterations=1, fallback=None).solve(A, B)
    assert caught.value.x.shape == B.shape
    assert caught.value.x.dtype == complex


@pytest.mark.parametrize("spelling", ["direct", "jacobi_gmres"])
def test_complex_systems(spelling):
    A = sp.csr_array(laplacian(7) + 1j * sp.eye_array(49))
    B = np.random.default_rng(7).normal(size=(49, 5)) * 10.0 ** np.array([0, 100, -100, 200, 0])
    for block in (B, B * (1 - 2j)):
        assert worst(A, block, rt.Solver([spelling], fallback=None).solve(A, block)) <= 1.001


def test_operators_without_entries():
    A = laplacian(7)
    operator = LinearOperator(A.shape, matvec=lambda x: A @ x, dtype=float)
    B = np.random.default_rng(8).normal(size=(49, 4))
    for spelling in ("cg", "gmres", "minres"):
        assert worst(A, B, rt.Solver([spelling], fallback=None).solve(operator, B)) <= 1.001


def test_absolute_tolerances_are_those_of_every_column():
    A, B = laplacian(20), np.random.default_rng(9).normal(size=(400, 3)) * np.array([1.0, 1e-6, 1e4])
    solver = rt.Solver(["jacobi_cg"], fallback=None, guesses=False)
    X = solver.solve(A, B, rtol=1e-10, atol=1e-5)
    sizes = np.linalg.norm(B - A @ X, axis=0)
    assert np.all(sizes <= np.maximum(1e-10 * np.linalg.norm(B, axis=0), 1e-5))
    assert solver.last.merit <= solver.last.target
    assert worst(A, B, solver.solve(A, B, rtol=0.0, atol=1e-3), 0.0, 1e-3) <= 1.001


def test_shapes():
    A, b = laplacian(4), np.ones((16, 1))
    solver = rt.Solver(["cg"], fallback=None)
    assert solver.solve(A, b).shape == (16, 1)
    assert solver.solve(A, b, x0=b).shape == (16, 1)
    assert solver.solve(A, np.zeros((16, 3))).shape == (16, 3)
    assert solver.solve(A, np.eye(16, 40)).shape == (16, 40)
    assert solver.solve(A, np.asfortranarray(np.eye(16, 3, dtype=np.float32))).dtype == np.float64
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(["cg"], max_iterations=1, fallback=None).solve(A, np.arange(16.0)[:, None])
    assert caught.value.x.shape == (16, 1)
    for wrong, argument in (
        (np.ones((15, 3)), "b"), (np.ones((16, 0)), "b"), (np.ones((16, 2, 2)), "b"), (np.full((16, 2), np.nan), "b")
    ):  # fmt: skip
        with pytest.raises(rt.InvalidInput, match=argument):
            solver.solve(A, wrong)
    for wrong in (np.ones(16), np.ones((16, 3)), np.full((16, 2), np.inf), np.full((16, 2), 1j)):
        with pytest.raises(rt.InvalidInput, match="x0"):
            solver.solve(A, np.ones((16, 2)), x0=wrong)


def test_blocks_and_vectors_are_learnt_apart():
    A, rng = laplacian(8), np.random.default_rng(10)
    solver = rt.Solver(["cg", "jacobi_cg", "ssor_cg(omega=1.5)"], cost="work", seed=0)
    for _ in range(6):
        B = rng.normal(size=(64, 8))
        assert worst(A, B, solver.solve(A, B)) <= 1.001
        b = rng.normal(size=64)
        assert worst(A, b[:, None], solver.solve(A, b)[:, None]) <= 1.001
        assert len(solver.last.attempts) == 1
    assert solver.history.solves == 12


def test_a_block_that_moves_slowly_begins_where_it_ended():
    A, rng = laplacian(20), np.random.default_rng(11)
    B, change = rng.normal(size=(2, 400, 3))
    solver = rt.Solver(["jacobi_cg"], fallback=None)
    for step in range(5):
        assert worst(A, B + 1e-6 * step * change, solver.solve(A, B + 1e-6 * step * change)) <= 1.001
    first, *_, last = (record.iterations for record in solver.history)
    assert last < 0.7 * first


def test_every_method_has_a_form_for_blocks():
    A, B = laplacian(6), np.random.default_rng(12).normal(size=(36, 3))
    instance = columns_of(A, B)
    assert isinstance(instance, BlockInstance)
    for name in ("cg", "sor", "amg_cg", "factor_cg", "minres", "ilu_gmres", "idr"):
        method = ColumnByColumn(METHODS[name])
        values = {parameter.name: parameter.default for parameter in method.parameters}
        prepared = method.prepare(instance, values)
        progress = method.iterate(prepared, instance, values, np.zeros_like(B), Stop(instance.target, 2000))
        assert progress.status is Status.CONVERGED
        assert instance.merit(progress.x) <= 1.001 * instance.target


@pytest.mark.parametrize("spelling", ["jacobi_cg", "gmres", "direct"])
def test_terrible_guesses_of_some_columns_cost_little(spelling):
    A, B = laplacian(7), np.random.default_rng(13).normal(size=(49, 5)) * 10.0 ** np.array([0, 0, -200, 200, 0])
    start = np.zeros_like(B)
    start[:, 1], start[:, 2], start[:, 4] = 1e300, 1e300, -1.7e308
    for block, x0 in ((B, start), (B * (1 + 1j), start * 1j)):
        assert worst(A, block, rt.Solver([spelling]).solve(A, block, x0=x0)) <= 1.001


def test_the_wrapper_passes_on_everything_that_a_method_can_do():
    offered = {name for name, value in vars(Method).items() if callable(value) and not name.startswith("_")}
    assert offered <= set(vars(ColumnByColumn))


def test_a_rebuilt_state_keeps_its_recycled_space():
    method = ColumnByColumn(METHODS["jacobi_deflated_cg"])
    A, b = laplacian(20), np.random.default_rng(0).normal(size=400)
    solver = rt.Solver(["jacobi_deflated_cg(space=8)"], cost="work")
    for _ in range(4):
        solver.solve(A, b)
    (held,) = next(iter(solver._engine._upkeep._states.values()))
    recycled = held.prepared.state.recycled
    assert recycled
    door = Door()
    instance = door.admit(A, b, None, rtol=1e-8, atol=0.0)
    rebuilt = method.rebuild(instance, {"space": 8}, held.prepared)
    assert rebuilt.state.recycled == recycled


@pytest.mark.parametrize(
    ("x0", "message"),
    [("abc", "x0"), (np.ones(36), "shape"), (np.full((36, 2), np.nan), "finite"), (np.ones((36, 2)) * 1j, r"x0\.real")],
)
@pytest.mark.parametrize("size_of_b", [0.0, 1.0])
def test_a_guess_is_checked_whatever_the_right_hand_sides(x0, message, size_of_b):
    with pytest.raises(rt.InvalidInput, match=message):
        rt.Solver().solve(laplacian(6), np.full((36, 2), size_of_b), x0=x0)


def test_a_guess_for_zero_right_hand_sides_is_of_no_use():
    x = rt.Solver().solve(laplacian(6), np.zeros((36, 2)), x0=np.ones((36, 2)))
    np.testing.assert_array_equal(x, 0.0)
