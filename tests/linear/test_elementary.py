import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear import elementary
from reiterate.linear.door import Door
from tests.matrices import laplacian


@pytest.fixture(autouse=True)
def _as_at_first(monkeypatch):
    monkeypatch.setattr(elementary, "_waiting", False)
    monkeypatch.setattr(elementary, "_insisted", False)


def by_both(compute):
    kernels = compute()
    assert elementary.wait()
    substitutes = compute()
    elementary.arrive()
    return kernels, substitutes


def arrays(A):
    A = sp.csr_array(A)
    A.sort_indices()
    return A.indptr.astype(np.int32).view(np.uint32), A.indices.astype(np.int32).view(np.uint32), A.data


def matrices():
    rng = np.random.default_rng(0)
    random = sp.random_array((30, 30), density=0.15, rng=rng).tocsr()
    symmetric = sp.csr_array(random + random.T + sp.diags_array(rng.uniform(-1.0, 2.0, 30)))
    skew = sp.csr_array(symmetric + 1e-9 * (random - random.T))
    zero_diagonal = symmetric.copy()
    zero_diagonal[3, 3] = 0.0
    neumann = sp.csr_array(laplacian(6) - sp.diags_array(laplacian(6).sum(axis=1)))
    return {
        "laplacian": laplacian(6),
        "random": random,
        "symmetric": symmetric,
        "almost symmetric": skew,
        "zero on the diagonal": zero_diagonal,
        "A 1 = 0": neumann,
        "negative": -laplacian(6),
        "empty": sp.csr_array((4, 4)),
        "one": sp.csr_array([[2.0]]),
    }


@pytest.mark.parametrize("name", matrices())
def test_patterns_are_found_alike(name):
    indptr, indices, _ = arrays(matrices()[name])

    def look():
        position = np.zeros(indptr.size - 1, dtype=np.uint32)
        missing = elementary.find_diagonal(indptr, indices, position)
        symmetric = elementary.is_pattern_symmetric(indptr, indices)
        mirrors = []
        if symmetric and not missing:
            left = indices < np.repeat(np.arange(position.size), np.diff(indptr.astype(np.int64)))
            mirrors = elementary.find_mirrors(indptr, indices, position)[left].tolist()
        return missing, position.tolist(), symmetric, mirrors

    kernels, substitutes = by_both(look)
    assert kernels == substitutes


@pytest.mark.parametrize("name", matrices())
def test_matrices_are_inspected_alike(name):
    A = sp.csr_array(matrices()[name])

    def look():
        instance = Door().admit(A, np.zeros(A.shape[0]), None, rtol=1e-8, atol=0.0)
        return instance.traits, instance.context, instance.diagonal

    (traits, features, diagonal), (traits_so, features_so, diagonal_so) = by_both(look)
    assert traits == traits_so
    assert features == pytest.approx(features_so, rel=1e-12)
    if diagonal is None:
        assert diagonal_so is None
    else:
        np.testing.assert_array_equal(diagonal, diagonal_so)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused_alike(value):
    A = laplacian(5)
    A.data[7] = value

    def refuse():
        with pytest.raises(rt.InvalidInput, match="not finite") as caught:
            Door().admit(A, np.ones(25), None, rtol=1e-8, atol=0.0)
        return str(caught.value)

    kernels, substitutes = by_both(refuse)
    assert kernels == substitutes


@pytest.mark.parametrize("shift", [0.0, 1j])
def test_products_are_alike(shift):
    A = sp.csr_array(laplacian(6) + shift * sp.eye_array(36))
    rng = np.random.default_rng(1)
    x = rng.normal(size=36).astype(A.dtype)

    def multiply():
        operator = Door().admit(A, np.ones(36), None, rtol=1e-8, atol=0.0).operator
        y, r = np.empty((2, 36), dtype=A.dtype)
        square = operator.residual(x, np.ones(36, dtype=A.dtype), r)
        operator.apply(x, y)
        s, t, u = np.empty((3, 36), dtype=A.dtype)
        pair = operator.two_residuals(x, y, np.ones(36, dtype=A.dtype), s, t)
        elementary.recompute_residual(operator._arrays, x, y, u)
        combined = np.empty_like(x)
        elementary.combine((2.0, -1.0, 0.5), (x, y, r), combined)
        return np.concatenate((y, r, s, t, combined, [square, *pair], np.abs(u) > 1e-12))

    kernels, substitutes = by_both(multiply)
    np.testing.assert_allclose(substitutes, kernels, rtol=1e-13)


def test_fingerprints_tell_arrays_apart():
    elementary.wait()
    words = np.arange(6, dtype=np.uint64)
    found = {elementary.fingerprint(w) for w in (words, words[::-1].copy(), words[:5], words + np.uint64(1))}
    assert len(found) == 4
    assert elementary.fingerprint(words) == elementary.fingerprint(words.copy())
    assert elementary.fingerprint(words[:0]) == elementary.fingerprint(words[:0])


def test_who_must_not_depend_on_the_moment_has_kernels():
    elementary.wait()
    rt.Solver(["cg"])
    assert not elementary.waiting()
    assert not elementary.wait()


@pytest.mark.parametrize(
    "options", [{"cost": "work"}, {"cost": "iterations"}, {"learner": "ucb1"}, {"methods": ["cg"]}]
)
def test_these_insist(options):
    elementary.wait()
    rt.Solver(**options)
    assert not elementary.waiting()


def test_a_matrix_is_recognized_across_the_change_or_prepared_once_more():
    elementary.wait()
    solver, A = rt.Solver(["direct"]), laplacian(6)
    elementary._insisted = False
    elementary.wait()
    solver.solve(A, np.ones(36))
    solver.solve(A, np.arange(36.0))
    elementary.arrive()
    x = solver.solve(A, np.ones(36))
    assert np.linalg.norm(A @ x - 1.0) <= 1e-8 * 6.0
    assert [record.attempts[0].preparing_work > 0.0 for record in solver.history][:2] == [True, False]
