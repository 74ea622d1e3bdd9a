import math
from pathlib import Path

import pytest

import reiterate as rt
from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Record, Status
from reiterate.engine.history import History
from reiterate.errors import InvalidInput
from reiterate.report.stream import write_stream_report
from tests.report.pages import check_page, make_history, make_record


def two_attempts(last: Status) -> tuple[Attempt, ...]:
    return (
        Attempt(Configuration("cg"), Status.BREAKDOWN, 3, 1e-3, 3.0, math.nan, "negative curvature"),
        Attempt(Configuration("direct"), last, 1, 1e-2, 100.0, 1e-12),
    )


RESCUED = make_record(1, "cg", None, attempts=two_attempts(Status.CONVERGED), iterations=4, seconds=1.1e-2)
FAILED = make_record(2, "cg", None, attempts=two_attempts(Status.ITERATION_CAP), merit=0.5)
BROKEN = make_record(3, merit=math.nan)
INFINITE = make_record(4, merit=math.inf)
EXACT = make_record(5, merit=0.0, iterations=0, attempts=(), cost=0.0)
ANYTHING_GOES = make_record(6, merit=0.0, target=math.inf)
ZERO_TARGET = make_record(7, merit=0.0, target=0.0)
ODD = [RESCUED, FAILED, BROKEN, INFINITE, EXACT, ANYTHING_GOES, ZERO_TARGET]


def test_holds_the_totals_and_is_self_contained(tmp_path: Path) -> None:
    history = make_history(*(make_record(i, omega=1.0 + 0.05 * (i % 20)) for i in range(1200)))
    page = check_page(write_stream_report(history, "seconds", tmp_path / "report.html"))
    assert "All 1,200 systems solved" in page.text
    assert "14,400" not in page.text  # by configuration: 60 solves of 12 iterations
    assert "720" in page.text
    assert "ssor_cg(omega=1.0)" in page.text
    assert len(page.svgs) == 10
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_says_so_before_the_first_solve(tmp_path: Path) -> None:
    page = check_page(write_stream_report(History(), "seconds", tmp_path / "report.html"))
    assert "Nothing has been solved yet" in page.text


@pytest.mark.parametrize("unit", ["seconds", "iterations"])
def test_one_solve(tmp_path: Path, unit: str) -> None:
    page = check_page(write_stream_report(make_history(make_record(0)), unit, tmp_path / "report.html"))
    assert "The solve reached the accuracy" in page.text


@pytest.mark.parametrize("record", [RESCUED, BROKEN, EXACT], ids=lambda record: str(record.index))
def test_an_odd_solve_alone(tmp_path: Path, record: Record) -> None:
    check_page(write_stream_report(make_history(record), "seconds", tmp_path / "report.html"))


def test_odd_solves_together(tmp_path: Path) -> None:
    page = check_page(write_stream_report(make_history(make_record(0), *ODD), "seconds", tmp_path / "report.html"))
    assert "5 of 8 solves reached the accuracy asked for; 3 did not" in page.text
    assert "finished by another configuration" in page.text
    assert "exact solution" in page.text
    assert "not a finite number" in page.text


def test_all_solves_failed(tmp_path: Path) -> None:
    page = check_page(write_stream_report(make_history(FAILED), "seconds", tmp_path / "report.html"))
    assert "ended short of the accuracy" in page.text


def test_says_when_the_pictures_show_a_part(tmp_path: Path) -> None:
    history = make_history(*(make_record(i) for i in range(30)), keep=10)
    page = check_page(write_stream_report(history, "seconds", tmp_path / "report.html"))
    assert "last 10 of 30" in page.text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    names = ["<script>x</script>", "$a_{", "_", "名前", "a\x00\n"]
    records = [make_record(i, name, 1.0 + i, context={name: float(i)}) for i in range(3) for name in names]
    page = check_page(write_stream_report(make_history(*records), names[0], tmp_path / "report.html"))
    assert names[0] in page.text


def test_context_that_is_no_number(tmp_path: Path) -> None:
    contexts = [{"dt": math.nan}, {}, {"dt": 1.0}, {"dt": math.inf}, {"dt": 2.0}]
    records = [make_record(i, context=context) for i, context in enumerate(contexts)]
    check_page(write_stream_report(make_history(*records), "seconds", tmp_path / "report.html"))


def test_from_the_solver(tmp_path: Path) -> None:
    solver = rt.Solver(seed=0, cost="iterations")
    simulation = rt.gallery.heat(nx=12, steps=40)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
    page = check_page(solver.report(str(tmp_path / "report.html")))
    assert "All 40 systems solved" in page.text


def test_replaces_an_older_report_but_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    write_stream_report(make_history(make_record(0)), "seconds", path)
    assert "old" not in path.read_text(encoding="utf-8")[:10]
    with pytest.raises(InvalidInput, match="is a directory"):
        write_stream_report(make_history(make_record(0)), "seconds", tmp_path)
