"""Files as people have them, through the commands; what is said before anything runs."""

import json

import jax
import numpy as np
import pytest

from hamlearn.cli import main


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


def test_data_frames_of_pandas_and_polars_are_tracked_and_compared(tmp_path):
    """In Python, as files are: by columns, with a column or index of times."""
    import pandas as pd
    import polars as pl

    import hamlearn as hl
    from hamlearn.jobs import contenders

    days = pd.date_range("2024-01-01", periods=300, freq="D")
    level = np.cumsum(np.random.default_rng(0).normal(size=300))
    frames = (
        pd.DataFrame({"level": level}, index=days),
        pd.DataFrame({"day": days, "level": level, "who": ["a"] * 300}),
        pl.DataFrame({"day": days.to_list(), "level": level}),
    )
    known, losses = contenders(), []
    for frame in frames:
        target = hl.tasks.from_frame(frame)
        result = hl.track(target, progress=False)
        assert max(target.ratios(result.output)) < 0.45
        task = hl.tasks.Forecast(hl.tasks.read(frame, "level"))
        found = hl.compare(
            task, {"rflo": known["rflo"]}, neurons=4, seeds=1, progress=False
        )
        losses.append(found.entries[0].loss)
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)
