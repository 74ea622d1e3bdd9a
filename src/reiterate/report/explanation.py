"""What a policy plays and why, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from reiterate.engine.policy import Conduct, Opinion, Policy
from reiterate.linear.factor_engines import ENGINES
from reiterate.report.summary import amount, being_compiled
from reiterate.report.words import sentence, several

_MOST_ROWS = 12
_DIRECT = frozenset(("direct", *ENGINES))


def explain(policies: Sequence[Policy], unit: str, awaited: Sequence[str] = ()) -> list[str]:
    """Lines of text: what plays and why, what was tried, what each alternative is believed to cost.

    Parameters
    ----------
    policies
        One for every kind of instance that there was, the last one first.
    unit
        Of their costs.
    awaited
        Methods that cannot play yet because their kernels are being compiled, the most promising first.
    """
    lines: list[str] = []
    for policy in policies:
        if lines:
            lines.append("On another kind of system that this stream has had:")
        lines.extend(_of(policy, unit))
        if policy is policies[0]:
            lines[1:1] = [f"{sentence(line)}." for line in being_compiled(awaited)]
    return lines or ["Nothing has been solved yet: the first solve is a race, which what looks cheapest begins."]


def _of(policy: Policy, unit: str) -> list[str]:
    opinions = policy.opinions()
    proven = [opinion for opinion in opinions if opinion.plays]
    if not policy.arms:
        return ["None of the methods to choose from applies; the fallback is played."]
    if not proven:
        return ["Nothing has reached the tolerance by itself yet."]
    best = proven[0]
    tried = sum(opinion.since is not None for opinion in opinions)
    lines = [
        f"Plays {best.configuration}: about {_iterations(best)} and "
        f"{amount(best.cost, unit)} a solve, the least of the {tried} that were tried, out of "
        f"{several(len(opinions), 'configuration')}.",
        *_of_conduct(policy.remarks()),
    ]
    others = [opinion for opinion in opinions if opinion is not best]
    shown = telling(others)[:_MOST_ROWS]
    width = max((len(str(opinion.configuration)) for opinion in shown), default=0)
    costs = [amount(opinion.cost, unit) for opinion in shown]
    wide = max(map(len, costs), default=0)
    lines.extend(
        f"  {opinion.configuration!s:<{width}}  {cost:>{wide}}  {story_of(opinion, unit)}"
        for opinion, cost in zip(shown, costs, strict=True)
    )
    if len(others) > len(shown):
        lines.append(f"  and {len(others) - len(shown)} more, not shown")
    return lines


def _iterations(opinion: Opinion) -> str:
    """How many it takes, and what they are called."""
    if opinion.configuration.method in _DIRECT:
        return f"{several(round(opinion.iterations), 'refinement step')} by a factor that may be of an earlier system"
    return several(round(opinion.iterations), "iteration")


def _of_conduct(conduct: Conduct) -> list[str]:
    """Who decides, or what trials have cost."""
    if conduct.learner is not None:
        return [
            f"The learner {conduct.learner!r} decides; costs are means over the last few solves with each, "
            "help included."
        ]
    if not conduct.solves:
        return []
    tried = "1 was a trial" if conduct.trials == 1 else f"{conduct.trials} were trials"
    share = f"{100.0 * conduct.share:.1f} % of all cost"
    budget = "5 % of all cost and one solve, or what they were believed to have saved by then"
    lines = [f"{several(conduct.solves, 'solve')} so far; {tried} of something else, for {share} (budget: {budget})."]
    if conduct.added:
        lines.append(f"Added between the points of a line: {', '.join(map(str, conduct.added))}.")
    return lines


def telling(opinions: Sequence[Opinion]) -> list[Opinion]:
    """Those that were tried, and of every method that was not, the one that is believed to be the best."""
    methods = {opinion.configuration.method for opinion in opinions if opinion.since is not None}
    telling = []
    for opinion in opinions:
        if opinion.since is not None or opinion.configuration.method not in methods:
            telling.append(opinion)
            methods.add(opinion.configuration.method)
    return telling


def story_of(opinion: Opinion, unit: str) -> str:
    """How that is known."""
    price = amount(opinion.preparing, unit)
    preparing = f"; preparing it is expected to take {price}" if opinion.preparing else ""
    if opinion.failing:
        return "has broken down and sits out for a while"
    if opinion.since is None:
        if opinion.plays:
            return f"remembered from an earlier run; not tried in this one{preparing}"
        return f"expected from the cost model; not tried{preparing}"
    when = "in the last solve" if opinion.since == 0 else f"{several(opinion.since, 'solve')} ago"
    if opinion.plays == 0:
        return f"extrapolated from a trial that was stopped, {when}{preparing}"
    return f"measured, {when}{preparing}"
