"""Made-up tables of costs, each of which is hard in one way; the first line of a generator says in which."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from regret_replay import Scenario, Table

INSTANCES = 1000
ARMS = 10
LEAST = 0.05  # costs are positive

Generator = np.random.Generator
Matrix = NDArray[np.float64]


def _spread(rng: Generator, arms: int = ARMS) -> Matrix:
    """Mean costs from 1 to 2 in any order."""
    return rng.permutation(np.linspace(1.0, 2.0, arms))


def _noisy(rng: Generator, means: Matrix, deviation: float) -> Matrix:
    """Normal costs around means, an instance a row, and never below the least."""
    return np.maximum(means + deviation * rng.standard_normal(means.shape), LEAST)


def _repeated(means: Matrix, instances: int) -> Matrix:
    return np.tile(means, (instances, 1))


def gaussian(rng: Generator, instances: int) -> Table:
    """Normal costs, wide gaps: means from 1 to 2, deviation 0.3."""
    return Table(_noisy(rng, _repeated(_spread(rng), instances), 0.3))


def narrow(rng: Generator, instances: int) -> Table:
    """Normal costs, narrow gaps: one arm costs 1, the others 1.1, deviation 0.3."""
    means = np.full(ARMS, 1.1)
    means[rng.integers(ARMS)] = 1.0
    return Table(_noisy(rng, _repeated(means, instances), 0.3))


def lognormal(rng: Generator, instances: int) -> Table:
    """Lognormal costs: means from 1 to 2, deviation of the logarithm 0.7."""
    noise = np.exp(0.7 * rng.standard_normal((instances, ARMS)) - 0.5 * 0.7**2)
    return Table(_spread(rng) * noise)


def heavy_tails(rng: Generator, instances: int) -> Table:
    """Pareto costs of tail index 1.5: means from 1 to 2, infinite variance."""
    index = 1.5
    noise = (1.0 + rng.pareto(index, (instances, ARMS))) * (index - 1.0) / index
    return Table(_spread(rng) * noise)


def adversarial(rng: Generator, instances: int) -> Table:
    """Phases that punish who follows the past: whichever arm leads becomes the dearest, another the cheapest."""
    arms, means, totals = 8, np.empty((instances, 8)), np.zeros(8)
    start, length = 0, 10.0
    while start < instances:
        end = min(start + round(length), instances)
        leader = int(totals.argmin())
        favored = int(rng.choice(np.delete(np.arange(arms), leader)))
        means[start:end] = 0.5
        means[start:end, leader] = 1.0
        means[start:end, favored] = 0.2
        totals += means[start:end].sum(axis=0)
        start, length = end, 1.25 * length
    return Table(_noisy(rng, means, 0.05))


def trap(rng: Generator, instances: int) -> Table:
    """What is best for a quarter of the time is not what is best on the whole."""
    means = np.full((instances, ARMS), 0.6)
    early, late = rng.choice(ARMS, 2, replace=False)
    turn = instances // 4
    means[:turn, early], means[:turn, late] = 0.3, 0.9
    means[turn:, early], means[turn:, late] = 0.5, 0.2
    return Table(_noisy(rng, means, 0.05))


def swings(rng: Generator, instances: int) -> Table:
    """All costs swing between two levels in ever longer phases, while the gap to the best arm stays."""
    means = np.full((instances, ARMS), 0.4)
    means[:, rng.integers(ARMS)] = 0.2
    start, length, high = 0, 10.0, False
    while start < instances:
        end = start + round(length)
        means[start:end] += 1.0 if high else 0.0
        start, length, high = end, 1.6 * length, not high
    return Table(_noisy(rng, means, 0.05))


def abrupt(rng: Generator, instances: int) -> Table:
    """Abrupt drift: at four random moments the means, from 1 to 2, are dealt anew."""
    means = np.empty((instances, ARMS))
    moments = np.sort(rng.choice(np.arange(1, instances), 4, replace=False)) if instances > 5 else []
    for start in (0, *moments):
        means[start:] = _spread(rng)
    return Table(_noisy(rng, means, 0.2))


def slow(rng: Generator, instances: int) -> Table:
    """Slow drift: means from 1 to 2 that rise and fall as waves, one arm after another the cheapest."""
    time = np.arange(instances)[:, None] / instances
    phases = rng.permutation(ARMS) / ARMS
    return Table(_noisy(rng, 1.5 - 0.5 * np.cos(2.0 * math.pi * (1.5 * time - phases)), 0.2))


def _contextual(rng: Generator, instances: int, names: tuple[str, str, str]) -> Table:
    values = rng.random((instances, 3))
    x = values[:, names.index("load")]
    centers = rng.permutation((np.arange(ARMS) + 0.5) / ARMS)
    means = 1.0 + 2.0 * np.abs(x[:, None] - centers)
    contexts = [dict(zip(names, row, strict=True)) for row in values.tolist()]
    return Table(_noisy(rng, means, 0.1), contexts)


def context_first(rng: Generator, instances: int) -> Table:
    """The best arm depends on the first number of the context; two others mean nothing."""
    return _contextual(rng, instances, ("load", "hour", "size"))


def context_last(rng: Generator, instances: int) -> Table:
    """The best arm depends on the last number of the context; two others mean nothing."""
    return _contextual(rng, instances, ("hour", "size", "load"))


def line(rng: Generator, instances: int) -> Table:
    """Twenty points of a line, one valley: iterations of SOR for omega from 1 to 1.95, by theory, 5 % of noise."""
    radius = math.cos(math.pi / rng.integers(8, 40))  # of Jacobi's iteration on a grid of so many cells a side
    omega = np.linspace(1.0, 1.95, 20)
    root = np.sqrt(np.maximum((omega * radius) ** 2 - 4.0 * (omega - 1.0), 0.0))
    beyond = omega >= 2.0 / (1.0 + math.sqrt(1.0 - radius**2))
    rate = np.where(beyond, omega - 1.0, ((omega * radius + root) / 2.0) ** 2)
    iterations = math.log(1e-8) / np.log(rate)
    return Table(iterations * np.exp(0.05 * rng.standard_normal((instances, 20))))


def rising(rng: Generator, instances: int) -> Table:
    """Arms that become cheaper the more they are played; those that begin dear end cheap."""
    end = _spread(rng)
    begin = 4.0 - end
    plays = np.arange(instances)[:, None]
    means = end + (begin - end) * np.exp(-plays / rng.uniform(5.0, 15.0, ARMS))
    return Table(_noisy(rng, means, 0.1), rested=True)


def delayed(rng: Generator, instances: int) -> Table:
    """Normal costs, wide gaps, told late and out of order: after 50 further choices in the mean."""
    return Table(gaussian(rng, instances).costs, delays=rng.geometric(1.0 / 50.0, instances))


def ten_thousand(rng: Generator, instances: int) -> Table:
    """Ten thousand arms, ten times as many as instances: means uniform from 1 to 2, deviation 0.1."""
    noise = rng.standard_normal((instances, 10_000), dtype=np.float32)
    noise *= np.float32(0.1)
    noise += rng.uniform(1.0, 2.0, 10_000).astype(np.float32)
    return Table(np.maximum(noise, np.float32(LEAST)))


GENERATORS: tuple[Callable[[Generator, int], Table], ...] = (
    gaussian,
    narrow,
    lognormal,
    heavy_tails,
    adversarial,
    trap,
    swings,
    abrupt,
    slow,
    context_first,
    context_last,
    line,
    rising,
    delayed,
    ten_thousand,
)


def scenarios(instances: int = INSTANCES) -> list[Scenario]:
    """All of them; a seed gives every scenario a table of its own."""

    def scenario(number: int, generate: Callable[[Generator, int], Table]) -> Scenario:
        def make(seed: int) -> Table:
            return generate(np.random.default_rng([seed, 2, number]), instances)

        description = (generate.__doc__ or "").strip().rstrip(".")
        return Scenario(generate.__name__, description, make)

    return [scenario(number, generate) for number, generate in enumerate(GENERATORS)]
