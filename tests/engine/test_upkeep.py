"""Prepared states: sharing, identity, ageing, eviction."""

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Method, Prepared
from reiterate.engine.upkeep import Upkeep
from tests.engine.toys import Decay


class Factor(Method):
    """Holds 100 bytes; what it builds notes what it came from."""

    name = "factor"
    parameters = ParameterSpace((Parameter("kind", 0.0, 9.0, 1.0, (1.0, 2.0), 2),))
    requires = "nothing"
    state_parameters = ("kind",)
    ages = True

    def __init__(self):
        self.log = []

    def accepts(self, traits):
        return True

    def prepare(self, instance, values, previous=None):
        self.log.append("build" if previous is None else "refresh")
        return Prepared(object(), work=100.0 if previous is None else 20.0, memory=100)

    def iterate(self, prepared, instance, values, x, stop):
        raise AssertionError("states are leased here, not iterated with")

    def serves(self, prepared, instance):
        return self.ages


def run(upkeep, method, version, iterations, kind=1.0, **options):
    lease = upkeep.lease(method, {"kind": kind}, Decay(version=version), **options)
    lease.settle(iterations, float(iterations))
    upkeep.trim()
    return lease


def test_equal_versions_are_prepared_once():
    upkeep, method = Upkeep("work"), Factor()
    assert run(upkeep, method, 1, 5).work == 100.0
    again = run(upkeep, method, 1, 5)
    assert (again.work, again.fresh) == (0.0, True)
    assert method.log == ["build"]


def test_an_unknown_version_is_always_another():
    upkeep, method = Upkeep("work"), Factor()
    method.ages = False
    run(upkeep, method, None, 5)
    run(upkeep, method, None, 5)
    assert method.log == ["build", "refresh"]


def test_a_state_ages_until_renewing_pays():
    upkeep, method = Upkeep("work"), Factor()
    leases = [run(upkeep, method, version, 5) for version in range(20)]
    assert method.log == ["build"]
    assert leases[0].fresh
    assert not leases[1].fresh
    # Growing rents: sooner or later a refresh is cheaper, and from then on its own price counts.
    for age in range(1, 40):
        run(upkeep, method, 100 + age, 5 + 4 * age)
        if len(method.log) > 1:
            break
    assert method.log == ["build", "refresh"]
    assert age < 20


def test_a_refresh_that_no_longer_helps_leads_to_a_rebuild():
    upkeep, method = Upkeep("work"), Factor()
    method.ages = False
    run(upkeep, method, 0, 5)
    for version in range(1, 30):
        run(upkeep, method, version, 25)
    assert method.log.count("build") > 1
    assert method.log.count("refresh") > method.log.count("build")


def test_a_rebuild_is_told_what_it_replaces():
    class Keeper(Factor):
        def rebuild(self, instance, values, previous):
            self.log.append("rebuild")
            return Prepared(previous.state, work=100.0, memory=100)

    upkeep, method = Upkeep("work"), Keeper()
    method.ages = False
    run(upkeep, method, 0, 5)
    for version in range(1, 30):
        last = run(upkeep, method, version, 25)
        if "rebuild" in method.log:
            break
    assert method.log[0] == "build"
    assert method.log.count("build") == 1
    assert method.log[-1] == "rebuild"
    assert last.rebuilt


def test_renewal_can_be_insisted_on():
    upkeep, method = Upkeep("work"), Factor()
    run(upkeep, method, 0, 5)
    assert run(upkeep, method, 1, 5, renew=True).fresh
    assert method.log == ["build", "refresh"]


def test_iterations_have_no_price_of_renewal():
    upkeep, method = Upkeep("iterations"), Factor()
    for version in range(4):
        run(upkeep, method, version, 5)
    assert method.log == ["build", "refresh", "refresh", "refresh"]


def test_memory_is_bounded_and_the_useful_stay():
    upkeep, method = Upkeep("work", memory_limit=250.0), Factor()
    for _ in range(5):
        run(upkeep, method, 0, 5, kind=1.0)
    for kind in (2.0, 3.0, 4.0):
        run(upkeep, method, 0, 5, kind=kind)
        assert upkeep.memory <= 250.0
    before = len(method.log)
    run(upkeep, method, 0, 5, kind=1.0)
    assert len(method.log) == before


def test_matrices_that_alternate_are_prepared_once_each():
    upkeep, method = Upkeep("work"), Factor()
    method.ages = False
    for _ in range(10):
        for version in (1, 2, 3):
            run(upkeep, method, version, 5)
    assert len(method.log) <= 8


def test_a_state_whose_first_use_took_nothing_does_not_age_unseen():
    upkeep, method = Upkeep("work"), Factor()
    run(upkeep, method, 1, 0)
    assert run(upkeep, method, 2, 50).fresh


def test_a_state_larger_than_the_limit_does_not_stay():
    upkeep, method = Upkeep("work", memory_limit=50.0), Factor()
    run(upkeep, method, 1, 5)
    assert upkeep.memory == 0
