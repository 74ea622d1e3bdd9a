import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.gallery import topology
from reiterate.gallery.cantilever import MOVE, POISSON_RATIO, element_stiffness
from tests.gallery.streams import play, solve

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def designed(simulation, seed):
    """The same simulation, its uniform design replaced by a random one."""
    rng = np.random.default_rng(seed)
    simulation._u = rng.uniform(0.2, 1.0, simulation._u.size)
    return simulation


def test_element_is_exact_for_rigid_motions_and_uniform_strain():
    K = element_stiffness()
    x, y = CORNERS.T
    np.testing.assert_array_equal(K, K.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(K)[:3], 0.0, atol=1e-15)
    assert np.linalg.eigvalsh(K)[3] > 0.1
    for motion in ((1 + 0 * x, 0 * x), (0 * x, 1 + 0 * x), (-y, x)):
        np.testing.assert_allclose(K @ np.stack(motion, axis=1).ravel(), 0.0, atol=1e-15)
    # A bar that is stretched shrinks across; it pulls with a unit force, half of it at each corner.
    stretched = np.stack([x, -POISSON_RATIO * y], axis=1).ravel()
    np.testing.assert_allclose(K @ stretched, [-0.5, 0, 0.5, 0, 0.5, 0, -0.5, 0], atol=1e-15)


def test_a_solid_beam_bends_as_beams_do():
    nx, ny = 80, 8
    simulation = topology(nx, ny, 1, volume=1.0)
    simulation.advance(solve(next(iter(simulation))))
    bending = nx**3 / (3 * ny**3 / 12)
    shear = 6 / 5 * nx / (ny / (2 * (1 + POISSON_RATIO)))
    assert simulation.compliance == pytest.approx(bending + shear, rel=0.02)
    assert simulation.displacement[-1, ny // 2, 1] == pytest.approx(-simulation.compliance)
    assert not simulation.displacement[0].any()
    np.testing.assert_allclose(simulation.density, 1.0)


@pytest.mark.parametrize("ny", [4, 5])
def test_the_load_is_one_and_central(ny):
    b = next(iter(topology(3, ny))).b.reshape(3, ny + 1, 2)
    y = np.arange(ny + 1) - ny / 2
    assert b.sum() == -1.0
    assert b[-1, :, 1] @ y == 0.0
    assert not b[:-1].any()
    assert not b[..., 0].any()


@given(st.integers(2, 6), st.integers(2, 5), st.floats(1.0, 4.0), st.integers(0, 1000))
def test_sensitivity_is_the_derivative_of_the_compliance(nx, ny, radius, seed):
    simulation = designed(topology(nx, ny, 4, radius=radius), seed)
    simulation._step = 1

    def compliance(design):
        system = simulation.assemble(design)
        return system.b @ solve(system)

    z = simulation.state.ravel()
    direction, eps = np.random.default_rng(seed).standard_normal(z.size), 1e-5
    slope = (compliance(z + eps * direction) - compliance(z - eps * direction)) / (2 * eps)
    found = simulation.sensitivity(z, solve(simulation.assemble(z)))
    assert np.all(found <= 0.0)
    assert found @ direction == pytest.approx(slope, rel=1e-4, abs=1e-5 * np.abs(found).sum())


@given(st.integers(2, 7), st.integers(2, 7), st.floats(1.0, 5.0))
def test_the_filter_keeps_constants_and_bounds(nx, ny, radius):
    simulation = topology(nx, ny, radius=radius, volume=0.3)
    np.testing.assert_allclose(simulation.density, 0.3)
    designed(simulation, 0)
    assert simulation.density.min() >= simulation.state.min() * (1 - 1e-14)
    assert simulation.density.max() <= simulation.state.max() * (1 + 1e-14)
    if radius == 1.0:
        np.testing.assert_array_equal(simulation.density, simulation.state)


@given(st.integers(0, 1000))
def test_updates_keep_volume_bounds_and_moves_whatever_the_answers(seed):
    simulation = topology(6, 4, 12, volume=0.5)
    rng = np.random.default_rng(seed)
    for system in simulation:
        before = simulation.state
        simulation.advance(rng.standard_normal(system.b.size) * 10.0 ** rng.integers(-300, 300))
        moved = simulation.state
        assert simulation.density.mean() == pytest.approx(0.5, abs=1e-6)
        assert moved.min() >= 1e-3 * (1 - 1e-12)
        assert moved.max() <= 1.0
        assert np.abs(moved - before).max() <= MOVE + 1e-12


def test_rest_changes_nothing():
    simulation = topology(4, 3, 2)
    before = simulation.state
    simulation.advance(np.zeros(next(iter(simulation)).b.size))
    np.testing.assert_array_equal(simulation.state, before)


def test_without_penalty_the_compliance_falls():
    simulation = topology(24, 8, 20, penalty=1.0, contrast=1e3)
    found = []
    for system in simulation:
        simulation.advance(solve(system))
        found.append(simulation.compliance)
    assert np.all(np.diff(found) < 1e-3 * found[-1])
    assert found[-1] < 0.75 * found[0]


def test_the_contrast_grows_and_the_design_becomes_black_and_white():
    simulation = topology(36, 12, 60, radius=1.5)
    systems = play(simulation)
    contrast = [system.context["log_contrast"] for system in systems]
    penalty = [system.context["penalty"] for system in systems]
    assert contrast[0] == pytest.approx(0.0, abs=1e-12)
    assert penalty[0] == 1.0
    np.testing.assert_allclose(penalty[30:], 3.0)
    assert max(contrast) <= math.log(1e9) * (1 + 1e-12)
    assert contrast[-1] == pytest.approx(math.log(1e9), rel=0.02)
    density = simulation.density
    assert np.mean(4 * density * (1 - density)) < 0.55  # from 0.96; the filter leaves gray rims
    # The load is central and the clamp straight, so that the beam is its own mirror image.
    np.testing.assert_allclose(density, density[:, ::-1], atol=1e-3)
    assert systems[-1].b @ systems[-1].x0 < 3 * systems[0].b @ solve(systems[0])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("nx", 1), ("ny", 1.0), ("volume", 0.0), ("radius", 0.5), ("penalty", math.nan), ("contrast", 1.0)],
)
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        topology(**{argument: value})
    assert caught.value.argument == argument
