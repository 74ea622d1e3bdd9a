"""What tests of learners over arms share: costs to play them on, and what they make of them."""

from __future__ import annotations

import numpy as np

from reiterate.contracts import Choice


def feed(learner, plays):
    """Tell a learner of as many arms as there are lists of costs all of them; returns it."""
    for arm, costs in enumerate(plays):
        for cost in costs:
            learner.learn(Choice(arm, 1.0), cost)
    return learner


def adversary(rounds):
    """Costs (rounds, 4) in [0, 1]: the best arm becomes the worst, another the best, and a third is good by turns."""
    costs = np.full((rounds, 4), 0.6)
    costs[: rounds // 3, 0] = 0.0
    costs[rounds // 3 :, 0] = 1.0
    costs[rounds // 3 :, 1] = 0.0
    costs[::2, 2] = 0.1
    return costs


def another_becomes_better():
    """Noisy costs (3000, 4): arm 1 is the best at first and soon the worst, and arm 2 is the best from then on."""
    costs = np.full((3000, 4), 3.0) * np.exp(0.1 * np.random.default_rng(0).standard_normal((3000, 4)))
    costs[:500, 1] /= 3
    costs[500:, 1] *= 3
    costs[500:, 2] /= 3
    return costs


def expected_change(learner, cost):
    """What a draw of the learner's is expected to add to its losses (K,) if its arms cost ``cost``, (K,)."""
    p, state, before = learner.probabilities, learner.state_dict(), learner.losses
    expected = np.zeros(p.size)
    for arm in range(p.size):
        changed = type(learner).from_state_dict(state)
        changed.learn(Choice(arm, float(p[arm])), float(cost[arm]))
        expected += p[arm] * (changed.losses - before)
    return expected
