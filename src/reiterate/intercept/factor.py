"""Objects that stand for SciPy's factors, which are computed only when nothing else will do."""

from __future__ import annotations

import time
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import SuperLU

from reiterate.intercept import patching
from reiterate.intercept.account import SUPERNODAL, Watch
from reiterate.intercept.accuracy import System, norm_of_rows
from reiterate.intercept.forking import Lock
from reiterate.intercept.frames import strip
from reiterate.intercept.ledger import Ledger
from reiterate.intercept.precision import least_error, rounded, widened
from reiterate.intercept.site import Site
from reiterate.intercept.supernodal import Busy, Factors
from reiterate.linear.rslab_process import orphaned

_MOST_COLUMNS = 64
_SHARE_OF_FACTORING = 0.01  # that solving with factors takes, as long as SciPy's solves have not been measured


class _Lazy:
    """What :func:`splu` and :func:`spilu` return.

    ``L``, ``U``, ``perm_c``, ``perm_r`` and ``nnz`` are those of SciPy's own factors, which are computed when one of
    these is first read. That is also when an error of theirs is raised.
    """

    _function: str

    def __init__(self, site: Site, A: Any, options: dict[str, Any], own: Any = None) -> None:
        self._site, self._matrix, self._options, self._own = site, A, options, own
        self._lock = Lock()
        self._shape: tuple[int, int] = A.shape

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """Programs that ask for the type mean SciPy's."""
        kind: type = SuperLU
        return kind

    def _factor(self) -> Any:
        """SciPy's own factors."""
        with self._lock:
            if self._own is None:
                begin = time.perf_counter()
                try:
                    self._own = self._made()
                finally:
                    self._factored(time.perf_counter() - begin)
            return self._own

    def _made(self) -> Any:
        return patching.original(self._function)(self._matrix, **self._options)

    def _factored(self, seconds: float) -> None:
        self._site.account.add("scipy", seconds)

    def _read(self, name: str) -> Any:
        try:
            return getattr(self._factor(), name)
        except BaseException as error:
            strip(error)
            raise

    shape = property(lambda self: self._shape)
    L = property(lambda self: self._read("L"))
    U = property(lambda self: self._read("U"))
    perm_c = property(lambda self: self._read("perm_c"))
    perm_r = property(lambda self: self._read("perm_r"))
    nnz = property(lambda self: self._read("nnz"))

    def solve(self, *args: Any, **kwargs: Any) -> NDArray[Any]:
        """As ``SuperLU.solve(rhs, trans="N")``: shape (n,) or (n, k), transposed if ``trans`` is ``"T"`` or ``"H"``."""
        try:
            given = {**dict(zip(("rhs", "trans"), args, strict=False)), **kwargs}
            if "rhs" in given and given.keys() <= {"rhs", "trans"} and len(given) == len(args) + len(kwargs):
                return self._solve(given["rhs"], given.get("trans", "N"))
            return self._factor().solve(*args, **kwargs)  # type: ignore[no-any-return]  # which refuses it
        except BaseException as error:
            strip(error)
            raise

    def _solve(self, rhs: Any, trans: Any) -> NDArray[Any]:
        raise NotImplementedError

    def _solve_by(self, own: Any) -> None:
        """From now on SciPy's own factors solve, with nothing in between."""
        vars(self)["solve"] = own.solve

    def __repr__(self) -> str:
        return f"<SuperLU object at {id(self):#x}>"

    def __reduce__(self) -> NoReturn:
        try:
            raise TypeError("cannot pickle 'SuperLU' object")
        except TypeError as error:
            strip(error)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            if not name.startswith("_"):
                there = f"attribute {name!r} of 'SuperLU' objects is not writable"
                raise AttributeError(
                    there if hasattr(type(self), name) else f"'SuperLU' object has no attribute {name!r}"
                )
            object.__setattr__(self, name, value)
        except AttributeError as error:
            strip(error)
            raise

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)


class LazyIncompleteFactor(_Lazy):
    """Incomplete factors of SciPy's, computed at the first solve."""

    _function = "spilu"

    def _solve(self, rhs: Any, trans: Any) -> NDArray[Any]:
        self._site.left()
        own = self._factor()
        self._solve_by(own)
        return self._site.account.within("scipy", own.solve, rhs, trans)  # type: ignore[no-any-return]


class LazyFactor(_Lazy):
    """A matrix that solves as its factors would, with a copy, in double precision, of the numbers that it had.

    Whether SciPy's factors are worth computing is a rent-or-buy question: as soon as solves without them have taken as
    much longer as factoring takes, they are computed, and answer from then on.
    """

    _function = "splu"

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        A: Any,
        options: dict[str, Any],
        dtype: np.dtype[Any],
        own: Any = None,
        *,
        singular: bool = False,
        supernodal: bool = False,
    ) -> None:
        super().__init__(site, A, options, own)
        self._dtype = dtype
        self._singular, self._supernodal = singular, supernodal
        self._factors: Factors | None = None
        self._systems: dict[str, System] = {}  # of which solves by factors have need
        self._ledger, self._solving = ledger, ledger.for_solving()
        self._solved = self._compared = False
        self._rent = self._spent = 0.0  # seconds
        self._columns, self._buying = 0, False
        self._rows: dict[str, tuple[Any, float]] = {}  # the matrix by rows, and its norm, of which solves need both

    def _made(self) -> Any:
        return patching.original(self._function)(self._matrix.astype(self._dtype, copy=False), **self._options)

    def _factored(self, seconds: float) -> None:
        super()._factored(seconds)
        if not self._solved:
            self._ledger.theirs.add(seconds)
            return
        if not self._supernodal:
            self._ledger.by_us(seconds, 0.0)
        elif not self._buying:  # both have factored
            self._ledger.factors_failed()
            self._forget_factors()
        self._counted(seconds)

    def _solve(self, rhs: Any, trans: Any) -> NDArray[Any]:
        x: NDArray[Any] = self._site.account.within("deciding", self._answer, rhs, trans)
        return x

    def _answer(self, rhs: Any, trans: Any) -> NDArray[Any]:
        b = self._admit(rhs, trans)
        if b is None:
            return self._factor().solve(rhs, trans)  # type: ignore[no-any-return]
        if self._site.options.recorder is not None:
            self._site.record(self._oriented(trans), b)
        columns = b.size // b.shape[0]
        if not patching.inside.depth:
            x = self._ours(b, columns, trans) if self._own is None else self._ours_nevertheless(b, columns, trans)
            if x is not None:
                return np.asfortranarray(x)
        return self._theirs(rhs, columns, trans)

    def _admit(self, rhs: Any, trans: Any) -> NDArray[Any] | None:
        """The right-hand side as SciPy converts it; ``None`` where SciPy may refuse it."""
        if type(rhs) is not np.ndarray or trans not in ("N", "T", "H") or rhs.ndim not in (1, 2) or not rhs.size:
            return None
        if rhs.shape[0] != self.shape[0] or not np.can_cast(rhs.dtype, self._dtype, "safe"):
            return None
        return rhs.astype(self._dtype)

    def _oriented(self, trans: str) -> Any:
        """A, Aᵀ or Aᴴ."""
        if trans == "N":
            return self._matrix
        return self._matrix.T.conj() if trans == "H" and self._matrix.dtype.kind == "c" else self._matrix.T

    def _solution(self, ledger: Ledger, b: NDArray[Any], trans: str) -> NDArray[Any] | None:
        b = b.astype(self._matrix.dtype, copy=False)
        if trans not in self._rows:
            A = self._oriented(trans).tocsr()
            self._rows[trans] = A, norm_of_rows(A)
        A, size = self._rows[trans]
        x = self._site.solve_directly(ledger, A, b, self._dtype, size=size)
        return None if x is None else rounded(x, self._dtype)

    def _ours(self, b: NDArray[Any], columns: int, trans: str) -> NDArray[Any] | None:
        ledger, site = self._ledger, self._site
        solving = self._solving.usual or _SHARE_OF_FACTORING * ledger.usual
        instead_of = columns * solving + (0.0 if self._solved else ledger.rival)
        if columns > _MOST_COLUMNS or ledger.barred or self._rent > ledger.usual or not np.isfinite(b).all():
            return None
        by_factors = self._supernodal
        x = self._by_factors(b, columns, trans) if by_factors else None
        if x is not None or self._supernodal or (by_factors and not ledger.ours_next(self._matrix)):
            return x
        tried = site.tried(ledger, lambda: self._solution(ledger, b, trans), instead_of)
        x = tried.x
        if x is None:
            self._rent = self._rent if tried.busy else np.inf
            return None
        self._rent += max(tried.seconds - instead_of, 0.0) if self._solved else 0.0
        ledger.answered += 0 if self._solved else 1
        ledger.columns += columns
        self._solved = True
        if site.options.audits():
            x = site.compare(ledger, x, site.account.within("audits", self._audited, b, columns, trans))
        return x

    def _by_factors(self, b: NDArray[Any], columns: int, trans: str) -> NDArray[Any] | None:
        """By factors of our own, which are computed, or found kept at this place, at the first solve.

        What SciPy's factors would take to solve is not known. So they are computed once solves by ours have taken as
        long as that takes, and whichever are faster answer from then on.
        """
        ledger, site, watch = self._ledger, self._site, Watch()
        b = b.astype(widened(self._dtype), copy=False)
        x: NDArray[Any] | None = None
        if self._factors is not None:
            if self._own is None and self._spent > ledger.price:
                self._buying = True
                return None
            x = site.attempt(lambda: self._by_kept_factors(b, trans))
            if x is not None:
                self._spent, self._columns = self._spent + watch.alone(), self._columns + columns
                site.by_factors(watch, SUPERNODAL)
        else:
            try:
                answer = site.solve_by_factors(ledger, self._matrix, b, self._dtype, watch, trans)
            except Busy:
                return None
            if answer is not None:
                self._factors, x = answer.factors, answer.x
        if x is None:
            self._forget_factors()
            return None
        ledger.columns += columns
        self._solved = True
        if site.options.audits():
            x = site.compare(ledger, x, site.account.within("audits", self._audited, b, columns, trans))
        return x

    def _forget_factors(self) -> None:
        self._factors, self._supernodal = None, False
        self._systems.clear()

    def _by_kept_factors(self, b: NDArray[Any], trans: str) -> NDArray[Any] | None:
        if self._factors is None or orphaned():
            return None
        if trans not in self._systems:
            self._systems[trans] = System(self._oriented(trans))
        promise = max(self._site.options.direct_tolerance, least_error(self._dtype))
        with np.errstate(all="ignore"):
            x = self._factors.checked(self._systems[trans], b, promise, trans)
        return None if x is None else rounded(x, self._dtype)

    def _counted(self, seconds: float) -> None:
        """What factoring takes that we had done without: once, as SciPy would have factored once."""
        if not self._compared:
            self._ledger.by_both(seconds)
            self._compared = True

    def _audited(self, b: NDArray[Any], columns: int, trans: str) -> NDArray[Any]:
        """By factors of SciPy's that are thrown away, so that the next solve is ours again."""
        begin = time.perf_counter()
        own = self._made() if self._own is None else self._own  # another thread may have needed it meanwhile
        self._counted(time.perf_counter() - begin)
        return self._timed(own, b, columns, trans, answered=True)

    def _ours_nevertheless(self, b: NDArray[Any], columns: int, trans: str) -> NDArray[Any] | None:
        """Although SciPy's factors are there: solving with them may take longer than without."""
        ledger, site = self._solving, self._site
        if self._factors is not None:
            if ledger.theirs.count and self._spent > self._columns * ledger.theirs.recent:
                self._forget_factors()
            elif ledger.theirs.count:
                return self._by_factors(b, columns, trans) if np.isfinite(b).all() else None
        if columns > _MOST_COLUMNS or self._singular or self._matrix is None or not ledger.ours_next():
            return None
        x: NDArray[Any] | None = site.tried(ledger, lambda: self._solution(ledger, b, trans), columns * ledger.usual).x
        ledger.answered += 0 if x is None else columns
        if x is not None and site.options.audits():
            theirs = site.account.within("audits", self._timed, self._own, b, columns, trans, answered=True)
            x = site.compare(ledger, x, theirs)
        return x

    def _timed(self, own: Any, rhs: Any, columns: int, trans: str, *, answered: bool = False) -> NDArray[Any]:
        begin = time.perf_counter()
        x: NDArray[Any] = own.solve(rhs, trans)
        seconds = time.perf_counter() - begin
        if answered:
            self._solving.by_both(seconds, columns)
        else:
            self._solving.by_scipy(seconds, self._matrix, columns)
        return x

    def _theirs(self, rhs: Any, columns: int, trans: str) -> NDArray[Any]:
        own = self._factor()
        if not self._solving.answered:
            self._rows.clear()
        x: NDArray[Any] = self._site.account.within("scipy", self._timed, own, rhs, columns, trans)
        self._site.left()
        if self._solving.settled and self._site.options.recorder is None:
            self._matrix = None
            self._rows.clear()
            self._solve_by(own)
        return x


for _kind in (LazyFactor, LazyIncompleteFactor):
    _kind.__name__ = _kind.__qualname__ = "SuperLU"  # in messages
