"""The published step, and that every claim is shown with a figure or a paragraph."""

import ast
from pathlib import Path

import pytest

from hamlearn.papers import _echo_run, echo
from hamlearn.papers._gallery import EXHIBITS


@pytest.mark.parametrize(("dt", "low", "high"), [(1e-4, 0, 1e-6), (0.1, 0.05, 2)])
def test_the_published_step(dt, low, high):
    """Harmless at the published dt, useless at one that a user would take."""
    assert low <= _echo_run.published_error(dt) <= high


def test_every_claim_has_its_exhibit():
    tree = ast.parse(Path(echo.__file__).read_text())
    names = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Claim"
    ]
    checks = [c for e in EXHIBITS if e.paper == "echo" for c in e.checks]
    assert len(names) > 10
    assert [name for name in names if not name.startswith(tuple(checks))] == []
