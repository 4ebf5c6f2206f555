"""The command line, run in this process as a user types it."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from hamlearn import jobs, networks, papers, tasks
from hamlearn.cli import compare, main, reproduce, track
from hamlearn.jobs import compare as job
from hamlearn.jobs import contenders
from hamlearn.jobs.contenders import USUAL


@pytest.fixture(autouse=True)
def plain_promotion():
    """Users have neither strict promotion nor, unless they ask, double precision."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def ramp(tmp_path):
    path = tmp_path / "ramp.csv"
    rows = [f"{t:.2f},{np.sin(t):.5f}" for t in np.arange(0, 6, 0.05)]
    path.write_text("time,height\n" + "\n".join(rows) + "\n")
    return path


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_track_writes_and_prints_one_json_object(capsys, tmp_path, ramp):
    out = tmp_path / "out"
    status, printed, err = run(
        capsys, "track", "--target", ramp, "--out", out, "--json"
    )
    assert status == 0
    report = json.loads(printed)
    assert printed.count("\n") == 1
    with np.load(out / "track-ramp.npz") as data:
        arrays = {name: data[name] for name in data.files}
    # Recorded times are saved, not steps; every one of them is held for 40 steps.
    assert report["samples"] == 40 * arrays["time"].size == 120 * 40
    np.testing.assert_allclose(arrays["time"], np.arange(0, 6, 0.05), atol=1e-9)
    rmse = np.sqrt(np.mean(arrays["error"][20:] ** 2))
    assert report["rmse"] == pytest.approx(rmse, rel=1e-6)
    assert report["rmse"] < 0.45 * report["rmse_last"] < report["rmse_mean"]
    assert max(report["ratios"]) < 0.45
    assert -0.5 < report["own_weight"] < report["step"] < 2
    assert report["diverged"] is report["interrupted"] is False
    assert json.loads((out / "track-ramp.json").read_text()) == report
    assert (out / "track-ramp.png").stat().st_size > 20_000
    assert "settled" in err


def test_track_prints_a_card_with_the_trivial_predictors(capsys, tmp_path, ramp):
    status, printed, _ = run(capsys, "track", "--target", ramp, "--out", tmp_path)
    assert status == 0
    assert "RMSE from t = 1" in printed
    assert "(last value 0.0" in printed
    assert "predicting zero" not in printed
    assert "ratio    RMSE over that of the last value, tenths of the run: 0." in printed
    assert "stable   own weight" in printed
    assert "Hamiltonian learning, SignFlip: q = 121/N" in printed


def interrupt():
    raise KeyboardInterrupt


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(1)  # it arrives in between


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_track_keeps_what_was_done_when_it_is_interrupted(
    capsys, tmp_path, ramp, monkeypatch, stop
):
    real = jobs.Stability.with_look
    seen = []

    def look(self, *args):
        seen.append(args)
        if len(seen) == 2:
            stop()
        return real(self, *args)

    monkeypatch.setattr(jobs.Stability, "with_look", look)
    arguments = ["track", "--target", ramp, "--out", tmp_path, "--json"]
    status, printed, err = run(capsys, *arguments)
    report = json.loads(printed)
    assert status == 130
    assert report["interrupted"] is True
    assert 0 < report["samples"] < 120 * 40
    assert "before the end of the signal" in err
    with np.load(tmp_path / "track-ramp.npz") as data:
        assert data["time"].size == np.ceil(report["samples"] / 40)
    assert (tmp_path / "track-ramp.png").exists()


def test_standard_input_is_followed_as_it_comes(capsys, tmp_path, monkeypatch):
    """Its range is not known; a signal ends it as its end does, and all is kept."""
    values = np.cumsum(np.random.default_rng(0).normal(size=200))
    lines = ["k;level", *(f"{k};{v!r}" for k, v in enumerate(values.tolist()))]
    lines[101] = "100;NA"

    class Typed(io.StringIO):
        def readline(self):
            line = super().readline()
            if not line:
                terminate()
            return line

    out, net = tmp_path / "out", tmp_path / "net.npz"
    words = ["track", "-", "--json", "--out", out, "--save", net]
    for source, ends in ((io.StringIO, 0), (Typed, 130)):
        monkeypatch.setattr(sys, "stdin", source("\n".join(lines)))
        status, printed, _ = run(capsys, *words)
        assert status == ends
        report = json.loads(printed)
        assert report["interrupted"] is (ends == 130)
        assert (report["samples"], report["held"]) == (200 * 40, 1)
        assert max(report["ratios"]) < 0.45
    with np.load(out / "track-input.npz") as data:
        known = np.delete(values, 100)
        np.testing.assert_allclose(data["target"], known, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(data["output"], known, atol=0.2)
    assert networks.load(net).graph.num_nodes == 5
    status, _, err = run(capsys, "evaluate", net, out / "none.csv", "--out", out)
    assert status == 2
    assert "hears nothing" in err


def test_options_reach_the_run(capsys, tmp_path, ramp):
    options = {
        "loss_weight": 2.0, "weight_decay": 0.5, "inertia": 0.5, "dissipation": 1.5,
        "speed": 4.0, "neurons": 3, "seed": 4,
    }  # fmt: skip
    words = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    arguments = ["track", "--target", ramp, "--out", tmp_path, "--json"]
    _, printed, _ = run(capsys, *arguments, *words, "--dt", 0.01)
    report = json.loads(printed)
    assert {name: report[name] for name in options} == options
    assert report["dt"] == 0.01
    assert report["samples"] == 600
    assert report["us_per_step"] > 0
    words[words.index("--loss-weight")] = "--accuracy"
    _, printed, _ = run(capsys, *arguments, *words, "--dt", 0.01)
    again = json.loads(printed)
    assert again["rmse"] == report["rmse"]
    assert again["loss_weight"] == 2.0


POLICIES = [policy for policy in track.POLICIES if policy != "none"]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_runs_and_tracks_better_than_the_mean(
    capsys, tmp_path, ramp, policy
):
    arguments = ["track", "--target", ramp, "--out", tmp_path, "--json"]
    if policy == "reversal":  # its Riccati equation is stiff
        arguments += ["--loss-weight", 36.0]
    _, printed, _ = run(capsys, *arguments, "--policy", policy)
    report = json.loads(printed)
    assert report["rmse"] < report["rmse_mean"]


def test_divergence_is_reported_and_what_was_computed_is_kept(capsys, tmp_path, ramp):
    arguments = ["track", "--target", ramp, "--out", tmp_path, "--json"]
    status, printed, err = run(capsys, *arguments, "--policy", "none")
    report = json.loads(printed)
    assert status == 1
    assert report["diverged"] is True
    assert "left the finite numbers" in report["divergence"]
    assert "diverges exponentially" in err
    with np.load(tmp_path / "track-ramp.npz") as data:
        assert data["time"].size == np.ceil(report["samples"] / 40) > 0
        assert np.isfinite(data["output"]).all()


BAD = {
    (
        "--target",
        "nothing",
    ): "`--target` must be one of sine, patched, heartbeat or a .csv",
    ("--target", "missing.csv"): "missing.csv",
    ("--dt", "0"): "`dt` must be positive, but is 0.0",
    ("--dissipation", "-1"): "`dissipation` must be non-negative, but is -1.0",
    ("--speed", "0"): "`speed` must be positive, but is 0.0",
    ("--neurons", "0"): "`neurons` must be an integer of at least 1, but is 0",
    ("--inertia", "0"): "`inertia` must be positive, but is 0.0",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_options_name_the_option_and_the_value(capsys, tmp_path, words):
    status, out, err = run(capsys, "track", "--out", tmp_path, *words)
    assert status == 2
    assert err.startswith("hamlearn: ")
    assert BAD[words] in err
    assert out == ""


UNKNOWN = [
    ["--colour", "red"],
    ["--policy", "magic"],
    ["--out", __file__],
    ["--out", f"{__file__}/under"],
    ["--save", f"{__file__}/net.npz"],
    ["--save", str(Path(__file__).parent)],
]


@pytest.mark.parametrize("words", UNKNOWN)
def test_unknown_options_are_errors(capsys, tmp_path, words):
    with pytest.raises(SystemExit) as stop:
        main(["track", "--out", str(tmp_path), *words])
    assert stop.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_reproduce_prints_one_json_object_a_claim(capsys, tmp_path):
    command = ("reproduce", "nilp", "--quick", "--out", tmp_path, "--json")
    status, printed, _ = run(capsys, *command)
    claims = [json.loads(line) for line in printed.splitlines()]
    assert status == 0
    assert len(claims) == len({claim["name"] for claim in claims}) >= 20
    for claim in claims:
        assert set(claim) == {"name", "value", "bound", "within_bound", "verdict"}
        assert claim["within_bound"], claim
        assert claim["verdict"].startswith(("holds", "does not hold"))
    drawn = {path.name for path in (tmp_path / "nilp").glob("*.png")}
    names = ("waves", "sine", "patched", "energy", "limit", "forward")
    assert drawn == {f"{name}.png" for name in names}


@pytest.mark.parametrize("word", ["nothing", "papers"])
def test_reproduce_says_which_papers_there_are(capsys, tmp_path, word):
    status, _, err = run(capsys, "reproduce", word, "--out", tmp_path)
    assert status == 2
    assert err.startswith(f"hamlearn: `NAME` must be one of {papers.NAMES[0]}, ")


def test_compare_prints_one_object_per_law(capsys, tmp_path):
    rng, d = np.random.default_rng(0), np.zeros(402)
    for k in range(1, d.size):
        d[k] = 0.8 * d[k - 1] + 0.6 * rng.normal()
    path = tmp_path / "made.csv"
    path.write_text("height\n" + "\n".join(f"{v:.6f}" for v in np.cumsum(d)) + "\n")
    arguments = ["compare", "--task", path, "--laws", "frozen,le", "--json"]
    net, other = tmp_path / "net.npz", tmp_path / "other.csv"
    sizes = ["--neurons", 4, "--seeds", 1, "--out", tmp_path, "--save", net]
    status, printed, err = run(capsys, *arguments, *sizes)
    assert status == 0
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["law"] for row in rows] == ["frozen", "le", "immediate"]
    keys = ["law", "loss", "loss_held", "loss_trivial", "cosine", "us_per_sample"]
    keys += ["memory_bytes"]
    assert all(list(row) == [*keys, "diverged"] for row in rows)
    assert all(0 < row["loss"] < row["loss_trivial"] for row in rows)
    record = json.loads((tmp_path / "compare-made.json").read_text())
    assert [row["loss"] for row in record["laws"]] == [row["loss"] for row in rows]
    assert record["tuned_on"] == record["scored_on"] == 200
    assert (tmp_path / "compare-made.png").stat().st_size > 20_000
    assert "recurrent" in err
    # Answers are in the unit of the series, each beside what it foretold.
    columns = np.genfromtxt(tmp_path / "compare-made.csv", delimiter=",", names=True)
    assert columns.dtype.names == ("sample", "recorded", "frozen", "le", "immediate")
    series = np.cumsum(d)
    at = columns["sample"].astype(int)
    np.testing.assert_array_equal(at, np.arange(202, 402))
    np.testing.assert_allclose(columns["recorded"], series[at], atol=1e-5)
    scale = np.diff(series[:201]).std()
    loss = np.mean((columns["le"] - series[at]) ** 2) / scale**2 / 2
    assert loss == pytest.approx(rows[1]["loss"], rel=1e-3)
    # On another file, in other units of it: what a held network says is the same law.
    other.write_text("height\n" + "\n".join(f"{v:.6f}" for v in series[:200]) + "\n")
    words = ["evaluate", net, other, "--out", tmp_path, "--json"]
    status, printed, err = run(capsys, *words)
    assert status == 0
    found = json.loads(printed)
    assert (found["law"], found["asked"], found["diverged"]) == ("le", 198, False)
    said = np.genfromtxt(tmp_path / "evaluate-other.csv", delimiter=",", names=True)
    at = said["sample"].astype(int)
    errors = (said["foretold"] - series[at]) / scale
    assert found["loss"] == pytest.approx(np.mean(errors**2) / 2, rel=1e-3)
    again = json.loads(run(capsys, *words)[1])
    assert again == found  # nothing was learned
    assert "taught by le" in err
    status, _, err = run(capsys, "evaluate", other, other, "--out", tmp_path)
    assert status == 2
    assert "a file that `hl.networks.save` wrote" in err


@pytest.mark.parametrize("stop", [interrupt, terminate])
def test_compare_shows_and_saves_what_is_finished_when_it_is_interrupted(
    capsys, tmp_path, ramp, monkeypatch, stop
):
    real, seen = job._entry, []

    def entry(*args):
        if seen:
            stop()
        seen.append(args)
        return real(*args)

    monkeypatch.setattr(job, "_entry", entry)
    rows = [f"{k},{np.sin(k) + np.cos(k * k):.6f}" for k in range(200)]
    path = tmp_path / "made.csv"
    path.write_text("t,x\n" + "\n".join(rows) + "\n")
    words = ["compare", "--task", path, "--laws", "rtrl", "--neurons", 2]
    words += ["--seeds", 1, "--out", tmp_path, "--json"]
    status, printed, err = run(capsys, *words)
    assert status == 130
    assert [json.loads(row)["law"] for row in printed.splitlines()] == ["rtrl"]
    assert "interrupted before: frozen, immediate" in err
    record = json.loads((tmp_path / "compare-made.json").read_text())
    assert record["not_reached"] == ["frozen", "immediate"]
    assert (tmp_path / "compare-made.csv").exists()
    if stop is terminate:  # before the first law is done
        with pytest.raises(SystemExit) as end:
            run(capsys, *words)
        assert end.value.code == 143
        return
    status, printed, err = run(capsys, *words)
    assert (status, printed) == (130, "")
    assert "interrupted before there was anything" in err


COMPARES = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from hamlearn.cli import main
sys.exit(main(["compare", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_compares_is_stopped(tmp_path, number):
    """From outside, while its second law is at work."""
    path = tmp_path / "made.csv"
    path.write_text("x\n" + "\n".join(f"{np.sin(k * k):.6f}" for k in range(200)))
    words = ["--task", path, "--laws", "frozen", "--neurons", 2, "--seeds", 1]
    words += ["--out", tmp_path / "out", "--json"]
    command = [sys.executable, "-c", COMPARES, *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        said = ""
        while "immediate:" not in said:
            said += process.stderr.read(1)
            assert process.poll() is None, said
        process.send_signal(number)
        printed, rest = process.communicate(timeout=100)
    assert process.returncode == 130, rest
    assert [json.loads(row)["law"] for row in printed.splitlines()] == ["frozen"]
    assert "interrupted before: immediate" in rest
    record = json.loads((tmp_path / "out" / "compare-made.json").read_text())
    assert record["not_reached"] == ["immediate"]


def test_compare_says_by_its_status_that_a_run_diverged(capsys, tmp_path, monkeypatch):
    real = job._entry
    lost = lambda *args: dataclasses.replace(real(*args), diverged=1)
    monkeypatch.setattr(job, "_entry", lost)
    path = tmp_path / "made.csv"
    path.write_text("x\n" + "\n".join(f"{np.sin(k * k):.6f}" for k in range(200)))
    words = ["--laws", "frozen", "--neurons", 2, "--seeds", 1, "--out", tmp_path]
    status, printed, _ = run(capsys, "compare", "--task", path, *words)
    assert status == 1
    assert "runs diverged: frozen, immediate" in printed


def test_compare_says_which_laws_and_tasks_there_are(capsys, tmp_path):
    out = ("--out", tmp_path)
    status, _, err = run(
        capsys, "compare", "--task", "add", "--laws", "rtrl,nothing", *out
    )
    assert status == 2
    assert "`--laws` must be one of flip, gle" in err
    assert "but is 'nothing'" in err
    status, _, err = run(capsys, "compare", "--task", "nothing", *out)
    assert status == 2
    assert "`--task` must be one of heartbeat, mackey-glass, lorenz" in err


def test_help_names_what_there_is():
    """The words are written out, so that help needs no JAX: here they are compared."""
    laws = compare.LAWS.replace(" too", "").replace("; ", ", ").replace(" and ", ", ")
    assert sorted(laws.split(", ")) == sorted(contenders())
    assert compare.LAWS.split(";")[0] == ", ".join(USUAL)
    assert all(name in compare.TASKS for name in tasks.comparable())
    assert all(name in reproduce.PAPERS for name in papers.NAMES)
    for policy in track.POLICIES[:-1]:  # the last one warns
        assert track._policy(policy) is not None


def test_without_words_it_says_what_it_can_do(capsys):
    status, out, _ = run(capsys)
    assert status == 0
    for word in (
        "track",
        "compare",
        "evaluate",
        "audit",
        "conform",
        "reproduce",
        "examples",
    ):
        assert word in out
    assert "rule" not in out


FRONT = """
import sys, time
from hamlearn.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    assert not stop.code, stop.code
assert not {"jax", "numpy", "equinox", "matplotlib"} & sys.modules.keys()
assert time.process_time() < 0.3, time.process_time()  # of a core, in all
"""


@pytest.mark.parametrize("words", [[], ["--help"], ["compare", "--help"]])
def test_help_is_there_at_once(words):
    """No JAX is imported, and nothing else that takes a while."""
    subprocess.run([sys.executable, "-c", FRONT, *words], check=True)


def test_an_interpreter_runs_it():
    command = [sys.executable, "-m", "hamlearn", "--version"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found.stdout.count(".") == 2
