"""The command of the benchmarks: names that nobody knows, pages of what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import _names, _page, _sections_three

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "stlp-bptt-rtrl-cpu.json"


def test_names_are_taken_in_the_order_in_which_they_are_known():
    assert _names.chosen("--laws", ["c", "a"], ["a", "b", "c"]) == ["a", "c"]
    assert _names.chosen("--laws", None, "ab") == ["a", "b"]


def test_names_that_nobody_knows_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        _names.chosen("--laws", ["a", "x"], ["a", "b"])
    assert ended.value.code == 2
    assert "--laws takes a, b, not x" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (("nonsense",), "stlp-bptt-rtrl"),
        (("--only", "cost,nonsense"), "stlp-bptt-rtrl"),
        (("cost", "--laws", "stlp"), "flip"),
        (("stlp-bptt-rtrl", "--laws", "stlp,snap9"), "rtrl-blocks"),
    ],
)
def test_the_command_refuses_them(arguments, known):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert known in done.stderr


def row(law, us, **more):
    spread = {"median": us, "low": us, "high": us}
    about = {"kind": "layers", "neurons": 32, "law": law}
    return about | {"us_per_sample": spread} | more


def record():
    """Two laws, one of them not run at the second size."""
    sizes = {"state_bytes": 500, "scratch_bytes": 1500, "compile_s": 1.0, "waits": 1}
    cost = {"what": "cost", "dtype": "float32"}
    ten = {"ratio_to_bptt": {"median": 10.0}}
    late, later = ({"median": m, "low": m, "high": m} for m in (0.25, 0.5))
    learning = {"what": "learning", "equal_samples": late, "equal_seconds": late}
    learning |= {"at_the_edge": False}
    twice = {"equal_samples": later, "equal_seconds": later}
    alignment = {"what": "alignment", "cosines": {"weight, layer 1": 0.5, "all": 0.75}}
    return {
        "environment": {},
        "exponents": {"layers": {"stlp": 2.5}},
        "rows": [
            row("stlp", 20.0, **cost, **sizes, **ten),
            row("bptt", 2.0, **cost, **sizes | {"waits": 100}),
            row("stlp", 0.0, **cost, not_run="it would take long") | {"neurons": 512},
            row("stlp", 20.0, **learning),
            row("rtrl", 40.0, **cost, **sizes),
            row("bptt", 2.0, **learning | twice),
            row("stlp", 0.0, **alignment),
        ],
    }


def test_the_three_sentences_have_their_numbers():
    (text,) = _sections_three.sentences(record())
    for part in (
        "BPTT waits for 100", "holds 2 kB", "cosine of 0.75", "10 times as long as BPTT",
        "0.5 times as long as RTRL", "in layers 0.5 after equal samples",
    ):  # fmt: skip
        assert part in text


def test_the_readme_has_the_sentences_that_were_measured():
    measured = json.loads(RECORD.read_text())
    (text,) = _sections_three.sentences(measured)
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("<!-- three -->")[1].split("<!-- /three -->")[0]
    assert shown.split() == text.split()


def test_the_section_says_why_a_cell_was_not_run():
    page = _page.page({"stlp-bptt-rtrl": record()}, "cpu")
    assert page.index("## STLP, BPTT and RTRL") > page.index("- STLP moves")
    assert "not run: it would take long" in page
    assert "| stlp | 2.50 |" in page


def test_the_page_does_without_what_was_not_measured():
    assert "STLP, BPTT and RTRL" not in _page.page({}, "cpu")
