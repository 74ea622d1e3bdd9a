import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reiterate.errors import InvalidInput
from reiterate.report.figures import save_comparison_figure
from tests.report.pages import make_comparison


def test_saves_by_the_ending_of_the_name(tmp_path: Path) -> None:
    comparison = make_comparison(40)
    png = save_comparison_figure(comparison, tmp_path / "hero.png")
    assert png.read_bytes().startswith(b"\x89PNG")
    svg = save_comparison_figure(comparison, tmp_path / "hero.svg", dark=True)
    assert "".join(ElementTree.parse(svg).getroot().itertext()).count("choice of ω") == 1
    assert save_comparison_figure(comparison, tmp_path / "hero.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("learners", [(), ("$<b>", "_")])
def test_any_contenders(tmp_path: Path, learners: tuple[str, ...]) -> None:
    save_comparison_figure(make_comparison(1, learners=learners), tmp_path / "hero.svg")


def test_says_what_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"path: .*\.png"):
        save_comparison_figure(make_comparison(3), tmp_path / "hero.docx")
    with pytest.raises(InvalidInput, match="comparison: has no steps"):
        save_comparison_figure(make_comparison(0), tmp_path / "hero.png")
    with pytest.raises(InvalidInput, match="path: there is no directory"):
        save_comparison_figure(make_comparison(3), tmp_path / "no" / "hero.png")


def test_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from reiterate.report.comparison import write_comparison_report
from reiterate.report.stream import write_stream_report
from reiterate.report.figures import save_comparison_figure
assert "matplotlib" not in sys.modules, "imported before it is needed"
import matplotlib

def settings():
    return {{name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}}

before = settings()
from tests.report.pages import make_comparison, make_history, make_record
folder = Path({str(tmp_path)!r})
write_comparison_report(make_comparison(20), folder / "a.html")
write_stream_report(make_history(make_record(0)), "seconds", folder / "b.html")
save_comparison_figure(make_comparison(20), folder / "c.png")
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
