from reiterate.learners import LEARNERS
from reiterate.registry import Registry


def test_things_are_made_once_when_they_are_asked_for():
    made = []
    registry = Registry({"one": lambda: made.append(1) or 1, "two": lambda: made.append(2) or 2})
    assert list(registry) == ["one", "two"]
    assert "one" in registry
    assert "three" not in registry
    assert made == []
    assert (registry["two"], registry["two"], made) == (2, 2, [2])


def test_it_is_changed_like_a_dictionary():
    registry = Registry({"one": lambda: 1, "two": lambda: 2})
    registry["three"] = 3
    registry["one"] = 10
    del registry["two"]
    assert dict(registry) == {"one": 10, "three": 3}
    kept = dict(registry)
    registry.clear()
    assert len(registry) == 0
    registry.update(kept)
    assert dict(registry) == kept


def test_learners_are_registered_by_their_names():
    assert [learner.name for learner in LEARNERS.values()] == list(LEARNERS)
