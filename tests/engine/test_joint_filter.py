import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.engine import joint_filter
from reiterate.engine.joint_filter import JointFilter

ARMS = 6


def dense(level, variance, offsets, variances, observations):
    """The posterior mean and covariance by linear algebra on all at once."""
    mean = np.concatenate(([level], offsets))
    prior = np.diag(np.concatenate(([variance], variances)))
    rows = np.zeros((len(observations), mean.size))
    for row, (arm, power, _, _) in zip(rows, observations, strict=True):
        row[0], row[arm + 1] = power, 1.0
    noise = np.diag([noise for *_, noise in observations])
    gain = prior @ rows.T @ np.linalg.inv(rows @ prior @ rows.T + noise)
    y = np.array([value for _, _, value, _ in observations])
    return mean + gain @ (y - rows @ mean), prior - gain @ rows @ prior


observed = st.tuples(st.integers(0, ARMS - 1), st.floats(0.0, 1.5), st.floats(-5.0, 5.0), st.floats(0.05, 1.0))


def filtered(observations, level=1.0, variance=2.0):
    offsets, variances = np.linspace(-1.0, 1.0, ARMS), np.linspace(0.2, 0.8, ARMS)
    joint = JointFilter(level, variance, offsets.copy(), variances.copy())
    for arm, power, value, noise in observations:
        joint.correct(arm, power, value - power * joint.level - joint.offsets[arm], noise)
    return joint, dense(level, variance, offsets, variances, observations)


@given(st.lists(observed, min_size=1, max_size=15))
@settings(max_examples=60, deadline=None)
def test_one_at_a_time_is_all_at_once(observations):
    joint, (mean, covariance) = filtered(observations)
    np.testing.assert_allclose([joint.level, *joint.offsets], mean, atol=1e-9)
    np.testing.assert_allclose([joint.level_variance, *joint.variances], covariance.diagonal(), atol=1e-9)
    for arm in range(ARMS):
        row = np.zeros(ARMS + 1)
        row[0], row[arm + 1] = 0.7, 1.0
        assert joint.variance_of(arm, 0.7, 0.1) == pytest.approx(row @ covariance @ row + 0.1, abs=1e-9)


def test_a_second_arm_tells_whether_it_was_the_level_or_the_first():
    joint = JointFilter(0.0, 4.0, np.zeros(2), np.array([4.0, 0.01]))
    joint.correct(0, 1.0, 6.0, 0.01)
    assert (joint.level, joint.offsets[0]) == pytest.approx((3.0, 3.0), abs=0.01)
    joint.correct(1, 1.0, -joint.level, 0.01)
    assert (joint.level, joint.offsets[0]) == pytest.approx((0.0, 6.0), abs=0.1)


@given(st.lists(observed, min_size=30, max_size=60))
@settings(max_examples=20, deadline=None)
def test_with_room_for_few_variances_stay_those_of_something(observations):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint_filter, "_MOST", 3)
        joint, _ = filtered(observations)
    assert joint._covariances.shape == (4, 4) or len({arm for arm, *_ in observations}) < 3
    assert np.linalg.eigvalsh(joint._covariances).min() > -1e-9
    assert np.all(joint.variances > 0.0)


def test_widening_adds_variance_to_what_it_names():
    joint, _ = filtered([(0, 1.0, 2.0, 0.1), (1, 1.0, 2.0, 0.1)])
    before, level = joint.variances.copy(), joint.level_variance
    joint.widen(1, 0.5)
    joint.widen_level(0.25)
    joint.widen_all(np.full(ARMS, 0.125))
    np.testing.assert_allclose(joint.variances - before, [0.125, 0.625, *[0.125] * (ARMS - 2)])
    assert joint.level_variance == level + 0.25
    joint.correct(1, 1.0, 0.0, 1.0)
    assert joint.variances[1] < before[1] + 0.625


@given(st.lists(observed, min_size=1, max_size=12), st.integers(0, ARMS - 1))
@settings(max_examples=60, deadline=None)
def test_what_two_arms_have_in_common_is_no_doubt_of_their_ratio(observations, arm):
    joint, (_, covariance) = filtered(observations)
    powers = np.linspace(0.0, 1.5, ARMS)
    found = joint.variances_against(arm, powers)
    for other in range(ARMS):
        row = np.zeros(ARMS + 1)
        row[0] = powers[other] - powers[arm]
        row[other + 1] += 1.0
        row[arm + 1] -= 1.0
        assert found[other] == pytest.approx(row @ covariance @ row, abs=1e-9)


def test_following_the_level_alone_does_not_move_a_sum_beyond_what_was_observed():
    joint = JointFilter(3.0, 2.0, np.zeros(2), np.full(2, 2.0))
    for _ in range(5):
        joint.correct(0, 1.0, 0.0, 0.01)
    for _ in range(20):
        joint.widen_level(0.02)
    error = 0.1
    before = joint.level
    joint.follow(0, 1.0, error, 0.01)
    assert before < joint.level <= before + error


@given(st.lists(observed, min_size=1, max_size=15), observed, st.floats(0.0, 0.1))
@settings(max_examples=60, deadline=None)
def test_following_never_goes_farther_than_the_error(observations, last, drift):
    joint, _ = filtered(observations)
    joint.widen_level(drift)
    arm, power, value, noise = last
    level, error = joint.level, value - power * joint.level - joint.offsets[arm]
    assert 0.0 <= joint.follow(arm, power, error, noise) <= joint.level_variance * (1.0 + 1e-9)
    assert abs(power * (joint.level - level)) <= abs(error) * (1.0 + 1e-9)
    assert (joint.level - level) * error >= 0.0


def test_a_level_that_is_hardly_known_apart_from_the_arm_is_not_moved_by_noise():
    joint = JointFilter(0.0, 4.0, np.zeros(1), np.full(1, 4.0))
    for _ in range(20):
        joint.correct(0, 1.0, 0.0, 0.01)
    assert joint.level_variance > 1.9
    joint.follow(0, 1.0, 0.05, 0.01)
    assert abs(joint.level) < 0.005
