import io
from types import SimpleNamespace

import numba.core.event
import numpy as np
from numba import njit

from reiterate.kernels import notice


def event(module):
    return SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})


def compile_for(listener, clock, seconds, module="reiterate.kernels.cg", inner=0):
    listener.on_start(event(module))
    for _ in range(inner):
        compile_for(listener, clock, seconds, module)
    clock.time += seconds
    listener.on_end(event(module))


def make():
    clock, stream = SimpleNamespace(time=0.0), io.StringIO()
    return notice.Notice(stream, lambda: clock.time), clock, stream


def test_one_line_is_written_after_a_second():
    listener, clock, stream = make()
    compile_for(listener, clock, 0.6)
    assert stream.getvalue() == ""
    for _ in range(3):
        compile_for(listener, clock, 0.6)
    assert stream.getvalue().count("\n") == 1
    assert "compiling kernels" in stream.getvalue()


def test_nested_kernels_count_once():
    listener, clock, stream = make()
    compile_for(listener, clock, 0.3, inner=2)
    assert stream.getvalue() == ""
    compile_for(listener, clock, 0.3)
    assert stream.getvalue() != ""


def test_kernels_of_others_are_none_of_our_business():
    listener, clock, stream = make()
    compile_for(listener, clock, 9.0, module="somebody.else")
    assert stream.getvalue() == ""


def test_it_hears_the_compiler():
    listener, _, _ = make()
    heard = []
    listener.on_end = lambda heard_event: heard.append(heard_event.data["dispatcher"].py_func.__name__)
    with numba.core.event.install_listener("numba:compile", listener):
        njit(lambda x: x + 1.0)(np.float64(1.0))
    assert heard == ["<lambda>"]


def test_without_a_terminal_nothing_is_listened_to(monkeypatch):
    registered = []
    monkeypatch.setattr(notice, "register", lambda kind, listener: registered.append(kind))
    for terminal, expected in ((False, []), (True, ["numba:compile"])):
        monkeypatch.setattr(notice.sys, "stderr", SimpleNamespace(isatty=lambda terminal=terminal: terminal))
        notice.announce_compiling()
        assert registered == expected
