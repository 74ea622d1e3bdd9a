"""The numbers that beliefs consist of: from forecasts, from observations, and from earlier runs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.contracts import Forecast
from reiterate.engine.joint_filter import JointFilter
from reiterate.engine.plain import number, rounded, table, whole

Vector = NDArray[np.float64]

METHOD_VARIANCE = 0.36  # of log iterations before the first observation: a forecast is within a factor of two or so
LINE_VARIANCE = 0.06  # the same against an observed arm of the same method, far away on its line
FIRST_DIFFICULTY = 1.5**2  # variance of its log

_WIDENING = 2.0  # of variances, from one run to the next
_DOUBT = 0.02  # variance of log iterations that an earlier run of the same stream leaves
_OTHER_STREAM = 0.15  # the same of another stream of the same kind
_OTHER_MACHINE = 0.03  # in addition: other versions, other rounding
_DIFFICULTY_DOUBT = 0.05
_LARGEST_DIFFICULTY_DOUBT = 0.25  # so that a stream that has been there before does not begin with a race
_DIFFICULTY_OF_OTHERS = 1.0
_MOST_PLAYS = 20
_MOST_MEASUREMENTS = 4
_FARTHEST = 12.0  # of log iterations from their forecast, is credible
_LARGEST_RATIO = 1e20  # of a cost to its forecast, which may be in another unit
_LEVELS = 40.0  # of log difficulty, are credible


class Estimates:
    """What is estimated of every arm; see :class:`~reiterate.engine.beliefs.Beliefs`, which keeps it up to date."""

    def __init__(self, forecasts: Sequence[Forecast], lines: Sequence[tuple[int, int]], difficulty: float) -> None:
        self._forecasts = tuple(forecasts)
        self._forecast_strength = np.log([forecast.strength for forecast in forecasts])
        self._strength = self._forecast_strength.copy()
        self._power = np.array([forecast.power for forecast in forecasts])
        self._digits = np.array([forecast.digits for forecast in forecasts])
        self._exact = np.array([forecast.exact for forecast in forecasts], dtype=bool)
        self._forecast_unit = np.array([forecast.iteration for forecast in forecasts])
        self._forecast_setup = np.array([forecast.setup for forecast in forecasts])
        self._forecast_upkeep = np.array([forecast.upkeep for forecast in forecasts])
        self._line = np.array([line for line, _ in lines])
        self._place = np.array([place for _, place in lines])
        count = len(forecasts)
        self._measured = np.zeros(count, dtype=bool)
        self._measurements = np.zeros(count, dtype=np.int64)
        self._seen = np.zeros(count, dtype=bool)
        self._doubted = np.zeros(count, dtype=bool)
        self._kept_up = np.zeros(count, dtype=np.int64)
        self._set_up = np.zeros(count, dtype=bool)  # whether what that costs has been seen
        self.ready = np.zeros(count, dtype=bool)
        self.iterate_cost = self._forecast_unit.copy()
        self.setup = self._forecast_setup.copy()
        self.upkeep = self._forecast_upkeep.copy()
        self._novelty = self._novelty_counted = 1.0  # share of instances that states have to be brought up to date for
        self._guess = math.log(difficulty)
        variances = np.full(count, METHOD_VARIANCE + LINE_VARIANCE)
        self._joint = JointFilter(self._guess, FIRST_DIFFICULTY, self._strength, variances)
        self.variance = self._joint.variances
        self.plays = np.zeros(count, dtype=np.int64)
        self._common = 0.0  # log of the factor by which all costs have changed since they were
        self._surprise = 0.0
        self._level_at_first: float | None = None

    def add_between(self, left: int, right: int, weight: float, *, ready: bool) -> int:
        """One more arm, between two of one line; ``weight`` is that of the right one. Returns its number.

        Until it has been observed, it is as these are. ``ready``: its state is there, because others share it.
        """
        new = len(self._forecasts)

        def mixed(values: Vector) -> float:
            return float((1.0 - weight) * values[left] + weight * values[right])

        strength = mixed(self._forecast_strength)
        self._joint.grow(mixed(self._strength), max(float(self.variance[left]), float(self.variance[right])))
        self._strength, self.variance = self._joint.offsets, self._joint.variances
        kept_up = int(min(self._kept_up[left], self._kept_up[right], 1))
        grown: dict[str, float | bool | int] = {
            "_forecast_strength": strength,
            "_power": mixed(self._power),
            "_digits": mixed(self._digits),
            "_exact": bool(self._exact[left]),
            "_forecast_unit": mixed(self._forecast_unit),
            "_forecast_setup": mixed(self._forecast_setup),
            "_forecast_upkeep": mixed(self._forecast_upkeep),
            "_line": int(self._line[left]),
            "_place": mixed(self._place),
            "_measured": False,
            "_measurements": 0,
            "_seen": False,
            "_doubted": False,
            "_kept_up": kept_up,
            "_set_up": False,
            "ready": ready,
            "iterate_cost": mixed(self.iterate_cost),
            "setup": mixed(self.setup),
            "upkeep": mixed(self.upkeep),
            "plays": 0,
        }
        for name, value in grown.items():
            setattr(self, name, np.append(getattr(self, name), value))
        self._forecasts += (
            Forecast(
                setup=float(self._forecast_setup[new]),
                upkeep=float(self._forecast_upkeep[new]),
                iteration=float(self._forecast_unit[new]),
                strength=math.exp(strength),
                power=float(self._power[new]),
                digits=float(self._digits[new]),
            ),
        )
        return new

    @property
    def log_difficulty(self) -> float:
        """As expected of the next instance."""
        return self._joint.level

    @property
    def difficulty_variance(self) -> float:
        """Of the log difficulty."""
        return self._joint.level_variance

    def _rescale(self) -> None:
        """Forecasts of what has not been measured follow what has."""
        measured = self._measured
        if not measured.any():
            return
        scale = _low_median(self.iterate_cost[measured] / self._forecast_unit[measured])
        self.iterate_cost[~measured] = self._forecast_unit[~measured] * scale
        lines = {int(line) for line in self._line[measured]}
        for line in lines:
            of_line = self._line == line
            own = _low_median(self.iterate_cost[of_line & measured] / self._forecast_unit[of_line & measured])
            free = of_line & ~measured
            self.iterate_cost[free] = self._forecast_unit[free] * own
        self.setup[~self.ready] = self._forecast_setup[~self.ready] * scale
        free = self._kept_up == 0
        self.upkeep[free] = self._forecast_upkeep[free] * scale * self._novelty_counted

    def state_dict(self) -> dict[str, Any]:
        """What is worth knowing in another run, relative to the forecasts: plain, finite numbers.

        ``arms`` has one table for every arm, empty for those of which nothing has been found out.
        """
        first = self.log_difficulty if self._level_at_first is None else self._level_at_first
        return {
            "first": rounded(first - self._guess),
            "last": rounded(self.log_difficulty - self._guess),
            "surprise": rounded(self._surprise),
            "arms": [self._row(arm) for arm in range(len(self._forecasts))],
        }

    def _row(self, arm: int) -> dict[str, Any]:
        forecast = self._forecasts[arm]
        strength = float(self._strength[arm] - self._forecast_strength[arm])
        row: dict[str, Any] = {}
        if strength or self._seen[arm] or self.plays[arm]:
            row = {"strength": rounded(strength), "variance": rounded(float(self.variance[arm]))}
        counts = {"plays": self.plays, "seen": self._seen, "measurements": self._measurements, "kept_up": self._kept_up}
        row.update({name: int(counted[arm]) for name, counted in counts.items() if counted[arm]})
        known = {
            "unit": (self._measured, self.iterate_cost, forecast.iteration),
            "setup": (self._set_up, self.setup, forecast.setup),
            "upkeep": (self._kept_up, self.upkeep, forecast.upkeep),
        }
        for name, (seen, costs, expected) in known.items():
            cost = math.exp(self._common) * float(costs[arm])
            if seen[arm] and cost >= 0.0 and expected > 0.0 and math.isfinite(cost / expected):
                row[name] = rounded(cost / expected)
        return row

    def recall(self, state: Mapping[str, Any], *, same_stream: bool, same_costs: bool) -> None:
        """Begin with what an earlier run has found out, as far as it can be believed; before the first instance.

        Variances are widened. What another stream of the same kind has found out makes better forecasts, and no more.

        Parameters
        ----------
        state
            As of :meth:`state_dict`; the tables of ``arms`` in the order of the arms here.
        same_stream
            Whether that was a run of the same stream.
        same_costs
            Whether costs are what they were there: where they are counted, or on the same machine.
        """
        rows = [table(row) for row in state.get("arms", ())]
        if len(rows) != len(self._forecasts):
            return
        self._recall_difficulty(state, same_stream=same_stream)
        doubt = (_DOUBT if same_stream else _OTHER_STREAM) + (0.0 if same_costs else _OTHER_MACHINE)
        for arm, row in enumerate(rows):
            self._recall_iterations(arm, row, doubt, same_stream=same_stream)
        self._recall_costs(rows)
        if not (same_stream and same_costs):
            self._measured[:], self._measurements[:], self._kept_up[:] = False, 0, 0

    def _recall_difficulty(self, state: Mapping[str, Any], *, same_stream: bool) -> None:
        first, last = (number(state, name, -_FARTHEST, _FARTHEST) for name in ("first", "last"))
        if first is None:
            return
        # A stream that is run again begins where it began, not where it ended.
        level = min(max(self._guess + first, 0.0), _LEVELS)
        apart = first - (first if last is None else last)
        doubt = min(_DIFFICULTY_DOUBT + 0.25 * apart**2, _LARGEST_DIFFICULTY_DOUBT)
        self._joint.restart(level, doubt if same_stream else _DIFFICULTY_OF_OTHERS)
        if same_stream:
            self._surprise = number(state, "surprise", 0.0, 4.0) or 0.0

    def _recall_iterations(self, arm: int, row: Mapping[str, Any], doubt: float, *, same_stream: bool) -> None:
        strength = number(row, "strength", -_FARTHEST, _FARTHEST)
        variance = number(row, "variance", 0.0, METHOD_VARIANCE + LINE_VARIANCE)
        if strength is None or variance is None:
            return
        self._strength[arm] += strength
        self.variance[arm] = min(_WIDENING * variance + doubt, METHOD_VARIANCE + LINE_VARIANCE)
        self._seen[arm] = bool(whole(row, "seen", 1))
        if same_stream:
            self.plays[arm] = (whole(row, "plays", 2 * _MOST_PLAYS) + 1) // 2

    def _recall_costs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Costs that were measured take the place of forecasts, which those of the other arms follow."""
        for arm, row in enumerate(rows):
            unit = number(row, "unit", 1.0 / _LARGEST_RATIO, _LARGEST_RATIO)
            if unit is not None:
                self.iterate_cost[arm] = unit * self._forecasts[arm].iteration
                self._measured[arm] = True
                self._measurements[arm] = _some(row, "measurements")
        self._rescale()
        for arm, row in enumerate(rows):
            setup, upkeep = (number(row, name, 0.0, _LARGEST_RATIO) for name in ("setup", "upkeep"))
            if setup is not None:
                self._set_up[arm] = True
                self.setup[arm] = setup * self._forecasts[arm].setup
            if upkeep is not None:
                self.upkeep[arm] = upkeep * self._forecasts[arm].upkeep
                self._kept_up[arm] = _some(row, "kept_up")
        self._forecast_unit[:], self._forecast_setup[:] = self.iterate_cost, self.setup
        self._forecast_upkeep[:] = self.upkeep

    def share_setups(self, states: Sequence[Hashable]) -> None:
        """Let what preparing costs one arm hold for all that share its state, by the names of their states."""
        seen = {state: float(self.setup[arm]) for arm, state in enumerate(states) if self._set_up[arm]}
        for arm, state in enumerate(states):
            if not self._set_up[arm] and state in seen:
                self.setup[arm] = self._forecast_setup[arm] = seen[state]


def _some(row: Mapping[str, Any], name: str) -> int:
    """How often something was seen: once at least, and not so often that it cannot change."""
    return max(whole(row, name, _MOST_MEASUREMENTS), 1)


def _low_median(ratios: Vector) -> float:
    """Of an even number the lower one: clocks err upwards."""
    return float(np.sort(ratios)[(ratios.size - 1) // 2])
