"""The coefficients of conjugate gradients: what the iteration sees of the spectrum, kept while it runs."""

from __future__ import annotations

from reiterate.kernels.compiling import inlined_kernel


@inlined_kernel
def keep(coefficients, alpha, beta):
    """Keep those of one more iteration, the last ones only when there are many.

    Parameters
    ----------
    coefficients : float64 array of shape (m + 1, 2), overwritten
        Of the last m iterations: iteration k, from 0, has row 1 + k % m. Row 0 begins with how many have been made.
        With m = 0 nothing is kept.
    alpha : float
        The step length.
    beta : float
        The coefficient of the direction that follows.
    """
    most = coefficients.shape[0] - 1
    if most > 0:
        made = int(coefficients[0, 0])
        row = 1 + made % most
        coefficients[row, 0] = alpha
        coefficients[row, 1] = beta
        coefficients[0, 0] = made + 1
