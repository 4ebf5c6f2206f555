"""A run that is killed, ended by SIGTERM and out of disk ends as if nothing had been.

The long form, with six laws, is `python -m benchmarks.kill`.
"""

import random

from benchmarks import kill


def test_a_killed_run_ends_bit_for_bit():
    """UORO: random keys, an optimizer's moments, samples from a generator."""
    chance = random.Random(1)
    ways = ["SIGKILL", "full disk", "SIGTERM"]
    whole = kill.finished("keys", "generator", None)
    rows, same = kill.disturbed("keys", "generator", ways, chance, whole)
    assert same
    assert whole.startswith(f"end {kill.SAMPLES} ")
    assert [row["exit"] for row in rows] == [-9, -9, 143]
    assert 0 < rows[0]["killed_at"] < kill.SAMPLES
    assert rows[0]["killed_at"] - rows[0]["saved_at"] < kill.EVERY + 3 * kill.CHUNK
    assert rows[2]["saved_at"] == rows[2]["killed_at"]  # nothing lost


def test_another_end_is_seen(monkeypatch):
    monkeypatch.setattr(kill, "finished", lambda *run: "end 12000 1")
    assert not kill.disturbed("keys", "arrays", [], random.Random(0), "end 12000 0")[1]
