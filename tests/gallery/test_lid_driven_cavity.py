import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.errors import InvalidInput
from reiterate.gallery import LidDrivenCavity, navier_stokes
from tests.gallery.streams import play, solve


def stirred(nx, reynolds=50.0, dt=0.1, seed=0):
    """A cavity after one step with a random velocity in place of the solution."""
    simulation = navier_stokes(nx, 12, reynolds=reynolds, dt=dt)
    simulation.advance(np.random.default_rng(seed).standard_normal(next(iter(simulation)).b.size))
    simulation.advance(solve(next(iter(simulation))))
    return simulation


@given(st.integers(3, 6), st.floats(1.0, 1e4), st.floats(1e-3, 1.0), st.integers(0, 100))
def test_velocity_matrix_is_mass_and_diffusion_plus_something_skew(nx, reynolds, dt, seed):
    simulation = stirred(nx, reynolds, dt, seed)
    A = next(iter(simulation)).A.toarray()
    simulation.restart()
    still = next(iter(simulation)).A.toarray()
    np.testing.assert_array_equal(still, still.T)
    np.testing.assert_allclose(0.5 * (A + A.T), still, atol=1e-12 * abs(A).max())
    assert np.linalg.eigvalsh(still).min() > 1 / nx**2 / dt
    assert not np.allclose(A, A.T)


@given(st.integers(3, 7), st.integers(0, 100))
def test_pressure_systems_are_singular_and_consistent(nx, seed):
    simulation = navier_stokes(nx, 2)
    simulation.advance(np.random.default_rng(seed).standard_normal(next(iter(simulation)).b.size))
    system = next(iter(simulation))
    A = system.A.toarray()
    np.testing.assert_array_equal(A, A.T)
    assert not A.sum(axis=1).any()
    assert np.count_nonzero(np.linalg.eigvalsh(A) < 1e-10) == 1
    assert abs(system.b.sum()) <= 1e-13 * np.abs(system.b).sum()


@given(st.integers(3, 7), st.integers(0, 100))
def test_projection_removes_the_divergence_whatever_the_constant(nx, seed):
    simulation = navier_stokes(nx, 2)
    simulation.advance(np.random.default_rng(seed).standard_normal(next(iter(simulation)).b.size))
    system = next(iter(simulation))
    assert np.abs(simulation.divergence(simulation.state)).max() > 0.1
    simulation.advance(solve(system) + 7.0)
    assert np.abs(simulation.divergence(simulation.state)).max() < 1e-10
    assert simulation.pressure.mean() == pytest.approx(0.0, abs=1e-12)
    # Nothing flows through the walls, so the stream function vanishes on all of them.
    psi = simulation.stream_function
    np.testing.assert_allclose(np.concatenate([psi[0], psi[-1], psi[:, 0], psi[:, -1]]), 0.0, atol=1e-12)


def test_without_a_lid_energy_decays_whatever_the_time_step():
    class Closed(LidDrivenCavity):
        lid = 0.0

    simulation = Closed(8, 20, reynolds=1e6, dt=5.0)
    simulation.advance(np.random.default_rng(0).standard_normal(next(iter(simulation)).b.size))
    simulation.advance(solve(next(iter(simulation))))
    energies = []
    for system in simulation:
        if system.kind == "velocity":
            gradients = [np.diff(simulation.pressure, axis=axis) * 8 for axis in (0, 1)]
            work = 5.0**2 * sum(np.sum(gradient**2) for gradient in gradients)  # as the incremental scheme has it
            energies.append(np.sum(simulation.state[:112] ** 2) + work)
        simulation.advance(solve(system))
    assert np.all(np.diff(energies) < 0.0)


def test_steady_flow_agrees_with_the_literature():
    simulation = navier_stokes(32, 160, reynolds=100.0, dt=0.25, swing=0.0)
    for system in simulation:
        if simulation.step == 140:
            before = simulation.velocity
        simulation.advance(solve(system))
    np.testing.assert_allclose(simulation.velocity, before, atol=1e-3)
    u, v = simulation.velocity
    # Ghia, Ghia and Shin 1982, Re = 100: extremes along the center lines, and of the stream function.
    assert (0.5 * (u[15] + u[16])).min() == pytest.approx(-0.21090, rel=0.03)
    assert (0.5 * (v[:, 15] + v[:, 16])).max() == pytest.approx(0.17527, rel=0.03)
    assert (0.5 * (v[:, 15] + v[:, 16])).min() == pytest.approx(-0.24533, rel=0.03)
    assert simulation.stream_function.min() == pytest.approx(-0.103423, rel=0.02)


def test_time_and_lid():
    simulation = navier_stokes(3, 8, dt=0.5, swing=0.5, period=2.0)
    found = []
    for system in simulation:
        found.append((system.kind, simulation.time, simulation.lid))
        simulation.advance(system.x0)
    assert [kind for kind, *_ in found] == ["velocity", "pressure"] * 4
    np.testing.assert_allclose([time for _, time, _ in found], [0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5])
    np.testing.assert_allclose([lid for *_, lid in found][::2], [1.5, 1.0, 0.5, 1.0])


def test_contexts():
    systems = play(navier_stokes(5, 4, dt=0.5, swing=0.5, period=1e6))
    assert systems[0].context == pytest.approx({"courant": 2.5}, rel=1e-3)
    assert systems[1].context == systems[3].context == {}
    assert systems[1].A is systems[3].A
    assert systems[2].A is not systems[0].A


def test_a_solver_a_kind_solves_it():
    simulation = navier_stokes(8, 8)
    solvers = {kind: rt.Solver(["direct"], seed=0) for kind in simulation.kinds}
    for system in simulation:
        x = solvers[system.kind].solve(system.A, system.b, x0=system.x0, context=system.context)
        simulation.advance(x)
    assert np.abs(simulation.divergence(simulation.state)).max() < 1e-6


@pytest.mark.parametrize(
    ("argument", "value"),
    [("nx", 2), ("reynolds", 0.0), ("dt", math.nan), ("swing", -1.0), ("period", 0.0), ("period", "1")],
)
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        navier_stokes(**{argument: value})
    assert caught.value.argument == argument
