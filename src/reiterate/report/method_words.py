"""Names of methods for people who have never seen them."""

from __future__ import annotations

from typing import Final

_ITERATIONS: Final = {
    "cg": "conjugate gradients",
    "deflated_cg": "deflated conjugate gradients",
    "sor": "successive over-relaxation",
    "minres": "MINRES",
    "symmlq": "SYMMLQ",
    "sqmr": "symmetric QMR",
    "cocr": "COCR",
    "gmres": "GMRES",
    "fgmres": "flexible GMRES",
    "gcrodr": "recycling GMRES",
    "bicgstab": "BiCGSTAB",
    "bicgstabl": "BiCGSTAB(ℓ)",
    "idr": "IDR(s)",
}
_PRECONDITIONERS: Final = {
    "jacobi": "diagonal scaling",
    "block_jacobi": "block-diagonal scaling",
    "ssor": "over-relaxation (SSOR)",
    "ic": "incomplete Cholesky",
    "ict": "incomplete Cholesky by threshold",
    "ilu": "incomplete LU",
    "ilut": "incomplete LU by threshold",
    "amg": "algebraic multigrid",
    "classical_amg": "classical algebraic multigrid",
    "factor": "a factorization kept from earlier",
    "chebyshev": "a Chebyshev polynomial",
}
_DIRECT: Final = {
    "direct": "a direct factorization",
    "rslab": "a direct factorization (rslab)",
    "pardiso": "a direct factorization (PARDISO)",
    "superlu": "a direct factorization (SuperLU)",
    "cholmod": "a direct factorization (CHOLMOD)",
}
_SCIPY: Final = "scipy_"


def spoken(method: str) -> str:
    """A method in words: ``"ic_cg"`` is conjugate gradients with incomplete Cholesky; unknown names stay."""
    if method.startswith(_SCIPY):
        inner = spoken(method.removeprefix(_SCIPY))
        return f"SciPy's {inner}" if inner != method.removeprefix(_SCIPY) else method
    if method in _DIRECT:
        return _DIRECT[method]
    for suffix in sorted(_ITERATIONS, key=len, reverse=True):
        if method == suffix:
            return _ITERATIONS[suffix]
        if method.endswith(f"_{suffix}") and (prefix := method.removesuffix(f"_{suffix}")) in _PRECONDITIONERS:
            return f"{_ITERATIONS[suffix]} with {_PRECONDITIONERS[prefix]}"
    return method
