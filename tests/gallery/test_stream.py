import numpy as np
import pytest

from reiterate import gallery
from reiterate.errors import InvalidInput, ReiterateError
from reiterate.gallery import GALLERY, Simulation, System
from tests.gallery.streams import SMALL, play, solve

SWEEPS = {"thermal_block", "helmholtz"}  # only the initial guess depends on the last solution
CORRECTIONS = {"newton", "powerflow"}  # x is a correction of the state
OWN_STATE = {*CORRECTIONS, "navier_stokes", "topology"}  # the state is not the last solution


@pytest.fixture(params=sorted(GALLERY))
def simulation(request):
    return GALLERY[request.param](**SMALL[request.param])


def simulations(*without):
    """Every small simulation, except those named."""
    names = sorted(set(GALLERY).difference(*without))
    return [pytest.param(GALLERY[name](**SMALL[name]), id=name) for name in names]


def test_every_gallery_entry_is_a_public_function():
    assert set(GALLERY) == set(SMALL)
    for name, factory in GALLERY.items():
        assert getattr(gallery, name) is factory


def test_hands_out_as_many_systems_as_steps(simulation):
    assert isinstance(simulation, Simulation)
    systems = play(simulation)
    assert len(systems) == len(simulation) == simulation.step == 4
    assert simulation.state.shape == simulation.shape
    for system in systems:
        n = system.b.size
        assert isinstance(system, System)
        assert system.kind in simulation.kinds
        assert system.A.shape == (n, n)
        assert system.A.format == "csr"
        assert system.A.dtype == system.b.dtype == system.x0.dtype
        assert system.A.dtype in (np.float64, np.complex128)
        assert system.b.shape == system.x0.shape == (n,)
        assert system.A.has_canonical_format
        assert all(type(value) is float and np.isfinite(value) for value in system.context.values())


def test_nothing_is_handed_out_after_the_end(simulation):
    play(simulation)
    assert list(simulation) == []


@pytest.mark.parametrize("simulation", simulations(OWN_STATE))
def test_initial_guess_is_the_previous_solution(simulation):
    simulation.restart()
    np.testing.assert_array_equal(next(iter(simulation)).x0, simulation.state.ravel())
    previous = None
    for system in simulation:
        if previous is not None:
            np.testing.assert_array_equal(system.x0, previous)
        previous = solve(system)
        simulation.advance(previous)
        np.testing.assert_array_equal(simulation.state, previous.reshape(simulation.shape))


@pytest.mark.parametrize("simulation", simulations(SWEEPS))
def test_the_loop_is_closed(simulation):
    def systems_after(factor):
        simulation.restart()
        first = next(iter(simulation))
        # Optimal designs depend on directions only: change those.
        simulation.advance(np.linspace(1.0, factor, first.b.size) * solve(first))
        return next(iter(simulation))

    one, other = systems_after(1.0), systems_after(0.5)
    assert not (np.array_equal(one.b, other.b) and np.array_equal(one.A.data, other.A.data))


@pytest.mark.parametrize("simulation", simulations())
def test_definite_means_symmetric_positive_definite(simulation):
    simulation.restart()
    definite = []
    for system in play(simulation):
        A = system.A.toarray()
        definite.append(np.array_equal(A, A.T) and np.linalg.eigvalsh(A.real).min() > 1e-12 * abs(A).max())
    assert all(definite) == simulation.definite


def test_replay_is_identical(simulation):
    first = play(simulation)
    end = simulation.state
    simulation.restart()
    assert simulation.step == 0
    second = play(simulation)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.A.data, other.A.data)
        np.testing.assert_array_equal(one.b, other.b)
        np.testing.assert_array_equal(one.x0, other.x0)
        assert one.context == other.context
    np.testing.assert_array_equal(end, simulation.state)


def test_earlier_systems_stay_valid_and_share_the_pattern(simulation):
    kept = []
    first = {}
    for system in simulation:
        first.setdefault(system.kind, system.A)
        kept.append((system, system.A.data.copy(), system.b.copy(), system.x0.copy()))
        simulation.advance(solve(system))
    for system, data, b, x0 in kept:
        np.testing.assert_array_equal(system.A.data, data)
        np.testing.assert_array_equal(system.b, b)
        np.testing.assert_array_equal(system.x0, x0)
        assert np.shares_memory(system.A.indices, first[system.kind].indices)
        assert np.shares_memory(system.A.indptr, first[system.kind].indptr)
    assert tuple(first) == simulation.kinds


@pytest.mark.parametrize("simulation", simulations({"constant"}))
def test_numbers_belong_to_their_system(simulation):
    simulation.restart()
    one, other = [system for system in play(simulation) if system.kind != "pressure"][:2]
    assert not np.shares_memory(one.A.data, other.A.data)


def test_what_the_caller_does_to_its_arrays_afterwards_does_no_harm(simulation):
    system = next(iter(simulation))
    system.x0[:] = np.nan
    x = np.ones(system.b.shape)
    simulation.advance(x)
    before = simulation.state
    x[:] = np.nan
    simulation.state[:] = np.nan
    np.testing.assert_array_equal(simulation.state, before)
    assert np.all(np.isfinite(next(iter(simulation)).b))


def test_asking_for_the_next_system_too_early_says_what_to_do(simulation):
    systems = iter(simulation)
    waiting = next(systems)
    with pytest.raises(InvalidInput, match=r"advance: the system of step 0 .* call simulation\.advance\(x\)"):
        next(systems)
    # The simulation survives: the loop can be taken up again with the same system.
    assert next(iter(simulation)) is waiting
    play(simulation)
    assert simulation.step == 4


def test_an_iteration_that_was_left_early_is_taken_up_again(simulation):
    systems = iter(simulation)
    simulation.advance(next(systems).x0)
    left = next(systems)
    assert len(play(simulation)) == 3
    assert left.b is not None
    assert simulation.step == 4


def test_advancing_without_a_system_is_refused(simulation):
    with pytest.raises(InvalidInput, match="advance: no system is waiting"):
        simulation.advance([0.0])
    x = next(iter(simulation)).x0
    simulation.advance(x)
    with pytest.raises(InvalidInput, match="at step 1"):
        simulation.advance(x)


def test_restart_forgets_the_waiting_system(simulation):
    systems = iter(simulation)
    simulation.advance(next(systems).x0)
    next(systems)
    simulation.restart()
    with pytest.raises(InvalidInput, match="no system is waiting"):
        simulation.advance([0.0])
    assert len(play(simulation)) == 4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x[:-1], "has shape"),
        (lambda x: x[:, None], "has shape"),
        (lambda x: x.astype(str), "has dtype"),
        (lambda x: np.where(np.arange(x.size) == 3, np.nan, x), r"x\[3\] is \(?nan"),
        (lambda x: np.where(np.arange(x.size) == 2, -np.inf, x), r"x\[2\] is \(?-inf"),
    ],
)
def test_unusable_solutions_are_refused_and_change_nothing(simulation, spoil, message):
    system = next(iter(simulation))
    before = simulation.state
    with pytest.raises(InvalidInput, match=message) as caught:
        simulation.advance(spoil(system.x0))
    assert caught.value.argument == "x"
    assert isinstance(caught.value, ReiterateError)
    assert simulation.step == 0
    np.testing.assert_array_equal(simulation.state, before)
    simulation.advance(system.x0)


def test_integers_and_lists_are_accepted(simulation):
    system = next(iter(simulation))
    simulation.advance([1] * system.b.size)
    assert simulation.state.dtype == system.b.dtype


def test_complex_solutions_are_for_complex_systems(simulation):
    system = next(iter(simulation))
    x = solve(system) * (1.0 + 0.0j)
    if system.b.dtype == np.complex128:
        simulation.advance(x)
        assert simulation.step == 1
    else:
        with pytest.raises(InvalidInput, match="has dtype complex128; pass real numbers"):
            simulation.advance(x)


@pytest.mark.parametrize("name", sorted(GALLERY))
@pytest.mark.parametrize("steps", [0, -1, 2.0, True, "3", None])
def test_steps_must_be_a_positive_integer(name, steps):
    with pytest.raises(InvalidInput, match="steps: ") as caught:
        GALLERY[name](**{**SMALL[name], "steps": steps})
    assert repr(steps) in str(caught.value)
