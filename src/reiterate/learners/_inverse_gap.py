"""Inverse-gap weighting: the probabilities by which predictions of costs become a draw."""

from __future__ import annotations

from reiterate.learners._finite import Vector


def inverse_gap_weights(predictions: Vector, gamma: float) -> Vector:
    """``1 / (K + gamma (y_i - min y))`` for every arm but the minimizer of y, which gets the rest; shape (K,)."""
    best = int(predictions.argmin())
    weights: Vector = 1.0 / (predictions.size + gamma * (predictions - predictions[best]))
    weights[best] = 0.0
    weights[best] = 1.0 - float(weights.sum())
    return weights
