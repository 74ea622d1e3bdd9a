import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear.factor_engines import ENGINES
from reiterate.linear.portfolio import METHODS, configuration, configurations
from tests.matrices import laplacian


def test_a_bare_name_stands_for_its_grid():
    names = [str(c) for c in configurations(["cg", "ssor_cg"])]
    assert names[0] == "cg"
    assert len(names) == 21
    assert names[1] == "ssor_cg(omega=1.0)"
    assert names[-1] == "ssor_cg(omega=1.95)"


def test_spelling_round_trip():
    for c in configurations(list(METHODS)):
        assert configuration(str(c)) == c


def test_duplicates_are_merged_and_defaults_filled_in():
    assert len(configurations(["cg", "cg()", "cg"])) == 1
    assert str(configuration("ssor_cg")) == "ssor_cg(omega=1.5)"


@pytest.mark.parametrize(
    ("spelling", "words"),
    [
        ("gmress", "no method 'gmress'"),
        ("ssor-cg", "not a configuration"),
        ("ssor_cg(1.5)", "not a configuration"),
        ("ssor_cg(omega=x)", "not a configuration"),
        ("ssor_cg(omega='1')", "not a configuration"),
        ("ssor_cg(omega=2)", "outside (0, 2)"),
        ("ssor_cg(omega=0.0)", "outside (0, 2)"),
        ("ssor_cg(omega=-1)", "outside (0, 2)"),
        ("ssor_cg(omega=True)", "not a finite number"),
        ("ssor_cg(omega=1e999)", "not a finite number"),
        ("ssor_cg(tau=1)", "no parameter 'tau'; it has omega"),
        ("cg(omega=1)", "it has none"),
        ("", "not a configuration"),
    ],
)
def test_what_cannot_be_understood_is_explained(spelling, words):
    with pytest.raises(rt.InvalidInput) as caught:
        configurations([spelling])
    assert words in str(caught.value)


def test_an_empty_portfolio_is_refused():
    with pytest.raises(rt.InvalidInput, match="known are cg"):
        configurations([])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_solves_with_its_defaults(name):
    if name in ENGINES and not ENGINES[name].available():
        pytest.skip(f"{ENGINES[name].title} is not installed")
    A, b = laplacian(9, shift=0.5), np.random.default_rng(0).normal(size=81)
    if name.endswith("cocr"):
        A = A - 0.2j * sp.eye_array(81)
    x = rt.Solver([str(configuration(name))], fallback=None).solve(A, b)
    np.testing.assert_allclose(x, np.linalg.solve(A.toarray(), b), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is(name):
    method = METHODS[name]
    assert method.requires
    assert method.__doc__
    assert f"``{name}" in method.__doc__
