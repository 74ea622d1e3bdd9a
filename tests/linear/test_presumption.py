"""What was revealed of one matrix is presumed of the next, and never stays so for long where it is wrong."""

import gc
import weakref

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.portfolio import suits
from tests.matrices import laplacian


def shifted(shift, m=9):
    return sp.csr_array(laplacian(m) - shift * sp.eye_array(m * m))


def admit(door, A):
    return door.admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)


def test_the_next_matrices_of_the_pattern_are_presumed_indefinite_for_longer_and_longer():
    door, opened = Door(), []
    for k in range(40):
        instance = admit(door, shifted(0.5 + 1e-3 * k))
        assert instance.traits.maybe_definite  # presuming is no proof
        assert suits("cg", instance.traits) == (not instance.traits.presumed_indefinite)
        if not instance.traits.presumed_indefinite:
            opened.append(k)
            instance.reveal({"definite": False})
    assert opened == [0, 4, 12, 28]


def test_a_matrix_of_another_pattern_is_not_judged_by_it():
    door = Door()
    admit(door, shifted(0.5)).reveal({"definite": False})
    assert not admit(door, shifted(0.5, 8)).traits.presumed_indefinite
    assert admit(door, shifted(0.6)).traits.presumed_indefinite


def test_a_dominant_diagonal_is_believed():
    door = Door()
    admit(door, shifted(0.5)).reveal({"definite": False})
    assert not admit(door, shifted(-0.1)).traits.presumed_indefinite
    one_bad_row = shifted(-4.0)
    one_bad_row[0, 0] = 0.1
    admit(door, shifted(0.7)).reveal({"definite": False})
    instance = admit(door, one_bad_row)
    assert instance.context["coupling"] < 1.0
    assert instance.traits.presumed_indefinite


def test_a_proof_ends_the_presumption_at_once():
    door = Door()
    admit(door, shifted(0.5)).reveal({"definite": False})
    presumed = admit(door, shifted(0.0))
    assert presumed.traits.presumed_indefinite
    presumed.reveal({"definite": True, "presumed_indefinite": False})
    assert not admit(door, shifted(0.01)).traits.presumed_indefinite


def test_matrices_of_which_nothing_is_revealed_make_it_shorter():
    door = Door()
    for k in range(5):
        instance = admit(door, shifted(0.5 + 1e-3 * k))
        if not instance.traits.presumed_indefinite:
            instance.reveal({"definite": False})
    count = 0
    while admit(door, shifted(0.1 + 1e-3 * count)).traits.presumed_indefinite:
        count += 1
    assert count == 7
    for k in range(3):
        assert not admit(door, shifted(0.01 * k)).traits.presumed_indefinite
    admit(door, shifted(0.55)).reveal({"definite": False})
    assert [admit(door, shifted(0.56 + 0.01 * k)).traits.presumed_indefinite for k in range(4)] == [True] * 3 + [False]


def test_an_indefinite_stream_whose_matrix_changes_is_learnt_and_so_is_its_end():
    solver, rng = rt.Solver(learner="cheb_cb", seed=0, cost="work"), np.random.default_rng(0)
    for k in range(12):
        A, b = shifted(0.5 + 1e-3 * k), rng.normal(size=81)
        assert np.linalg.norm(b - A @ solver.solve(A, b)) <= 1.001e-8 * np.linalg.norm(b)
    negative = [a for record in solver.history for a in record.attempts if "not positive definite" in a.reason]
    assert len(negative) <= 2
    for k in range(12):
        solver.solve(shifted(-1e-3 * k), rng.normal(size=81))
    assert any(a.configuration.method.endswith("cg") for a in solver.last.attempts)


def test_a_factorization_that_proves_definiteness_reveals_it():
    door = Door()
    admit(door, shifted(0.5)).reveal({"definite": False})
    solver = rt.Solver(["direct"])
    solver._door = door
    solver.solve(shifted(0.0), np.ones(81))
    assert not admit(door, shifted(1e-3)).traits.presumed_indefinite


def test_the_record_names_what_was_played():
    solver, rng = rt.Solver(["cg", "jacobi_cg"], learner="uniform", seed=0, cost="work"), np.random.default_rng(1)
    for k in range(12):
        solver.solve(shifted(2.5 + 1e-3 * k), rng.normal(size=81))
    assert {record.configuration.method for record in solver.history} > {"direct"}
    for record in solver.history:
        assert record.configuration == record.attempts[0].configuration
        assert record.probability == (1.0 if record.configuration.method == "direct" else 0.5)


def test_what_is_revealed_of_a_matrix_that_came_back_counts():
    door, A = Door(), shifted(0.5)
    admit(door, A)
    admit(door, A).reveal({"definite": False})
    assert admit(door, 1.01 * A).traits.presumed_indefinite


@pytest.mark.parametrize("recognizes", [True, False])
def test_no_matrix_is_kept_for_it(recognizes):
    door, A = Door(recognizes=recognizes), shifted(0.5)
    held = weakref.ref(A.data)
    admit(door, A)
    admit(door, A.copy())
    del A
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("null_space", ["constant", np.ones(64)])
@pytest.mark.parametrize("method", ["rslab", "superlu"])
def test_factors_of_a_pinned_matrix_prove_what_they_prove_of_the_matrix(method, null_space):
    A = laplacian(8)
    neumann = sp.csr_array(A - sp.diags_array(np.asarray(A.sum(axis=1)).ravel()))
    edge = np.eye(64)[27] - np.eye(64)[36]
    indefinite = sp.csr_array(neumann - 3.0 * sp.csr_array(np.outer(edge, edge)))
    for matrix, definite in ((neumann, True), (indefinite, False)):
        eigenvalues = np.linalg.eigvalsh(matrix.toarray())
        assert (eigenvalues[0] > -1e-12) == definite
        solver = rt.Solver([method], null_space=null_space)
        door = solver._door
        instance = admit(door, matrix)
        assert (instance.traits.positive_diagonal, instance.traits.definite) == (True, None)
        if definite:
            instance.reveal({"presumed_indefinite": True})
        solver.solve(matrix, np.arange(64.0))
        assert admit(door, matrix).traits.definite is definite
        assert not admit(door, matrix).traits.presumed_indefinite
