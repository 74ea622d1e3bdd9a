from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from reiterate.configuration import Configuration
from reiterate.report.axes import NARROW, WIDE, Style
from reiterate.report.palette import DARK, LIGHT
from reiterate.report.stream import write_stream_report
from reiterate.report.stream_choices import bands, choices
from tests.report.pages import check_page, make_history, make_record

# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency (2009).
VISIONS = {
    "full": np.eye(3),
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def linear(color):
    values = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(color, vision):
    xyz = np.array(TO_XYZ) @ np.clip(np.array(VISIONS[vision]) @ linear(color), 0.0, 1.0) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    low, high = sorted(float(linear(color) @ TO_XYZ[1]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_eyes_of_every_kind_tell_methods_apart(palette, vision):
    assert len(set(palette.methods)) == 8
    for one, other in combinations(palette.methods, 2):
        assert np.linalg.norm(lab(one, vision) - lab(other, vision)) > 10.0, (one, other)
    assert all(contrast(color, palette.paper) >= 3.0 for color in palette.methods)


def configurations(**rows):
    return {Configuration(name, (("omega", 1.0 + i / 100),)) for name, number in rows.items() for i in range(number)}


@pytest.mark.parametrize("rows", [{"cg": 1}, {"cg": 1, "ssor_cg": 26}, {"a": 1, "b": 2, "c": 40, "d": 3, "e": 200}])
def test_rows_do_not_overlap_and_names_have_room(rows):
    layout = bands(configurations(**rows))
    assert {band.method: len(band.configurations) for band in layout} == rows
    for band, after in pairwise(layout):
        assert after.top == pytest.approx(band.top + band.height)
    assert all(band.height >= 17.0 for band in layout)
    labels = sorted(place for band in layout for place in band.values(20))
    assert np.diff([0.0, *labels]).min(initial=12.0) >= 8.0
    named = [band.values(20) for band in layout]
    assert all(len(values) == size for values, size in zip(named, rows.values(), strict=True) if size <= 4)


def test_up_to_27_configurations_all_are_named():
    layout = bands(configurations(cg=1, ic_cg=2, ssor_cg=24))
    assert sum(len(band.values(20)) for band in layout) == 27


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_method_is_named_once_and_has_a_color_and_mark_of_its_own(width):
    records = [make_record(i, f"method{i % 12}", 1.0 + i) for i in range(48)]
    axes = choices(records, Style(width)).axes[0]
    named = [text.get_text().split(" ")[0] for text in axes.texts]
    assert named == sorted({record.configuration.method for record in records})
    marks = {(line.get_color(), line.get_marker()) for line in axes.lines if line.get_linestyle() == "None"}
    assert len(marks) >= 12


def test_the_page_names_rows_and_not_colors(tmp_path: Path):
    records = [make_record(i, "ic_cg", 0.5 * (i % 2)) for i in range(6)]
    page = check_page(write_stream_report(make_history(*records), "seconds", tmp_path / "report.html"))
    texts = ["".join(node.itertext()).strip() for node in page.svgs[0].iter() if node.tag.endswith("text")]
    assert texts.count("ic_cg (omega)") == 1
    assert {"0", "0.5"} <= set(texts)
