"""Going on: from anywhere and in any pieces bit for bit, or refused by name."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from .families import BPTT, LAWS, SGD, made
from .streams import DT, KEY, signals
from .wrong import refused, taken, tried

LENGTH = 12
FAMILIES = ["rate", "diagonal", "spiking"]


@cache
def whole(family):
    law = next(iter(LAWS[family].values()))
    options = {"dt": DT, "progress": False, "chunk": 4}
    return hl.stream(law, made(family), signals(steps=LENGTH), **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_any_pieces_are_the_whole(family):
    law = next(iter(LAWS[family].values()))

    @tried(6)
    @given(
        st.lists(st.integers(1, LENGTH - 1), min_size=1, max_size=3),
        st.sampled_from([1, 3, 100]),
        st.booleans(),
        st.sampled_from([300.0, 1e-6]),
    )
    def each(ends, every, one_by_one, seconds):
        u, y = signals(steps=LENGTH)
        form = lambda n: (
            zip(u[:n], y[:n], strict=True) if one_by_one else (u[:n], y[:n])
        )
        options = {"dt": DT, "progress": False, "chunk": 4, "every": every}
        options["every_seconds"] = seconds
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            hl.stream(law, made(family), form(min(ends)), checkpoint=run, **options)
            for end in [*sorted(ends), LENGTH]:
                found = hl.resume(run, law, made(family), form(end), **options)
        np.testing.assert_array_equal(found.output, whole(family).output)
        np.testing.assert_array_equal(found.loss, whole(family).loss)
        assert found.losses == whole(family).losses
        taken()

    each()


def others():
    """What differs from the run that was saved."""
    u, y = signals(steps=LENGTH)
    bent = u.copy()
    bent[2] += 1e-9
    return {
        "another law": {"law": BPTT},
        "a law of the same shapes": {"law": hl.RTRL(hl.Cost(loss_weight=2.0), SGD)},
        "another cost": {"law": hl.RTRL(hl.Cost(weight_decay=0.1), SGD)},
        "another rate": {
            "law": hl.RTRL(update=hl.updates.Optax(SGD.factory, learning_rate=0.06))
        },
        "another network": {"start": made("rate", 1)},
        "another family": {"start": made("own")},
        "another step": {"dt": 0.2},
        "held weights": {"learn": False},
        "other samples": {"samples": (bent, y)},
        "other targets": {"samples": (u, y + 1)},
        "fewer samples": {"samples": (u[:3], y[:3])},
        "no samples": {"samples": iter(())},
        "a start": {"x0": np.full(3, 0.1)},
        "a key": {"key": KEY, "law": hl.laws.UORO(update=SGD)},
        "another folder": {"checkpoint": "nowhere"},
    }


@pytest.mark.parametrize("what", others())
def test_another_run_is_refused_by_name(what, tmp_path):
    run = {
        "law": hl.RTRL(update=SGD),
        "start": made("rate"),
        "samples": signals(steps=LENGTH),
    }
    run |= {"dt": DT, "checkpoint": tmp_path / "run"}
    options = {"progress": False, "chunk": 4}
    hl.stream(**run, **options)
    refused(
        lambda: hl.resume(**(run | others()[what]), **options), "checkpoint", "samples"
    )
    refused(lambda: hl.stream(**run, **options), "checkpoint")
    found = hl.resume(**run, **options)  # nothing was harmed
    np.testing.assert_array_equal(found.output, whole("rate").output)
