"""Factors of our own: right, whatever the matrix looks like, and kept for the same matrix or pattern."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from hypothesis import given, settings
from hypothesis import strategies as st

import reiterate as rt
from reiterate.errors import Breakdown
from reiterate.intercept import factoring, site, supernodal
from reiterate.intercept.accuracy import System, backward_error, norm_of_rows
from reiterate.intercept.shelf import Shelf
from reiterate.intercept.supernodal import Busy, Supernodal
from reiterate.linear import rslab_process
from tests.matrices import laplacian

TOLERANCE = 1e-12
PLENTY = 1e12  # operations


def matrix(seed: int, n: int, form: str, field: type, kind: str) -> sp.sparray:
    """Regular, by rows or columns, sorted."""
    rng = np.random.default_rng(seed)
    A = sp.random_array((n, n), density=min(3.0 / n, 1.0), rng=rng)
    if field is complex:
        A = A + 1j * sp.random_array((n, n), density=min(3.0 / n, 1.0), rng=rng)
    if kind == "symmetric":
        A = A + A.T
    A = A + 4.0 * sp.eye_array(n)
    if kind == "permuted":  # its diagonal is all but empty
        A = A[rng.permutation(n)]
    A = A.asformat(form).astype(field)
    A.sum_duplicates()
    return A


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 60),
    form=st.sampled_from(["csc", "csr"]),
    field=st.sampled_from([float, complex]),
    kind=st.sampled_from(["general", "symmetric", "permuted"]),
    trans=st.sampled_from(["N", "T", "H"]),
    k=st.sampled_from([None, 1, 3]),
)
def test_it_solves_what_dense_algebra_solves(seed, n, form, field, kind, trans, k):
    A = matrix(seed, n, form, field, kind)
    dense = A.toarray()
    if np.linalg.cond(dense) > 1e6:
        return
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n if k is None else (n, k)) + (1j * rng.normal(size=n if k is None else (n, k)))
    b = b if seed % 2 or field is complex else b.real
    system = {"N": dense, "T": dense.T, "H": dense.conj().T}[trans]
    factors = Supernodal()
    for again in range(2):
        answer = factors.solve(A, b, TOLERANCE, PLENTY, trans)
        np.testing.assert_allclose(answer.x, np.linalg.solve(system, b), rtol=1e-6, atol=1e-9)
        assert answer.new is not bool(again)
        assert answer.x.shape == b.shape


def test_symmetric_matrices_have_symmetric_factors_although_rounding_errors_differ():
    A = sp.csc_array(laplacian(20))
    A.data[1] *= 1.0 + 1e-15
    factors = Supernodal()
    answer = factors.solve(A, np.ones(400), TOLERANCE, PLENTY)
    assert factors._patterns[0].kinds[0] == "L D Lᵀ"
    np.testing.assert_allclose(A @ answer.x, 1.0, rtol=1e-11)
    A.data[1] *= 1.5
    factors.solve(A, np.ones(400), TOLERANCE, PLENTY)
    assert factors._patterns[0].kinds[0] == "L U"


def test_saddle_points_have_zeros_on_the_diagonal():
    rng = np.random.default_rng(0)
    B = sp.random_array((30, 100), density=0.1, rng=rng) + sp.eye_array(30, 100)
    A = sp.block_array([[sp.csc_array(laplacian(10)), B.T], [B, None]], format="csc")
    b = rng.normal(size=130)
    factors = Supernodal()
    x = factors.solve(A, b, TOLERANCE, PLENTY).x
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-8, atol=1e-10)
    assert factors._patterns[0].kinds[0] == "lifted L D Lᵀ"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), saddle=st.booleans(), spread=st.sampled_from([0, 5, 10]))
def test_no_scaling_hides_an_error(seed, saddle, spread):
    """Rows and columns of very different sizes, as where displacements meet pressures; compared by components."""
    rng = np.random.default_rng(seed)
    A = sp.csc_array(laplacian(6))
    if saddle:
        B = sp.random_array((9, 36), density=0.2, rng=rng) + sp.eye_array(9, 36)
        A = sp.block_array([[A, B.T], [B, None]], format="csc")
    else:
        A = sp.csc_array(A + sp.random_array(A.shape, density=0.05, rng=rng))
    n = A.shape[0]
    expected = rng.normal(size=n) + 3.0
    scale = 10.0 ** rng.uniform(-spread, spread, size=n)
    scaled = sp.csc_array(sp.diags_array(scale) @ A @ sp.diags_array(scale))
    scaled.sort_indices()
    answer = Supernodal().solve(scaled, scaled @ (expected / scale), TOLERANCE, PLENTY)
    np.testing.assert_allclose(answer.x * scale, expected, rtol=1e-6)


def test_what_couples_with_opposite_signs_is_not_symmetric():
    A = sp.csc_array(np.array([[1e14, 1.0, 0.0], [-1.0, 1e-8, 1.0], [0.0, -1.0, 2.0]]))
    x = Supernodal().solve(A, np.array([1.0, 2.0, 3.0]), TOLERANCE, PLENTY).x
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), [1.0, 2.0, 3.0]), rtol=1e-12)


@pytest.mark.parametrize("spread", [0, 8])
@pytest.mark.parametrize("small", [0.011, 0.05])
@pytest.mark.parametrize("penalty", [None, 1e6, 1e10, 1e16])
def test_small_diagonals_with_penalties_or_scaled_columns(spread, small, penalty):
    """Where rslab's pivots are bad and the norm does not show it: right answers, or none."""
    n = 300
    for seed in range(4):
        rng = np.random.default_rng(seed)
        A = sp.random_array((n, n), density=4.0 / n, rng=rng, data_sampler=lambda size, rng=rng: rng.normal(size=size))
        largest = np.asarray(abs(A).max(axis=0).toarray()).ravel() + 1e-3
        A = A + sp.diags_array(small * largest)
        if penalty is not None:
            A = A + sp.diags_array(np.where(np.arange(n) < 3, penalty, 0.0))
        A = sp.csc_array(A @ sp.diags_array(10.0 ** rng.uniform(-spread, spread, size=n)))
        A.sum_duplicates()
        b = rng.normal(size=n)
        try:
            x = Supernodal().solve(A, b, TOLERANCE, PLENTY).x
        except Breakdown:
            continue
        assert System(A).errors(x, b)[1] < 1e-9


@pytest.mark.parametrize("kind", ["lifted L D Lᵀ", "L U"])
def test_answers_are_not_trusted_to_the_norm(monkeypatch, kind):
    A = sp.csc_array(np.array([[1e10, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    solve = supernodal.Factors.solve
    wrong = np.array([1.0, 1.0 + 1e-4, 1.0])  # which the norm does not show
    monkeypatch.setattr(supernodal.Factors, "solve", lambda self, b, trans="N": solve(self, b, trans) * wrong)
    monkeypatch.setattr(supernodal, "_REFINEMENTS", 0)
    monkeypatch.setattr(supernodal, "_OPTIONS", {kind: supernodal._OPTIONS[kind]})
    with pytest.raises(Breakdown):
        Supernodal().solve(A, np.array([1e10, 1.0, 2.0]), TOLERANCE, PLENTY)


def test_errors_are_those_of_their_definitions():
    rng = np.random.default_rng(1)
    A = sp.csr_array(rng.normal(size=(6, 6)))
    x, b = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    system = System(A)
    in_norm, by_components = system.errors(x, b)
    assert in_norm == pytest.approx(backward_error(A, norm_of_rows(A), x, b))
    residual = np.abs(b - A @ x)
    assert by_components == pytest.approx(np.max(residual / (np.abs(A.toarray()) @ np.abs(x) + np.abs(b))))
    assert system.errors(np.full((6, 2), np.nan), b) == (np.inf, np.inf)
    assert system.errors(np.zeros(6), np.zeros(6)) == (0.0, 0.0)


def test_as_many_threads_as_the_user_allows(monkeypatch):
    for given_, options in (("1", {"threads": 1}), ("2,4", {"threads": 2}), ("", {}), ("64", {}), ("x", {}), ("0", {})):
        monkeypatch.setenv("OMP_NUM_THREADS", given_)
        assert rslab_process.thread_options() == options


def test_new_numbers_have_new_factors_and_the_same_analysis(monkeypatch):
    analyzed = []
    analyze = supernodal.rslab.analyze
    monkeypatch.setattr(supernodal.rslab, "analyze", lambda *a, **k: analyzed.append(k["path"]) or analyze(*a, **k))
    A, b, factors = sp.csc_array(laplacian(20)), np.ones(400), Supernodal()
    first = factors.solve(A, b, TOLERANCE, PLENTY)
    A.data *= 2.0  # in place
    assert not factors.knows(A)
    second = factors.solve(A, b, TOLERANCE, PLENTY)
    np.testing.assert_allclose(second.x, first.x / 2.0, rtol=1e-12)
    assert second.new
    assert first.analyzing > 0.0 == second.analyzing
    assert analyzed == ["ldlt"]
    other = sp.csc_array(laplacian(21))
    for k in range(3):  # in turn
        factors.solve(other * (1.0 + k), np.ones(441), TOLERANCE, PLENTY)
        factors.solve(A * (3.0 + k), b, TOLERANCE, PLENTY)
    assert analyzed == ["ldlt", "ldlt"]


def test_the_last_entry_counts():
    A, factors = sp.csc_array(laplacian(20)), Supernodal()
    factors.solve(A, np.ones(400), TOLERANCE, PLENTY)
    assert factors.knows(A.copy())
    A.data[-1] += 1e-9
    assert not factors.knows(A)
    assert not factors.knows(A.tocsr())


def test_an_inaccurate_answer_is_refined(monkeypatch):
    A, b = sp.csc_array(laplacian(20)), np.ones(400)
    solve = supernodal.Factors.solve
    monkeypatch.setattr(supernodal.Factors, "solve", lambda self, b, trans="N": solve(self, b, trans) * (1.0 + 1e-8))
    x = Supernodal().solve(A, b, TOLERANCE, PLENTY).x
    np.testing.assert_allclose(A @ x, b, rtol=1e-10)


def test_what_is_not_accurate_is_no_answer(monkeypatch):
    monkeypatch.setattr(supernodal.Factors, "solve", lambda self, b, trans="N": np.zeros_like(b))
    with pytest.raises(Breakdown, match="accurate"):
        Supernodal().solve(sp.csc_array(laplacian(20)), np.ones(400), TOLERANCE, PLENTY)


def test_a_singular_matrix_has_no_answer():
    A = sp.csc_array(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]]))
    with pytest.raises(Breakdown):
        Supernodal().solve(A, np.array([1.0, 0.0, 1.0]), TOLERANCE, PLENTY)


def test_neither_too_many_operations_nor_too_much_memory(monkeypatch):
    A = sp.csc_array(laplacian(30))
    with pytest.raises(Breakdown):
        Supernodal().solve(A, np.ones(900), TOLERANCE, 10.0)
    monkeypatch.setattr(supernodal, "default_memory_limit", lambda: 1000)
    with pytest.raises(Breakdown):
        Supernodal().solve(A, np.ones(900), TOLERANCE, PLENTY)


def test_large_factors_are_not_kept():
    A, factors = sp.csc_array(laplacian(30)), Supernodal(Shelf(1000))
    for _ in range(2):
        assert factors.solve(A, np.ones(900), TOLERANCE, PLENTY).new


def test_what_was_not_used_for_the_longest_time_is_dropped():
    A = sp.csc_array(laplacian(30))
    one = Supernodal(Shelf(10**9))
    one.solve(A, np.ones(900), TOLERANCE, PLENTY)
    (size,) = one._shelf._sizes.values()
    shelf = Shelf(int(2.5 * size))
    first, second, third = places = [Supernodal(shelf) for _ in range(3)]
    for place in places:
        place.solve(A, np.ones(900), TOLERANCE, PLENTY)
    assert [place.knows(A) is not None for place in (first, second, third)] == [False, True, True]


def test_one_thread_at_a_time():
    factors = Supernodal()
    with factors._lock, pytest.raises(Busy):
        factors.solve(sp.csc_array(laplacian(5)), np.ones(25), TOLERANCE, PLENTY)


def test_the_solver_is_not_loaded_for_a_few_large_solves():
    program = """
        import sys
        import numpy as np, scipy.sparse as sp
        import reiterate as rt
        from scipy.sparse.linalg import splu, spsolve

        n = 200
        line = sp.diags_array([-1.0, 2.3, -1.0], offsets=[-1, 0, 1], shape=(n, n))
        A = sp.csc_array(sp.kron(line, sp.eye_array(n)) + sp.kron(sp.eye_array(n), line))
        b = np.ones(n * n)
        with rt.tuned_scipy(memory=False) as session:
            x = spsolve(A, b)
            lu = splu(A)
            y, z = lu.solve(b), lu.solve(2.0 * b, "T")
        assert np.allclose(A @ x, b) and np.allclose(x, y) and np.allclose(2.0 * x, z)
        assert [site.chosen for site in session.sites] == [[("supernodal factors", 1)], [("supernodal factors", 2)]]
        assert "numba" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_factors_of_the_parent_are_not_used_by_its_children():
    program = """
        import os, signal
        import numpy as np, scipy.sparse as sp
        import reiterate as rt
        from scipy.sparse.linalg import splu, spsolve

        n = 200
        line = sp.diags_array([-1.0, 2.3, -1.0], offsets=[-1, 0, 1], shape=(n, n))
        A = sp.csc_array(sp.kron(line, sp.eye_array(n)) + sp.kron(sp.eye_array(n), line))
        b = np.ones(n * n)
        with rt.tuned_scipy(memory=False) as session:
            lu = splu(A)
            x = lu.solve(b)
            if not (child := os.fork()):
                signal.alarm(60)
                ok = np.allclose(lu.solve(b), x) and np.allclose(spsolve(A, b), x) and np.allclose(splu(A).solve(b), x)
                os._exit(0 if ok else 1)
            assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=120)


@pytest.fixture
def soon(monkeypatch):
    """Factors of our own come first, however small a matrix is."""
    monkeypatch.setattr(site, "_SMALLEST", 2)
    monkeypatch.setattr(factoring, "_SURE", 2)
    monkeypatch.setattr(factoring, "_LEAST_GUESSED", 0.0)


def test_the_same_matrix_again_is_not_factored_again(soon):
    A = sp.csc_array(laplacian(20))
    with rt.tuned_scipy(memory=False) as session:
        for k in range(5):
            A.data[-1] += k == 4
            x = spl.splu(A).solve(np.full(400, 1.0 + k))
            np.testing.assert_allclose(A @ x, 1.0 + k, rtol=1e-11)
    assert session.sites[0].solves == 5
    assert dict(session.sites[0].chosen)["kept factors"] == 3


def test_audits_compare_them_with_scipys(soon):
    A = sp.csc_array(laplacian(20))
    with rt.tuned_scipy(audit=1.0, memory=False) as session:
        lu = spl.splu(A)
        for _ in range(3):
            lu.solve(np.ones(400))
        spl.spsolve(A, np.ones(400))
    for found in session.sites:
        assert found.disagreement is not None
        assert found.disagreement < 1e-12
        assert found.before == "audited"
        assert found.audits > 0.0


def test_a_guess_that_says_nothing_is_none(soon):
    A = sp.csc_array(laplacian(20))
    with rt.tuned_scipy(memory=False) as session:
        spl.spsolve(A, np.ones(400))
    (found,) = session._sites.values()
    (ledger,) = found.ledgers().values()
    assert found.before() == (None, "unknown")
    ledger.factoring.bound = 100.0
    assert found.before() == (100.0, "guessed")


def test_too_many_operations_are_left_to_the_solver_after_one_analysis(soon, monkeypatch):
    analyzed = []
    analyze = supernodal.rslab.analyze
    monkeypatch.setattr(supernodal.rslab, "analyze", lambda *a, **k: analyzed.append(k["path"]) or analyze(*a, **k))
    monkeypatch.setattr(factoring, "_LONGEST", 0.0)
    A = sp.csc_array(laplacian(20))
    with rt.tuned_scipy(memory=False) as session:
        for _ in range(3):
            np.testing.assert_allclose(A @ spl.spsolve(A, np.ones(400)), 1.0, rtol=1e-11)
    assert analyzed == ["ldlt"]
    assert session.sites[0].solves == 3


def test_one_factor_that_solves_for_long_is_compared_with_scipys(soon):
    A = sp.csc_array(laplacian(20))
    with rt.tuned_scipy(memory=False) as session:
        lu = spl.splu(A)
        for k in range(400):
            np.testing.assert_allclose(A @ lu.solve(np.full(400, 1.0 + k)), 1.0 + k, rtol=1e-11)
    assert lu._own is not None
    (found,) = session._sites.values()
    (ledger,) = found.ledgers().values()
    assert ledger.solving.theirs.count > 0
    assert ledger.factoring.failures == 0.0


def test_reading_scipys_factors_every_time_ends_ours(soon):
    with rt.tuned_scipy(memory=False) as session:
        for k in range(8):
            A = sp.csc_array(laplacian(20)) * (1.0 + k)
            lu = spl.splu(A)
            lu.solve(np.ones(400))
            assert lu.U.shape == (400, 400)
    assert session.sites[0].left_to_scipy >= 6


def test_what_is_singular_or_not_finite_is_scipys(soon):
    A = sp.csc_array(np.diag([1.0, 2.0, 0.0]) + np.diag([1.0, 0.0], 1))
    with rt.tuned_scipy(memory=False) as session, pytest.warns(spl.MatrixRankWarning):
        assert np.isnan(spl.spsolve(A, np.ones(3))).all()
    assert session.sites[0].chosen[-1][0].startswith("SciPy")
    A = sp.csc_array(laplacian(5))
    with rt.tuned_scipy(memory=False) as session:
        assert np.isnan(spl.spsolve(A, np.full(25, np.nan))).all()
        for b in (np.zeros(25), np.ones(25)):
            np.testing.assert_allclose(A @ spl.spsolve(A, b), b, rtol=1e-12)
    assert [found.left_to_scipy for found in session.sites] == [1, 0]
