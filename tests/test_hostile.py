"""Systems that break solvers: each gives a verified solution or a typed error that names the reason."""

import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.kernels import cg
from reiterate.linear.door import Door
from tests.matrices import arrow, laplacian


def tridiagonal(n):
    return sp.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsr()


def unsymmetric(n):
    return sp.csr_array(tridiagonal(n) + sp.diags_array(np.full(n - 2, 0.1), offsets=2, shape=(n, n)))


def excess(A, b, x, rtol=1e-8, atol=0.0):
    """The residual in units of what is allowed, in extended precision."""
    dense = A.toarray().astype(np.longdouble)
    r = b.astype(np.longdouble) - dense @ x.astype(np.longdouble)
    allowed = max(np.longdouble(rtol) * np.sqrt((b.astype(np.longdouble) ** 2).sum()), np.longdouble(atol))
    return float(np.sqrt((r * r).sum()) / allowed)


@pytest.mark.parametrize("size_of_b", [1e300, 1e200, 1e155, 1e-155, 1e-200, 1e-300, 5e-324 * 2**20])
@pytest.mark.parametrize("method", ["cg", "jacobi_cg", "ssor_cg(omega=1.5)", "sor(omega=1.0)"])
def test_the_size_of_b_does_not_matter(method, size_of_b):
    A, b = tridiagonal(40), np.ones(40) * size_of_b
    solver = rt.Solver([method], fallback=None)
    rtol = 1e-8 if size_of_b > 1e-300 else 1e-5
    assert excess(A, b, solver.solve(A, b, rtol=rtol), rtol) <= 1.001


@pytest.mark.parametrize("size_of_A", [1e200, 1e150, 1e-150, 1e-200])
@pytest.mark.parametrize("size_of_b", [1e200, 1.0, 1e-150])
def test_nor_does_the_size_of_the_matrix(size_of_A, size_of_b):
    if not 1e-290 < size_of_b / size_of_A < 1e290:
        pytest.skip("the solution itself is out of range")
    A, b = size_of_A * tridiagonal(40), np.ones(40) * size_of_b
    assert excess(A, b, rt.solve(A, b)) <= 1.001


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
@pytest.mark.parametrize(
    ("size_of_A", "size_of_b"), [(1e-200, 1e200), (1e100, 1e-250), (1e-200, 1e200 + 1e200j), (1e-200 + 1e-200j, 1e200)]
)
def test_a_solution_that_double_precision_cannot_hold_is_none(size_of_A, size_of_b, shape):
    A, b = sp.csr_array(sp.diags_array(np.full(3, 4.0 * size_of_A))), np.full(shape, size_of_b)
    for methods in (None, ["cg"]):
        solver = rt.Solver(methods)
        for _ in range(3):
            with pytest.raises(rt.NotConverged, match="leaves double precision") as caught:
                solver.solve(A, b)
            assert caught.value.x.shape == shape
            assert np.isfinite(caught.value.x).all()
            assert 1e-8 < caught.value.merit <= 1.0
            assert caught.value.attempts == tuple(solver.last.attempts)


def test_one_column_that_leaves_double_precision_does_not_pass_with_the_others():
    A, b = sp.csr_array(sp.diags_array(np.full(3, 4e-200))), np.array([[1e200, 1.0, 0.0]] * 3)
    with pytest.raises(rt.NotConverged, match="leaves double precision") as caught:
        rt.Solver().solve(A, b)
    assert np.isfinite(caught.value.x).all()
    np.testing.assert_allclose(caught.value.x[:, 1:], [[2.5e199, 0.0]] * 3)


def test_an_unsymmetric_matrix_stays_so_however_it_is_scaled():
    for factor in (1e-170, 1.0, 1e160):
        assert not Door().admit(factor * unsymmetric(9), np.ones(9), None, rtol=1e-8, atol=0.0).traits.symmetric


def test_an_overflowing_norm_is_refused_and_no_guess_passes_for_a_solution():
    A, b = sp.csr_array(sp.eye_array(10)), np.full(10, 1e308)
    with pytest.raises(rt.InvalidInput, match="norm"):
        rt.solve(A, b, x0=0.9 * b)


def test_an_absolute_tolerance_far_above_b():
    A, b = tridiagonal(10), np.ones(10) * 1e-312
    x = rt.Solver(atol=1e-3).solve(A, b, x0=np.ones(10))
    assert excess(A, b, x, atol=1e-3) <= 1.0


@pytest.mark.parametrize("size", [1e155, 1e300, 1.7e308, -1.7e308])
def test_a_terrible_guess_costs_little(size):
    for A in (tridiagonal(40), unsymmetric(40)):
        b = np.ones(40)
        assert excess(A, b, rt.solve(A, b, x0=np.full(40, size))) <= 1.001


def test_what_is_solved_to_begin_with_needs_no_method():
    A = unsymmetric(20)
    solver = rt.Solver(["cg"], fallback=None)
    np.testing.assert_array_equal(solver.solve(A, A @ np.ones(20), x0=np.ones(20)), np.ones(20))
    np.testing.assert_array_equal(solver.solve(A, np.zeros(20)), np.zeros(20))


def test_caps_hold_over_repetitions():
    solver = rt.Solver(["cg"], max_iterations=30, fallback=None, rtol=1e-10)
    with pytest.raises(rt.NotConverged):
        solver.solve(laplacian(400, 1), np.ones(400), x0=np.full(400, 1e120))
    assert solver.last.iterations <= 30


def test_a_pattern_rewritten_in_place_is_noticed():
    rng = np.random.default_rng(0)
    A = laplacian(6)
    solver = rt.Solver(seed=0, cost="work")
    b = rng.normal(size=36)
    solver.solve(A, b)
    order = rng.permutation(36)
    permuted = sp.csr_array(A[order][:, order])
    permuted.sort_indices()
    A.indptr[:], A.indices[:], A.data[:] = permuted.indptr, permuted.indices, permuted.data
    assert excess(A, b, solver.solve(A, b)) <= 1.001
    assert len(solver.last.attempts) == 1
    A.indices[3] = 10**8
    with pytest.raises(rt.InvalidInput, match="column indices"):
        solver.solve(A, b)


def test_numbers_rewritten_in_place_are_noticed():
    A, b = tridiagonal(30), np.ones(30)
    solver = rt.Solver(["ssor_cg(omega=1.2)"], fallback=None)
    for _ in range(4):
        A.data *= -1.0
        A.data *= -1.5
        assert excess(A, b, solver.solve(A, b)) <= 1.001
        assert len(solver.last.attempts) == 1


def test_strided_numbers_compile_nothing_anew():
    A, b = tridiagonal(60), np.ones(60)
    strided = np.zeros(2 * A.nnz)
    strided[::2] = A.data
    solver = rt.Solver(["cg"])
    solver.solve(A, b)
    known = len(cg.cg_advance.signatures)
    solver.solve(sp.csr_array((strided[::2], A.indices, A.indptr), shape=A.shape), b)
    assert len(cg.cg_advance.signatures) == known


def test_a_method_that_never_ran_gets_no_credit():
    A = sp.csr_array(laplacian(12) - 0.3 * sp.eye_array(144))
    solver = rt.Solver(["ssor_cg"], learner="uniform", cost="work", seed=0)
    for _ in range(12):
        assert excess(A, np.ones(144), solver.solve(A, np.ones(144))) <= 1.001
    failed = sum(a.configuration.method == "ssor_cg" for record in solver.history for a in record.attempts)
    assert failed <= 4


def test_a_tiny_odd_system_does_not_spoil_the_stream():
    solver = rt.Solver(["cg"])
    solver.solve(unsymmetric(20), np.ones(20))
    for _ in range(3):
        solver.solve(laplacian(16, 3), np.ones(16**3), rtol=1e-12)
        assert [a.configuration.method for a in solver.last.attempts] == ["cg"]


def test_one_solver_serves_one_thread():
    solver = rt.Solver(["cg"])
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        def __array__(self, dtype=None, copy=None):
            entered.set()
            leave.wait(10.0)
            return np.ones(9)

    other = threading.Thread(target=lambda: solver.solve(tridiagonal(9), Slow()))
    other.start()
    entered.wait(10.0)
    with pytest.raises(rt.ReiterateError, match="another thread"):
        solver.solve(tridiagonal(9), np.ones(9))
    leave.set()
    other.join()
    assert solver.history.solves == 1


def test_errors_survive_pickling():
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(["cg"], max_iterations=2, fallback=None).solve(laplacian(9), np.ones(81))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    np.testing.assert_array_equal(again.x, caught.value.x)
    refused = pickle.loads(pickle.dumps(rt.InvalidInput("b", "is odd")))
    assert (refused.argument, str(refused)) == ("b", "b: is odd")


class TestNeumann:
    """Pure Neumann conditions: A 1 = 0."""

    @staticmethod
    def matrix(m=8):
        A = laplacian(m)
        return sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))

    def test_a_consistent_system_is_solved_with_zero_mean(self):
        A, rng = self.matrix(), np.random.default_rng(0)
        b = rng.normal(size=64)
        b -= b.mean()
        for method in (["cg"], ["ssor_cg"], ["jacobi_cg"], None):
            solver = rt.Solver(method, fallback=None, cost="work", seed=0)
            x = solver.solve(A, b, x0=np.full(64, 3.0))
            assert excess(A, b, x) <= 1.001
            assert abs(x.mean()) <= 1e-12
        assert "projected onto the range" in solver.summary()

    def test_rounding_in_the_mean_is_forgiven_more_is_refused(self):
        A, b = self.matrix(), np.random.default_rng(1).normal(size=64)
        b -= b.mean()
        solver = rt.Solver()
        assert excess(A, b + 1e-10, solver.solve(A, b + 1e-10)) <= 1.001
        with pytest.raises(rt.InvalidInput, match="null_space='constant'"):
            solver.solve(A, b + 1.0)
        x = rt.Solver(null_space="constant").solve(A, b + 1.0)
        assert excess(A, b, x) <= 1.001

    def test_every_part_of_a_disconnected_grid_has_constants_of_its_own(self):
        A = sp.csr_array(sp.block_diag([self.matrix(5), self.matrix(4)]))
        b = np.random.default_rng(2).normal(size=41)
        b[:25] -= b[:25].mean()
        b[25:] -= b[25:].mean()
        x = rt.Solver().solve(A, b)
        assert excess(A, b, x) <= 1.001
        assert max(abs(x[:25].mean()), abs(x[25:].mean())) <= 1e-12


@pytest.mark.parametrize(
    "A",
    [
        sp.csr_array(np.array([[3.0]])),
        sp.csr_array(sp.diags_array(10.0 ** np.linspace(-12, 12, 20))),
        arrow(40),
        sp.csr_array(sp.block_diag([laplacian(4), 1e8 * laplacian(3), np.array([[2.0]])])),
        sp.csr_array(1.0 / (np.arange(6)[:, None] + np.arange(6) + 1.0)),
        sp.csr_array(np.array([[0.0, 1.0], [1.0, 0.0]])),
        sp.csr_array(laplacian(5) + 1e12 * sp.diags_array(np.eye(25)[3])),
    ],
    ids=["1x1", "diagonal", "arrow", "blocks", "Hilbert", "no diagonal", "one huge entry"],
)
def test_odd_but_regular_matrices(A):
    b = np.random.default_rng(0).normal(size=A.shape[0])
    assert excess(A, b, rt.Solver(seed=0).solve(A, b)) <= 1.001


@pytest.mark.parametrize(
    "A",
    [
        sp.csr_array((5, 5)),
        sp.csr_array(np.ones((5, 5))),
        sp.csr_array(np.diag([1.0, 2.0, 0.0, 3.0, 4.0])),
        sp.csr_array(np.triu(np.ones((5, 5)), 1)),
    ],
    ids=["zero", "ones", "an empty row", "nilpotent"],
)
def test_singular_matrices_are_loud(A):
    with pytest.raises(rt.NotConverged) as caught:
        rt.Solver(seed=0).solve(A, np.arange(1.0, 6.0))
    assert not isinstance(caught.value, rt.ToleranceUnreachable)
    assert caught.value.merit <= 1.0
    assert np.isfinite(caught.value.x).all()


def test_columns_and_complex_right_hand_sides():
    A, rng = laplacian(7), np.random.default_rng(3)
    B = rng.normal(size=(49, 3))
    solver = rt.Solver(["ssor_cg(omega=1.5)"])
    X = solver.solve(A, B)
    assert X.shape == B.shape
    assert all(excess(A, B[:, j], X[:, j]) <= 1.001 for j in range(3))
    assert rt.solve(A, B[:, :1]).shape == (49, 1)
    c = B[:, 0] + 1j * B[:, 1]
    x = solver.solve(A, c)
    assert np.linalg.norm(c - A @ x) <= 1e-8 * np.linalg.norm(c)
    with pytest.raises(rt.InvalidInput, match="b has shape"):
        solver.solve(A, B, x0=np.zeros(49))


def test_streams_in_every_form():
    A, b = laplacian(5), np.ones(25)
    for systems in ([(A, b)], [(A, b, b)], [(A, b, None, {"dt": 1.0})], [[A, b]]):
        (x,) = rt.solve_stream(systems)
        assert excess(A, b, x) <= 1.001
    system = next(iter(rt.gallery.heat(nx=8, steps=1)))
    (x,) = rt.solve_stream([system])
    assert excess(system.A, system.b, x) <= 1.001
    for wrong in (3, [A], (A, b), [{"A": A, "b": b}]):
        with pytest.raises(rt.InvalidInput, match="systems"):
            list(rt.solve_stream(wrong))


@pytest.mark.parametrize("learner", [["a"], 3, lambda arms, rng: 3])
def test_what_is_no_learner_is_refused(learner):
    with pytest.raises(rt.InvalidInput, match="learner"):
        rt.Solver(learner=learner).solve(laplacian(4), np.ones(16))


@pytest.mark.parametrize("kind", ["symmetric", "hermitian", "general"])
@pytest.mark.parametrize("scale", [1.0, 1e-160, 1e160])
def test_complex_systems(kind, scale):
    rng = np.random.default_rng(4)
    A = laplacian(8).astype(complex)
    if kind == "symmetric":
        A = A - (1.5 - 0.5j) * sp.eye_array(64)
    else:
        upper = sp.triu(A, 1) * (1.0 + 0.5j)
        A = upper + (2.0 * upper.T if kind == "general" else upper.conj().T) + sp.diags_array(A.diagonal())
    A, b = sp.csr_array(A), scale * (rng.normal(size=64) + 1j * rng.normal(size=64))
    solver = rt.Solver(seed=0, cost="work")
    for _ in range(5):
        x = solver.solve(A, b)
        assert x.dtype == complex
        assert np.linalg.norm((b - A @ x) / scale) <= 1e-8 * np.linalg.norm(b / scale)
    assert np.linalg.norm(b.real / scale - (A @ solver.solve(A, b.real)) / scale) <= 1e-8 * np.linalg.norm(
        b.real / scale
    )


@pytest.mark.parametrize("method", ["jacobi_gmres", "ilu_bicgstab", "ilu_idr", "ssor_gmres", "factor_gmres", "direct"])
def test_every_kind_of_method_solves_complex_systems(method):
    A = sp.csr_array(laplacian(8) - (1.5 - 0.5j) * sp.eye_array(64))
    b = np.random.default_rng(5).normal(size=64) * (1 + 2j)
    x = rt.Solver([method], fallback=None, seed=0).solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)


def test_a_matrix_that_turns_indefinite_changes_the_portfolio_not_the_answer():
    rng = np.random.default_rng(6)
    solver = rt.Solver(seed=0, cost="work")
    for k in range(16):
        A = sp.csr_array(laplacian(9) - (2.5 if 6 <= k < 12 else 0.0) * sp.eye_array(81))
        b = rng.normal(size=81)
        assert excess(A, b, solver.solve(A, b)) <= 1.001
        if 6 <= k < 12:
            revealed = [a.reason for a in solver.last.attempts if "not positive definite" in a.reason]
            assert len(revealed) <= 1


def test_a_factor_that_would_not_fit_is_not_begun():
    A, b = laplacian(14, 3), np.ones(14**3)
    with pytest.raises(rt.NotConverged, match=r"estimated to take .* the limit is"):
        rt.Solver(["direct"], fallback=None, memory_limit=1e5).solve(A, b)
    solver = rt.Solver(memory_limit=1e6, seed=0, cost="work")
    for _ in range(30):
        assert excess_of_large(A, b, solver.solve(A, b)) <= 1.001
    assert solver.memory <= 1e6


def excess_of_large(A, b, x, rtol=1e-8):
    return np.linalg.norm(b - A @ x) / (rtol * np.linalg.norm(b))


def test_one_huge_row_and_badly_scaled_rows():
    rng = np.random.default_rng(7)
    A = sp.lil_array(laplacian(8))
    A[5] = 1e150 * rng.normal(size=64)
    b = rng.normal(size=64)
    b[5] *= 1e150
    x = rt.Solver(seed=0).solve(sp.csr_array(A), b)
    assert np.linalg.norm((b - sp.csr_array(A) @ x) / 1e150) <= 1e-8 * np.linalg.norm(b / 1e150)
    D = sp.diags_array(10.0 ** rng.uniform(-60, 60, 64))
    B = sp.csr_array(D @ laplacian(8) @ D)
    c = B @ rng.normal(size=64)
    assert np.linalg.norm(c - B @ rt.Solver(seed=0).solve(B, c)) <= 1e-8 * np.linalg.norm(c)


def test_complex_columns_with_badly_scaled_rows():
    n = 20
    rows = sp.diags_array(10.0 ** np.linspace(-60, 60, n))
    A = sp.csr_array(rows @ sp.diags_array([-1.0, 4.0 + 1.0j, -1.5], offsets=[-1, 0, 1], shape=(n, n)))
    B = A @ ((1 + 1j) * np.ones((n, 2)))
    X = rt.Solver(["superlu"], fallback=None).solve(A, B)
    assert np.all(np.linalg.norm(B - A @ X, axis=0) <= 1e-8 * np.linalg.norm(B, axis=0))


@pytest.mark.parametrize("method", ["deflated_cg", "jacobi_deflated_cg", "gcrodr", "jacobi_gcrodr"])
@pytest.mark.parametrize("size_of_b", [1.0, 1e-13, 1e-60])
def test_a_residual_that_falls_to_zero_at_any_size(method, size_of_b):
    for diagonal in ([2.0], [1.0, 2.0, 3.0]):
        A = sp.csr_array(sp.diags_array(np.array(diagonal)))
        x = rt.Solver([method], fallback=None).solve(A, A @ np.full(len(diagonal), size_of_b))
        np.testing.assert_allclose(x, size_of_b, rtol=1e-8)


@pytest.mark.parametrize("size_of_b", [1e165, 1e200, 1e-160, 1e-250])
def test_singular_systems_of_any_size(size_of_b):
    A = TestNeumann.matrix()
    b = np.random.default_rng(8).normal(size=64)
    b -= b.mean()
    x = rt.Solver(seed=0).solve(A, b * size_of_b)
    assert np.linalg.norm(b - A @ (x / size_of_b)) <= 1.001e-8 * np.linalg.norm(b)


def test_a_method_in_quarantine_is_tried_when_it_is_all_there_is():
    solver = rt.Solver(["cg"], fallback=None)
    with pytest.raises(rt.NotConverged):
        solver.solve(sp.csr_array(laplacian(9) - 2.5 * sp.eye_array(81)), np.ones(81))
    assert excess(laplacian(9), np.ones(81), solver.solve(laplacian(9), np.ones(81))) <= 1.001


def test_where_the_fallback_does_not_fit_others_are_tried():
    A = sp.csr_array(laplacian(30) - 0.1 * sp.eye_array(900))
    for seed in range(4):
        solver = rt.Solver(memory_limit=4e4, seed=seed, cost="work")
        assert excess_of_large(A, np.ones(900), solver.solve(A, np.ones(900))) <= 1.001
        assert excess_of_large(laplacian(10), np.ones(100), solver.solve(laplacian(10), np.ones(100))) <= 1.001


@pytest.mark.parametrize("n", [6, 12, 20])
@pytest.mark.parametrize("method", ["deflated_cg(space=4)", "jacobi_deflated_cg(space=8)", "ic_deflated_cg(space=16)"])
def test_recycling_with_few_unknowns(method, n):
    A = sp.csr_array(1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0) + 1e-4 * np.eye(n))
    solver = rt.Solver([method])
    for _ in range(3):
        assert excess(A, np.ones(n), solver.solve(A, np.ones(n))) <= 1.001


def test_a_first_solve_without_iterations_does_not_make_states_immortal():
    work = []
    for first in (np.zeros(400), np.ones(400)):
        solver = rt.Solver(["ilu_gmres(restart=30)"], cost="work", guesses=False)
        solver.solve(laplacian(20), first)
        for k in range(12):
            A = sp.csr_array(laplacian(20) + 2.0 * k * sp.diags_array(np.sin(np.arange(400.0)) ** 2))
            solver.solve(A, np.ones(400))
        work.append(sum(record.work for record in solver.history))
    assert work[0] <= 1.5 * work[1]


def test_contexts_a_denormal_apart():
    solver = rt.Solver(seed=0)
    for value in (0.0, 1e-323, 5e-323, 1.0):
        solver.solve(laplacian(4), np.ones(16), context={"dt": value})
    assert solver.history.solves == 4


def test_complex_right_hand_sides_of_a_projected_system():
    A, rng = TestNeumann.matrix(), np.random.default_rng(9)
    b = rng.normal(size=64)
    b -= b.mean()
    c = (b * 1e-2 + 10.0) * (1 + 1j)
    x = rt.Solver(["cg"], null_space="constant").solve(A, c)
    projected = c - c.mean()
    assert np.linalg.norm(projected - A @ x) <= 1.001e-8 * np.linalg.norm(projected)


def test_a_complex_guess_for_a_real_system_is_refused():
    with pytest.raises(rt.InvalidInput, match=r"x0\.real"):
        rt.Solver().solve(laplacian(4), np.ones(16), x0=np.ones(16) * 1j)


def test_a_right_hand_side_that_is_used_again_does_not_spoil_the_projection():
    work, b = [], np.empty(400)
    for reuse in (False, True):
        solver = rt.Solver(["jacobi_cg"], cost="work")
        for k in range(20):
            values = np.sin(np.arange(400.0) / 40 + 0.1 * k)
            b[:] = values
            solver.solve(laplacian(20), b if reuse else values)
        work.append(sum(record.work for record in solver.history))
    assert work[1] == work[0]
