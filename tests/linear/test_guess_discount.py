import itertools
import math

import pytest

from reiterate.linear.guess_discount import Discount, Outcome


def play(works, claim=3.0, by="cg"):
    """Outcomes of solves that begin at a guess, or where the work is negative at the given start."""
    discount = Discount()
    for work in works:
        discount.take_in(Outcome(claim, guessed=work > 0.0, work=abs(work), by=by))
    return discount.share


def test_guesses_that_save_what_they_say_are_not_discounted():
    assert play([5.0, -8.0, 5.0]) == 1.0
    assert play([-8.0, 5.0, -8.0]) == 1.0


@pytest.mark.parametrize("works", [[5.0, -5.0, 5.0], [-5.0, 5.0, -5.0], [6.0, -5.0, 6.0]])
def test_guesses_that_save_nothing_are_discounted_at_once(works):
    assert play(works) == 0.5
    assert play(works + works[1:] * 4) < 0.15


def test_neighbors_that_are_not_comparable_tell_nothing():
    assert play([5.0, -5.0]) == 1.0
    assert play([5.0, 5.0, 5.0]) == 1.0
    assert play([5.0, -5.0, 5.0], claim=math.inf) == 1.0
    discount = Discount()
    for by, guessed in (("cg", True), ("cg", False), ("ssor_cg", True)):
        discount.take_in(Outcome(3.0, guessed=guessed, work=5.0, by=by))
    assert discount.share == 1.0


def test_only_what_is_doubtful_is_checked_and_ever_more_rarely():
    discount = Discount()
    assert not any(discount.asks_for_check(10.0, price=2.0) for _ in range(100))
    checks = [k for k in range(300) if discount.asks_for_check(4.0, price=2.0)]
    assert len(checks) <= 9
    gaps = [later - sooner for sooner, later in itertools.pairwise(checks)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 64
