"""Everything shown is executed: the Python blocks of README and docs, and the examples."""

import importlib
import inspect
import re
import runpy
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def installed(package):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(package)
        except ImportError:
            return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "documentation"}
    for package, block in re.findall(
        r"(?:<!-- needs: (\w+) -->\n\n)?```python\n(.*?)```", page.read_text(), flags=re.DOTALL
    ):
        if package and not installed(package):
            continue
        # Other packages may warn of what is not ours.
        with warnings.catch_warnings(action="ignore" if package else None):
            exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run_and_draw(example, tmp_path, monkeypatch):
    text = example.read_text()
    needed = re.findall(r"^from (fipy|pymor|sfepy|skfem)\b", text, flags=re.MULTILINE)
    if not all(map(installed, needed)):
        pytest.skip(f"{needed[0]} is not installed")
    picture = tmp_path / "picture.png"
    option = ["--output"] if "--output" in text else []
    monkeypatch.setattr("sys.argv", [str(example), *option, str(picture)])
    with warnings.catch_warnings(action="ignore" if needed else None):
        runpy.run_path(str(example), run_name="__main__")
    assert picture.stat().st_size > 10_000


def test_every_option_of_a_solver_has_a_paragraph():
    import reiterate

    headings = re.findall(r"^### (.*)$", (ROOT / "docs" / "options.md").read_text(), flags=re.MULTILINE)
    described = {name for heading in headings for name in re.findall(r"`(\w+)`", heading)}
    assert set(inspect.signature(reiterate.Solver).parameters) <= described


def test_the_readme_names_every_public_name():
    import reiterate

    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "architecture.md").read_text()
    for name in reiterate.__all__:
        assert name in text, name
