"""Plays learners whose feedback comes late."""

from __future__ import annotations

import heapq


def play_late(learner, draw, rounds):
    """Total cost of the choices of some rounds; ``draw(arm)`` gives a cost and the rounds until it is told."""
    waiting, total = [], 0.0
    for t in range(rounds):
        while waiting and waiting[0][0] <= t:
            _, _, choice, cost = heapq.heappop(waiting)
            learner.learn(choice, cost)
        choice = learner.choose()
        cost, delay = draw(choice.arm)
        total += cost
        heapq.heappush(waiting, (t + 1 + delay, t, choice, cost))
    return total
