import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.configuration import Configuration, Parameter, ParameterSpace, parse_spelling

names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda s: s not in ("as", "if", "in", "is", "or"))
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(names.filter(str.isidentifier), st.dictionaries(names.filter(str.isidentifier), numbers, max_size=3))
def test_every_configuration_is_read_back_from_its_spelling(name, values):
    import keyword

    if keyword.iskeyword(name) or any(keyword.iskeyword(k) for k in values):
        return
    configuration = Configuration(name, tuple(values.items()))
    read, found = parse_spelling(str(configuration))
    assert read == name
    assert (found or {}) == values


def test_grids_cover_the_search_interval():
    space = ParameterSpace(
        (
            Parameter("tau", 0.0, 1.0, 0.1, (1e-4, 1e-1), 4, "log"),
            Parameter("omega", 0.0, 2.0, 1.0, (1.0, 1.5), 2),
        )
    )
    grid = list(space.grid())
    assert len(grid) == 8
    assert grid[0] == {"tau": 1e-4, "omega": 1.0}
    assert grid[-1] == {"tau": 1e-1, "omega": 1.5}
    assert grid[2]["tau"] == pytest.approx(1e-3)


def test_a_space_without_parameters_has_one_point():
    assert list(ParameterSpace().grid()) == [{}]
