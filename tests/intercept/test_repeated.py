"""A matrix that `spsolve` is given time and again is factored once, and by SciPy."""

import gc

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla

import reiterate as rt
from reiterate.intercept import ledger, patching
from reiterate.intercept.factoring import Factoring
from reiterate.intercept.repeated import Repetition
from reiterate.intercept.shelf import Shelf


@pytest.fixture
def factored(monkeypatch):
    """Counts factorizations; nothing of ours begins, and every call is worth a look."""
    count = []
    splu = spla.splu

    def counting(*args, **kwargs):
        count.append(args[0].shape)
        return splu(*args, **kwargs)

    original = patching.original
    monkeypatch.setattr(patching, "original", lambda name: counting if name == "splu" else original(name))
    monkeypatch.setattr(ledger.Budget, "open", property(lambda self: False))
    monkeypatch.setattr(Factoring, "wanted", lambda self, *_: False)
    monkeypatch.setattr(ledger.Ledger, "may_repeat", property(lambda self: self.theirs.count > 0))
    return count


def convection(n):
    line = sp.diags_array([-1.0, 2.2, -1.1], offsets=[-1, 0, 1], shape=(n, n))
    return (sp.kron(line, sp.eye_array(n)) + sp.kron(sp.eye_array(n), line)).tocsc()


@pytest.mark.parametrize("form", ["csc", "csr"])
@pytest.mark.parametrize("field", [float, complex])
def test_it_is_factored_once(factored, form, field):
    rng = np.random.default_rng(3)
    A = convection(20).asformat(form).astype(field)
    with rt.tuned_scipy() as session:
        for _ in range(6):
            b = rng.normal(size=400)
            x = spla.spsolve(A, b)
            assert (x.shape, x.dtype) == ((400,), A.dtype)
            np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-10)
    assert len(factored) == 1
    assert session.sites[0].solves == 6
    assert session.sites[0].left_to_scipy == 2
    assert session.sites[0].chosen == [("kept factors", 4), ("SciPy", 2)]
    assert session.sites[0].parts["kept"] > 0.0


def test_other_numbers_are_factored_anew(factored):
    A = convection(20)
    with rt.tuned_scipy():
        for step in range(6):
            A.data[-1] += step >= 3  # in place, and where a glance does not look
            b = np.full(400, 1.0 + step)
            np.testing.assert_allclose(spla.spsolve(A, b), np.linalg.solve(A.toarray(), b), rtol=1e-10)
    assert len(factored) == 1  # at the third of the first three


def test_the_shape_of_a_column_is_that_of_scipy(factored):
    A = convection(15)
    b = np.ones((225, 1))
    expected = spla.spsolve(A, b)
    with rt.tuned_scipy():
        for _ in range(4):
            x = spla.spsolve(A, b)
            assert x.shape == expected.shape
            np.testing.assert_allclose(x, expected, rtol=1e-12)
    assert factored


def test_nothing_is_factored_for_what_it_cannot_answer():
    A, b = convection(12), np.ones(144)
    repetition = Repetition()
    for _ in range(3):
        assert repetition.solve(A, b + 1.0j, None, 1e-12) is None
    assert repetition._last is None
    assert repetition.solve(A, b, None, 0.0) is None
    assert repetition.solve(A, b, None, -1.0) is None  # no answer is good enough
    assert repetition._last.hopeless
    assert repetition._last.factor is None
    assert repetition.solve(A, b, None, 1e-12) is None
    repetition.forget()
    assert repetition._last is None


def test_rows_are_ordered_as_scipy_does():
    rng = np.random.default_rng(0)
    A = sp.lil_array((400, 400))
    A.setdiag(4.0)
    for row in range(8):
        A[row, rng.choice(400, 120, replace=False)] = rng.normal(size=120)
    A = A.tocsr()
    A.setdiag(40.0)
    A.sort_indices()
    b = rng.normal(size=400)
    repetition = Repetition()
    assert repetition.solve(A, b, None, 1e-12) is None
    x = repetition.solve(A, b, None, 1e-12)
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-9)
    assert repetition._last.factor.nnz == spla.splu(A.T).nnz


def test_a_second_thread_is_left_to_scipy():
    A, b = convection(12), np.ones(144)
    repetition = Repetition()
    repetition._lock.acquire()
    assert repetition.solve(A, b, None, 1e-12) is None
    assert repetition._last is None


def _held(repetitions):
    return [repetition._last is not None for repetition in repetitions]


def test_what_all_lines_keep_has_a_bound():
    A, b = convection(12), np.ones(144)
    alone = Repetition(Shelf(10**9))
    for _ in range(2):
        alone.solve(A, b, None, 1e-12)
    size = alone._last.size
    assert size > A.data.nbytes + alone._last.factor.nnz * 12 - 1
    shelf = Shelf(int(2.5 * size))
    lines = [Repetition(shelf) for _ in range(4)]
    for line in lines[:2]:
        assert [line.solve(A, b, None, 1e-12) is None for _ in range(3)] == [True, False, False]
    assert lines[0].solve(A, b, None, 1e-12) is not None  # so that the second has not been used for longer
    for _ in range(2):
        lines[2].solve(A, b, None, 1e-12)
    assert _held(lines) == [True, False, True, False]
    lines[0].forget()
    for _ in range(2):
        lines[1].solve(A, b, None, 1e-12)
    assert _held(lines) == [False, True, True, False]
    assert sum(shelf._sizes.values()) <= 2.5 * size
    del lines[1:], line
    gc.collect()
    lines[0].solve(A, b, None, 1e-12)
    assert len(shelf._sizes) == 1


def test_what_is_too_large_alone_is_not_kept(factored):
    A, b = convection(12), np.ones(144)
    copies = A.data.nbytes + A.indices.nbytes + A.indptr.nbytes
    nothing, copy_only = Repetition(Shelf(copies - 1)), Repetition(Shelf(copies + 1))
    for _ in range(3):
        assert nothing.solve(A, b, None, 1e-12) is None
    assert nothing._last is None
    assert copy_only.solve(A, b, None, 1e-12) is None
    np.testing.assert_allclose(A @ copy_only.solve(A, b, None, 1e-12), b)
    assert copy_only.solve(A, b, None, 1e-12) is None
    assert copy_only._last.factor is None
    assert len(factored) == 1
