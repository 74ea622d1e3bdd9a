"""Online learners: each chooses among arms so that total cost is small. They know nothing of solvers."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from reiterate.contracts import Arms, Learner
from reiterate.errors import InvalidInput
from reiterate.registry import Registry

if TYPE_CHECKING:
    from reiterate.learners.binned import BinnedTsallisINF
    from reiterate.learners.bisection import Bisection
    from reiterate.learners.censored_threshold import CensoredThreshold
    from reiterate.learners.change_point import ChangePoint
    from reiterate.learners.cheb_cb import ChebCB
    from reiterate.learners.coin_betting import CoinBetting
    from reiterate.learners.combined import Combined
    from reiterate.learners.delayed import Delayed
    from reiterate.learners.dual_averaging import DelayedDualAveraging
    from reiterate.learners.exp3_ix import EXP3IX
    from reiterate.learners.few_candidates import FewCandidates
    from reiterate.learners.generalized_linear import GeneralizedLinear
    from reiterate.learners.gp_ucb import GPUCB
    from reiterate.learners.hierarchical import Hierarchical
    from reiterate.learners.hyperband import Hyperband
    from reiterate.learners.optimistic import Optimistic
    from reiterate.learners.patient import Patient
    from reiterate.learners.rising import Rising
    from reiterate.learners.sequential_halving import SequentialHalving
    from reiterate.learners.simple import Fixed, Uniform
    from reiterate.learners.single_pass import SinglePass
    from reiterate.learners.square_cb import SquareCB
    from reiterate.learners.strongly_adaptive import StronglyAdaptive
    from reiterate.learners.surrogate import Surrogate
    from reiterate.learners.thompson import Thompson
    from reiterate.learners.tsallis_inf import TsallisINF
    from reiterate.learners.ucb1 import UCB1

__all__ = [
    "DEFAULT",
    "EXP3IX",
    "GPUCB",
    "LEARNERS",
    "UCB1",
    "BinnedTsallisINF",
    "Bisection",
    "CensoredThreshold",
    "ChangePoint",
    "ChebCB",
    "CoinBetting",
    "Combined",
    "Delayed",
    "DelayedDualAveraging",
    "FewCandidates",
    "Fixed",
    "GeneralizedLinear",
    "Hierarchical",
    "Hyperband",
    "Optimistic",
    "Patient",
    "Rising",
    "SequentialHalving",
    "SinglePass",
    "SquareCB",
    "StronglyAdaptive",
    "Surrogate",
    "Thompson",
    "TsallisINF",
    "Uniform",
    "make_learner",
]

_HOMES: Final = {
    "tsallis_inf": "tsallis_inf.TsallisINF",
    "binned_tsallis_inf": "binned.BinnedTsallisINF",
    "cheb_cb": "cheb_cb.ChebCB",
    "fixed": "simple.Fixed",
    "uniform": "simple.Uniform",
    "bisection": "bisection.Bisection",
    "censored_threshold": "censored_threshold.CensoredThreshold",
    "change_point": "change_point.ChangePoint",
    "coin_betting": "coin_betting.CoinBetting",
    "combined": "combined.Combined",
    "delayed": "delayed.Delayed",
    "delayed_dual_averaging": "dual_averaging.DelayedDualAveraging",
    "exp3_ix": "exp3_ix.EXP3IX",
    "few_candidates": "few_candidates.FewCandidates",
    "gp_ucb": "gp_ucb.GPUCB",
    "generalized_linear": "generalized_linear.GeneralizedLinear",
    "hierarchical": "hierarchical.Hierarchical",
    "hyperband": "hyperband.Hyperband",
    "optimistic": "optimistic.Optimistic",
    "patient": "patient.Patient",
    "rising": "rising.Rising",
    "sequential_halving": "sequential_halving.SequentialHalving",
    "single_pass": "single_pass.SinglePass",
    "square_cb": "square_cb.SquareCB",
    "strongly_adaptive": "strongly_adaptive.StronglyAdaptive",
    "surrogate": "surrogate.Surrogate",
    "thompson": "thompson.Thompson",
    "ucb1": "ucb1.UCB1",
}
"""Module and class of every learner, by its name."""


def _imported(home: str) -> Any:
    module, kind = home.split(".")
    return getattr(import_module(f"{__name__}.{module}"), kind)


LEARNERS: Final[Registry[type[Learner]]] = Registry(
    {name: functools.partial(_imported, home) for name, home in _HOMES.items()}
)
"""Every learner by its name, imported when it is asked for."""

DEFAULT: Final = "cheb_cb"
"""What ``"auto"`` means."""


def __getattr__(name: str) -> Any:
    for home in _HOMES.values():
        if home.endswith(f".{name}"):
            return _imported(home)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def make_learner(name: str, arms: int | Arms, rng: np.random.Generator, **options: Any) -> Learner:
    """Build a learner by its name.

    Parameters
    ----------
    name
        A key of :data:`LEARNERS`, or ``"auto"``.
    arms
        Number of arms, at least 1; or what is known of them, which learners that make use of it are told.
    rng
        The learner's only source of randomness.
    options
        Passed to the learner; they override what follows from ``arms``.

    Returns
    -------
    Learner

    Raises
    ------
    InvalidInput
        An unknown learner, an option that it does not have, or one that it refuses.
    """
    learner = LEARNERS.get(DEFAULT if name == "auto" else name)
    if learner is None:
        close = difflib.get_close_matches(str(name), ["auto", *LEARNERS], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InvalidInput("learner", f"there is no learner {name!r}; {hint}known are auto, {', '.join(LEARNERS)}")
    known = [
        parameter.name
        for parameter in inspect.signature(learner).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise InvalidInput("learner", f"{learner.name} has no option {option!r}; {has}")
    if isinstance(arms, Arms):
        options = learner.options_for(arms) | options
        arms = len(arms)
    return cast("Callable[..., Learner]", learner)(arms, rng, **options)
