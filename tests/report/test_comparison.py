from pathlib import Path

import numpy as np
import pytest

from reiterate.errors import InvalidInput
from reiterate.report.comparison import headline, write_comparison_report
from reiterate.report.data import Comparison, CostTable, Run
from reiterate.report.figures import save_comparison_figure
from reiterate.report.landscape import valley
from reiterate.report.words import count
from tests.report.pages import check_page, make_comparison

HOSTILE = ['<script>alert("1")</script>', "$x_{1", "_hidden", "a\x00b\ud800\n</svg>", "名前", "&amp;" * 40, ""]


def test_holds_the_totals_and_is_self_contained(tmp_path: Path) -> None:
    comparison = make_comparison()
    path = write_comparison_report(comparison, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    page = check_page(path)
    for run in comparison.runs:
        assert count(run.iterations.sum()) in page.text
    assert count(comparison.table.instance_optimal.sum()) in page.text
    assert "2,401 unknowns" in page.text
    assert len(page.svgs) == 12  # six pictures, each wide and narrow
    assert list(tmp_path.iterdir()) == [path]


def test_pictures_are_text_in_the_colors_of_the_page(tmp_path: Path) -> None:
    page = check_page(write_comparison_report(make_comparison(), tmp_path / "report.html"))
    assert "relaxation parameter ω" in page.text
    assert "prefers-color-scheme: dark" in page.source
    svgs = page.source[page.source.index("<svg") :]
    assert "var(--ink)" in svgs
    assert "#000000" not in svgs


def test_is_the_same_every_time(tmp_path: Path) -> None:
    first = write_comparison_report(make_comparison(5), tmp_path / "a.html").read_bytes()
    assert write_comparison_report(make_comparison(5), tmp_path / "b.html").read_bytes() == first


@pytest.mark.parametrize("turn", [0, 3, 5])
def test_hostile_names_are_text(tmp_path: Path, turn: int) -> None:
    names = HOSTILE[turn:] + HOSTILE[:turn]
    comparison = make_comparison(20, learners=tuple(names[:3]))
    comparison.title, comparison.description, comparison.context_name, comparison.parameter_name, *_ = names
    comparison.table.spellings = [names[0]] * len(comparison.table.spellings)
    played = comparison.runs[0]
    comparison.runs += [
        Run(name, "fixed", played.iterations, played.seconds, played.parameter, [name] * 20) for name in names
    ]
    page = check_page(write_comparison_report(comparison, tmp_path / "report.html"))
    assert HOSTILE[0] in page.text
    save_comparison_figure(comparison, tmp_path / "hero.svg")


@pytest.mark.parametrize(
    "comparison",
    [
        pytest.param(make_comparison(0), id="no steps"),
        pytest.param(make_comparison(1), id="one step"),
        pytest.param(make_comparison(30, omegas=1), id="one value"),
        pytest.param(make_comparison(30, learners=()), id="no learner"),
        pytest.param(make_comparison(30, learners=(), fixed=False, oracles=False), id="no contender"),
        pytest.param(make_comparison(30, learners=tuple("ABCDEFF")), id="many learners"),
        pytest.param(make_comparison(2500, learners=("A",)), id="many steps"),
    ],
)
def test_any_size(tmp_path: Path, comparison: Comparison) -> None:
    page = check_page(write_comparison_report(comparison, tmp_path / "report.html"))
    assert len(page.source) < 2_500_000


def test_configurations_without_the_parameter(tmp_path: Path) -> None:
    comparison = make_comparison(30)
    comparison.table.parameter[:] = np.nan
    for run in comparison.runs:
        run.parameter[:] = np.nan
    page = check_page(write_comparison_report(comparison, tmp_path / "report.html"))
    assert len(page.svgs) == 6


def test_nothing_took_an_iteration(tmp_path: Path) -> None:
    comparison = make_comparison(30)
    comparison.table.iterations[:] = 0
    for run in comparison.runs:
        run.iterations[:] = 0
    assert "as many iterations as" in headline(comparison)
    check_page(write_comparison_report(comparison, tmp_path / "report.html"))


def test_costs_far_apart(tmp_path: Path) -> None:
    comparison = make_comparison(30)
    comparison.table.iterations[:, -1] = 90_000
    check_page(write_comparison_report(comparison, tmp_path / "report.html"))


def test_headline_compares_in_plain_words() -> None:
    comparison = make_comparison(4, learners=(), fixed=False, oracles=False)
    comparison.table = CostTable(["a", "b"], np.array([1.0, 1.5]), np.full((4, 2), 25))
    played = (np.full(4, 1e-3), np.full(4, 1.0), ["a"] * 4)
    comparison.runs = [
        Run("slow", "learner", np.full(4, 50), *played),
        Run("ChebCB", "learner", np.array([28, 25, 25, 25]), *played),
        Run("whatever", "fixed", np.full(4, 100), np.full(4, 1e-3), np.full(4, np.nan), ["cg"] * 4),
    ]
    assert headline(comparison).replace("\N{NO-BREAK SPACE}", " ") == (
        "Knowing nothing beforehand, ChebCB needed 3.0 % more iterations than the best possible choice at every step, "
        "and 3.9 times fewer than plain CG."
    )


def test_the_valley_holds_ties_and_near_ties() -> None:
    table = CostTable(
        ["a", "b", "c", "cg"], np.array([1.5, 1.0, 2.0, np.nan]), np.array([[101, 100, 150, 120], [9, 9, 9, 1]])
    )
    found = valley(table)
    assert found.low.tolist()[0] == 0.75
    assert found.high.tolist()[0] == 1.75
    assert found.middle.tolist()[0] == 1.25
    assert np.isnan([found.low[1], found.high[1], found.middle[1]]).all()


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    comparison = make_comparison(5)
    with pytest.raises(InvalidInput, match=r"path: .* is a directory"):
        write_comparison_report(comparison, tmp_path)
    with pytest.raises(InvalidInput, match=r"path: there is no directory .* create it"):
        write_comparison_report(comparison, tmp_path / "missing" / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="path: there is no directory"):
        write_comparison_report(comparison, tmp_path / "file" / "report.html")
    with pytest.raises(InvalidInput, match=r"path: cannot write .* give a file"):
        write_comparison_report(comparison, tmp_path / ("x" * 300 + ".html"))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
