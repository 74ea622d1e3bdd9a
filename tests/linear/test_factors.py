"""Every engine against dense algebra; what a check, a limit or a missing package must refuse."""

import sys
import types

import numpy as np
import pytest
import scipy.sparse as sp

from reiterate.errors import Breakdown, InvalidInput
from reiterate.linear import factor_memory, factors, machine_memory
from reiterate.linear.door import Door
from reiterate.linear.factor_cholmod import CholmodFactor
from reiterate.linear.factor_engines import ENGINES, factorize_by_what_works
from reiterate.linear.factor_rslab import RslabFactor
from reiterate.linear.factor_superlu import SuperLUFactor, complaint_of
from reiterate.linear.factors import factorize
from tests.linear.factor_cases import (
    GENERAL,
    INSTALLED,
    admit,
    admit_complex,
    attempt,
    convection,
    demanding,
    regular,
    singular,
)
from tests.matrices import laplacian


def backward_error(A, x, b):
    with np.errstate(over="ignore"):
        scale = abs(A) @ np.abs(x) + np.abs(b)
        return np.max(np.abs(b - A @ x)[scale > 0] / scale[scale > 0], initial=0.0)


def refined(factor, instance):
    x = factor.solve(instance.b)
    return x + factor.solve(instance.b - instance.A @ x)


@pytest.mark.parametrize("engine", GENERAL)
@pytest.mark.parametrize("name", regular())
def test_solves_are_backward_stable(engine, name):
    instance = admit(regular()[name])
    factor, reason = attempt(lambda: factorize(instance, ENGINES[engine]))
    if factor is None:
        # Static pivoting gives up on some matrices, which is loud and leads to the next engine.
        assert engine == "pardiso"
        assert "perturbed" in reason
        return
    assert backward_error(instance.A, refined(factor, instance), instance.b) < 1e-13
    assert factor.memory > 0
    assert factor.nnz >= factor.size


@pytest.mark.parametrize("engine", ["rslab", "superlu"])
@pytest.mark.parametrize("kind", ["symmetric", "general"])
def test_matrices_that_need_pivoting(engine, kind):
    for seed in range(12):
        door, A = Door(), demanding(seed, kind)
        if np.linalg.cond(A.toarray()) > 1e8:
            continue
        factor = None
        for scale in (1.0, -2.0):
            instance = admit(A * scale, door=door)
            factor = factorize(instance, ENGINES[engine], factor)
            x = np.linalg.solve(instance.A.toarray(), instance.b)
            np.testing.assert_allclose(refined(factor, instance), x, atol=1e-6 * np.abs(x).max())
            negative = int((np.linalg.eigvalsh(A.toarray() * scale) < 0).sum()) if kind == "symmetric" else 0
            assert factor.inertia() in (None, (factor.size - negative, negative, 0))


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("A", [laplacian(8, shift=0.3), laplacian(4, 3)])
def test_many_and_transposed_solves(engine, A):
    rng = np.random.default_rng(2)
    A = A if engine == "cholmod" else sp.csr_array(A + sp.diags_array(rng.normal(size=A.shape[0] - 3), offsets=3))
    first, second, dense = A, sp.csr_array(A * 1.5), A.toarray()
    door, R = Door(), rng.normal(size=(A.shape[0], 3))
    factor = factorize(admit(second, door=door), ENGINES[engine])
    for _ in range(2):  # fresh and refreshed
        factor = factorize(admit(first, door=door), ENGINES[engine], factor)
        given = R.copy()
        np.testing.assert_allclose(factor.solve_many(R), np.linalg.solve(dense, R), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(factor.solve(R[:, 0].copy()), np.linalg.solve(dense, R[:, 0]), rtol=1e-9, atol=1e-12)
        transposed = factor.solve_transposed(R[:, 1].copy())
        np.testing.assert_allclose(transposed, np.linalg.solve(dense.T, R[:, 1]), rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(R, given)


@pytest.mark.parametrize("engine", GENERAL)
@pytest.mark.parametrize("kind", ["symmetric", "hermitian", "hermitian called symmetric", "general"])
def test_complex_matrices(engine, kind):
    rng = np.random.default_rng(3)
    A = laplacian(5).astype(complex)
    if kind == "symmetric":
        A = A - 0.5j * sp.eye_array(25)
    else:
        upper = sp.triu(A, 1) * (1.0 + 0.5j)
        A = upper + (2.0 * upper.T if kind == "general" else upper.conj().T) + sp.diags_array(A.diagonal())
    instance = admit_complex(A, symmetric=kind in ("symmetric", "hermitian called symmetric"))
    factor = factorize(instance, ENGINES[engine])
    again = admit_complex(instance.A * (1.0 + 1.0j), symmetric=instance.traits.symmetric, pattern=instance.pattern)
    for case in (instance, again):
        factor = factorize(case, ENGINES[engine], factor)
        dense, r = case.A.toarray(), rng.normal(size=25) + 1j * rng.normal(size=25)
        np.testing.assert_allclose(factor.solve(r), np.linalg.solve(dense, r), rtol=1e-9)
        np.testing.assert_allclose(factor.solve_transposed(r), np.linalg.solve(dense.T, r), rtol=1e-9)
        assert factor.solve(r).dtype == np.complex128
        assert not factor.indefinite


@pytest.mark.parametrize("engine", INSTALLED)
def test_new_numbers_reuse_the_analysis_and_known_numbers_everything(engine, monkeypatch):
    door = Door()
    first, second = admit(laplacian(8), door=door), admit(laplacian(8, shift=2.0), door=door)
    factor = factorize(first, ENGINES[engine])
    assert factor.setup_traffic > 0.0
    assert factorize(second, ENGINES[engine], factor) is factor
    assert factor.setup_traffic > 0.0
    assert factor.holds(second)
    assert not factor.holds(first)
    np.testing.assert_allclose(second.A @ factor.solve(second.b), second.b, atol=1e-12)
    monkeypatch.setattr(type(factor), "refresh", None)
    assert factorize(second, ENGINES[engine], factor) is factor
    assert factor.setup_traffic == 0.0
    assert factorize(admit(laplacian(9), door=door), ENGINES[engine], factor) is not factor


@pytest.mark.parametrize("engine", INSTALLED)
def test_factors_do_not_follow_arrays_that_the_caller_overwrites(engine):
    A, door = laplacian(6), Door()
    instance = admit(A, door=door)
    factor = factorize(instance, ENGINES[engine])
    A.data *= 2.0
    changed = admit(A, door=door)
    assert not factor.holds(changed)
    x = factorize(changed, ENGINES[engine], factor).solve(changed.b)
    np.testing.assert_allclose(A @ x, changed.b, atol=1e-12)


@pytest.mark.parametrize("engine", GENERAL)
@pytest.mark.parametrize("name", singular())
def test_singular_matrices_are_refused_or_known_for_what_they_are(engine, name, capfd):
    A, expected = singular()[name]
    factor, reason = attempt(lambda: factorize(admit(A), ENGINES[engine]))
    if factor is None:
        assert "singular" in reason or "rank" in reason
        assert "structural" not in expected or expected in reason
    else:
        # Rounding made it regular: the factors are those of a matrix nearby, and say how near to singular it is.
        assert factor.condition > 1e13
        assert not factor.indefinite
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("engine", [name for name in INSTALLED if name != "cholmod"])
def test_inertia(engine):
    for shift, expected in ((0.0, 0), (-2.0, None)):
        instance = admit(laplacian(7, shift=shift))
        factor = factorize(instance, ENGINES[engine])
        negative = int((np.linalg.eigvalsh(instance.A.toarray()) < 0).sum())
        inertia = factor.inertia()
        if expected == 0:
            assert inertia == (49, 0, 0)
            assert not factor.indefinite
        elif engine != "superlu":  # which may leave the diagonal, and then does not know
            assert inertia == (49 - negative, negative, 0)
            assert factor.indefinite
    assert factorize(admit(convection(5)), ENGINES[engine]).inertia() is None


def test_rounding_is_not_taken_for_indefiniteness():
    hilbert = 1.0 / (np.arange(14)[:, None] + np.arange(14) + 1.0)
    factor = factorize(admit(sp.csr_array(hilbert)), RslabFactor)
    assert not factor.indefinite


class Wrong(SuperLUFactor):
    """Factors of another matrix, as an engine with an error would give."""

    title = "wrong"

    def solve(self, r):
        z = super().solve(r)
        z[0] += 1e-3 * np.abs(z).max()
        return z


class WrongAtFirst(Wrong):
    """The careful variant is right."""

    def solve(self, r):
        return super().solve(r) if self._diagonal else SuperLUFactor.solve(self, r)


class Broken(Wrong):
    def solve(self, r):
        return np.full_like(r, np.nan)


class Perturbed(SuperLUFactor):
    def _describe(self):
        super()._describe()
        self.perturbed = 1


@pytest.mark.parametrize(("engine", "words"), [(Wrong, "backward error"), (Broken, "no finite solution")])
def test_wrong_factors_are_found_out_and_replaced(engine, words, monkeypatch):
    instance = admit(laplacian(6))
    with pytest.raises(Breakdown, match=words):
        factorize(instance, engine)
    monkeypatch.setitem(ENGINES, "rslab", engine)
    monkeypatch.setitem(ENGINES, "pardiso", engine)
    factor = factorize_by_what_works(instance)
    assert type(factor) is SuperLUFactor
    # What failed is not tried again on this pattern.
    monkeypatch.setattr(engine, "__init__", None)
    assert factorize_by_what_works(instance, factor) is factor


def test_a_more_careful_variant_comes_before_another_engine():
    instance = admit(laplacian(6))
    factor = factorize(instance, WrongAtFirst)
    np.testing.assert_allclose(instance.A @ factor.solve(instance.b), instance.b, atol=1e-12)


def test_perturbed_factors_are_accepted_only_where_refinement_recovers():
    assert factorize(admit(laplacian(6)), Perturbed).perturbed == 1
    nearly = laplacian(6) - sp.diags_array(np.asarray(laplacian(6).sum(axis=1)).ravel()) + 1e-12 * sp.eye_array(36)
    with pytest.raises(Breakdown, match="perturbed"):
        factorize(admit(sp.csr_array(nearly)), Perturbed)


def test_a_failed_refresh_leads_to_a_fresh_factorization(monkeypatch):
    door = Door()
    factor = factorize(admit(laplacian(6), door=door), RslabFactor)

    def fail(self, instance):
        raise Breakdown("rslab: matrix is numerically rank-deficient")

    monkeypatch.setattr(RslabFactor, "refresh", fail)
    instance = admit(laplacian(6, shift=1.0), door=door)
    fresh = factorize(instance, RslabFactor, factor)
    assert fresh is not factor
    assert factor.data is None
    assert not factor.serves(instance)


def test_a_singular_matrix_between_regular_ones():
    door = Door()
    good = sp.csr_array([[2.0, 1.0], [1.0, 2.0]])
    bad = sp.csr_array([[1.0, 1.0], [1.0, 1.0]])
    for engine in GENERAL:
        factor = factorize(admit(good, door=door), ENGINES[engine])
        with pytest.raises(Breakdown):
            factorize(admit(bad, door=door), ENGINES[engine], factor)
        again = factorize(admit(good, door=door), ENGINES[engine], factor)
        np.testing.assert_allclose(again.solve(np.array([3.0, 3.0])), 1.0)


def test_a_panic_of_compiled_code_is_a_breakdown(monkeypatch):
    panic = type("PanicException", (BaseException,), {})
    factor = factorize(admit(laplacian(5)), RslabFactor)

    def solve(r):
        raise panic("index out of bounds")

    monkeypatch.setattr(factor, "_factor", types.SimpleNamespace(solve=solve))
    with pytest.raises(Breakdown, match="internal error: index out of bounds"):
        factor.solve(np.ones(25))


@pytest.mark.parametrize("engine", GENERAL)
def test_what_would_not_fit_is_refused_before_it_is_built(engine):
    with pytest.raises(Breakdown, match=r"estimated to take .* of memory; the limit is 9.77 KiB"):
        factorize(admit(laplacian(40)), ENGINES[engine], memory_limit=10_000)


def test_an_instance_may_have_its_own_limit():
    instance = admit(laplacian(40))
    instance.memory_limit = 10_000
    with pytest.raises(Breakdown, match="limit"):
        factorize(instance, RslabFactor, memory_limit=10**9)
    instance.memory_limit = 10**9
    assert factorize(instance, RslabFactor, memory_limit=10).nnz


def test_fill_is_estimated_from_the_elimination_tree():
    instance = admit(laplacian(60))
    full = 2 * 3600 * 3601 / 2
    measured = factorize(instance, SuperLUFactor).nnz
    estimate = 2 * 2.0 * factor_memory._triangle_fill("rslab", instance)[0]
    assert measured < estimate < full / 10
    # A chain has no fill at all, however long: what no bound by the size alone would admit.
    chain = admit(sp.csr_array(laplacian(300_001, 1)))
    assert factorize(chain, SuperLUFactor, memory_limit=10**8).nnz < 5 * 300_001


def test_default_limit_is_part_of_the_machine(monkeypatch, tmp_path):
    total = machine_memory.default_memory_limit()
    assert 2**26 < total < 2**50
    (tmp_path / "memory.max").write_text("1000000\n")
    monkeypatch.setattr(machine_memory, "_CONTROL_GROUP", tmp_path / "memory.max")
    assert factor_memory.default_memory_limit() == 500_000
    monkeypatch.delattr("os.sysconf")
    monkeypatch.setattr(machine_memory, "_CONTROL_GROUP", tmp_path / "nothing")
    assert factor_memory.default_memory_limit() == 4 * 2**30


def test_an_engine_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(CholmodFactor, "package", "no_such_package")
    with pytest.raises(InvalidInput, match="CHOLMOD is not installed; pip install 'scikit-sparse"):
        factorize(admit(laplacian(4)), CholmodFactor)


class _DenseCholesky:
    """What scikit-sparse 0.4 documents of its factors, by dense algebra."""

    def __init__(self):
        self.factored = None

    def cholesky_inplace(self, A):
        try:
            self.factored = np.linalg.cholesky(A.toarray())
        except np.linalg.LinAlgError:
            raise sys.modules["sksparse.cholmod"].CholmodNotPositiveDefiniteError("column 3") from None

    def __call__(self, r):
        return np.linalg.solve(self.factored.T, np.linalg.solve(self.factored, r))

    def L(self):
        return sp.csc_array(self.factored)


def test_cholmod_adapter(monkeypatch):
    error = type("CholmodError", (Exception,), {})
    module = types.ModuleType("sksparse.cholmod")
    module.CholmodError = error
    module.CholmodNotPositiveDefiniteError = type("CholmodNotPositiveDefiniteError", (error,), {})
    module.analyze = lambda A: _DenseCholesky()
    package = types.ModuleType("sksparse")
    package.cholmod = module
    monkeypatch.setitem(sys.modules, "sksparse", package)
    monkeypatch.setitem(sys.modules, "sksparse.cholmod", module)
    monkeypatch.setattr(CholmodFactor, "available", classmethod(lambda cls: True))
    door = Door()
    instance = admit(laplacian(5), door=door)
    factor = factorize(instance, CholmodFactor)
    np.testing.assert_allclose(instance.A @ factor.solve(instance.b), instance.b)
    assert factor.inertia() == (25, 0, 0)
    assert factorize(admit(laplacian(5, shift=1.0), door=door), CholmodFactor, factor) is factor
    indefinite = admit(laplacian(5, shift=-2.0), door=door)
    with pytest.raises(Breakdown, match="not positive definite"):
        factorize(indefinite, CholmodFactor, factor)
    assert indefinite.traits.definite is False


def test_same_numbers_give_the_same_bits():
    instance = admit(convection(20))
    one, other = factorize(instance, RslabFactor), factorize(instance, RslabFactor)
    np.testing.assert_array_equal(one.solve(instance.b), other.solve(instance.b))


def test_probe_refuses_rows_whose_sums_overflow():
    with pytest.raises(Breakdown, match="overflows"):
        factorize(admit(sp.csr_array([[1.7e308, 1.7e308], [1.0, -1.0]])), SuperLUFactor)
    assert factors._PROBE_TOLERANCE < 1e-8


def test_what_superlu_says_is_one_line_without_its_sources():
    said = RuntimeError("malloc fails for local dworkptr[].at line 12 in file ../scipy/SuperLU/SRC/dmemory.c\n")
    assert complaint_of(said) == "malloc fails for local dworkptr[]"
    assert complaint_of(RuntimeError("Factor is exactly singular.")) == "Factor is exactly singular"
