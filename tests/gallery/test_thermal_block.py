import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.gallery import ThermalBlock, thermal_block
from tests.gallery.streams import play, solve


class Given(ThermalBlock):
    """Blocks of given conductivities."""

    def __init__(self, conductivities, cells=3):
        self.given = np.asarray(conductivities, dtype=float)
        super().__init__(len(self.given), cells, 1)

    @property
    def conductivities(self):
        return self.given


def temperature(conductivities, cells=3):
    simulation = Given(conductivities, cells)
    simulation.advance(solve(next(iter(simulation))))
    return simulation.state, simulation.output


def matrix(conductivities):
    return next(iter(Given(conductivities))).A.toarray()


def test_layers_give_the_piecewise_linear_solution():
    k = np.array([2.0, 0.1, 5.0])
    state, output = temperature(np.repeat(k[:, None], 3, axis=1), 2)
    drops = np.repeat(1 / k, 2) / 6
    expected = np.cumsum(drops[::-1])[::-1]
    np.testing.assert_allclose(state, np.repeat(expected[:, None], 7, axis=1), rtol=1e-12)
    assert output == pytest.approx(np.mean(1 / k))


@given(st.integers(0, 1000))
def test_affine_in_the_conductivities(seed):
    k, other = np.random.default_rng(seed).uniform(0.1, 10.0, (2, 2, 2))
    np.testing.assert_allclose(matrix(k) + 2 * matrix(other), matrix(k + 2 * other), rtol=1e-13, atol=1e-13)


@given(st.integers(0, 1000), st.integers(0, 3))
def test_output_falls_with_every_conductivity_and_obeys_its_bounds(seed, block):
    k = np.random.default_rng(seed).uniform(0.1, 10.0, (2, 2))
    better = k.copy()
    better.flat[block] *= 2
    output = temperature(k)[1]
    assert temperature(better)[1] < output
    # Rows of even temperature bound it from below; insulated columns, each with its own inflow, from above.
    assert (1 / k.mean(axis=1)).mean() * (1 - 1e-12) <= output <= (1 / k).mean() * (1 + 1e-12)


@given(st.integers(1, 3), st.integers(2, 4), st.floats(1.0, 1e3), st.integers(0, 100))
def test_matrix_is_a_symmetric_positive_definite_m_matrix(blocks, cells, contrast, seed):
    A = next(iter(thermal_block(blocks, cells, contrast=contrast, seed=seed))).A.toarray()
    np.testing.assert_array_equal(A, A.T)
    assert np.all(A - np.diag(np.diag(A)) <= 0.0)
    assert np.linalg.eigvalsh(A).min() > 0.0


def test_conductivities_drift_within_the_contrast():
    simulation = thermal_block(2, 2, 50, contrast=8.0)
    seen = []
    for system in simulation:
        k = simulation.conductivities
        assert system.context == pytest.approx({"log_ratio": math.log(k.max() / k.min())})
        seen.append(k)
        simulation.advance(system.x0)
    assert np.max(seen) <= 8.0 + 1e-12
    assert np.min(seen) >= 1 / 8.0 - 1e-12
    assert np.all(np.ptp(seen, axis=0) > 0.0)
    constant = play(thermal_block(2, 2, 3, drift=0.0))
    np.testing.assert_array_equal(constant[0].A.data, constant[2].A.data)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("blocks", 0), ("cells", 1), ("contrast", 0.5), ("drift", -1.0), ("drift", math.nan), ("seed", -1)],
)
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        thermal_block(**{argument: value})
    assert caught.value.argument == argument
