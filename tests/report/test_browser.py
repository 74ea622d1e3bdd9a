"""The stream report in a real browser; skipped where there is no Chromium."""

import re

import numpy as np
import pytest

import reiterate as rt
from reiterate.report.palette import DARK, LIGHT
from reiterate.report.stream import write_stream_report
from tests.report import chromium
from tests.report.pages import check_page, make_history, make_record
from tests.report.test_stream import ODD

pytestmark = pytest.mark.skipif(chromium.PATH is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = chromium.Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Of a stream with trials, several methods, and what they are believed to cost."""
    solver = rt.Solver(seed=0, cost="work")
    simulation = rt.gallery.convection(nx=16, steps=40)
    for system in simulation:
        simulation.advance(solver.solve(system.A, system.b, x0=system.x0, context=system.context))
    path = tmp_path_factory.mktemp("report") / "report.html"
    return solver.report(path, measured={"SciPy": np.full(40, 0.01)})


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Of a stream with everything that can go wrong, and names as long as they get."""
    names = ["a_method_whose_name_goes_on_and_on_for_a_long_time", "<b>bold</b>", "名前"]
    records = [make_record(8 + i, name, 1.0 + i, trial=bool(i % 2), expected=1e-3) for i, name in enumerate(names * 5)]
    path = tmp_path_factory.mktemp("odd") / "report.html"
    return write_stream_report(make_history(make_record(0), *ODD, *records), "seconds", path)


def rgb(color):
    return "rgb({}, {}, {})".format(*(int(color[i : i + 2], 16) for i in (1, 3, 5)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1100])
@pytest.mark.parametrize("name", ["report", "odd"])
def test_the_page_opens_as_it_should(browser, request, name, width, dark):
    path = request.getfixturevalue(name)
    browser.show(path, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert browser.ask("document.documentElement.scrollWidth") <= width
    palette = DARK if dark else LIGHT
    assert browser.ask("getComputedStyle(document.querySelector('section')).backgroundColor") == rgb(palette.paper)
    assert browser.ask("getComputedStyle(document.querySelector('.lead')).color") == rgb(palette.ink)
    shown = "[...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0)"
    assert browser.ask(f"{shown}.length") == browser.ask("document.querySelectorAll('figure').length") > 4
    assert browser.ask(f"{shown}.every(svg => svg.getBoundingClientRect().right <= {width})")


def test_text_stays_within_its_picture(browser, report):
    for width in (400, 1100):
        browser.show(report, width=width, dark=False)
        beyond = browser.ask(
            "[...document.querySelectorAll('svg text')].filter(text => {"
            "  const own = text.getBoundingClientRect(), all = text.closest('svg').getBoundingClientRect();"
            "  return own.width > 0 && (own.right > all.right + 3 || own.left < all.left - 3);"
            "}).map(text => text.textContent)"
        )
        assert beyond == []


def test_hovering_over_a_dot_names_its_solve(browser, report):
    browser.show(report, width=1100, dark=False)
    titles = browser.ask("[...document.querySelectorAll('.wide svg use > title')].map(title => title.textContent)")
    assert any(re.fullmatch(r"solve 40: \w+(\(.*\))?, \d+ iterations?, .*", title) for title in titles)
    assert browser.ask("document.querySelectorAll('.narrow svg title').length") == 0
    check_page(report)
