import math

import pytest

from reiterate.report import words


@pytest.mark.parametrize(
    ("total", "reference", "expected"),
    [
        (103, 100, "3.0 % more"),
        (250, 100, "2.5 times more"),
        (80, 100, "20 % fewer"),
        (100, 270, "2.7 times fewer"),
        (100, 100, "as many"),
        (0, 0, "as many"),
        (5, 0, "not comparably many"),
    ],
)
def test_excess(total: float, reference: float, expected: str) -> None:
    assert words.excess(total, reference).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_numbers() -> None:
    assert words.count(1234567) == "1,234,567"
    assert [words.few(x) for x in (0.0, 12.345, 1234.5, 1e-9, math.nan)] == ["0", "12.3", "1,234", "1.00e-09", "–"]
    assert [words.seconds(x).replace("\N{NO-BREAK SPACE}", " ") for x in (0.0, 2.5, 3e-3, 4e-6, 5e-9)] == [
        "0 s",
        "2.5 s",
        "3 ms",
        "4 µs",
        "5 ns",
    ]


def test_printable_text_is_fit_for_xml() -> None:
    assert words.printable("a\x00\n\ud800") == "a\N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"
    assert words.printable("abcdef", 4) == "abc…"


def test_a_list_of_names_is_cut() -> None:
    assert words.listed([], 3) == ""
    assert words.listed(["a"], 3) == "a"
    assert words.listed(["a", "b"], 3) == "a and b"
    assert words.listed(["a", "b", "c"], 3) == "a, b and c"
    assert words.listed(["a", "b", "c", "d"], 3) == "a, b and 2 more"
