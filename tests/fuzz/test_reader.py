"""Text files as people write them: the same numbers, or the row that is wrong by name."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from .wrong import refused, taken, tried

EPOCH = datetime(1970, 1, 1)
STAMPS = {
    "iso": "%Y-%m-%d %H:%M:%S",
    "T": "%Y-%m-%dT%H:%M:%S",
    "slashes": "%Y/%m/%d %H:%M",
    "compact": "%Y%m%d%H%M",
    "german": "%d.%m.%Y %H:%M",
    "named": "%d %b %Y %H:%M",
}
NOTHING = ["NA", "nan", "NULL", "-", "n/a", "?"]


@st.composite
def tables(draw, most=9):
    """(stamps as text or None, times, values with NaN for gaps)."""
    rows, columns = draw(st.integers(4, most)), draw(st.integers(1, 3))
    cells = st.integers(-99_999, 99_999)
    values = draw(
        st.lists(
            st.lists(cells, min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
    values = np.array(values) / 100
    for _ in range(draw(st.integers(0, 2))):
        values[draw(st.integers(1, rows - 1)), draw(st.integers(0, columns - 1))] = (
            np.nan
        )
    kind = draw(st.sampled_from([None, "numbers", *STAMPS]))
    if kind is None:
        return None, np.arange(float(rows)), values
    steps = draw(st.lists(st.integers(1, 3), min_size=rows, max_size=rows))
    ticks = np.cumsum(steps)
    if kind == "numbers":
        return [f"{t / 4:.2f}" for t in ticks], ticks / 4, values
    start = datetime(2024, 2, 28, 22, 0) + timedelta(days=draw(st.integers(0, 400)))
    dates = [start + timedelta(hours=int(t)) for t in ticks]
    times = [(date - EPOCH).total_seconds() for date in dates]
    return [date.strftime(STAMPS[kind]) for date in dates], np.array(times), values


@st.composite
def files(draw):
    """(bytes, how to read them, times, values)."""
    stamps, times, values = draw(tables())
    decimal = draw(st.sampled_from([".", ","]))
    marks = [";", "\t", "|", *([","] if decimal == "." else [])]
    mark = draw(st.sampled_from(marks))
    word = draw(st.sampled_from(NOTHING if values.shape[1] == 1 else ["", *NOTHING]))
    text = lambda v: word if np.isnan(v) else f"{v:.2f}".replace(".", decimal)
    rows = [[text(v) for v in row] for row in values]
    if stamps is not None:
        number = any(c.isdigit() for c in stamps[0]) and stamps[0].count(".") == 1
        written = [s.replace(".", decimal) if number else s for s in stamps]
        rows = [[s, *row] for s, row in zip(written, rows, strict=True)]
    if draw(st.booleans()) and stamps is not None:
        rows.reverse()
    heads = []
    if draw(st.booleans()):
        named = [f"value {k}" for k in range(values.shape[1])]
        heads = [["when", *named] if stamps is not None else named]
    quote = '"' if draw(st.booleans()) else ""
    lines = [mark.join(quote + cell + quote for cell in row) for row in heads + rows]
    if draw(st.booleans()):
        lines.insert(0, "# made for a test")
    if draw(st.booleans()):
        lines.insert(len(lines) // 2 + 1, "")
    end = draw(st.sampled_from(["\n", "\r\n"]))
    data = end.join(lines) + end * draw(st.integers(0, 2))
    code = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    first = 1 if stamps is None else 2
    # What falls, or is not said to be time, may be any column of numbers.
    at = [1, "1"] if stamps is not None and "." in stamps[0] else [None, 1, "1"]
    options = {
        "columns": list(range(first, first + values.shape[1])),
        "time": "none" if stamps is None else draw(st.sampled_from(at)),
        "delimiter": mark if len(rows[0]) == 1 else draw(st.sampled_from([None, mark])),
        "decimal": draw(st.sampled_from([None, decimal])),
    }
    if len(rows[0]) == 1:  # nothing is parted, and a comma alone would part
        options |= {"delimiter": None, "decimal": decimal}
    return data.encode(code), options, times, values


def read(data, columns=(), name="made.csv", **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return hl.tasks.read(path, *columns, **options)


@tried(150)
@given(files())
def test_the_same_numbers_however_they_are_written(made):
    data, options, times, values = made
    found = read(data, **options)
    np.testing.assert_allclose(found.times, times, rtol=1e-12)
    np.testing.assert_array_equal(found.values, values)
    taken()


GOOD = "when;a;b\n" + "\n".join(f"2024-01-{k:02};{k}.5;{k % 3}" for k in range(1, 20))


@st.composite
def spoilt(draw):
    """(text of a file with one fault, how to read it)."""
    lines = GOOD.splitlines()
    at = draw(st.integers(2, len(lines) - 1))
    cells = lines[at].split(";")
    kind = draw(
        st.sampled_from(
            [
                "word",
                "stamp",
                "twice",
                "back",
                "ragged",
                "column",
                "time",
                "mark",
                "gap",
            ]
        )
    )
    options = {"columns": ["a"]}
    if kind == "word":
        cells[1] = draw(
            st.sampled_from(
                ["x", "1.2.3", "1e", "--1", "inf", "-inf", "0x1F", "1_0", "½"]
            )
        )
    elif kind == "stamp":
        cells[0] = draw(st.sampled_from(["", "soon", "2024-13-01", "2024-02-30", "7"]))
    elif kind == "twice":
        cells[0] = lines[at - 1].split(";")[0]
    elif kind == "back":
        cells[0] = "2023-01-01"
    elif kind == "ragged":
        cells = draw(st.sampled_from([cells[:-1], [*cells, "1"], cells[:1]]))
    elif kind == "column":
        options["columns"] = [draw(st.sampled_from(["c", "0", "4", "", "-1", 7, 1.5]))]
    elif kind == "time":
        options["time"] = draw(st.sampled_from(["c", "0", "", 9, "b"]))
    elif kind == "mark":
        name = draw(st.sampled_from(["delimiter", "decimal"]))
        options[name] = draw(st.sampled_from(["::", "", "!", 5, "x", b";", [";"]]))
    elif kind == "gap":
        lines = [*lines, "2900-01-01;1.0;1"]
    lines[at] = ";".join(cells)
    return "\n".join(lines), options


@tried(200)
@given(spoilt())
def test_what_is_wrong_in_a_file_is_named(made):
    text, options = made
    names = ("path", "column", "time", "delimiter", "decimal")
    refused(lambda: read(text.encode(), **options), *names)


@tried(40)
@given(
    st.sampled_from(
        [b"", b"\n\n", b"# only a remark\n", b"a,b\n", b"a,b\nc,d\n", b"1\n", b"\0\1\2",
         b"PK\3\4\0\0", b"a\n\n\n", b"1;2\n", b"NA\nNA\nNA\n", b"a,b\nNA,NA\nNA,NA\n",
b"1/2/2024,1\n3/4/2024,2\n1/2/2024,3\n"]
    ),
    st.sampled_from(["a.csv", "b.txt"]),
)  # fmt: skip
def test_what_is_no_series_is_refused(data, name):
    refused(lambda: read(data, name=name))


@tried(250)
@given(st.text("0123456789.,;:-+eEnaT/ \t\n#\"'x", max_size=80))
def test_no_text_ends_in_another_way(text):
    try:
        found = read(text.encode())
    except ValueError:
        refused(lambda: read(text.encode()))
        return
    assert np.all(np.diff(found.times) > 0)
    assert not np.any(np.isinf(found.values))
    assert found.even()[0].shape[1] == 1


@pytest.mark.parametrize("kind", ["nowhere.csv", ""])
def test_a_file_that_is_not_there_is_named(tmp_path, kind):
    with pytest.raises((FileNotFoundError, ValueError), match=kind or str(tmp_path)):
        hl.tasks.read(tmp_path / kind)


@tried(60)
@given(
    st.lists(st.booleans(), min_size=200, max_size=200),
    st.sampled_from([1.0, 1e-6, 1e9]),
    st.sampled_from([0.0, -3.0, 1.7e9]),
)
def test_what_was_not_recorded_is_held_and_never_scored(gone, unit, since):
    """Irregular rows of a daily series: weights are 1 where two neighbours were there."""
    days = np.flatnonzero(~np.array(gone) | (np.arange(200) % 7 < 4))
    series = np.cumsum(np.random.default_rng(5).normal(size=200))
    written = series.tolist()
    rows = "\n".join(f"{since + unit * k};{written[k]}" for k in days.tolist())
    found = read(f"t;x\n{rows}\n".encode())
    first, last = days[0], days[-1]
    known = np.isin(np.arange(first, last + 1), days)
    assert found.held == np.sum(~known)
    values, recorded = found.even()
    np.testing.assert_array_equal(recorded[:, 0], known)
    np.testing.assert_array_equal(values[known, 0], series[days])
    samples = hl.tasks.Forecast(found).samples()
    both = (known[1:] & known[:-1])[1:]
    weight = np.ones(len(both)) if samples.weight is None else samples.weight
    np.testing.assert_array_equal(weight, both)
    taken()
