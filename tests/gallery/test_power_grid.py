import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from reiterate.errors import InvalidInput
from reiterate.gallery import powerflow
from reiterate.gallery.power_grid import MOST_ITERATIONS, TOLERANCE
from tests.gallery.streams import solve

SEED = st.integers(0, 1000)


def random_state(simulation, seed):
    n = simulation.shape[0]
    rng = np.random.default_rng(seed)
    return np.stack([0.3 * rng.standard_normal(n), rng.uniform(0.8, 1.1, n)], axis=1)


def solved(simulation):
    """The simulation at the end of its first quarter of an hour."""
    for system in simulation:
        simulation.advance(solve(system))
        if simulation.hour > 0.0:
            return simulation
    raise AssertionError("not converged")


def admittances(simulation):
    """The grid's admittance matrix, dense, from its definition."""
    n, (i, j) = simulation.shape[0], simulation.lines.T
    series, shunt = (simulation._g + 1j * simulation._b).ravel(), 0.5j * simulation._charging.ravel()
    Y = np.zeros((n, n), dtype=complex)
    for row, column, value in ((i, i, series + shunt), (j, j, series + shunt), (i, j, -series), (j, i, -series)):
        np.add.at(Y, (row, column), value)
    return Y


@given(st.integers(4, 40), SEED)
def test_grids_are_connected_and_as_meshed_as_real_ones(buses, seed):
    simulation = powerflow(buses, seed=seed)
    lines = simulation.lines
    graph = coo_array((np.ones(len(lines)), lines.T), shape=(buses, buses))
    assert connected_components(graph, directed=False)[0] == 1
    assert len(np.unique(np.sort(lines, axis=1), axis=0)) == len(lines)
    assert np.all(lines[:, 0] != lines[:, 1])
    assert buses - 1 <= len(lines) <= 2 * buses
    assert len(simulation.generators) >= 1


@given(st.integers(4, 15), SEED)
def test_flows_are_voltage_times_conjugate_current(buses, seed):
    simulation = powerflow(buses, seed=seed)
    state = random_state(simulation, seed)
    voltage = state[:, 1] * np.exp(1j * state[:, 0])
    power = voltage * np.conj(admittances(simulation) @ voltage)
    flows, lines = simulation.flows(state), simulation.lines
    found = np.zeros((buses, 2))
    np.add.at(found, lines, flows)
    np.testing.assert_allclose(found[:, 0] + 1j * found[:, 1], power, rtol=1e-9, atol=1e-9 * np.abs(flows).max())
    assert np.all(flows[..., 0].sum(axis=1) >= 0.0)  # lines lose active power


@given(st.integers(4, 15), SEED)
def test_matrix_is_the_derivative_of_the_mismatch(buses, seed):
    simulation = powerflow(buses, seed=seed)
    state = random_state(simulation, seed).ravel()
    system = simulation.assemble(state)
    np.testing.assert_array_equal(system.b, -simulation.mismatch(state))
    direction, eps = np.random.default_rng(seed).standard_normal(system.b.size), 1e-6
    moved = np.zeros(state.size)
    moved[simulation._free] = eps * direction
    slope = (simulation.mismatch(state + moved) - simulation.mismatch(state - moved)) / (2 * eps)
    np.testing.assert_allclose(system.A @ direction, slope, rtol=1e-6, atol=1e-7 * abs(system.A).max())


def test_pattern_is_symmetric_and_numbers_are_not():
    A = next(iter(powerflow(20))).A
    pattern = A.toarray() != 0.0
    structure = np.zeros(A.shape, dtype=bool)
    structure[np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)), A.indices] = True
    np.testing.assert_array_equal(structure, structure.T)
    assert not np.array_equal(A.toarray(), A.toarray().T)
    assert np.all(np.diag(pattern))


@given(SEED)
def test_the_solution_balances_loads_generation_and_losses(seed):
    simulation = powerflow(12, 12, loading=0.5, seed=seed)
    demand = simulation.demand
    simulation = solved(simulation)
    state, lines = simulation.state, simulation.lines
    injected = np.zeros((12, 2))
    np.add.at(injected, lines, simulation.flows(state))
    loads = np.setdiff1d(np.arange(12), simulation.generators)
    np.testing.assert_allclose(injected[loads], -demand[loads], atol=2 * TOLERANCE)
    losses = simulation.flows(state)[..., 0].sum()
    assert injected[:, 0].sum() == pytest.approx(losses, abs=1e-9)
    held = state[simulation.generators, 1]
    assert np.all((held >= 1.0) & (held <= 1.04))


def test_newton_converges_quadratically_through_the_day():
    simulation = powerflow(60, 120)
    day, mismatches = [], {}
    for system in simulation:
        day.append(simulation.hour)
        mismatches.setdefault(simulation.hour, []).append(system.context["log_mismatch"])
        assert system.context["newton_iteration"] == len(mismatches[simulation.hour]) - 1
        assert not system.x0.any()
        simulation.advance(solve(system))
    assert day[-1] > 8.0
    first = mismatches.pop(0.0)
    assert len(first) <= 6
    assert first[-1] < 1.5 * first[-2] < 0.0
    assert max(map(len, mismatches.values())) <= 4


def test_loads_follow_the_day_and_return_after_it():
    simulation = powerflow(50)
    totals = []
    for quarter in range(97):
        simulation._quarter = quarter
        demand = simulation.demand
        totals.append(demand[:, 0].sum())
        assert not demand[simulation.generators].any()
        assert np.all(demand >= 0.0)
    np.testing.assert_allclose(totals[0], totals[-1])
    assert abs(np.argmax(totals) / 4 - 19.0) <= 1.0
    assert totals[32] > 1.1 * totals[54] > 1.1 * totals[14]
    assert max(totals) <= simulation._peak.sum() * 1.01
    simulation._quarter = 76
    assert 0.8 < next(iter(simulation)).context["load"] <= 1.01


@pytest.mark.parametrize("spoil", [lambda b: 1e3 * b, lambda b: np.full(b.size, 1e200), lambda b: -b])
def test_useless_solutions_do_not_stop_it(spoil):
    simulation = powerflow(10, MOST_ITERATIONS + 1)
    for system in simulation:
        simulation.advance(spoil(system.b))
        assert np.all(np.isfinite(simulation.state))
        assert simulation.state[:, 1].min() > 0.0
    assert simulation.hour == 0.25


@pytest.mark.parametrize("seed", range(60))
def test_the_smallest_grids_work_even_without_loads(seed):
    simulation = powerflow(4, 12, loading=0.1, seed=seed)
    assert np.all(np.isfinite(solved(simulation).state))


@pytest.mark.parametrize(("argument", "value"), [("buses", 3), ("loading", 0.0), ("loading", math.nan), ("seed", -1)])
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        powerflow(**{argument: value})
    assert caught.value.argument == argument
