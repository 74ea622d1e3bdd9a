"""What Krylov methods have in common: a family of preconditioners, a state that ages well, and vectors to work in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from reiterate.configuration import Parameter, ParameterSpace
from reiterate.contracts import Prepared, Progress, Stop, Values
from reiterate.linear.instance import LinearInstance, Vector
from reiterate.linear.method import LinearMethod, Variant
from reiterate.linear.preconditioner import Family, Preconditioner
from reiterate.linear.restarting import one_by_one
from reiterate.linear.segments import run_in_segments
from reiterate.linear.traits import LinearTraits
from reiterate.linear.work import in_matvecs, traffic

HERMITIAN_DEFINITE = "a Hermitian positive definite matrix"
REAL_DEFINITE = "a real symmetric positive definite matrix"

_DEAR = 1.0  # products with A


def needs(kind: str, family: Family) -> str:
    """What an iteration for matrices of one of the kinds above requires with a family that may ask for more."""
    asked = family.requires
    if asked == REAL_DEFINITE:
        asked = "real entries" if kind != REAL_DEFINITE else ""
    asked = asked.removeprefix(HERMITIAN_DEFINITE).removeprefix(" with ")
    implied = not family.name or asked in ("", "a diagonal without zeros")
    return kind if implied else f"{kind}, and {asked}"


class Recycled(Protocol):
    """What a solve leaves behind for the next ones, whatever their matrices."""

    @property
    def memory(self) -> int:
        """Bytes held."""


class Stepping(Protocol):
    """An iteration under way."""

    code: int

    def step(self) -> int:
        """One iteration; a code of :mod:`reiterate.kernels.codes`."""


class KrylovState:
    """A preconditioner, and vectors that every solve overwrites; shared by all Krylov methods of a family.

    Attributes
    ----------
    preconditioner : Preconditioner
    builds : int
        How often it was built or refreshed.
    recycled : dict
        What methods carry from one instance to the next beside the preconditioner, by keys of their own.
    """

    def __init__(self, preconditioner: Preconditioner) -> None:
        self.preconditioner = preconditioner
        self.builds = 0
        self.recycled: dict[Hashable, Recycled] = {}
        self._vectors: NDArray[Any] = np.empty((0, 0))

    def vectors(self, count: int, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """``count`` vectors of workspace, shape (count, size), C-contiguous, not initialized."""
        held = self._vectors
        if held.shape[0] < count or held.shape[1] != size or held.dtype != dtype:
            self._vectors = held = np.empty((count, size), dtype=dtype)
        return held[:count]

    @property
    def memory(self) -> int:
        """Bytes held."""
        recycled = sum(item.memory for item in self.recycled.values())
        return self.preconditioner.memory + self._vectors.nbytes + recycled


def prepared_with(preconditioner: Preconditioner, instance: LinearInstance, state: KrylovState | None) -> Prepared:
    """A preconditioner that was built just now, with what else the state, or else a new one, holds."""
    if state is None:
        state = KrylovState(preconditioner)
    state.preconditioner = preconditioner
    state.builds += 1
    work = in_matvecs(instance.pattern, preconditioner.setup_traffic)
    return Prepared(state, work, state.memory, preconditioner.process)


class KrylovMethod(LinearMethod):
    """A Krylov method with the preconditioners of one family.

    A subclass supplies ``suffix``, ``own_parameters``, ``headline``, :meth:`fits` and ``iterate``. The prepared state
    is a :class:`KrylovState`. One that was prepared for an earlier instance still preconditions a later one of
    the same size: the products are always with the A of the instance.
    """

    suffix: ClassVar[str]
    own_parameters: ClassVar[tuple[Parameter, ...]] = ()
    headline: ClassVar[str]
    """What the method is and where it comes from, in one sentence."""
    flexible: ClassVar[bool] = False
    """Whether M may change from one application to the next."""
    needs_definite: ClassVar[bool] = False
    """Whether M must be Hermitian positive definite."""
    needs_symmetric: ClassVar[bool] = False
    """Whether M must be symmetric, not conjugated, where A is."""

    def __init__(self, family: Family) -> None:
        if family.varies and not self.flexible:
            raise TypeError(f"{self.suffix} needs a constant preconditioner; {family.name} changes: use fgmres")
        if self.needs_definite and not family.definite:
            raise TypeError(f"{self.suffix} needs a positive definite preconditioner, which {family.name} is not")
        if self.needs_symmetric and not family.symmetric:
            raise TypeError(f"{self.suffix} needs a symmetric preconditioner, which {family.name} is not")
        self.family = family
        self.name = f"{family.name}_{self.suffix}" if family.name else self.suffix
        self.parameters = ParameterSpace((*family.parameters, *self.own_parameters))
        self.requires = family.requires
        self.state_name = family.state_name
        self.state_parameters = tuple(parameter.name for parameter in family.parameters)
        self.__doc__ = f"``{self.name}``: {self.headline} {type(family).__doc__}"

    def variants(self) -> Sequence[Values]:
        """Those of the family."""
        return self.family.variants

    @abstractmethod
    def fits(self, traits: LinearTraits) -> bool:
        """Whether the iteration, whatever its preconditioner, applies."""

    def accepts(self, traits: LinearTraits) -> bool:
        """Whether both the iteration and the preconditioner apply."""
        return self.fits(traits) and self.family.accepts(traits)

    def warm_up(self, variant: Variant | None = None) -> None:
        """Run once on a system of a few unknowns; the family compiles what only larger ones need."""
        super().warm_up(variant)
        self.family.warm_up()

    def prepare(self, instance: LinearInstance, values: Values, previous: Prepared | None = None) -> Prepared:
        """Build the preconditioner, with what the previous one can lend."""
        state = None if previous is None else previous.state
        preconditioner = self.family.build(instance, values, None if state is None else state.preconditioner)
        return prepared_with(preconditioner, instance, state)

    def rebuild(self, instance: LinearInstance, values: Values, previous: Prepared) -> Prepared:
        """Build the preconditioner anew; what is recycled stays."""
        return prepared_with(self.family.build(instance, values), instance, previous.state)

    def serves(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """Any preconditioner of the right size and kind serves."""
        preconditioner = prepared.state.preconditioner
        return bool(preconditioner.size == instance.traits.size and preconditioner.dtype == instance.operator.dtype)

    def serves_if_dear(self, prepared: Prepared, instance: LinearInstance) -> bool:
        """As :meth:`serves`, where renewing the preconditioner costs more than a product with A.

        For methods that recycle: how many iterations they need says less about the age of M than about the space, and a
        solve that is cut short to renew M loses more than cheap ones cost.
        """
        product = traffic(instance.pattern, entries=1.0, row_bytes=20.0)
        dear = prepared.state.preconditioner.setup_traffic > _DEAR * product
        return dear and KrylovMethod.serves(self, prepared, instance)

    def work_of(self, instance: LinearInstance, state: KrylovState, *, products: float, row_bytes: float) -> float:
        """Work of one iteration: products with A, as many applications of M, and ``row_bytes`` a row besides."""
        moved = traffic(instance.pattern, entries=products, row_bytes=products * 20.0 + row_bytes)
        return in_matvecs(instance.pattern, moved + products * state.preconditioner.traffic)

    def play(
        self,
        run: Stepping,
        finish: Callable[[], Vector],
        prepared: Prepared,
        instance: LinearInstance,
        stop: Stop,
        *,
        row_bytes: float,
    ) -> Progress:
        """Make the steps of a run, each of one product, one application of M, and ``row_bytes`` a row besides.

        ``finish`` gives the iterate, shape (n,).
        """
        work = self.work_of(instance, prepared.state, products=1.0, row_bytes=row_bytes)
        moved = 12.0 * instance.traits.nnz + (20.0 + row_bytes) * instance.b.size
        moved += prepared.state.preconditioner.traffic
        return run_in_segments(one_by_one(run.step, run.code), finish, stop, bytes_per_iteration=moved, work=work)


class HermitianMethod(KrylovMethod):
    """A Krylov method for Hermitian matrices, definite or not, with a positive definite preconditioner."""

    needs_definite = True

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        kind = "a real symmetric or complex Hermitian matrix"
        self.requires = f"{kind}, and {family.requires}" if family.name else kind

    def fits(self, traits: LinearTraits) -> bool:
        """Symmetric, or Hermitian where A is complex."""
        return traits.hermitian
