"""Small systems are factored by SuperLU at first, and by rslab where their numbers go on changing."""

import time

import numpy as np
import pytest
import scipy.sparse as sp

from reiterate.linear.door import Door
from reiterate.linear.factor_engines import factorize_by_what_works
from reiterate.linear.factor_rslab import RslabFactor
from reiterate.linear.factor_superlu import SuperLUFactor
from reiterate.linear.first_factor import quick_by_superlu
from tests.linear.factor_cases import admit
from tests.matrices import laplacian

pytestmark = pytest.mark.skipif(not RslabFactor.available(), reason="there is no other engine than SuperLU")


def cube(n):
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n))
    eye = sp.eye_array(n)
    return (sp.kron(sp.kron(line, eye) + sp.kron(eye, line), eye) + sp.kron(sp.eye_array(n * n), line)).tocsr()


def test_rslab_takes_over_when_numbers_change_for_the_third_time():
    door, A = Door(), laplacian(20)
    held, engines = None, []
    for step in range(6):
        instance = admit((A + step * sp.eye_array(A.shape[0])).tocsr(), door=door)
        held = factorize_by_what_works(instance, held)
        engines.append(type(held))
        x = held.solve(instance.b)
        assert np.linalg.norm(instance.b - instance.A @ x) <= 1e-10 * np.linalg.norm(instance.b)
    assert engines == 3 * [SuperLUFactor] + 3 * [RslabFactor]


def test_numbers_that_return_keep_their_factors():
    door, A = Door(), laplacian(20)
    held = factorize_by_what_works(admit(A, door=door))
    for _ in range(5):
        assert factorize_by_what_works(admit(A.copy(), door=door), held) is held
    assert held.refreshes == 0


def test_what_is_large_in_space_is_analyzed_at_once():
    instance = admit(cube(13))
    assert not quick_by_superlu(instance.pattern)
    assert isinstance(factorize_by_what_works(instance), RslabFactor)
    assert quick_by_superlu(admit(cube(9)).pattern)


def test_with_a_deadline_only_what_can_be_stopped_begins():
    instance = admit(laplacian(20))
    instance.deadline = time.perf_counter() + 60.0
    assert isinstance(factorize_by_what_works(instance), RslabFactor)


def test_the_inertia_of_superlu_follows_its_numbers():
    door, A = Door(), laplacian(12)
    held = factorize_by_what_works(admit(A, door=door))
    assert held.inertia() == (144, 0, 0)
    held = factorize_by_what_works(admit((A - 3.0 * sp.eye_array(144)).tocsr(), door=door), held)
    below = int((np.linalg.eigvalsh(A.toarray()) < 3.0).sum())
    assert held.inertia() in (None, (144 - below, below, 0))
