"""Files as people have them: what is read, what is held, what is refused."""

import numpy as np
import pytest

from hamlearn import tasks


def read(tmp_path, text, *columns, **options):
    path = tmp_path / "file.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tasks.read(path, *columns, **options)


DAY = 86_400.0
#: text -> (times from the first, values), all meant to be read without being told.
MEANT = {
    "plain": ("t,v\n0,1.5\n1,2.5\n2,4\n", [0, 1, 2], [1.5, 2.5, 4]),
    "semicolons": ("t;v\n0;1,5\n1;-2,5\n2;4\n", [0, 1, 2], [1.5, -2.5, 4]),
    "tabs": ("t\tv\n0\t1.5\n1\t2.5\n", [0, 1], [1.5, 2.5]),
    "blanks": ("t v\n0   1.5\n1 2.5\n", [0, 1], [1.5, 2.5]),
    "bars": ("t|v\n0|1.5\n1|2.5\n", [0, 1], [1.5, 2.5]),
    "decimal comma alone": ("height\n1,5\n1,75\n", [0, 1], [1.5, 1.75]),
    "numpy": ("# made\n# t v\n0 1\n1 2\n", [0, 1], [1, 2]),
    "units": ("t,v\n(s),(mV)\n0,1\n1,2\n", [0, 1], [1, 2]),
    "blank rows": ("t,v\n\n0,1\n,\n1,2\n\n", [0, 1], [1, 2]),
    "before the names": ("Site A\nby hand\nt,v\n0,1\n1,2\n", [0, 1], [1, 2]),
    "pandas": (",v\n0,1\n1,2\n2,5\n", [0, 1, 2], [1, 2, 5]),
    "pandas, again": ("Unnamed: 0,t,v\n0,5,1\n1,6,2\n", [0, 1], [1, 2]),
    "end of line": ("t;v;\n0;1;\n1;2;\n", [0, 1], [1, 2]),
    "thousands": ('t,v\n0,"1,234"\n1,"12,345.5"\n', [0, 1], [1234, 12345.5]),
    "thousands, by dots": ("t;v\n0;1.234,5\n1;2.000\n", [0, 1], [1234.5, 2000]),
    "thousands, by blanks": ("v\n1 234,5\n2 345,7\n", [0, 1], [1234.5, 2345.7]),
    "months": ("m,v\n2024-01,1\n2024-02,2\n", [0, 31 * DAY], [1, 2]),
    "digits": ("day,v\n20240101,1\n20240102,2\n", [0, DAY], [1, 2]),
    "day first": ("d,v\n30/01/2024,1\n31/01/2024,2\n", [0, DAY], [1, 2]),
    "month first": ("d,v\n01/30/2024,1\n01/31/2024,2\n", [0, DAY], [1, 2]),
    "dots": ("d;v\n01.02.2024;1\n02.02.2024;2\n", [0, DAY], [1, 2]),
    "order": ("d,v\n01/02/2024,1\n02/02/2024,2\n01/03/2024,3\n", None, [1, 2, 3]),
    "names": ("d;v\n1 Jan 2024;1\n2 Jan 2024;2\n", [0, DAY], [1, 2]),
    "zulu": ("d,v\n2024-01-01T00:00Z,1\n2024-01-01T01:00Z,2\n", [0, 3600], [1, 2]),
    "pm": ("d,v\n2024/1/1 11:59 AM,1\n2024/1/1 12:00 PM,2\n", [0, 60], [1, 2]),
    "one day": ("d,v\n1/2/2024 9:00 AM,1\n1/2/2024 9:10 AM,2\n", [0, 600], [1, 2]),
    "clock": ("d,h,v\n2024-01-01,23:30,1\n2024-01-02,00:00,2\n", [0, 1800], [1, 2]),
    "newest first": ("d,v\n2024-01-02,1\n2024-01-01,2\n", [0, DAY], [2, 1]),
    "latin": ("t,v °C\n0,1\n1,2\n".encode("cp1252"), [0, 1], [1, 2]),
    "utf-16": ("t,v\n0,1\n1,2\n".encode("utf-16"), [0, 1], [1, 2]),
    "minus": ("t,v\n0,\u22121\n1,2\n", [0, 1], [-1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_is_read(tmp_path, name):
    text, times, values = MEANT[name]
    found = read(tmp_path, text)
    np.testing.assert_array_equal(found.values[:, 0], values)
    if times is not None:
        np.testing.assert_array_equal(found.times - found.times[0], times)
    assert len(repr(found).splitlines()) == 2
    assert f"{len(values)} rows" in repr(found)


def test_words_for_no_value_and_missing_rows_are_gaps(tmp_path):
    """The last value is held there, and never asked."""
    found = read(tmp_path, "t,v\n0,1\n1,N/A\n2,\n3,4\n7,5\n8,nan\n9,#N/A\n10,6\n")
    values, known = found.even()
    np.testing.assert_array_equal(values[:, 0], [1, 1, 1, 4, 4, 4, 4, 5, 5, 5, 6])
    np.testing.assert_array_equal(np.flatnonzero(known[:, 0]), [0, 3, 7, 10])
    assert found.held == 7
    assert "samples held over gaps: 7" in repr(found)


def test_stamps_written_with_few_digits_do_not_drift(tmp_path):
    """1/360 s in milliseconds: neighbours, none held, and the right interval."""
    rows = "\n".join(f"{k / 360:.3f},{k % 7}" for k in range(3600))
    found = read(tmp_path, "t (s),v\n" + rows)
    assert found.held == 0
    assert found.interval == pytest.approx(1 / 360, rel=1e-4)
    assert found.time_unit == "s"


def weekdays(count=400):
    days = np.datetime64("2020-01-01") + np.arange(count)
    return days[np.is_busday(days)]


def test_nothing_is_asked_over_weekends(tmp_path):
    """What is asked are changes between two recorded days, with their own scale."""
    days = weekdays()
    x = np.cumsum(np.random.default_rng(0).normal(size=len(days)))
    rows = "\n".join(f"{d},{v!r}" for d, v in zip(days, x.tolist(), strict=True))
    task = tasks.Forecast(read(tmp_path, "day,v\n" + rows))
    samples = task.samples()
    asked = np.flatnonzero(samples.weight)
    next_day = np.flatnonzero(np.diff(days) == np.timedelta64(1, "D"))[1:]
    np.testing.assert_allclose(
        samples.target[asked, 0] * task.scale, np.diff(x)[next_day], rtol=1e-12
    )
    half = len(task.values) // 2
    first = days - days[0] < np.timedelta64(half, "D")
    pairs = [k for k in np.flatnonzero(np.diff(days).astype(int) == 1) if first[k + 1]]
    assert task.scale == pytest.approx(np.diff(x)[pairs].std())
    second = samples.target[len(samples.target) // 2 :, 0]
    counts = samples.weight[len(samples.target) // 2 :]
    second, counts = second[: len(samples.target) // 2], counts[: len(second)]
    still = np.sum((counts * second**2)[: len(second)]) / counts.sum() / 2
    assert task.floors()["last"] == pytest.approx(still, rel=0.02)


def test_columns_are_inputs_and_targets(tmp_path):
    rng = np.random.default_rng(0)
    u, v, y = rng.normal(size=(3, 100)).round(3)
    rows = [f"{k};{a};{b};{c}" for k, (a, b, c) in enumerate(zip(u, v, y, strict=True))]
    rows[40] = f"40;{u[40]};{v[40]};"
    text = "t;u;v;y\n" + "\n".join(rows)
    task = read(tmp_path, text, "v", "U", "y").paired(inputs=2)
    # In units of the first half, of what was recorded there.
    scaled = lambda a, half: (a - half.mean()) / half.std()
    expected = np.stack([scaled(v, v[:50]), scaled(u, u[:50])], axis=1)
    np.testing.assert_allclose(task.input, expected, rtol=1e-12)
    there = np.delete(np.arange(100), 40)
    answers = scaled(y, np.delete(y[:50], 40))[there]
    np.testing.assert_allclose(task.target[there, 0], answers, rtol=1e-12)
    np.testing.assert_allclose(task.unscaled(task.target)[there, 0], y[there])
    again = read(tmp_path, text, "v", "U", "y").paired(inputs=2, units=task.units)
    np.testing.assert_array_equal(again.input, task.input)
    np.testing.assert_array_equal(np.flatnonzero(task.samples().weight == 0), [40])
    labels = "a;k\n" + "\n".join(f"{a};{k % 3}" for k, a in enumerate(u))
    task = read(tmp_path, labels, "a", "k", time="none").paired(inputs=1, labels=True)
    assert (task.outputs, task.metric_name) == (3, "accuracy")
    with pytest.raises(
        ValueError, match=r"one target of labels 0, 1, \.\.\. at the end"
    ):
        read(tmp_path, text, "u", "v").paired(inputs=1, labels=True)


BAD = {
    "t,v\n0,1\n1,two\n": r"in column v \(leave a cell empty.*'two' in row 3 of file",
    "t,v\n0,1\nsoon,2\n": r"every row of column t, but is one with 'soon' in row 3",
    "t,v\n# x\n\n0,1\n0,2\n": r"rising .*'0' in row 5 of file.csv after '0' in row 4",
    "d,v\n2024-01-02,1\n2024-01-01,2\n2024-01-03,3\n": r"'2024-01-01' in row 3",
    "t,v\n0,1\n1,2\n1e9,3\n": r"50 missing rows .*part the file.*'1e9' in row 4",
    "t,a,b\n0,1,2\n1,2,3\n": r"`column` must be one of t, a, b, but is not given",
    "t,a\n0,1,2\n1\n2,3\n": r"of 2 columns in every row, but is one with",
    "": r"must be a CSV file with values, but is file.csv, which is empty",
    "a,b\nx,y\n": r"a file with numbers, but is file.csv, which has none",
    "5\n": r"at least two samples",
    "t,v\n0,inf\n1,2\n": r"'inf' in row 2",
    "d,v\n01/02/2024,1\n02/03/2024,2\n": r"in which days and months differ",
    "x\tv\n1\t1,234\n2\t2,345\n": r"`decimal` must be .* '1,234' may be either",
    "t,v\n0,1_0\n1,2\n": r"'1_0' in row 2",
    b"PK\x03\x04\0": r"must be a text file",
}


@pytest.mark.parametrize("text", BAD, ids=str)
def test_what_cannot_be_read_is_named_with_row_and_remedy(tmp_path, text):
    with pytest.raises(ValueError, match=BAD[text]):
        read(tmp_path, text)


def test_what_is_found_out_can_be_told(tmp_path):
    either = "x\tv\n1\t1,234\n2\t2,345\n"
    for decimal, first in ((",", 1.234), (".", 1234)):
        assert read(tmp_path, either, decimal=decimal).values[0, 0] == first
    text = "a,b,v\n3,1,7\n1,2,8\n"
    found = read(tmp_path, text, "v", time="b")
    np.testing.assert_array_equal(found.times, [1, 2])
    assert read(tmp_path, text, 3, time="none").time_unit == "samples"
    for option, wrong in (("time", "z"), ("delimiter", "ab"), ("delimiter", ";")):
        with pytest.raises(ValueError, match=f"`{option}` must be"):
            read(tmp_path, text, "v", **{option: wrong})
    with pytest.raises(
        ValueError, match=r"`column` must be one of a, b, v, but is 'z'"
    ):
        read(tmp_path, text, "z")


class Column:
    """As pandas has it: an array, with a name."""

    def __init__(self, values, name=None):
        self.values, self.name = np.asarray(values), name

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __getitem__(self, where):
        return Column(self.values[where])


class Frame:
    """As pandas and polars have it, so far as it is used."""

    def __init__(self, columns, index=None):
        self.found, self.columns = columns, list(columns)
        if index is not None:
            self.index = index

    def __getitem__(self, name):
        return Column(self.found[name])

    def to_dict(self):
        return self.found


def test_data_frames_are_read_as_files_are():
    days = np.datetime64("2024-01-01") + np.array([0, 1, 3])
    values = np.array([1.0, np.nan, 3.0])
    polars = Frame({"day": days, "v": values, "who": np.array(["a", None, "b"])})
    pandas = Frame({"v": values}, Column(days))
    for frame in (polars, pandas):
        found = tasks.read(frame)
        np.testing.assert_array_equal(found.values[:, 0], values)
        np.testing.assert_array_equal(np.diff(found.times), [DAY, 2 * DAY])
    counted = tasks.read(Frame({"v": [4, 5, 6]}, Column(np.arange(3))))
    assert counted.time_unit == "samples"
    assert tasks.from_frame(polars).values[0] == 1
    with pytest.raises(
        ValueError, match="a path, a data frame or a series, but is a list"
    ):
        tasks.read([1, 2, 3])


def test_a_series_that_says_nothing_is_refused():
    line = np.arange(200.0)
    with pytest.raises(ValueError, match="other than a straight line"):
        tasks.Forecast(line)
    with pytest.raises(ValueError, match="changing in the first half"):
        tasks.Forecast(np.where(line < 150, 1.0, line))
