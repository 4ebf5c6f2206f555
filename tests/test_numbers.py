"""The numbers in the prose are those of the committed results."""

import re

import pytest

from benchmarks import _numbers as numbers

SENTENCES = numbers.sentences()
#: Pages on which nothing else is a number, but for these.
WHOLE = {
    "index.md": (),
    "gallery.md": (),
    "glossary.md": (),
    "theory/action.md": (),
    "limits.md": (
        "m_x omega² > 1",  # theory
        "1/\\|H\\|²",  # theory
        "mass ratios below 1e-5",  # held by tests/laws/test_stlp_runs.py
        "JAX 0.10.2 and 0.11.0",  # excluded in pyproject.toml
    ),
    "installation.md": (
        "Python 3.11 to 3.13 (all tests run on 3.11;",
        "on 3.12.1 and 3.13.0)",
        "in jaxlib 0.10.1 the process",
        "to 10 bits of mantissa (TF32)",  # NVIDIA's own
        "to 7 (bfloat16)",  # a number format
        "a mass ratio below 1e-5",  # held by tests/laws/test_stlp_runs.py
        "JAX 0.10.2 computes",  # excluded in pyproject.toml
        "(jax-ml/jax#39103)",
        "as is 0.11.0",
    ),
    "troubleshooting.md": (
        "m_x omega² > 1",  # theory
        "\\|phi' W\\| < 1",  # theory
        "x = 0 is absorbing: dx/dt = 0",  # theory
        "tanh' near 0",
        "a mass ratio of 1e-5",  # held by tests/laws/test_stlp_runs.py
    ),
    "choosing.md": (
        # Settings of the map: lags, and the loss of a coin, ln 2.
        "8, 32 or 128 samples later among distractors (nats; a coin has .69)",
        "At 8 a window",
        "At 32 and 128 an exact trace",
        "dense `RTRL` of 16 neurons",
        "gains 12 % at best",  # of the map above, which tests/test_readme.py holds
        "d²G/dt² = 0",  # theory
        "with tau_r = 0:",
        # Settings of benchmarks/alignment_recurrent.py.
        "(omega tau of 0.2, gain up to 0.9)",
        "**Slower neurons, gain up to 0.9**",
        "**Gain 1.3**",
        "at 0.5 even",
        "five networks of 16 neurons",
        "a time constant of 1 or 0.3 of the neurons'",  # of benchmarks/hops.py
        "c = 1/tau",
        "x = 0 is a state",
        # Settings of benchmarks/memory.py.
        "16 modes in each layer (copies 32, three layers 12)",
        "on the cue over 32 samples",
        "with a lag of 8 are easy",
        "Over 32 samples it does not",
        "at a lag of 8, with four of five at 16",
    ),
    "theory/claims.md": (
        "JAX 0.10.1",  # of claims.jsonl
        "40 epochs may reach less",
        "91.7 ± 0.8 % in 150 epochs",  # the paper's own
        "(one seed)",
        "noise after 40",  # the claim's own length
        "at its dt = 1e-4; does not at 0.1",
    ),
    "theory/causal.md": (
        "started at 0",
        "30 weights",  # settings of benchmarks/two_point_gap.py
        "accuracy 100",
        "over 16 samples one seed of five",  # of benchmarks/memory.py
        "omega tau = .2",  # of benchmarks/alignment_recurrent.py
    ),
    "theory/echo.md": (
        "passes 1e-2 over the unit roundoff",  # held by tests/laws/test_echo.py
        "16 oscillators with",  # settings of benchmarks/echo_errors.py
        "at theirs (1e-4)",  # the paper's own
        "at most .1,",  # of hamlearn/costates/playback.py
        "fifty of two, 100 samples",
        "270 utterances to learn, 370 held out",  # of the data set
        "same 64 oscillators",  # settings of benchmarks/echo_learning.py
    ),
    "theory/exact.md": (
        "order 2 on a dense graph",  # theory
        "no less than 1.9 times",  # 21/11, as counted there
        "comes to 2.3",  # 25/11
    ),
    "theory/filters.md": (
        "leaky averages of $s$, 1)",
        "to 1e-12 (tested)",  # held by tests/costates/test_filtered.py
        "25 per neuron, 81 complex ones",  # squares of the numbers of features
        "two layers of 12 modes",  # settings of benchmarks/filters.py
        "within .05 of where",  # as benchmarks/filters.py counts
        "after 40,000 samples of Adam",
    ),
    "theory/hamiltonian.md": (
        "at time 3 of a 12-neuron network; slope -1",  # of `hamlearn reproduce nilp`
    ),
    "theory/latent_equilibrium.md": (
        "to 1e-15, time",  # held by tests/laws/test_vle.py
        "a 1-6-6-1 network",  # settings of benchmarks/alignment_filters.py
        "(within .05 where they exceed .9,",  # as benchmarks/alignment_filters.py counts
        "drawn 1.5 times as strong",
    ),
    "theory/stlp.md": (),
}
#: Code, tables that are generated, formulas, addresses, footnotes, years and numbers in
#: the names of things.
NOT_PROSE = re.compile(
    r"```.*?```|<!-- (numbers \w+|map) -->.*?<!-- /(numbers|map) -->|\$\$.*?\$\$"
    r"|\$[^$]*\$|`[^`]*`|\]\([^)]*\)|\(\d\)| \d\. |\b(?:19|20)\d\d\b"
    r"|\bfloat\d+|O\([^)]*\)²?|MNIST-1D|SnAp-[12]|Mamba-2"
)


def plain(text):
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(("page", "said"), SENTENCES)
def test_pages_say_what_was_measured(page, said):
    assert plain(said) in plain((numbers.DOCS / page).read_text())


@pytest.mark.parametrize("path", numbers.pages(), ids=lambda path: path.stem)
def test_tables_are_those_of_the_results(path):
    assert path.read_text() == numbers.written(path.read_text())


def left_over(page):
    """The numbers of a page that no result stands behind."""
    text = plain((numbers.DOCS / page).read_text())
    for said in sorted((s for p, s in SENTENCES if p == page), key=len, reverse=True):
        text = text.replace(plain(said), "")
    for phrase in WHOLE[page]:
        assert phrase in text
        text = text.replace(phrase, "")
    text = NOT_PROSE.sub("", text)
    return re.findall(r"\S*\d\S*", text)


@pytest.mark.parametrize("page", WHOLE)
def test_no_other_number_is_said(page):
    assert left_over(page) == []


def test_another_number_is_seen(monkeypatch, tmp_path):
    (tmp_path / "limits.md").write_text(
        (numbers.DOCS / "limits.md").read_text() + "Grows 75 times.\n"
    )
    monkeypatch.setattr(numbers, "DOCS", tmp_path)
    assert left_over("limits.md") == ["75"]


def agrees(shown, value):
    """Whether a number as shown is a value, rounded to as many digits."""
    digits, _, exponent = shown.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(float(shown) - value) <= 0.51 * unit


def floors():
    """(column of the table of tasks, cell, values that it may show)."""
    page = (numbers.DOCS / "api" / "tasks_floors.md").read_text()
    measured = {row["task"]: row for row in numbers.rows("task_floors.json")}
    (found,) = [
        block for block in page.split("\n\n") if block.startswith("| task | inp")
    ]
    head, _, *lines = re.findall(r"^\| (.*) \|$", found, re.M)
    names = head.split(" | ")
    for line in lines:
        cells = dict(zip(names, line.split(" | "), strict=True))
        row = measured[cells["task"].removesuffix(" *")]
        known, frozen = row["floors"], sorted(row["frozen recurrence"])
        yield cells["constant"], [known["constant"]]
        yield cells["persistence"], [known.get("persistence")]
        yield cells["AR(4)"], [known.get("autoregression")]
        yield cells["best known"], [known.get("exact", known.get("both"))]
        yield cells["frozen recurrence"], [frozen[1], frozen[0], frozen[2]]


@pytest.mark.parametrize(("cell", "values"), list(floors()))
def test_floors_of_tasks_are_those_measured(cell, values):
    shown = re.findall(r"[\d.]+(?:e-?\d+)?", cell)
    if values == [None]:
        assert cell == "–"
    else:
        assert shown
        assert all(map(agrees, shown, values))


def test_a_number_agrees_to_its_last_digit():
    assert agrees(".0657", 0.06569)
    assert agrees("2.5e-5", 2.51e-5)
    assert not agrees(".0657", 0.06576)
    assert not agrees("2.5e-5", 2.56e-5)
