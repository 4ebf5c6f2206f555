"""Words that a user types: refused with status 2 and by name, never with a traceback."""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamlearn.cli import main, shared

from .wrong import TRIED, taken, tried


def typed(*words, stdin=""):
    """(status, standard output, standard error) of a command in this process."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:
            status = stop.code
        finally:
            sys.stdin = before
    return status, out.getvalue(), err.getvalue()


def refused(*words, stdin=""):
    """Status 2, and one sentence that names an option, an argument or a file."""
    with tempfile.TemporaryDirectory() as folder:
        out = [] if words[:1] in ((), ("audit",), ("conform",)) else ["--out", folder]
        status, printed, said = typed(*words, *out, stdin=stdin)
    assert status == 2, (status, said)
    assert "Traceback" not in said
    assert printed == "" or printed.startswith("read "), printed
    last = said.strip().splitlines()[-1]
    usage = last.startswith("hamlearn") and ": error: " in last
    house = last.startswith("hamlearn: ") and " must be " in last and last.endswith(".")
    missing = last.startswith("hamlearn: ") and (
        "No such file" in last or "no file" in last or "Is a directory" in last
    )
    assert usage or house or missing, said
    TRIED["malformed"] += 1


NOT_POSITIVE = ["0", "-1", "nan", "inf", "x", "", "1,5", "1e999"]
NEGATIVE = ["-1", "nan", "inf", "x", ""]
NO_COUNT = ["0", "-1", "1.5", "x", "", "nan"]
NO_FILE = ["nothing", "missing.csv", "", ".", "missing", "a.csv:b"]
OPTIONS = {
    "track": {
        "--target": NO_FILE,
        "--policy": ["magic", "", "Flip"],
        "--loss-weight": NEGATIVE,
        "--weight-decay": NEGATIVE,
        "--inertia": NOT_POSITIVE,
        "--dissipation": NEGATIVE,
        "--speed": NOT_POSITIVE,
        "--neurons": NO_COUNT,
        "--dt": NOT_POSITIVE,
        "--column": ["2"],
        "--time": ["1"],
        "--seed": ["-1", "1.5", "x"],
        "--colour": ["red"],
        "--out": [__file__, f"{__file__}/under"],
        "--save": [f"{__file__}/net.npz", "/"],
    },
    "compare": {
        "--task": NO_FILE,
        "--laws": ["nothing", "", "rtrl,", "RTRL", "rtrl;bptt"],
        "--neurons": ["1", *NO_COUNT],
        "--seeds": NO_COUNT,
        "--most": ["100", *NO_COUNT],
        "--lags": ["4,6", "x"],
        "--optimizer": ["magic", ""],
        "--cost": ["magic", "cross-entropy"],
        "--column": ["2"],
        "--decimal": [","],
        "--out": [__file__, f"{__file__}/under"],
        "--save": [f"{__file__}/net.npz", "/"],
    },
    "audit": {"nothing": [""], "RTRL": [""]},
    "conform": {
        "--inputs": ["x", "1.5"],
        "--args": ["x", "[1]", "5"],
        "--laws": ["nothing"],
    },
    "reproduce": {"nothing": [""], "--seed": ["x"], "--out": [__file__]},
    "nothing": {"--at": ["all"]},
}


def written(text="", name="made.csv"):
    folder = Path(tempfile.mkdtemp(prefix="hamlearn-fuzz-"))
    (folder / name).write_text(text)
    return folder / name


SERIES = np.cumsum(np.random.default_rng(0).normal(size=300)).tolist()
GOOD = written(
    "t;x;y\n" + "\n".join(f"{k};{v!r};{v * v!r}" for k, v in enumerate(SERIES))
)
CELL = written(
    "import equinox as eqx\nclass Cell(eqx.Module):\n    def __call__(self, x, u):\n"
    "        return -x\n",
    "cells.py",
)
SHORT = written("x\n" + "\n".join(map(str, range(20))))
LINE = written("x\n" + "\n".join(map(str, range(300))))


@pytest.mark.parametrize("command", OPTIONS)
def test_options_that_are_none_are_refused(command):
    given_ = {"track": ["--target", "sine"], "compare": ["--task", "heartbeat"]}

    @tried(40)
    @given(st.data())
    def each(data):
        option = data.draw(st.sampled_from(sorted(OPTIONS[command])))
        word = data.draw(st.sampled_from(OPTIONS[command][option]))
        if command == "conform":
            place = data.draw(
                st.sampled_from(
                    [f"{CELL}:Cell", f"{CELL}:No", "nowhere:A", "x", ":", "no.py:A"]
                )
            )
            refused(command, place, option, word)
        else:
            refused(
                command,
                *given_.get(command, []),
                option,
                *([word] if word else ["nothing"]),
            )

    each()


@tried(40)
@given(st.data())
def test_columns_and_marks_of_a_file_are_refused(data):
    command, words = data.draw(
        st.sampled_from(
            [
                ("compare", ["--task", GOOD]),
                ("track", ["--target", GOOD]),
            ]
        )
    )
    option, word = data.draw(
        st.sampled_from(
            [
                ("--column", "z"), ("--column", "9"), ("--column", "0"), ("--time", "z"),
                ("--delimiter", "::"), ("--delimiter", "!"), ("--decimal", ";"),
                *(
                    [("--columns", c) for c in ("x", "x:", ":y", "x:z", ",:,", "x;y")]
                    if command == "compare" else []
                ),
            ]
        )
    )  # fmt: skip
    refused(command, *words, option, word)


@tried(30)
@given(
    st.sampled_from([SHORT, LINE, written(), written("x\n\n"), GOOD.parent]),
    st.sampled_from([("compare", "--task"), ("evaluate", None)]),
)
def test_files_that_nothing_is_learned_from_are_refused(path, how):
    command, option = how
    words = [option, path] if option else [path, path]
    refused(command, *words)


@tried(30)
@given(
    st.sampled_from(["x\ny\n", "1\nx\n", "", "\n\n", "1;2\n3;z\n", "inf\n", "NA\nNA\n"])
)
def test_lines_that_are_no_numbers_are_refused(text):
    refused("track", "-", stdin=text)


@tried(12)
@given(
    st.sampled_from([(1.0, 0.0), (1e-6, 5.0), (1e6, 1e9), (3, -7)]),
    st.sampled_from([(1.0, 0.0), (3600.0, 1.7e9), (1e-3, -2.0)]),
)
def test_no_unit_of_a_file_matters(value, time):
    """What `track` says of a signal is the same in any unit and from any time on."""
    report = tracked(*value, *time)
    right = tracked(1.0, 0.0, 1.0, 0.0)
    assert report["rmse"] == pytest.approx(value[0] * right["rmse"], rel=1e-4)
    taken()


def tracked(gain, offset, unit, since):
    rows = [
        f"{since + unit * k!r};{offset + gain * v!r}" for k, v in enumerate(SERIES[:40])
    ]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "picture", lambda draw, path: [])
        path = Path(folder) / "made.csv"
        path.write_text("t;x\n" + "\n".join(rows) + "\n")
        status, printed, _ = typed("track", path, "--json", "--out", folder)
    assert status == 0
    return json.loads(printed)
