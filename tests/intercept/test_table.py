"""The table at the end says what is known, and no more."""

import re
from types import SimpleNamespace

import pytest

from reiterate.intercept import table


def _site(**changes):
    usual = {
        "where": "heat.py:12 in step",
        "function": "spsolve",
        "solves": 100,
        "left_to_scipy": 10,
        "seconds": 2.0,
        "seconds_before": 6.0,
        "before": "audited",
        "chosen": [("ssor_cg(omega=1.5)", 60), ("ssor_cg(omega=1.6)", 20), ("direct", 10), ("SciPy", 10)],
        "disagreement": None,
        "solver": None,
        "audits": 0.0,
        "untimed": 0,
    }
    site = {**usual, **changes}
    return SimpleNamespace(**{"parts": {"ours": 0.75 * site["seconds"], "scipy": 0.25 * site["seconds"]}, **site})


def test_one_line_where_there_is_nothing_to_tell():
    assert table.lines([]) == ["reiterate: the program called none of SciPy's sparse linear solvers."]
    (line,) = table.lines([_site(solves=40, left_to_scipy=40, parts={"scipy": 2.0})])
    assert "40 solves at 1 call site, all left to SciPy" in line


def test_a_row_for_a_call_site():
    head, columns, row, _ = table.lines([_site()])
    assert "100 solves at 1 call site in 2.00 s; SciPy: 6.00 s (audited), 3.0 times as long" in head
    assert columns.split() == ["call", "site", "function", "solves", "seconds", "before", "chosen"]
    assert "heat.py:12 in step  spsolve      100     2.00  6.00 audited" in row
    assert row.endswith("ssor_cg 80 %, direct 10 %, SciPy 10 %".replace(" %", "\N{NO-BREAK SPACE}%"))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (2.01, "no difference"),
        (2.1, "5.0 % more"),
        (1.0, "this was 100 % slower"),
        (0.0, "slower"),
        (40.0, "20.0 times"),
    ],
)
def test_what_was_gained_is_said_as_it_is(before, words):
    head = table.lines([_site(seconds_before=before)])[0]
    assert words in head.replace("\N{NO-BREAK SPACE}", " ")


def test_sites_of_which_nothing_is_known_are_not_compared():
    known, unknown = _site(before="estimated"), _site(seconds=5.0, seconds_before=None, before="unknown")
    head = table.lines([known, unknown])[0]
    assert "in 7.00 s; of 2.00 s it is known what SciPy would have taken: 6.00 s (estimated), 3.0 times" in head
    assert "is not known" in table.lines([unknown])[0]
    assert "(partly audited)" in table.lines([known, _site()])[0]


def test_the_headline_is_of_all_that_was_waited_for():
    left = _site(solves=7, left_to_scipy=7, seconds=50.0, seconds_before=50.0, before="estimated")
    total = table.totals([_site(), left])
    assert (total.compared, total.before, total.seconds, total.how) == (52.0, 56.0, 52.0, "audited")
    assert table.totals([left]).how == "unknown"


def test_every_second_is_named_once():
    parts = {"ours": 1.0, "loading": 0.5, "refused": 0.25, "kept": 0.002, "scipy": 0.2, "deciding": 0.048}
    told = table.lines([_site(parts=parts, audits=0.7, untimed=3)])[3]
    assert told == (
        "  In these 2.00 s: our answers 1.00 s, loading reiterate 0.50 s, attempts in vain 0.25 s, SciPy's own answers "
        "0.20 s, looking at the calls 0.05 s. Not in them: audits, 0.70 s and 3 calls too small to be timed."
    )
    found = table.as_dict([_site(parts=parts, audits=0.7, untimed=3)])
    assert (found["parts"], found["seconds_audits"], found["untimed"]) == (parts, 0.7, 3)
    assert sum(found["parts"].values()) == found["seconds"] == found["sites"][0]["seconds"]


def test_what_was_tried_in_vain_is_told_although_all_was_left_to_scipy():
    site = _site(solves=4, left_to_scipy=4, seconds=3.0, parts={"refused": 2.0, "scipy": 1.0})
    head, told = table.lines([site])
    assert "all left to SciPy" in head
    assert "attempts in vain 2.00 s" in told


def test_many_sites_and_long_names_stay_short():
    sites = [_site(where=f"{'long' * 30}.py:{k} in f", seconds=1.0 + k) for k in range(30)]
    told = table.lines([*sites, _site(solves=5, left_to_scipy=5)])
    assert len(told) == 1 + 1 + 12 + 1 + 1
    assert "19 call sites with 1,805 solves" in told[-1]
    assert all(len(line) < 160 for line in told)
    for width in (80, 100, 140):
        narrow = table.lines([*sites, _site(solves=5, left_to_scipy=5)], width)
        assert all(len(line) <= width for line in narrow)
        assert sum("ssor_cg 80" in line for line in narrow) == 12
    assert ".py:29" not in told[2]
    assert "30.0" in told[2]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([("kept factors", 398), ("SciPy", 2)], "kept factors 99.5 %, SciPy 0.5 %"),
        ([("direct", 1), ("jacobi_cg", 1), ("SciPy after ours was refused", 1)], None),
        ([("a", 5), ("b(x=1.0)", 4), ("b(x=2.0)", 3), ("c", 2), ("d", 1), ("SciPy", 9999)], None),
        ([("amg_cg", 7)], "amg_cg"),
        ([("SciPy", 1_000_000), ("direct", 1)], "direct 0.000 %, SciPy 100.000 %"),
    ],
)
def test_shares_add_up_to_all_solves(chosen, words):
    told = table.choices(_site(chosen=chosen)).replace("\N{NO-BREAK SPACE}", " ")
    assert words in (None, told)
    if words != "amg_cg":
        assert sum(round(1000.0 * float(share)) for share in re.findall(r"([\d.]+) %", told)) == 100_000


def test_audits_that_disagree_are_told():
    told = table.lines([_site(disagreement=3e-13), _site(disagreement=2e-6, where="other.py:1 in g")])
    assert "by at most 2.0e-06 (relative), at other.py:1 in g" in told[-1]


def test_guesses_are_told_from_estimates():
    assert "at least 6.00 s (guessed)" in table.lines([_site(before="guessed")])[0]
    assert "(partly guessed)" in table.lines([_site(before="guessed"), _site(before="estimated")])[0]
    assert "(partly audited)" in table.lines([_site(before="audited"), _site(before="estimated")])[0]


def test_as_plain_values():
    found = table.as_dict([_site()])
    assert (found["solves"], found["seconds_before"], found["before"]) == (100, 6.0, "audited")
    assert found["sites"][0]["chosen"][0] == {"configuration": "ssor_cg(omega=1.5)", "solves": 60}
    assert table.as_dict([])["seconds_before"] is None


def test_who_was_chosen_is_never_cut():
    chosen = [("direct", 60), ("ilu_bicgstab", 20), ("kept factors", 16), ("SciPy after ours was refused", 4)]
    for width in (None, 40, 60, 80, 100, 120):
        told = " ".join(" ".join(table.lines([_site(chosen=chosen)], width)).split())
        assert all(name in told for name, _ in chosen)
    assert any(line.startswith("      direct 60") for line in table.lines([_site(chosen=chosen)], 70))


def test_forked_processes_are_told_of():
    first, told = table.lines([], children=2)
    assert first == "reiterate: the first process called none of SciPy's sparse linear solvers."
    assert (
        told
        == "  Not counted: what 2 forked processes solved, with the replaced solvers, too, and what audits found there."
    )
    assert table.lines([_site()], children=1)[-1].startswith("  Not counted: what 1 forked process solved")
    assert not any("forked" in line for line in table.lines([_site()]))
