"""Tables that print, and bytes, times and numbers in words."""

import json

import numpy as np
import pytest

from hamlearn.run.tables import (
    Table,
    bytes_text,
    duration_text,
    number_text,
    pace_text,
    value_text,
)

TABLE = Table(
    "Laws",
    ("law", "weights", "us_per_sample", "local_in_space", "memory", "note"),
    (
        ("RTRL", 14_956, 12.345, False, 1.5e6, "exact"),
        ("BPTT", 7, 1e5, True, None, "over a window"),
    ),
    {"memory": bytes_text},
    "without a network: constant 0.5",
)


def test_numbers_stand_to_the_right_and_text_to_the_left():
    lines = TABLE.text().splitlines()
    assert lines == [
        "Laws",
        "                    µs  local",
        "                   per  in",
        "law   weights   sample  space  memory  note",
        "RTRL   14,956     12.3  no     1.5 MB  exact",
        "BPTT        7  100,000  yes         -  over a window",
        "",
        "without a network: constant 0.5",
    ]
    assert repr(TABLE) == TABLE.text()


@pytest.mark.parametrize("width", [20, 30, 40])
def test_what_does_not_fit_goes_below(width):
    text = TABLE.text(width)
    assert max(len(line) for line in text.splitlines()[:-1]) <= width
    for cell in ("14,956", "100,000", "over a window"):
        assert text.count(cell) == 1
    parts = text.count("RTRL")
    assert parts == text.count("BPTT") == text.count("law") > 1


def test_rows_are_as_they_are_and_json_knows_no_infinity():
    row = TABLE.rows()[0]
    assert row["us_per_sample"] == 12.345
    values = (("a", float("nan"), {"deep": [np.inf, np.float32(0.5), np.int64(3)]}),)
    read = json.loads(Table("", ("law", "loss", "more"), values).to_json())
    assert read == {"law": "a", "loss": None, "more": {"deep": [None, 0.5, 3]}}
    assert len(TABLE.to_json().splitlines()) == 2


def test_columns_can_be_chosen():
    some = TABLE.only("memory", "law")
    assert some.columns == ("memory", "law")
    assert some.cells() == [("1.5 MB", "RTRL"), ("-", "BPTT")]


def test_markdown():
    assert TABLE.only("law", "us_per_sample").markdown().splitlines() == [
        "| law | µs per sample |",
        "| --- | ---: |",
        "| RTRL | 12.3 |",
        "| BPTT | 100,000 |",
    ]


def test_a_table_without_rows_has_its_heads():
    assert Table("Nothing", ("law", "loss"), ()).text() == "Nothing\nlaw  loss"


NUMBERS = {
    58.349: "58.3",
    0.012345: "0.0123",
    1234.5: "1,230",
    99.96: "100",
    0.5: "0.5",
    0.0: "0",
    -2.5: "-2.5",
    0.00012345: "0.000123",
    7e-17: "7e-17",
    14_956: "14,956",
    float("inf"): "inf",
    np.float32(0.1): "0.1",
}


@pytest.mark.parametrize("value", NUMBERS)
def test_numbers_have_three_digits(value):
    assert number_text(value) == value_text(value) == NUMBERS[value]


def test_other_values():
    assert [value_text(v) for v in (True, np.False_, None, "text", (2, 3))] == [
        "yes", "no", "-", "text", "(2, 3)",
    ]  # fmt: skip


SIZES = {
    0: "0 B",
    999: "999 B",
    999.6: "1 kB",
    1234: "1.23 kB",
    999_600: "1 MB",
    45_678_901: "45.7 MB",
    2.5e12: "2.5 TB",
}


@pytest.mark.parametrize("size", SIZES)
def test_bytes(size):
    assert bytes_text(size) == SIZES[size]


TIMES = {
    0.0: "0 ns",
    4.5e-7: "450 ns",
    9.996e-4: "1 ms",
    1.2345: "1.23 s",
    119.0: "119 s",
    450.0: "7.5 min",
    9000.0: "2.5 h",
    float("nan"): "nan",
}


@pytest.mark.parametrize("seconds", TIMES)
def test_times(seconds):
    assert duration_text(seconds) == TIMES[seconds]


@pytest.mark.parametrize("exponent", range(-4, 12))
def test_no_figure_has_an_exponent(exponent):
    for digits in (1.0, 9.994, 9.996, 5.55):
        us = digits * 10.0**exponent
        text = pace_text(us)
        assert text.endswith(" per sample")
        figure, unit = text.split()[:2]
        assert "e" not in figure + bytes_text(us).split()[0]
        size = {"ns": 1e-3, "µs": 1, "ms": 1e3, "s": 1e6, "min": 6e7, "h": 3.6e9}
        assert float(figure.replace(",", "")) * size[unit] == pytest.approx(
            us, rel=6e-3
        )
