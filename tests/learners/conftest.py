from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from reiterate.contracts import Learner

Play = Callable[..., NDArray[np.float64]]


@pytest.fixture
def play() -> Play:
    """Plays a learner on a table of costs (rounds, arms); returns the cost of each round."""

    def run(learner: Learner, costs: NDArray[np.float64], contexts: NDArray[np.float64] | None = None):
        paid = np.empty(len(costs))
        for t, row in enumerate(costs):
            choice = learner.choose(None if contexts is None else {"c": float(contexts[t])})
            paid[t] = row[choice.arm]
            learner.learn(choice, paid[t])
        return paid

    return run
