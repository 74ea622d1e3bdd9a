"""Where to begin: the initial guess of smallest true residual among those that are likely to pay.

Candidates, from the last solutions u₁ (the latest), u₂, u₃, u₄:

- ``given``: the caller's x0, or zero;
- ``previous``: u₁; ``linear``: 2u₁ − u₂; ``quadratic``: 3u₁ − 3u₂ + u₃, exact for solutions that are polynomials of
  degree 0, 1, 2 in the number of the instance;
- ``projection``: the combination of all of them that has the smallest residual (Fischer, "Projection techniques for
  iterative solution of Ax = b with successive right-hand sides", Comput. Methods Appl. Mech. Eng. 163, 1998). As long
  as the matrix is the same, A uᵢ is the right-hand side of then and costs nothing; otherwise a product each.

A candidate costs a product with A to judge, and saves iterations: digits gained times the products that a digit
takes. The given start is judged with the first of them, in one pass over A, and the method that begins is spared a
product by the residual that has been found. What a candidate gained lately predicts what it will gain; one that is not
expected to earn its product is judged only now and then, ever more rarely as long as it disappoints.

Digits may be gained in components of the error that an iteration is rid of at once, and then save nothing. So where a
guess barely pays by that count, a solve begins at the given start now and then, ever more rarely: what it takes more
than its neighbors, which began at a guess, is what guessing saves, and counts are discounted accordingly
(:mod:`~reiterate.linear.guess_discount`). Where solves begin at the given start, a rare guess tells the same.

Guarantee: the start's residual is at most the given one's.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from reiterate.linear import elementary
from reiterate.linear.guess_discount import Discount, Outcome
from reiterate.linear.instance import LinearInstance
from reiterate.linear.vectors import Vector, norm
from reiterate.linear.work import traffic

_KEEP = 4
_EXTRAPOLATIONS = {"previous": (1.0,), "linear": (2.0, -1.0), "quadratic": (3.0, -3.0, 1.0)}
_NEEDED = {"previous": 1, "linear": 2, "quadratic": 3, "projection": 2}  # solutions
_FORGETTING = 0.7
_RAREST = 64
_FIXED_BYTES = 4e5  # what memory moves in the 20 µs that making and judging a candidate takes however small it is
_TRUNCATION = 1e-12  # of the Gram matrix: directions below it are rounding errors


@dataclass(slots=True)
class _Score:
    """Digits that a candidate gained over the given start, lately; solves to wait before a try without hope."""

    digits: float = math.inf
    wait: int = 0
    patience: int = 1


@dataclass(slots=True)
class _Solved:
    x: Vector
    b: Vector | None
    version: object

    def image(self, instance: LinearInstance) -> Vector | None:
        """The product of the instance's matrix with x, where it is b."""
        return self.b if self.version is not None and self.version == instance.version else None


class Guesses:
    """Chooses the start of every solve of a stream; remembers the last four solutions.

    Attributes
    ----------
    chosen : Counter of str
        How often each candidate was where a solve began; may be given, to be shared by the columns of a block.
    merit : float
        That of the last start.
    """

    def __init__(self, chosen: Counter[str] | None = None) -> None:
        self._solved: deque[_Solved] = deque(maxlen=_KEEP)
        self._scores = {name: _Score() for name in (*_EXTRAPOLATIONS, "projection")}
        self._products_per_digit = 4.0
        self._digits = 8.0
        self._discount = Discount()
        self._outcome = Outcome()
        self._resting = 0
        self.chosen: Counter[str] = Counter() if chosen is None else chosen
        self.merit = math.inf

    def start(self, instance: LinearInstance, given: Vector) -> Vector:
        """Where to begin, in the instance's own scale; ``given``, shape (n,), likewise."""
        if self._solved and (self._solved[0].x.size, self._solved[0].x.dtype) != (given.size, given.dtype):
            self._solved.clear()
            self._resting = 0
        self._outcome = Outcome()
        names = self._worth_trying(instance) if self._resting == 0 else []
        if not names:
            self._resting = self._resting - 1 if self._resting else self._rest()
            self.chosen["given"] += 1
            self.merit = self._merit_of(given, instance)
            return given
        return self._best(names, instance, given)

    def _merit_of(self, given: Vector, instance: LinearInstance) -> float:
        """That of a start nobody else is compared with; whoever iterates from there is handed its residual."""
        if not norm(given) > 0.0:
            return norm(instance.b) / instance.norm_b
        r = np.empty_like(given)
        square = instance.operator.residual(given, instance.b, r)
        instance.know_residual(given, r, square)
        return _merit(instance, square)

    def _best(self, names: list[str], instance: LinearInstance, given: Vector) -> Vector:
        """The best of the given start and these candidates; now and then the given one, to see what that costs."""
        name, best, r, s = "given", given, np.empty_like(given), np.empty_like(given)
        first = r
        for candidate_name in names:
            with np.errstate(over="ignore", invalid="ignore"):
                candidate = self._candidate(candidate_name, instance)
            if candidate_name is names[0]:
                given_square, other = _square_residuals(instance, given, candidate, r, s)
                square, given_merit = given_square, _merit(instance, given_square)
                smallest = given_merit
            else:
                s = np.empty_like(given) if s is first else s
                other = instance.operator.residual(candidate, instance.b, s)
            merit = _merit(instance, other)
            self._judge(candidate_name, given_merit, merit)
            if merit < smallest:
                name, best, smallest, square = candidate_name, candidate, merit, other
                r, s = s, r
        if best is not given:
            claim = math.log10(given_merit / smallest) * self._products_per_digit if smallest > 0.0 else math.inf
            check = self._discount.asks_for_check(claim, self._price(name, instance, _fixed(instance)))
            self._outcome = Outcome(claim, guessed=not check)
            if check:
                name, best, smallest, r, square = "given", given, given_merit, first, given_square
        self.chosen[name] += 1
        self.merit = smallest
        self._digits = max(math.log10(max(smallest, 1e-300) / max(instance.target, 1e-300)), 1.0)
        instance.know_residual(best, r, square)
        return best

    def _rest(self) -> int:
        """For how many more solves nobody is going to be judged."""
        if len(self._solved) < _KEEP:
            return 0
        # Who has not been judged yet is only waiting for solves to become dearer.
        waiting = [score for score in self._scores.values() if score.digits < math.inf]
        solves = min((score.patience - score.wait for score in waiting), default=1) - 1
        for score in waiting:
            score.wait += solves
        return solves

    def solved(self, instance: LinearInstance, x: Vector, work: float, by: Hashable = None) -> None:
        """Take in a solution, in the instance's own scale, the products with A that it took, and what solved it."""
        self._outcome.work, self._outcome.by = work, by
        self._discount.take_in(self._outcome)
        if work > 0.0:
            self._products_per_digit += (1.0 - _FORGETTING) * (work / self._digits - self._products_per_digit)
        if self._resting > _KEEP:
            return  # there will be as many again by the time that they are looked at
        # Right-hand sides are of use as long as matrices come back.
        version = instance.version
        recurs = len(self._solved) < 2 or any(solved.version == version for solved in self._solved)
        b = instance.leave(instance.b).copy() if recurs else None
        self._solved.appendleft(_Solved(instance.leave(x).copy(), b, version))

    @property
    def memory(self) -> int:
        """Bytes that the solutions hold."""
        return sum(solved.x.nbytes + (0 if solved.b is None else solved.b.nbytes) for solved in self._solved)

    def _price(self, name: str, instance: LinearInstance, fixed: float) -> float:
        """What judging a candidate takes, in products with A; ``fixed`` is what it takes however small A is."""
        if name != "projection":
            return 1.0 + fixed
        return 1.0 + 3.0 * fixed + sum(solved.image(instance) is None for solved in self._solved)

    def _worth_trying(self, instance: LinearInstance) -> list[str]:
        """The candidates to judge this time."""
        fixed = _fixed(instance)
        digits = [score.digits for score in self._scores.values() if score.digits < math.inf]
        best, second = sorted((*digits, -math.inf, -math.inf), reverse=True)[:2]
        names = []
        for name, score in self._scores.items():
            if len(self._solved) < _NEEDED[name]:
                continue
            rival = second if score.digits == best else best
            if self._is_worth_trying(name, score, rival if rival > -math.inf else 0.0, instance, fixed):
                names.append(name)
        return names

    def _is_worth_trying(self, name: str, score: _Score, rival: float, instance: LinearInstance, fixed: float) -> bool:
        """``rival``: digits that the best of the others gains."""
        affordable = 2.0 * self._products_per_digit
        if math.isinf(score.digits):
            return 1.0 + fixed <= affordable and self._price(name, instance, fixed) <= affordable
        ahead = score.digits - (max(rival, 0.0) if name == "projection" else 0.0)
        saved = ahead * self._products_per_digit * self._discount.share
        if score.digits >= rival - 0.1 and saved > 1.0 + fixed and saved > self._price(name, instance, fixed):
            score.patience = 1
            return True
        score.wait += 1
        if score.wait < score.patience:
            return False
        score.wait = 0
        score.patience = min(2 * score.patience, _RAREST)
        return self._price(name, instance, fixed) <= affordable

    def _candidate(self, name: str, instance: LinearInstance) -> Vector:
        if name == "projection":
            return self._projection(instance)
        weights = _EXTRAPOLATIONS[name]
        if len(weights) == 1:
            return instance.enter(self._solved[0].x.copy())
        total = np.empty_like(self._solved[0].x)
        first, second, third = (*weights, 0.0, 0.0)[:3]
        parts = tuple(self._solved[k % len(weights)].x for k in range(3))
        elementary.combine((first, second, third), parts, total)
        return instance.enter(total)

    def _projection(self, instance: LinearInstance) -> Vector:
        """The combination of the last solutions with the smallest residual."""
        # The latest and the differences span the same space as the solutions, and are far less parallel.
        bases, images = [], []
        for newer, older in zip(self._solved, [*list(self._solved)[1:], None], strict=True):
            bases.append(newer.x if older is None else newer.x - older.x)
            image, other = newer.image(instance), None if older is None else older.image(instance)
            if image is not None and (older is None or other is not None):
                images.append(image if other is None else image - other)
            else:
                image = np.empty_like(newer.x)
                instance.operator.apply(bases[-1], image)
                images.append(image)
        basis, image_rows = np.array(bases), np.array(images)
        scale = np.sqrt(np.einsum("ij,ij->i", image_rows.conj(), image_rows).real)
        scale[scale == 0.0] = 1.0
        image_rows /= scale[:, None]
        gram = image_rows.conj() @ image_rows.T
        try:
            values, rotation = np.linalg.eigh(gram)
        except np.linalg.LinAlgError:  # the solutions were so large that their differences or products overflow
            return instance.origin()
        kept = values > _TRUNCATION * max(values[-1], 1e-300)
        rotation, values = rotation[:, kept], values[kept]
        right = rotation.conj().T @ (image_rows.conj() @ instance.leave(instance.b))
        coefficients = (rotation @ (right / values)) / scale
        return instance.enter(np.asarray(coefficients @ basis))

    def _judge(self, name: str, given_merit: float, merit: float) -> None:
        score = self._scores[name]
        digits = math.log10(max(given_merit, 1e-300) / max(merit, 1e-300)) if math.isfinite(merit) else -1.0
        known = digits if math.isinf(score.digits) else score.digits
        score.digits = _FORGETTING * known + (1.0 - _FORGETTING) * digits


def _square_residuals(
    instance: LinearInstance, given: Vector, candidate: Vector, r: Vector, s: Vector
) -> tuple[float, float]:
    """Squared norms of the residuals of both, which are written to ``r`` and ``s``."""
    if norm(given) > 0.0:
        return instance.operator.two_residuals(given, candidate, instance.b, r, s)
    np.copyto(r, instance.b)
    return norm(instance.b) ** 2, instance.operator.residual(candidate, instance.b, s)


def _merit(instance: LinearInstance, square: float) -> float:
    """Of a residual with that squared norm; infinite where it is no number."""
    merit = math.sqrt(square) / instance.norm_b if square >= 0.0 else math.inf
    return merit if math.isfinite(merit) else math.inf


def _fixed(instance: LinearInstance) -> float:
    """What judging a candidate takes however small A is, in products with A."""
    return _FIXED_BYTES / traffic(instance.pattern, entries=1.0, row_bytes=20.0)
