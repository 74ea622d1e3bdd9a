from __future__ import annotations

import numpy as np
import pytest

from reiterate.errors import InvalidInput
from reiterate.learners.simple import Fixed, Uniform


def test_fixed_plays_its_arm():
    learner = Fixed(4, np.random.default_rng(0), arm=2)
    assert {learner.choose({"c": 1.0}).arm for _ in range(10)} == {2}
    for arm in (-1, 4, 1.5, True):
        with pytest.raises(InvalidInput, match="arm"):
            Fixed(4, np.random.default_rng(0), arm=arm)  # type: ignore[arg-type]


def test_uniform_plays_every_arm_alike():
    learner = Uniform(4, np.random.default_rng(0))
    choices = [learner.choose() for _ in range(4000)]
    assert {choice.probability for choice in choices} == {0.25}
    counts = np.bincount([choice.arm for choice in choices], minlength=4)
    assert (abs(counts - 1000) < 150).all()
