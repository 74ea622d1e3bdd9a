"""Every second that a program waits at a call site is counted once, and by one name."""

import json
import re
import time

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl

import reiterate as rt
from reiterate.intercept import patching, table
from reiterate.intercept.account import PARTS, Account, Watch
from reiterate.intercept.conclusion import write_report
from reiterate.report.words import few
from tests.intercept.test_faithful import well_conditioned

pytestmark = pytest.mark.usefixtures("eager")


def test_seconds_of_a_call_within_a_call_are_counted_once(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def passing(seconds):
        now[0] += seconds

    outer, inner = Account(), Account()

    def preconditioned():
        passing(1.0)
        inner.within("scipy", passing, 2.0)
        passing(4.0)

    watch = Watch()
    preconditioned()
    assert outer.by_scipy(watch) == 7.0
    assert (outer.total, outer.elsewhere, inner.total) == (5.0, 2.0, 2.0)
    outer.within("deciding", lambda: (passing(8.0), outer.within("audits", passing, 16.0)))
    assert outer.seconds["deciding"] == 8.0
    assert outer.total == 13.0
    assert outer.seconds["audits"] == 16.0


def test_a_call_that_fails_is_counted_too():
    account = Account()
    with pytest.raises(ZeroDivisionError):
        account.within("scipy", lambda: time.sleep(0.001) or 1 // 0)
    assert account.total >= 0.001


def test_what_sites_count_is_what_the_program_has_waited():
    A = well_conditioned(50, 9)
    small = well_conditioned(4, 1)
    waited = audited = 0.0
    with rt.tuned_scipy(audit=0.5, seed=0) as session:
        for k in range(6):
            begin = time.perf_counter()
            x = spl.spsolve(A, np.full(50, k + 1.0))
            lu = spl.splu(A)
            lu.solve(x)
            spl.cg(A.T @ A, x, callback=lambda _: spl.splu(A).solve(np.ones(50)))
            spl.spsolve(A, np.full(50, np.nan))
            spl.spsolve(small, np.ones(4))
            waited += time.perf_counter() - begin
    for site in session.sites:
        assert site.parts.keys() == PARTS.keys()
        assert sum(site.parts.values()) == site.seconds
        assert sum(solves for _, solves in site.chosen) == site.solves
        audited += site.audits
    total = table.totals(session.sites)
    assert audited > 0.0
    assert 0.0 < total.seconds + audited <= waited
    assert total.parts["loading"] > 0.0
    assert total.parts["ours"] > 0.0
    assert total.parts["scipy"] > 0.0


def test_attempts_in_vain_are_named(monkeypatch):
    A = well_conditioned(50, 9)
    with rt.tuned_scipy() as session:
        for _ in range(2):
            spl.spsolve(A, np.ones(50))
            (site,) = session._sites.values()
            monkeypatch.setattr(site, "solve_directly", lambda *_, **__: time.sleep(0.01))
    (told,) = session.sites
    assert (told.solves, told.left_to_scipy) == (2, 1)
    assert sorted(name for name, _ in told.chosen if "SciPy" in name) == ["SciPy after ours was refused"]
    assert sum(solves for _, solves in told.chosen) == 2
    assert told.parts["refused"] >= 0.01
    assert told.parts["scipy"] > 0.0


def test_a_preconditioner_that_is_a_call_site_is_not_scipy_twice():
    A = (sp.kron(sp.eye_array(20), sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(20, 20)))).tocsc()
    with rt.tuned_scipy() as session:
        own = patching.original("spsolve")
        M = spl.LinearOperator(A.shape, lambda v: time.sleep(0.002) or spl.spsolve(A, v))
        spl.cg(A, np.ones(400), M=M, callback=lambda _: None)
        assert own is not spl.spsolve
    inner, outer = sorted(session.sites, key=lambda site: site.function, reverse=True)
    assert outer.function == "cg"
    assert outer.parts["scipy"] < outer.seconds_before + 1e-12
    assert outer.seconds_before == pytest.approx(outer.parts["scipy"])
    assert inner.seconds > 0.0


def test_pages_table_and_numbers_tell_the_same_seconds(tmp_path):
    A = well_conditioned(50, 9)
    with rt.tuned_scipy(audit=1.0, seed=0) as session:
        for k in range(4):
            spl.spsolve(A, np.full(50, k + 1.0))
    (site,) = session.sites
    write_report("program.py", [site], tmp_path / "out.html")
    found = json.loads(json.dumps(table.as_dict([site])))
    headline = table.headline(table.totals([site]), 1)
    assert table.lines([site])[0] == f"reiterate: {headline}"
    for name in ("out.html", "out-1.html"):
        page = (tmp_path / name).read_text().replace("&#x27;", "'")
        assert headline in page
        for part, seconds in found["parts"].items():
            if seconds > 0.0:
                assert re.search(rf"<td[^>]*>{PARTS[part][0]}</td><td>{few(seconds)}</td>", page)
        assert re.search(rf"<td[^>]*>all of it</td><td>{few(found['seconds'])}</td>", page)
        assert "Not in them: audits" in page


def test_pages_of_call_sites_are_linked(tmp_path):
    with rt.tuned_scipy() as session:
        spl.spsolve(well_conditioned(50, 9), np.ones(50))
    write_report("program.py", session.sites, tmp_path / "a report.html")
    assert '<a href="a%20report-1.html">a report-1.html</a>' in (tmp_path / "a report.html").read_text()
    assert (tmp_path / "a report-1.html").exists()
