"""Features of an instance: norms, and how far it is from the last one of its pattern."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear import changes
from reiterate.linear.door import Door
from tests.matrices import laplacian


def features(door, A, b):
    return door.admit(A, b, None, rtol=1e-8, atol=0.0).features


def test_the_first_system_has_norms_and_nothing_to_compare_with():
    A, b = laplacian(8), np.full(64, 3.0)
    found = features(Door(), A, b)
    assert found.keys() == {"rhs_norm", "matrix_norm"}
    assert found["rhs_norm"] == pytest.approx(24.0)
    assert found["matrix_norm"] == pytest.approx(np.sqrt(np.mean(A.data**2)), rel=0.2)


@pytest.mark.parametrize("m", [4, 100])
def test_relative_changes_are_those_of_all_entries_as_far_as_a_sample_tells(m):
    rng, door, A = np.random.default_rng(0), Door(), sp.csr_array(laplacian(m))
    b = rng.normal(size=m * m)
    features(door, A, b)
    shift = 0.1 * rng.normal(size=m * m)
    found = features(door, sp.csr_array(1.25 * A), b + shift)
    assert found["matrix_change"] == pytest.approx(0.2)
    assert found["rhs_change"] == pytest.approx(np.linalg.norm(shift) / np.linalg.norm(b + shift), rel=0.3)


def test_the_same_system_has_not_changed_and_its_opposite_could_not_change_more():
    door, A, b = Door(), laplacian(8), np.ones(64)
    features(door, A, b)
    same, opposite = features(door, A, b), features(door, A, -b)
    assert (same["matrix_change"], same["rhs_change"]) == (0.0, 0.0)
    assert opposite["rhs_change"] == pytest.approx(2.0)
    assert [features(door, A, 0.0 * b)["rhs_change"] for _ in range(2)] == [1.0, 0.0]


def test_arrays_that_the_caller_overwrites_are_compared_with_what_they_held():
    door, A, b = Door(), laplacian(8), np.ones(64)
    features(door, A, b)
    A.data *= 2.0
    b *= 4.0
    found = features(door, A, b)
    assert (found["matrix_change"], found["rhs_change"]) == (0.5, 0.75)


def test_systems_that_alternate_are_compared_with_their_own_last_one():
    door, sizes = Door(), (6, 7)
    for m in sizes:
        features(door, laplacian(m), np.ones(m * m))
    for m in sizes:
        found = features(door, 2.0 * laplacian(m), np.ones(m * m))
        assert (found["matrix_change"], found["rhs_change"]) == (0.5, 0.0)


def test_an_operator_has_features_of_its_right_hand_side():
    door, A, b = Door(), sp.linalg.aslinearoperator(laplacian(6)), np.ones(36)
    features(door, A, b)
    assert features(door, A, 2.0 * b) == {"rhs_norm": pytest.approx(12.0), "rhs_change": 0.5}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-160, 1e160, 1e300])
def test_numbers_whose_squares_leave_the_range_do_no_harm(scale):
    door, A, b = Door(), laplacian(6), np.ones(36)
    for k in range(3):
        found = features(door, sp.csr_array(scale * (1.0 + k) * A), scale * (k - 1.0) * b)
        assert all(np.isfinite(value) for value in found.values())


def test_complex_systems_and_blocks_have_them_too():
    door, A = Door(), sp.csr_array(laplacian(6) + 0.5j * sp.eye_array(36))
    features(door, A, np.ones(36))
    assert features(door, A, 1j * np.ones(36))["rhs_change"] == pytest.approx(np.sqrt(2.0))
    blocks = [door.admit_block(laplacian(6), k * np.ones((36, 3)), None, rtol=1e-8, atol=0.0) for k in (1.0, 2.0)]
    first, second = (block.instance.features for block in blocks)
    assert first["rhs_norm"] == pytest.approx(np.sqrt(108.0))
    assert second["rhs_change"] == 0.5


def test_a_sample_is_small_and_out_of_step_with_grids():
    values = np.arange(300_000.0)
    sample, size = changes._sample(values)
    stride = int(sample[1] - sample[0])
    assert sample.size <= 256
    assert all(stride % period for period in (2, 3, 5, 7))
    assert size == pytest.approx(np.linalg.norm(sample))
    assert not np.shares_memory(sample, values)


def test_learners_are_shown_the_context_alone(monkeypatch):
    monkeypatch.setattr(changes.Changes, "look", lambda self, instance: pytest.fail("nobody asked"))
    solver = rt.Solver(learner="cheb_cb", cost="work", seed=0)
    for k in range(3):
        solver.solve((1.0 + k) * laplacian(8), np.ones(64), context={"dt": 0.1 * k})
        assert list(solver.last.context) == ["dt", "coupling"]
