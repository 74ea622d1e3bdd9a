"""Iterative computation that tunes itself."""
