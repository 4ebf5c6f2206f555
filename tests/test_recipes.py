"""Every recipe, and every page of the API, runs and prints what it shows."""

import os
import subprocess
import sys
from pathlib import Path

from recipes import same


def test_recipes_print_what_they_show():
    """As a reader runs them: single precision, no settings of the tests, one process."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.recipes"],
        cwd=Path(__file__).parents[1],
        env={k: v for k, v in os.environ.items() if k != "XLA_FLAGS"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    assert found.stdout.count("recipes/") > 12
    assert found.stdout.count("api/") > 11
    assert "your_own.md" in found.stdout


def test_other_words_and_numbers_are_told():
    assert same("loss 0.100 of 5\n", "loss 0.105 of 5")
    assert same("loss 0.1\n", "loss 0.2\n")
    assert not same("loss 0.1\n", "loss 0.3\n")
    assert not same("loss 0.10\n", "loss 0.12\n")
    assert same("5e-05", "6e-05")
    assert not same("5e-05", "7e-05")
    assert not same("loss 0.1\n", "lost 0.1\n")
    assert not same("loss 0.1 0.1\n", "loss 0.1\n")
