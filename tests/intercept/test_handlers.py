"""What the program's signal handlers raise, while we compute, reaches the program."""

import functools
import signal

import numpy as np
import pytest

from reiterate.intercept.repeated import Repetition
from reiterate.intercept.site import Site
from reiterate.linear.handlers import raised_by_handler
from tests.matrices import laplacian


class TooLong(Exception):
    """What a program raises when something takes too long."""


def stop(*_):
    raise TooLong


class Stops:
    def __call__(self, *_):
        raise TooLong

    def method(self, *_):
        raise TooLong


@pytest.fixture(params=[stop, Stops(), Stops().method, functools.partial(stop, 1)])
def handler(request):
    before = signal.signal(signal.SIGALRM, request.param)
    yield
    signal.signal(signal.SIGALRM, before)


def interrupted():
    signal.raise_signal(signal.SIGALRM)


def test_it_is_told_from_errors_of_ours(handler):
    with pytest.raises(TooLong) as caught:
        interrupted()
    assert raised_by_handler(caught.value)
    with pytest.raises(ZeroDivisionError) as ours:
        _ = 1 / 0
    assert not raised_by_handler(ours.value)


def test_an_attempt_does_not_swallow_it(handler):
    with pytest.raises(TooLong):
        Site.attempt(interrupted)
    assert Site.attempt(lambda: 1 / 0) is None


def test_kept_factors_do_not_swallow_it(handler, monkeypatch):
    from reiterate.intercept import repeated

    monkeypatch.setattr(repeated, "norm_of_rows", lambda _: interrupted())
    A, repetition = laplacian(5).tocsc(), Repetition()
    assert repetition.solve(A, np.ones(25), None, 1e-12) is None
    with pytest.raises(TooLong):
        repetition.solve(A, np.ones(25), None, 1e-12)
