"""A matrix that `spsolve` is given time and again is factored once, and by SciPy."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spla

import reiterate as rt
from reiterate.intercept import ledger, patching


@pytest.fixture
def factored(monkeypatch):
    """Counts factorizations; the solver never begins, and every call is worth a look."""
    count = []
    splu = spla.splu

    def counting(*args, **kwargs):
        count.append(args[0].shape)
        return splu(*args, **kwargs)

    original = patching.original
    monkeypatch.setattr(patching, "original", lambda name: counting if name == "splu" else original(name))
    monkeypatch.setattr(ledger.Budget, "open", property(lambda self: False))
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
