"""The engine: plays a learner on a stream of instances. It knows methods, merits and costs, never matrices."""

from reiterate.engine.engine import Engine
from reiterate.engine.history import History

__all__ = ["Engine", "History"]
