import numpy as np
import pytest

from reiterate.report.axes import moving_average, spread, thin, window_for


def test_labels_are_moved_apart_in_order() -> None:
    heights = spread(np.array([0.5, 0.51, 0.0, 0.5]), 0.1)
    assert np.diff(np.sort(heights)).min() >= 0.0999
    assert heights[2] == heights.min() == 0.0
    assert heights[1] == heights.max()


def test_labels_at_the_bottom_stay_above_the_ticks() -> None:
    assert spread(np.zeros(5), 0.1) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_moving_average_ignores_what_is_no_number() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan])
    assert moving_average(values, 3) == pytest.approx([1.0, 2.0, 3.0, 3.0, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize("steps", [0, 1, 3, 500, 501, 100_000])
def test_dots_are_few_and_windows_fit(steps: int) -> None:
    assert thin(steps).size <= 500
    assert thin(min(steps, 500)).size == min(steps, 500)
    assert moving_average(np.ones(steps), window_for(steps)).shape == (steps,)
