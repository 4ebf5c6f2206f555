"""The numbers in the prose are those of the committed results."""

import re

import pytest

from benchmarks import _numbers as numbers

SENTENCES = numbers.sentences()
#: Pages on which nothing else is a number, but for these.
WHOLE = {
    "limits.md": (
        "m_x omega² > 1",  # theory
        "1/\\|H\\|²",  # theory
        "mass ratios below 1e-5",  # held by tests/laws/test_stlp_runs.py
        "JAX 0.10.2 and 0.11.0",  # excluded in pyproject.toml
    ),
    "theory/claims.md": (
        "JAX 0.10.1",  # of claims.jsonl
        "40 epochs may reach less",
        "91.7 ± 0.8 % in 150 epochs",  # the paper's own
        "(one seed)",
        "(Zucchet 2026)",
        "noise after 40",  # the claim's own length
        "at its dt = 1e-4; does not at 0.1",
    ),
}


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
    # Not of prose: code, formulas, addresses, and numbers in the names of things.
    text = re.sub(
        r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|\bfloat\d+|O\([^)]*\)²?|MNIST-1D", "", text
    )
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
    page = (numbers.DOCS / "api" / "tasks.md").read_text()
    measured = {row["task"]: row for row in numbers.rows("task_floors.json")}
    head, _, *lines = re.findall(r"^\| (.*) \|$", page, re.M)
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
