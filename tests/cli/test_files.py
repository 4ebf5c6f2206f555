"""Files as people have them, through the commands; what is said before anything runs."""

import json

import jax
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.cli import main
from hamlearn.jobs import contenders


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def german(path, rows=200):
    """Remarks, units, a blank row, days first, decimal commas, a gap in words."""
    rng = np.random.default_rng(0)
    level = np.cumsum(rng.normal(size=rows))
    rain = rng.normal(size=rows)
    days = np.datetime64("2024-01-01") + np.arange(rows)
    text = ["# Pegel Nord", "", "Tag;Regen;Pegel", ";(mm);(cm)"]
    for k in range(rows):
        year, month, day = str(days[k]).split("-")
        cells = [f"{value:.3f}".replace(".", ",") for value in (rain[k], level[k])]
        cells[1] = "N/A" if k == 50 else cells[1]
        text.append(f"{day}.{month}.{year};{cells[0]};{cells[1]}")
    path.write_text("\n".join([*text[:60], "", *text[60:]]) + "\n")
    return level


def test_a_file_of_another_country_is_tracked_once_it_is_said_how_it_was_read(
    capsys, tmp_path
):
    path = tmp_path / "pegel.csv"
    level = german(path)
    words = ["track", path, "--column", "Pegel", "--out", tmp_path]
    status, printed, _ = run(capsys, *words)
    assert status == 0
    first, second, *_ = printed.splitlines()
    assert first == (
        "read pegel.csv: 200 rows every 24 h, first 01.01.2024; column Pegel"
    )
    assert second == (
        "     samples held over gaps: 1; cells parted by ';'; decimal comma"
    )
    with np.load(tmp_path / "track-pegel.npz") as data:
        np.testing.assert_allclose(
            data["target"], np.delete(level, 50), atol=2e-3, rtol=1e-6
        )


def test_what_is_found_out_can_be_told_on_the_command_line(capsys, tmp_path):
    path = tmp_path / "either.csv"
    rows = [f"{k}\t{3 * k}\t1,{100 + (7 * k) % 50}" for k in range(100)]
    path.write_text("a\tb\tv\n" + "\n".join(rows) + "\n")
    words = ["track", path, "--out", tmp_path, "--column", "v", "--json"]
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert "`decimal` must be '.' or ','" in err
    for time, interval in (("a", "1"), ("b", "3")):
        told = ["--decimal", ",", "--delimiter", "tab", "--time", time]
        status, _, err = run(capsys, *words, *told)
        assert status == 0
        assert f"100 rows every {interval} time units" in err
        assert "column v" in err
    status, _, err = run(capsys, *words, "--decimal", ".", "--time", "none")
    assert status == 0
    assert "evenly spaced" in err


MENDED = {
    "t,v\n0,1\n1,two\n": "(leave a cell empty for a gap), but is one with 'two' in row 3",
    "t,v\n0,1\n1,2\n1,3\n": "'1' in row 4 of bad.csv after '1' in row 3",
    "d,v\n2024-01-02,1\n2024-01-04,2\n2024-01-03,3\n": "'2024-01-03' in row 4",
}


@pytest.mark.parametrize("text", MENDED)
@pytest.mark.parametrize("command", ["track", "compare"])
def test_errors_give_row_value_and_remedy(capsys, tmp_path, text, command):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    words = ["track", path] if command == "track" else ["compare", "--task", path]
    status, out, err = run(capsys, *words, "--out", tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("hamlearn: `path` must be a file ")
    assert MENDED[text] in err
    assert len(err.splitlines()) == 1


def test_a_file_is_one_however_its_name_ends(capsys, tmp_path):
    path = tmp_path / "level.log"
    path.write_text("\n".join(f"{np.sin(k):.4f}" for k in range(60)))
    status, out, _ = run(capsys, "track", path, "--out", tmp_path)
    assert status == 0
    assert "read level.log: 60 rows evenly spaced" in out


SMALL = ("--seeds", 1, "--neurons", 4, "--laws", "rflo")


def test_columns_of_a_file_are_told_from_others(capsys, tmp_path):
    """Labels and accuracy by --columns and --cost, from the first --most rows."""
    rng = np.random.default_rng(1)
    u = rng.normal(size=1000)
    label = (u > 0).astype(int)
    path = tmp_path / "labels.csv"
    rows = [f"{k},{a:.4f},{b}" for k, (a, b) in enumerate(zip(u, label, strict=True))]
    path.write_text("t,wind,class\n" + "\n".join(rows) + "\n")
    words = ["compare", "--task", path, "--out", tmp_path, "--json", *SMALL]
    told = ["--columns", "wind:class", "--cost", "cross-entropy"]
    status, out, err = run(capsys, *words, *told, "--most", 800, "--optimizer", "adam")
    assert status == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert [row["law"] for row in found] == ["rflo", "frozen", "immediate"]
    assert all(0.4 < row["accuracy"] <= 1 for row in found)
    assert "read labels.csv: 1,000 rows" in err
    assert "on 400 samples, laws scored on 400 others; 4 neurons, 1 seeds" in err
    status, _, err = run(capsys, *words, "--columns", "wind:wind", *told[2:])
    assert status == 2
    assert "one target of labels 0, 1, ... at the end" in err


def test_lags_are_those_of_the_task(capsys, tmp_path):
    words = ["compare", "--task", "cue", "--lags", 2, "--most", 600]
    status, out, _ = run(capsys, *words, *SMALL, "--out", tmp_path)
    assert status == 0
    assert "which of two symbols was shown 2 samples ago" in out
    assert "accuracy" in out
    for wrong in ("2,3", "x"):
        words[4] = wrong
        status, _, err = run(capsys, *words, "--out", tmp_path)
        assert status == 2
        assert f"`--lags` must be a whole number for cue, but is {wrong}" in err


REFUSED = {
    ("compare", "--optimizer", "adam"): "`--task` must be given where `--optimizer` is",
    ("compare", "--decimal", ","): "`--task` must be given where `--decimal` is",
    ("compare", "--neurons", "4"): "`--task` must be given where `--neurons` is",
    ("compare", "--task", "cue", "--columns", "a:b"): "`--task` must be a file where",
    ("compare", "--task", "cue", "--tune"): "`--tune` must be of the map",
    ("track", "sine", "--column", "2"): "`--target` must be a file where `--column`",
}


@pytest.mark.parametrize("words", REFUSED)
def test_options_that_would_do_nothing_are_refused(capsys, tmp_path, words):
    status, out, err = run(capsys, *words, "--out", tmp_path)
    assert (status, out) == (2, "")
    assert REFUSED[words] in err


def frames_of(level):
    """One series as frames and series of pandas and polars, and where it stands."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    days = pd.date_range("2024-01-01", periods=len(level), freq="D")
    zoned = pd.date_range("2024-03-01", periods=len(level), freq="h", tz="Europe/Rome")
    other = ["a"] * len(level)
    return {
        "index": pd.DataFrame({"level": level}, index=days),
        "column": pd.DataFrame({"day": days, "level": level, "who": other}),
        "series": pd.Series(level, index=days, name="level"),
        "zone": pd.Series(level, index=zoned),
        "spans": pd.Series(level, index=days - days[0]),
        "period": pd.Series(level, index=days.to_period("D")),
        "number": pd.Series(level, index=np.arange(len(level)) / 4),
        "alone": pd.Series(level),
        "polars": pl.DataFrame({"day": days.to_list(), "level": level}),
        "dates": pl.DataFrame({"day": days.date.tolist(), "level": level}),
        "polars alone": pl.Series("level", level),
    }


def test_data_frames_are_tracked_as_they_are(capsys):
    """The same as of the values at their times, once it is said how they were read."""
    level = np.cumsum(np.random.default_rng(0).normal(size=120))
    day, hour = 86_400.0, 3600.0
    interval = dict.fromkeys(frames_of(level), day)
    interval |= {"zone": hour, "number": 0.25, "alone": 1.0, "polars alone": 1.0}
    plain = hl.track(hl.tasks.recorded("level", np.arange(120), level), progress=False)
    for name, frame in frames_of(level).items():
        result = hl.track(frame)
        said = capsys.readouterr().err
        assert "read the frame: 120 rows " in said, name
        assert result.dt == pytest.approx(interval[name] / 40), name
        np.testing.assert_allclose(result.output, plain.output, rtol=0, atol=1e-5)
    assert "evenly spaced; column level\n     no gaps" in said
    quiet = hl.track(frames_of(level)["index"], progress=False)
    assert capsys.readouterr().err == ""
    np.testing.assert_allclose(quiet.output, plain.output, rtol=0, atol=1e-5)
    whole = hl.tasks.read(frames_of(level)["column"], "level", time="day")
    again = hl.track(whole, progress=False)
    np.testing.assert_allclose(again.output, plain.output, rtol=0, atol=1e-5)


def test_data_frames_are_compared_as_they_are():
    level = np.cumsum(np.random.default_rng(0).normal(size=300))
    laws, losses = {"rflo": contenders()["rflo"]}, []
    frames = frames_of(level)
    whole = hl.tasks.Forecast(hl.tasks.read(frames["column"], "level"))
    for task in (whole, frames["index"], frames["series"], frames["polars"]):
        found = hl.compare(task, laws, neurons=4, seeds=1, progress=False)
        losses.append(found.entries[0].loss)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


def test_an_index_says_where_a_frame_has_gaps():
    """A row that is missing is not learned from, whichever way it is handed in."""
    level = np.cumsum(np.random.default_rng(0).normal(size=120))
    series = frames_of(level)["zone"].drop(frames_of(level)["zone"].index[[50, 51]])
    assert hl.tasks.from_frame(series).held == 2
    weight = hl.tasks.Forecast(series).samples().weight
    assert (weight == 0).sum() == 3  # to, between and from two that are missing


def test_frames_that_cannot_be_read_are_named():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame([[1.0, 2.0], [2.0, 3.0]], columns=["x", "x"])
    wanted = "`source` must be a frame whose columns and index .* two called x"
    with pytest.raises(ValueError, match=wanted):
        hl.track(frame)
    two = pd.DataFrame({"x": [1.0, 3.0, 2.0], "y": [3.0, 4.0, 5.0]})
    with pytest.raises(ValueError, match="`column` must be one of x, y, but is not"):
        hl.track(two)
    late = pd.Series([1.0, 2.0, 3.0], index=pd.to_datetime(["2024-01-01"] * 3))
    rising = (
        "`source` must be a frame with rising .* in row 1 of the frame after .* row 0"
    )
    with pytest.raises(ValueError, match=rising):
        hl.track(late)
    with pytest.raises(ValueError, match="`target` must be a Tracking"):
        hl.track(np.zeros(100))
