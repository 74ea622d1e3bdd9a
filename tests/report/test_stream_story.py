"""What the report of a stream says in words, and the numbers behind it."""

from dataclasses import replace

import numpy as np
import pytest

import reiterate as rt
from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Preparation, Status
from reiterate.engine.outlook import Outlooks
from reiterate.engine.policy import Conduct, Opinion, Policy
from reiterate.errors import InvalidInput
from reiterate.linear.portfolio import METHODS
from reiterate.report.method_words import spoken
from reiterate.report.stream import write_stream_report
from reiterate.report.stream_lead import cards, headline
from reiterate.report.stream_story import preparation_of, tell
from tests.report.pages import check_page, make_history, make_record

CG, IC, AMG = Configuration("cg"), Configuration("ic_cg"), Configuration("amg_cg")


class Believing(Policy):
    """Believes that cg costs three times as much as ic_cg, which costs a millisecond, and has never tried amg_cg."""

    def __init__(self):
        super().__init__([CG, IC, AMG])
        self.factor = 1.0

    def turns(self, pursuit, held):
        return iter(())

    def report(self, pursuit, cost):
        return

    def costs(self):
        return self.factor * np.array([3e-3, 1e-3, 2e-3])

    def opinions(self):
        plays = [(IC, 1e-3, 9), (AMG, 2e-3, 0), (CG, 3e-3, 1)]
        return [Opinion(c, cost, 0.0, 10.0, number, 3 if number else None, False) for c, cost, number in plays]

    def remarks(self):
        return Conduct(solves=10, trials=1)


def outlooks_over(records):
    outlooks, policy = Outlooks(), Believing()
    kind = outlooks.number_of(policy)
    for record in records:
        policy.factor = record.cost / 1e-3
        outlooks.look(kind, record.index, 1e6)
    return outlooks


def stream(count=10, cost=1e-3):
    return [make_record(i, "ic_cg", None, cost=cost * (1 + i % 2), expected=cost, overhead=0.0) for i in range(count)]


def test_what_another_would_have_cost_follows_what_solves_did_cost():
    records = stream()
    story = tell(make_history(*records), "seconds", outlooks_over(records))
    (contender,) = story.contenders()  # amg_cg has never been tried
    assert contender.configuration == CG
    np.testing.assert_allclose(story.alone(contender), [3.0 * record.cost for record in records], rtol=1e-5)
    text = headline(story, 0)
    assert "All 10 systems solved" in text
    assert "Conjugate gradients with incomplete Cholesky did all of them" in text
    assert "conjugate gradients alone would have taken about 3 times as long" in text


def test_a_trial_does_not_count_for_the_others():
    records = stream()
    records[4] = make_record(4, "cg", None, cost=50e-3, expected=1e-3, trial=True)
    story = tell(make_history(*records), "seconds", outlooks_over(stream()))
    assert story.alone(story.contenders()[0])[4] == pytest.approx(3e-3, rel=1e-5)
    assert story.explored() == pytest.approx(49.0 / (50.0 + sum(r.cost for r in stream() if r.index != 4) * 1e3))
    assert any("trying things out" in small for _, small in cards(story, 0))


def test_what_was_measured_comes_before_what_is_believed():
    records = stream()
    measured = {"SciPy, audited": np.full(10, 4e-3)}
    story = tell(make_history(*records), "seconds", outlooks_over(records), measured=measured)
    assert "4 times faster than SciPy, audited" in headline(story, 0)
    assert "would have taken" not in headline(story, 0)


@pytest.mark.parametrize(("taken", "words"), [(0.5e-3, "times slower than"), (1.5e-3, "about as fast as")])
def test_the_headline_does_not_flatter(taken, words):
    records = stream()
    story = tell(make_history(*records), "seconds", measured={"SciPy": np.full(10, taken)})
    story.history.seconds = 15e-3
    assert f"{words} SciPy" in headline(story, 0)


def test_without_anything_to_compare_nothing_is_compared(tmp_path):
    story = tell(make_history(*stream()), "seconds")
    assert headline(story, 0).endswith("did all of them.")
    page = check_page(write_stream_report(make_history(*stream()), "seconds", tmp_path / "report.html"))
    assert "alone would have" not in page.text


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(Preparation.KEPT, 0.0)], Preparation.KEPT),
        ([(Preparation.REFRESHED, 0.1)], Preparation.KEPT),
        ([(Preparation.AGED, 0.0), (Preparation.BUILT, 50.0)], Preparation.BUILT),
        ([(Preparation.AGED, 0.0)], Preparation.AGED),
    ],
)
def test_preparations_count_where_they_take_time(steps, expected):
    attempts = tuple(
        Attempt(IC, Status.CONVERGED, 5, 1e-3, 60.0, 1e-9, preparing_work=work, preparation=done)
        for done, work in steps
    )
    assert preparation_of(make_record(0, attempts=attempts)) is expected


def test_a_solver_records_what_it_prepared_and_holds():
    rng, solver = np.random.default_rng(0), rt.Solver(["ic_cg"], seed=0, cost="work")
    simulation = rt.gallery.diffusion3d(size=8, steps=6)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b))
    for _ in range(2):
        solver.solve(system.A, rng.standard_normal(system.b.size))
    done = [preparation_of(record) for record in solver.history]
    assert done[0] is Preparation.BUILT
    assert {Preparation.BUILT, Preparation.REFRESHED, Preparation.AGED} >= set(done[1:6])
    assert [record.attempts[-1].preparation for record in solver.history][-1] is Preparation.KEPT
    assert solver.last.memory == solver.memory > 0


def test_the_page_tells_of_everything(tmp_path):
    solver = rt.Solver(["ic_cg", "jacobi_cg", "cg"], seed=0, cost="work")
    simulation = rt.gallery.diffusion3d(size=10, steps=30)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, context=system.context))
    page = check_page(
        solver.report(tmp_path / "report.html", title="model.py:7", measured={"SciPy": 3.0, "another": np.ones(30)})
    )
    for heading in (
        "What was chosen",
        "What each solve cost, and what others were believed to cost",
        "Where the time went",
        "How it converged",
        "What makes it hard",
        "What was kept from one solve to the next",
        "What is believed of the alternatives now",
    ):
        assert heading in page.text
    assert "The hardest solve" in page.text
    assert "model.py:7" in page.text
    assert "SciPy  3 s" in page.text
    assert "another  30 s" in page.text
    with pytest.raises(InvalidInput, match="measured"):
        solver.report(tmp_path / "report.html", measured={"another": [1.0]})


def test_a_long_stream_fits_a_small_page(tmp_path):
    rng = np.random.default_rng(0)
    names = ["cg", "ssor_cg", "ic_cg", "amg_cg"]
    records = [
        make_record(
            i,
            names[i // 700 % 4],
            1.0 + 0.05 * (i // 350 % 20),
            trial=i % 40 == 0,
            expected=1e-3,
            cost=float(rng.uniform(0.5e-3, 2e-3)),
            merit=float(rng.uniform(1e-9, 1e-8)),
            iterations=int(rng.integers(5, 50)),
            memory=int(rng.integers(0, 10**8)),
        )
        for i in range(10_000)
    ]
    outlooks = outlooks_over(records)
    path = write_stream_report(make_history(*records), "seconds", tmp_path / "report.html", outlooks=outlooks)
    assert path.stat().st_size < 1_000_000
    check_page(path)


def test_kinds_of_system_are_told_apart(tmp_path):
    records = [replace(record, kind=record.index % 2) for record in stream(20)]
    story = tell(make_history(*records), "seconds")
    assert story.kinds == 2
    assert {record.kind for record in story.main} == {1}  # it cost more
    check_page(write_stream_report(make_history(*records), "seconds", tmp_path / "report.html"))


def test_every_method_has_a_name_in_words():
    for name in METHODS:
        assert spoken(name) != name or name in ("minres", "gmres"), name
    assert spoken("ilu_gmres") == "GMRES with incomplete LU"
    assert spoken("ic_deflated_cg") == "deflated conjugate gradients with incomplete Cholesky"
    assert spoken("scipy_cg") == "SciPy's conjugate gradients"
    assert spoken("what_is_this") == "what_is_this"


def test_the_budget_of_trials_is_that_of_the_policy():
    records = stream(200)
    story = tell(make_history(*records), "seconds")
    spent = np.cumsum([record.cost for record in records])
    budget = story.trial_budget()
    assert budget[0] == pytest.approx(0.05 * spent[0] + 1e-3)
    assert budget[9] == pytest.approx(0.05 * spent[9] + 1e-3)
    assert budget[199] == pytest.approx(0.025 * spent[199] + 1e-3)
    both = [replace(record, kind=i % 2) for i, record in enumerate(records)]
    assert tell(make_history(*both), "seconds").trial_budget()[9] == pytest.approx(0.05 * spent[9] + 2e-3)
