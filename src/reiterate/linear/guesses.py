"""Where to begin: the initial guess of smallest true residual among those that are likely to pay.

Candidates, from the last solutions u₁ (the latest), u₂, u₃, u₄:

- ``given``: the caller's x0, or zero;
- ``previous``: u₁; ``linear``: 2u₁ − u₂; ``quadratic``: 3u₁ − 3u₂ + u₃, exact for solutions that are polynomials of
  degree 0, 1, 2 in the number of the instance;
- ``projection``: the combination of all of them that has the smallest residual (Fischer, "Projection techniques for
  iterative solution of Ax = b with successive right-hand sides", Comput. Methods Appl. Mech. Eng. 163, 1998). As long
  as the matrix is the same, A uᵢ is the right-hand side of then and costs nothing; otherwise a product each.

A candidate costs a product with A to judge, and saves iterations: digits gained times the products that a digit
takes. What a candidate gained lately predicts what it will gain; one that is not expected to earn its product is
judged only now and then, ever more rarely as long as it disappoints.

Guarantee: the start's residual is at most the given one's.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass

import numpy as np

from reiterate.linear.instance import LinearInstance
from reiterate.linear.vectors import Vector, norm
from reiterate.linear.work import traffic

_KEEP = 4
_EXTRAPOLATIONS = {"previous": (1.0,), "linear": (2.0, -1.0), "quadratic": (3.0, -3.0, 1.0)}
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


@dataclass(frozen=True, slots=True)
class _Solved:
    x: Vector
    b: Vector
    version: object

    def shares_matrix(self, instance: LinearInstance) -> bool:
        """Whether b is the product of the instance's matrix with x."""
        return self.version is not None and self.version == instance.version


class Guesses:
    """Chooses the start of every solve of a stream; remembers the last four solutions.

    Attributes
    ----------
    chosen : Counter of str
        How often each candidate was where a solve began; may be given, to be shared by the columns of a block.
    merit : float
        That of the last start; infinite where nobody had to know.
    """

    def __init__(self, chosen: Counter[str] | None = None) -> None:
        self._solved: deque[_Solved] = deque(maxlen=_KEEP)
        self._scores = {name: _Score() for name in (*_EXTRAPOLATIONS, "projection")}
        self._products_per_digit = 4.0
        self._digits = 8.0
        self.chosen: Counter[str] = Counter() if chosen is None else chosen
        self.merit = math.inf

    def start(self, instance: LinearInstance, given: Vector) -> Vector:
        """Where to begin, in the instance's own scale; ``given``, shape (n,), likewise."""
        if self._solved and (self._solved[0].x.size, self._solved[0].x.dtype) != (given.size, given.dtype):
            self._solved.clear()
        names = [name for name in self._scores if self._possible(name) and self._worth_trying(name, instance)]
        if not names:
            self.chosen["given"] += 1
            self.merit = math.inf if given.any() else norm(instance.b) / instance.norm_b
            return given
        r = np.empty_like(given)
        best_name, best = "given", given
        given_merit = smallest = self._merit(instance, given, r) if given.any() else norm(instance.b) / instance.norm_b
        for name in names:
            with np.errstate(over="ignore", invalid="ignore"):
                candidate = self._candidate(name, instance)
            merit = self._merit(instance, candidate, r)
            self._judge(name, given_merit, merit)
            if merit < smallest:
                best_name, best, smallest = name, candidate, merit
        self.chosen[best_name] += 1
        self.merit = smallest
        self._digits = max(math.log10(max(smallest, 1e-300) / max(instance.target, 1e-300)), 1.0)
        return best

    def solved(self, instance: LinearInstance, x: Vector, work: float) -> None:
        """Take in a solution, in the instance's own scale, and the products with A that it took."""
        if work > 0.0:
            self._products_per_digit += (1.0 - _FORGETTING) * (work / self._digits - self._products_per_digit)
        self._solved.appendleft(_Solved(instance.leave(x).copy(), instance.leave(instance.b).copy(), instance.version))

    @property
    def memory(self) -> int:
        """Bytes that the solutions hold."""
        return sum(solved.x.nbytes + solved.b.nbytes for solved in self._solved)

    def _possible(self, name: str) -> bool:
        needed = 2 if name == "projection" else len(_EXTRAPOLATIONS[name])
        return len(self._solved) >= needed

    def _price(self, name: str, instance: LinearInstance) -> float:
        """What judging a candidate takes, in products with A."""
        moved = traffic(instance.pattern, entries=1.0, row_bytes=20.0)
        steps = 1.0 if name != "projection" else 3.0
        fixed = steps * _FIXED_BYTES / moved
        if name != "projection":
            return 1.0 + fixed
        return 1.0 + fixed + sum(not solved.shares_matrix(instance) for solved in self._solved)

    def _worth_trying(self, name: str, instance: LinearInstance) -> bool:
        score, price = self._scores[name], self._price(name, instance)
        if math.isinf(score.digits):
            return price <= 2.0 * self._products_per_digit
        rival = max((s.digits for n, s in self._scores.items() if n != name and not math.isinf(s.digits)), default=0.0)
        ahead = score.digits - (max(rival, 0.0) if name == "projection" else 0.0)
        if score.digits >= rival - 0.1 and ahead * self._products_per_digit > price:
            score.patience = 1
            return True
        score.wait += 1
        if score.wait < score.patience:
            return False
        score.wait = 0
        score.patience = min(2 * score.patience, _RAREST)
        return price <= 2.0 * self._products_per_digit

    def _candidate(self, name: str, instance: LinearInstance) -> Vector:
        if name == "projection":
            return self._projection(instance)
        weights = _EXTRAPOLATIONS[name]
        total = weights[0] * self._solved[0].x
        for weight, solved in zip(weights[1:], list(self._solved)[1:], strict=False):
            total += weight * solved.x
        return instance.enter(total)

    def _projection(self, instance: LinearInstance) -> Vector:
        """The combination of the last solutions with the smallest residual."""
        # The latest and the differences span the same space as the solutions, and are far less parallel.
        bases, images = [], []
        for newer, older in zip(self._solved, [*list(self._solved)[1:], None], strict=True):
            bases.append(newer.x if older is None else newer.x - older.x)
            known = newer.shares_matrix(instance) and (older is None or older.shares_matrix(instance))
            if known:
                images.append(newer.b if older is None else newer.b - older.b)
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

    def _merit(self, instance: LinearInstance, x: Vector, r: Vector) -> float:
        square = instance.operator.residual(x, instance.b, r)
        merit = math.sqrt(square) / instance.norm_b if square >= 0.0 else math.inf
        return merit if math.isfinite(merit) else math.inf
