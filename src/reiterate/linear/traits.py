"""What is known of a matrix before anything is solved with it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinearTraits:
    """What is known of A before solving.

    Attributes
    ----------
    size, nnz : int
        Unknowns; stored entries.
    symmetric : bool
        A = Aᵀ up to rounding (not conjugated where A is complex).
    full_diagonal : bool
        No zero on the diagonal.
    positive_diagonal : bool
        Every diagonal entry is positive: necessary for positive definiteness.
    definite : bool or None
        Whether A is positive definite, or semidefinite where its null space is known; ``None`` while nothing speaks
        against it.
    complex : bool
        Whether A has complex entries.
    entries : bool
        Whether the entries of A are known; else it is only a function that multiplies.
    constant_null_space : bool
        A 1 = 0 up to rounding, as for a pressure equation with pure Neumann conditions: A is singular, and
        positive *semi*definite at best.
    self_adjoint : bool
        A = Aᴴ up to rounding, where A is complex.
    zero_line : bool
        A row or column has no entry but zeros: A is singular whatever the others are. Where b is in its range, Krylov
        methods without a preconditioner solve it.
    negated : bool
        The caller's matrix is −A, symmetric with a negative diagonal: what is said here is said of A.
    presumed_indefinite : bool
        Not a fact: the last matrices of this pattern have turned out not to be definite.
    structural_rank : int or None
        Where it has been found to be less than ``size``: A is singular whatever its entries are.
    """

    size: int
    nnz: int
    symmetric: bool
    full_diagonal: bool
    positive_diagonal: bool
    definite: bool | None = None
    complex: bool = False
    entries: bool = True
    constant_null_space: bool = False
    self_adjoint: bool = False
    zero_line: bool = False
    negated: bool = False
    presumed_indefinite: bool = False
    structural_rank: int | None = None

    def __str__(self) -> str:
        """What the caller's matrix is, in words, as far as methods ask for it."""
        what = "matrix" if self.entries else "operator of which only products are known,"
        kind = "Hermitian" if self.complex and self.hermitian else "symmetric" if self.symmetric else "nonsymmetric"
        field = "complex" if self.complex else "real"
        words = f"{field} {kind} {what} of {self.size} rows"
        if self.entries:
            sign = "negative" if self.negated else "positive"
            diagonal = f"a {sign} diagonal" if self.positive_diagonal else "a diagonal that is not positive"
            words += f" with {diagonal if self.full_diagonal else 'zeros on its diagonal'}"
        disproved = self.hermitian and self.definite is False
        return f"a {words}{', which is not definite' if disproved else ''}"

    @property
    def hermitian(self) -> bool:
        """A = Aᴴ up to rounding: symmetric where A is real."""
        return self.self_adjoint if self.complex else self.symmetric

    @property
    def structurally_singular(self) -> bool:
        """Whether A is singular because of where its entries are."""
        return self.zero_line or self.structural_rank is not None

    @property
    def maybe_definite(self) -> bool:
        """Whether a method for Hermitian positive (semi)definite systems, real or complex, may be tried."""
        return self.hermitian and self.positive_diagonal and self.definite is not False

    @property
    def likely_definite(self) -> bool:
        """Whether it is also worth trying."""
        return self.maybe_definite and not self.presumed_indefinite
