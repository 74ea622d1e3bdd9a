"""Many processes, one file, and kills at any moment."""

from benchmarks.memory_soak import soak


def test_what_was_confirmed_survives_random_kills(tmp_path):
    outcome = soak(tmp_path, processes=4, seconds=3.0, mean_life=0.6)
    assert outcome.kills >= 2
    assert outcome.writes > 0
    assert (outcome.lost, outcome.complaints, outcome.whole) == (0, 0, True)
