"""Every call does what SciPy's would do, whoever answers it."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reiterate as rt
from reiterate.intercept import patching
from reiterate.intercept.conclusion import write_report
from tests.intercept.outcomes import assert_same, outcome
from tests.matrices import laplacian

pytestmark = pytest.mark.usefixtures("either")

FORMATS = ("csc", "csr", "coo", "lil", "dia", "bsr", "dok")
EVERY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def well_conditioned(n: int, seed: int, dtype=np.float64, shift: float = 4.0) -> sp.csc_array:
    rng = np.random.default_rng(seed)
    A = sp.random_array((n, n), density=min(1.0, 3.0 / n), rng=rng) + shift * sp.eye_array(n)
    if np.dtype(dtype).kind == "c":
        A = A + 1j * sp.random_array((n, n), density=min(1.0, 2.0 / n), rng=rng)
    if np.dtype(dtype).kind in "iu":
        A = (A * 3).astype(np.int64)
    return sp.csc_array(A).astype(dtype)


def both(call):
    """The outcome with SciPy alone, and with us."""
    plain = outcome(call)
    with rt.tuned_scipy() as session:
        ours = outcome(call)
    return plain, ours, session


matrices = st.builds(
    lambda n, seed, dtype, form, array: _in(well_conditioned(n, seed, dtype), form, array),
    st.integers(1, 40),
    st.integers(0, 1000),
    st.sampled_from([np.float64, np.complex128, np.float32, np.int64, np.int32, np.complex64]),
    st.sampled_from(FORMATS),
    st.booleans(),
)
sides = st.tuples(
    st.sampled_from([(), (1,), (2,), (5,), (0,)]),
    st.sampled_from([np.float64, np.complex128, np.float32, np.int8, np.bool_, np.int64, np.longdouble, object]),
    st.sampled_from(["C", "F"]),
)


def _in(A, form, array):
    A = A.asformat(form)
    return A if array else getattr(sp, f"{form}_matrix")(A)


def side(n, what, seed=0):
    more, dtype, order = what
    b = np.random.default_rng(seed).integers(0, 5, size=(n, *more)) + 0.0
    return np.asarray(b.astype(dtype), order=order)


def tolerance(*arrays):
    return 2e-4 if any(a.dtype.itemsize == 4 or a.dtype == np.complex64 for a in arrays) else 1e-9


@EVERY
@given(matrices, sides)
def test_spsolve(A, what):
    b = side(A.shape[0], what)
    plain, ours, _ = both(lambda: spl.spsolve(A.copy(), b))
    assert_same(plain, ours, tolerance(A, b))


@EVERY
@given(matrices, sides, st.sampled_from(["N", "T", "H", "n", "X", 1]))
def test_splu(A, what, trans):
    b = side(A.shape[0], what)
    plain, ours, _ = both(lambda: spl.splu(A.copy()).solve(b, trans))
    assert_same(plain, ours, tolerance(A, b))


@EVERY
@given(matrices, sides)
def test_factorized(A, what):
    b = side(A.shape[0], what)
    plain, ours, _ = both(lambda: spl.factorized(A.copy())(b))
    for told in (plain[2], ours[2]):  # SciPy names a line of its own there, we that of the program
        told[:] = [warning[:2] for warning in told]
    assert_same(plain, ours, tolerance(A, b))


@EVERY
@given(matrices, sides, st.sampled_from(["cg", "bicg", "bicgstab", "cgs", "gmres", "lgmres", "gcrotmk", "tfqmr"]))
def test_krylov(A, what, name):
    b = side(A.shape[0], what)
    if A.shape[0] < 2:
        return  # SciPy's own methods divide zero by zero there
    A = A @ A.conj().T if name == "cg" else A
    plain, ours, _ = both(lambda: getattr(spl, name)(A, b, rtol=1e-11 if tolerance(A, b) < 1e-6 else 1e-5))
    loose = plain[1] is None and plain[0][1] != 0
    if loose and ours[0][1] == 0:  # we may converge where SciPy does not
        assert np.linalg.norm(A @ ours[0][0] - b.ravel()) <= 1e-5 * np.linalg.norm(b)
        return
    if plain[1] is None:
        plain[2].clear(), ours[2].clear()  # overflow in SciPy's last steps
    assert_same(plain, ours, 2e-3 if tolerance(A, b) > 1e-6 else 1e-7)


def without_diagonal():
    """Three rows with entries in two columns only, and no row or column that is zero or sums to zero."""
    dense = well_conditioned(30, 3).toarray()
    dense[:3] = 0.0
    dense[:3, 4:6] = [[1.0, 2.0], [3.0, 1.0], [1.0, 5.0]]
    return sp.csc_array(dense)


def singular():
    zero_row = well_conditioned(30, 1).tolil()
    zero_row[3, :] = 0.0
    neumann = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(30, 30)).tolil()
    neumann[0, 0] = neumann[29, 29] = 1.0
    nan = well_conditioned(30, 2)
    nan.data[3] = np.nan
    inf = well_conditioned(30, 2)
    inf.data[3] = np.inf
    return {
        "zero row": zero_row.tocsc(),
        "neumann": neumann.tocsc(),
        "empty": sp.csc_array((30, 30)),
        "nan": nan,
        "inf": inf,
        "part": sp.block_diag(
            (well_conditioned(10, 1), neumann[10:, 10:] - sp.coo_array(([1.0], ([0], [0])), (20, 20)))
        ).tocsc(),
        "ones": sp.csc_array(np.ones((30, 30))),
        "pattern": without_diagonal(),
    }


@pytest.mark.parametrize("name", singular())
@pytest.mark.parametrize("function", ["spsolve", "splu", "factorized", "spilu", "cg", "gmres", "minres"])
def test_singular(name, function):
    A, b = singular()[name], np.arange(30.0) - 14.5
    b = np.resize(b, A.shape[0])

    def call():
        with np.errstate(all="ignore"):
            if function in ("spsolve", "cg", "gmres", "minres"):
                return getattr(spl, function)(A.copy(), b)
            made = getattr(spl, function)(A.copy())
            return made(b) if function == "factorized" else made.solve(b)

    plain, ours, _ = both(call)
    if function in ("cg", "gmres", "minres") and name != "neumann":
        plain[2].clear(), ours[2].clear()
    assert_same(plain, ours, 1e-3 if function in ("cg", "gmres", "minres") else 1e-9)


@pytest.mark.parametrize("name", ["zero row", "neumann", "empty", "part", "pattern"])
@pytest.mark.parametrize("function", ["splu", "factorized", "spilu"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_singular_matrices_are_refused_when_they_are_factored(name, function, dtype):
    A = singular()[name].astype(dtype)
    plain, ours, _ = both(lambda: getattr(spl, function)(A.copy()) and None)
    # With incomplete factors, and with rounding errors where there should be zeros, SciPy may find nothing wrong.
    assert plain[1] == (RuntimeError, "Factor is exactly singular") or function == "spilu" or name == "pattern"
    assert_same(plain, ours)


def test_a_zero_diagonal_does_not_make_a_matrix_singular():
    A = sp.csc_array(well_conditioned(30, 3)[:, np.roll(np.arange(30), 1)])
    A[2, 2] = 0.0
    assert not A.diagonal().all()
    plain, ours, session = both(lambda: spl.splu(A).solve(np.ones(30)))
    assert_same(plain, ours)
    assert session.sites[0].left_to_scipy == 0


@pytest.mark.parametrize("shape", [(0, 0), (3, 4), (4, 3)])
@pytest.mark.parametrize("function", ["spsolve", "splu", "factorized", "spilu", "cg"])
def test_shapes_that_cannot_be_solved(shape, function):
    A = sp.csc_array(np.arange(float(np.prod(shape))).reshape(shape) + 1.0)
    right = (np.ones(shape[0]),) if function in ("spsolve", "cg") else ()

    def call():
        result = getattr(spl, function)(A, *right)
        return result if isinstance(result, np.ndarray | tuple) else None

    plain, ours, _ = both(call)
    assert_same(plain, ours)


@pytest.mark.parametrize(
    "b",
    [
        np.ones(29),
        np.ones((30, 2, 1)),
        np.full(30, np.nan),
        np.full(30, np.inf),
        np.zeros(30),
        np.ones((30, 0)),
        np.float64(1.0),
        "b",
        None,
        [1.0] * 30,
        np.ma.masked_less(np.arange(30.0), 3),
        sp.csc_array(np.ones((30, 1))),
        sp.csr_array(np.eye(30)),
        sp.eye_array(30, format="csc"),
        sp.csc_matrix(np.eye(30, 3)),
        np.ones(60)[::2],
        np.ones((30, 70)),
    ],
    ids=lambda b: f"{type(b).__name__}{getattr(b, 'shape', '')}",
)
@pytest.mark.parametrize("function", ["spsolve", "splu", "cg"])
def test_right_sides(function, b):
    A = well_conditioned(30, 3)

    def call():
        with np.errstate(all="ignore"):
            return spl.splu(A).solve(b) if function == "splu" else getattr(spl, function)(A, b)

    plain, ours, _ = both(call)
    if function == "cg" and plain[1] is None and plain[0][1] and not ours[0][1]:
        pytest.skip("the matrix is not symmetric: SciPy's answer means nothing")
    assert_same(plain, ours, 1e-4 if function == "cg" else 1e-9)


@pytest.mark.parametrize(
    "keywords",
    [
        {"permc_spec": "NATURAL"},
        {"permc_spec": "nonsense"},
        {"permc_spec": 3},
        {"use_umfpack": True},
        {"unknown": 1},
        {"permc_spec": None, "use_umfpack": False},
    ],
    ids=str,
)
def test_options_of_spsolve(keywords):
    A, b = well_conditioned(30, 4), np.ones(30)
    plain, ours, _ = both(lambda: spl.spsolve(A, b, **keywords))
    assert_same(plain, ours)


@pytest.mark.parametrize(
    "keywords",
    [
        {"permc_spec": "NATURAL"},
        {"permc_spec": "nonsense"},
        {"permc_spec": 3, "diag_pivot_thresh": 500, "relax": 1, "panel_size": 10},
        {"diag_pivot_thresh": "much"},
        {"relax": 1.5},
        {"options": {"SymmetricMode": True}, "diag_pivot_thresh": 0.0},
        {"options": {"Nonsense": True}},
        {"options": 3},
        {"unknown": 1},
    ],
    ids=str,
)
def test_options_of_splu(keywords):
    A, b = well_conditioned(30, 4), np.ones(30)
    plain, ours, _ = both(lambda: spl.splu(A, **keywords).solve(b))
    assert_same(plain, ours)


@pytest.mark.parametrize(
    "keywords",
    [
        {"tol": 1e-8},
        {"rtol": -1.0},
        {"atol": -1.0},
        {"atol": "legacy"},
        {"rtol": 2.0},
        {"rtol": 0.0},
        {"rtol": 0.0, "atol": 1e-9},
        {"maxiter": 3},
        {"maxiter": 0},
        {"x0": np.ones(29)},
        {"x0": np.ones(30)},
        {"x0": np.ones((30, 1)), "rtol": 1e-11},
        {"x0": "Mb"},
        {"M": sp.eye_array(29)},
        {"M": sp.eye_array(30), "rtol": 1e-11},
        {"M": spl.LinearOperator((30, 30), matvec=lambda x: x / 4.0), "rtol": 1e-11},
        {"M": 3},
        {"callback_type": "nonsense"},
    ],
    ids=lambda keywords: "-".join(keywords),
)
@pytest.mark.parametrize("name", ["cg", "gmres", "bicgstab", "tfqmr", "lgmres", "minres"])
def test_options_of_krylov_methods(name, keywords):
    A = well_conditioned(30, 4)
    A, b = A @ A.T, np.ones(30)
    plain, ours, _ = both(lambda: getattr(spl, name)(A, b, **keywords))
    ours[2].clear(), plain[2].clear()
    assert_same(plain, ours, 1e-3 if keywords.get("rtol", 1e-5) >= 1e-5 else 1e-8)


def test_callbacks_are_called_as_by_scipy():
    A, b = well_conditioned(50, 5), np.ones(50)
    A = A @ A.T

    def call():
        seen = []
        x, info = spl.cg(A, b, callback=lambda xk: seen.append(xk.copy()))
        return x, info, np.array(seen)

    plain, ours, _ = both(call)
    assert_same(plain, ours)
    assert len(plain[0][2]) > 3


def test_the_start_is_honored_where_a_stays_as_it_is():
    A, exact = well_conditioned(60, 6), np.arange(60.0)
    A = A @ A.T
    b = A @ exact
    plain, ours, session = both(lambda: spl.cg(A, b, exact))
    assert_same(plain, ours)
    assert session.sites[0].solves == 1


def test_real_matrix_in_integers_and_duplicates():
    A = sp.coo_array(([2, 2, 1, 3], ([0, 0, 1, 2], [0, 0, 1, 2])), shape=(3, 3))
    plain, ours, _ = both(lambda: spl.spsolve(A.tocsc(), np.array([4, 1, 3])))
    assert_same(plain, ours)


def test_factors_are_those_of_the_numbers_at_the_call():
    A, b = well_conditioned(40, 7), np.ones(40)
    expected = spl.spsolve(A, b)
    with rt.tuned_scipy():
        lu = spl.splu(A)
        A.data *= 2.0
        np.testing.assert_allclose(lu.solve(b), expected, rtol=1e-9)


def test_attributes_come_from_scipys_own_factors():
    A = well_conditioned(40, 8)
    plain = spl.splu(A)
    with rt.tuned_scipy():
        lu = spl.splu(A)
        x = lu.solve(np.ones(40))
        assert isinstance(lu, spl.SuperLU)
        assert lu.shape == plain.shape
        assert lu.nnz == plain.nnz
        np.testing.assert_array_equal(lu.perm_c, plain.perm_c)
        np.testing.assert_array_equal(lu.perm_r, plain.perm_r)
        np.testing.assert_array_equal(lu.L.toarray(), plain.L.toarray())
        np.testing.assert_array_equal(lu.U.toarray(), plain.U.toarray())
        np.testing.assert_allclose(lu.solve(np.ones(40)), x, rtol=1e-9)


def test_nothing_is_factored_before_it_is_needed(monkeypatch):
    factored = []
    own = patching.original("splu")
    with rt.tuned_scipy(), monkeypatch.context() as patch:
        patch.setitem(patching._originals, "splu", lambda *a, **k: factored.append(1) or own(*a, **k))
        lu = spl.splu(well_conditioned(40, 8))
        lu.solve(np.ones(40))
        assert not factored
        assert lu.nnz > 0
        assert factored == [1]


def test_direct_calls_keep_their_promise():
    n = 60
    A = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsc()
    A = (A @ A @ A).tocsc()  # condition number 1e9
    rng = np.random.default_rng(0)
    with rt.tuned_scipy() as session:
        for _ in range(5):
            b = rng.standard_normal(n)
            x = spl.spsolve(A, b)
            bound = abs(A).sum(axis=1).max() * np.abs(x).max() + np.abs(b).max()
            assert np.abs(b - A @ x).max() <= 1e-12 * bound
    assert session.sites[0].solves == 5


def test_an_audit_compares_with_scipy():
    A, rng = well_conditioned(50, 9), np.random.default_rng(0)
    with rt.tuned_scipy(audit=1.0, seed=0) as session:
        for _ in range(4):
            spl.spsolve(A, rng.random(50))
            spl.splu(A).solve(rng.random(50))
    for site in session.sites:
        assert site.before == "audited"
        assert site.disagreement is not None
        assert site.disagreement < 1e-9
        assert site.seconds_before is not None
        assert site.seconds_before > 0.0
        assert site.solves == 4
        assert site.left_to_scipy == 0


@pytest.mark.parametrize("either", ["solver"], indirect=True)
def test_audits_do_not_count_twice_what_scipy_would_have_spent(monkeypatch):
    A, took = well_conditioned(50, 9), []

    def timed(name):
        own = patching.original(name)
        return lambda *args, **kwargs: took.append(name) or own(*args, **kwargs)

    with rt.tuned_scipy(audit=1.0, seed=0) as session, monkeypatch.context() as patch:
        for name in ("splu", "spsolve"):
            patch.setitem(patching._originals, name, timed(name))
        lu = spl.splu(A)
        lu._rent = -np.inf  # solving without factors is never too dear
        for k in range(5):
            lu.solve(np.full(50, k + 1.0))
        (site,) = session._sites.values()
        ledger = next(iter(site.ledgers().values()))
        assert len(took) == 5
        assert (ledger.answered, ledger.audits.count) == (1, 1)
        assert (ledger.columns, ledger.solving.audits.count) == (5, 5)
        assert ledger.before() == ledger.instead() == ledger.audits.seconds + ledger.solving.audits.seconds
        assert lu.nnz
        assert ledger.before() == ledger.audits.seconds + ledger.solving.audits.seconds


@pytest.mark.parametrize("either", ["solver"], indirect=True)
def test_the_page_of_a_stream_shows_scipy_beside_it(tmp_path):
    A = well_conditioned(50, 9)
    with rt.tuned_scipy(audit=1.0, seed=0) as session:
        for k in range(4):
            spl.spsolve(A, np.full(50, k + 1.0))
    (site,) = session.sites
    assert site.seconds_instead == site.seconds_before > 0.0
    write_report("program.py", session.sites, tmp_path / "out.html")
    page = (tmp_path / "out-1.html").read_text()
    assert "SciPy, audited" in page
    assert "spsolve at test_faithful.py" in page


@pytest.mark.parametrize("either", ["solver"], indirect=True)
def test_the_page_of_a_stream_without_measurements_names_no_others(tmp_path):
    with rt.tuned_scipy() as session:
        spl.spsolve(well_conditioned(50, 9), np.ones(50))
    assert session.sites[0].seconds_instead is None
    write_report("program.py", session.sites, tmp_path / "out.html")
    assert "SciPy, " not in (tmp_path / "out-1.html").read_text()


def test_warnings_as_errors_stay_errors():
    A = singular()["neumann"]
    with rt.tuned_scipy(), warnings.catch_warnings():
        warnings.simplefilter("error", spl.MatrixRankWarning)
        with pytest.raises(spl.MatrixRankWarning):
            spl.spsolve(A, A @ np.arange(30.0))
        warnings.simplefilter("error", sp.SparseEfficiencyWarning)
        with pytest.raises(sp.SparseEfficiencyWarning):
            spl.spsolve(well_conditioned(30, 1).tolil(), np.ones(30))


def test_an_incomplete_factor_that_breaks_down_does_so_at_once():
    rng = np.random.default_rng(3)
    B = sp.csr_array(rng.normal(size=(20, 60)) * (rng.random((20, 60)) < 0.2))
    S = sp.block_array([[sp.eye_array(60), B.T], [B, None]], format="csc")
    with pytest.raises(RuntimeError) as plain:
        spl.spilu(S, drop_tol=1.0, fill_factor=1.0)
    with rt.tuned_scipy(), pytest.raises(RuntimeError, match=str(plain.value)):
        spl.spilu(S, drop_tol=1.0, fill_factor=1.0)


def test_a_right_side_that_is_not_finite_does_not_bar_its_line():
    A = laplacian(20, 2, shift=0.1).tocsc()
    with rt.tuned_scipy() as session:
        for b in (np.full(400, np.nan), np.ones(400)):
            x = spl.spsolve(A, b)
    assert np.allclose(A @ x, 1.0)
    (found,) = session._sites.values()
    assert not any(ledger.barred for ledger in found.ledgers().values())
