"""A pattern is analyzed once, whatever zeros it stores."""

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.linear import known_patterns
from tests.matrices import laplacian

_OF_WARM_UPS = 64  # entries


@pytest.fixture
def analyses(monkeypatch):
    """The sizes of the patterns that were analyzed."""
    made = []

    class Counted(known_patterns.Pattern):
        def __init__(self, indptr, indices):
            made.append(indices.size)
            super().__init__(indptr, indices)

    monkeypatch.setattr(known_patterns, "Pattern", Counted)
    return made


def with_zeros(A, places):
    """A with zeros stored at ``places``, on top of its own entries."""
    A = A.tocoo()
    rows, columns = np.array(places).T
    index = np.concatenate([A.coords[0], rows]), np.concatenate([A.coords[1], columns])
    return sp.csr_array((np.concatenate([A.data, np.zeros(len(places))]), index), shape=A.shape)


HIDDEN = with_zeros(laplacian(5), [(0, 20), (3, 24), (17, 2)])
UNSYMMETRIC = with_zeros(sp.csr_array(laplacian(5) + sp.diags_array(np.full(17, 0.1), offsets=8)), [(0, 20), (3, 24)])


@pytest.mark.parametrize(("A", "expected"), [(HIDDEN, 2), (UNSYMMETRIC, 2), (laplacian(5), 1)])
def test_equal_patterns_are_analyzed_once(A, expected, analyses):
    solver = rt.Solver(seed=0)
    for k in range(5):
        b = np.arange(25.0) + k
        x = solver.solve((k + 1.0) * A, b)
        assert np.linalg.norm(b - (k + 1.0) * (A @ x)) <= 1e-8 * np.linalg.norm(b)
        assert len([size for size in analyses if size > _OF_WARM_UPS]) == expected


def test_patterns_that_alternate_are_remembered(analyses):
    find = known_patterns.KnownPatterns().find
    numbers = {find(k * A)[0] for k in (1.0, 2.0, 3.0) for A in (HIDDEN, UNSYMMETRIC, laplacian(5))}
    assert len(numbers) == 3
    assert len(analyses) == 5


def test_what_zeros_hide_is_symmetric_and_what_they_do_not_keeps_its_pattern():
    patterns = known_patterns.KnownPatterns()
    _, core, pattern = patterns.find(HIDDEN)
    assert pattern.symmetric
    assert core.nnz == laplacian(5).nnz
    assert HIDDEN.nnz == core.nnz + 3
    np.testing.assert_array_equal(core.toarray(), HIDDEN.toarray())
    number, same, _ = patterns.find(UNSYMMETRIC)
    assert same is UNSYMMETRIC
    other = UNSYMMETRIC.copy()
    other.data[5] = 0.0
    assert patterns.find(other)[0] == number


def test_other_zeros_in_the_same_pattern_are_noticed():
    patterns = known_patterns.KnownPatterns()
    first = patterns.find(HIDDEN)
    filled = HIDDEN.copy()
    filled.data[filled.data == 0.0] = 1e-3
    number, same, pattern = patterns.find(filled)
    assert same is filled
    assert not pattern.symmetric
    assert number != first[0]
    np.testing.assert_array_equal(patterns.find(HIDDEN)[1].toarray(), HIDDEN.toarray())


def test_an_extension_by_the_diagonal_does_not_push_out_that_by_pins():
    A = sp.csr_array(sp.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(6, 6)))
    pattern, pin = known_patterns.Pattern(A.indptr, A.indices), np.array([2])
    pinned = pattern.with_entries(pin, pin)[0]
    complete = pattern.with_diagonal[0]
    assert (pinned.nnz, complete.nnz) == (A.nnz + 1, A.nnz + 6)
    assert pattern.with_entries(pin, pin)[0] is pinned
    assert pattern.with_entries(np.arange(6), np.arange(6))[0] is complete


def with_entry(A, row, column, value):
    """A with one entry more, whose mirror is not stored."""
    return sp.csr_array(A + sp.csr_array(([value], ([row], [column])), shape=A.shape))


@pytest.mark.parametrize("value", [3e-16, -1e-17, 1e-16j])
def test_what_rounding_errors_without_mirrors_hide_is_symmetric(value):
    A = with_entry(laplacian(6), 0, 20, value)
    patterns = known_patterns.KnownPatterns()
    number, whole, pattern = patterns.find(A)
    assert pattern.symmetric
    assert whole.nnz == A.nnz + 1
    np.testing.assert_array_equal(whole.toarray(), A.toarray())
    assert patterns.find(2.0 * A)[0] == number


def test_an_entry_that_counts_keeps_its_matrix_as_it_is():
    patterns = known_patterns.KnownPatterns()
    little, much = with_entry(laplacian(6), 0, 20, 1e-16), with_entry(laplacian(6), 0, 20, 1e-10)
    completed = patterns.find(little)[0]
    number, same, pattern = patterns.find(much)
    assert same is much
    assert not pattern.symmetric
    assert number != completed
    assert patterns.find(little)[0] == completed


def test_where_many_mirrors_are_missing_none_is_added():
    A = sp.csr_array(laplacian(6) + sp.diags_array(np.full(20, 1e-17), offsets=16))
    _, same, pattern = known_patterns.KnownPatterns().find(A)
    assert same is A
    assert not pattern.symmetric


def test_a_matrix_that_rounding_errors_make_unsymmetric_is_solved_as_a_symmetric_one():
    A = with_entry(laplacian(40), 3, 900, 2e-17)
    solver, b = rt.Solver(methods=["ssor_cg"], fallback=None, rtol=1e-10), np.arange(1600.0)
    before = A.copy()
    x = solver.solve(A, b)
    assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)
    assert (before != A).nnz == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_entry_of_the_diagonal_that_is_not_finite_is_named(bad):
    A = sp.csr_array(laplacian(6))
    A[3, 3] = bad
    with pytest.raises(rt.InvalidInput, match=r"entry \(3, 3\)"):
        rt.Solver().solve(A, np.ones(36))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_named_by_where_the_caller_stores_it(bad):
    A = with_entry(laplacian(6), 0, 20, bad)
    with pytest.raises(rt.InvalidInput, match=r"entry \(0, 20\)"):
        rt.Solver().solve(A, np.ones(36))


def test_zeros_among_what_has_no_mirror_do_not_change_the_pattern():
    A = with_entry(with_entry(laplacian(6), 0, 20, 1e-16), 3, 30, 1e-16)
    patterns = known_patterns.KnownPatterns()
    number = patterns.find(A)[0]
    for zeros in ([20], [20, 30], []):
        other = A.copy()
        for column in zeros:
            other[0 if column == 20 else 3, column] = 0.0
        assert other.nnz == A.nnz
        found, whole, pattern = patterns.find(other)
        assert (found, pattern.symmetric) == (number, True)
        np.testing.assert_array_equal(whole.toarray(), other.toarray())


def test_patterns_that_are_completed_to_the_same_one_share_it():
    patterns = known_patterns.KnownPatterns()
    whole = with_zeros(laplacian(6), [(0, 20), (20, 0), (3, 30), (30, 3)])
    found = []
    for kept in ([(0, 20), (3, 30)], [(20, 0), (3, 30)], [(0, 20), (30, 3)]):
        A = laplacian(6)
        for row, column in kept:
            A = with_entry(A, row, column, 1e-17)
        found.append(patterns.find(A))
    assert len({number for number, _, _ in found}) == 1
    assert all(pattern is found[0][2] and pattern.nnz == whole.nnz for _, _, pattern in found)


def test_only_what_is_missing_is_inserted():
    pattern = known_patterns.Pattern(np.array([0, 2, 2, 3]), np.array([0, 2, 1]))
    indptr, indices, keys, stored = pattern.inserted(np.array([1, 2, 4, 7, 7]))
    np.testing.assert_array_equal(indptr, [0, 3, 4, 5])
    np.testing.assert_array_equal(indices, [0, 1, 2, 1, 1])
    np.testing.assert_array_equal(keys[stored], [0, 2, 7])
