"""How ``benchmarks/programs.py`` makes published examples larger."""

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
EXAMPLE = "nx = 10\nprint(nx)\n"


@pytest.fixture
def programs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import programs

    monkeypatch.setattr(programs, "QUICK", False)
    return programs


@pytest.fixture
def example(tmp_path, monkeypatch):
    path = tmp_path / "example.py"
    path.write_text(EXAMPLE)
    monkeypatch.setenv("NUMPY_EXAMPLES", str(tmp_path))
    return path


def program(programs, **others):
    return programs.Program("numpy", ("{examples}/example.py", "--steps=3"), **others)


def test_the_size_is_changed_in_a_copy(programs, example):
    with program(programs, size=("nx = 10\n", "nx = 40\n")).prepared() as command:
        copy, option = command
        assert Path(copy).read_text() == "nx = 40\nprint(nx)\n"
        assert Path(copy).name == "example.py"
        assert option == "--steps=3"
    assert example.read_text() == EXAMPLE
    assert not Path(copy).exists()


def test_without_a_size_the_example_itself_is_run(programs, example):
    with program(programs).prepared() as command:
        assert command == (str(example), "--steps=3")


@pytest.mark.parametrize("old", ["nx = 11\n", "nx"])
def test_text_that_is_not_there_once_is_refused(programs, example, old):
    with (
        pytest.raises(ValueError, match=r"size: .* times in .*example\.py, not once"),
        program(programs, size=(old, "nx = 40\n")).prepared(),
    ):
        pass


def test_quick_runs_leave_the_size_as_published(programs, example, monkeypatch):
    monkeypatch.setattr(programs, "QUICK", True)
    resized = program(programs, size=("nx = 10\n", "nx = 40\n"))
    assert not resized.resized
    with resized.prepared() as command:
        assert command == (str(example), "--steps=3")


def test_a_package_or_examples_that_are_missing_leave_a_program_out(programs, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMPY_EXAMPLES", str(tmp_path))
    with program(programs, size=("nx = 10\n", "nx = 40\n")).prepared() as command:
        assert command is None
    with programs.Program("no_such_package", ("{examples}/example.py",)).prepared() as command:
        assert command is None


def test_every_change_of_size_makes_a_difference(programs):
    sizes = [one.size for one in programs.PROGRAMS.values() if one.size]
    assert all(old and new and old != new for old, new in sizes)
    assert all(sum(part.endswith(".py") for part in one.command) == 1 for one in programs.PROGRAMS.values() if one.size)
