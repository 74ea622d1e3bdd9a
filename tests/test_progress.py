import io
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from reiterate import progress
from reiterate.progress import late_progress, shown_late


class Display:
    def __init__(self):
        self.started = threading.Event()
        self.calls = []

    def start(self):
        self.calls.append("start")
        self.started.set()

    def stop(self):
        self.calls.append("stop")


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def test_what_is_quick_is_not_shown():
    display = Display()
    with shown_late(display, terminal(), patience=3600.0):
        pass
    assert display.calls == []


def test_what_takes_long_is_shown_until_it_ends_or_fails():
    display = Display()

    def work():
        with shown_late(display, terminal(), patience=0.0):
            assert display.started.wait(60.0)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert display.calls == ["start", "stop"]


def test_nothing_is_shown_where_there_is_no_terminal():
    display = Display()
    with shown_late(display, Console(file=io.StringIO()), patience=0.0):
        assert not display.started.wait(0.05)
    assert display.calls == []


@pytest.mark.parametrize("total", [3, None])
def test_the_bar_counts_steps(total):
    console = terminal()
    with late_progress("Solving", total, console, patience=0.0) as advance:
        for _ in range(3):
            advance()
        while not console.file.getvalue():
            pass
    assert "Solving" in console.file.getvalue()


def test_a_step_that_goes_on_is_named_with_its_seconds(monkeypatch):
    console, now = terminal(), 100.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    with late_progress("Solving", 3, console, patience=0.0) as advance:
        advance()
        now = 112.0
        while "step 2 for 12 s" not in console.file.getvalue():
            pass
        advance()
        while "step 3 for 0 s" not in console.file.getvalue():
            pass
