"""The laws in half precision: whether they still learn, and what it saves."""

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._measure import Program, in_turn, row
from ._subjects import Setting, subjects
from .cost import block

#: Mean losses further apart than this, relative to float32, count as not holding.
HOLDS = 0.05
NOT_RUN = {
    "rtrl": "its n^3 numbers at this size",
    "bptt-diffrax": "its clock would stop at 256 samples",
}


def measure(n: int, names: Iterable[str], *, repeats: int, say: Any):
    """A row per law: time, memory and mean loss in bfloat16 against float32."""
    rows = []
    for name in names:
        subject = subjects()[name]
        if name in NOT_RUN:
            found = {"law": name, "neurons": n, "not_run": NOT_RUN[name]}
        else:
            found = {"neurons": n, **_both(subject.law, name, n, repeats)}
        rows.append(found)
        say(found)
    return rows


def _both(make: Any, name: str, n: int, repeats: int) -> dict[str, Any]:
    made = []
    for dtype in (jnp.bfloat16, jnp.float32):
        try:
            made.append(make(Setting(n, block(n, 2.0), dtype)))
        except (TypeError, ValueError, NotImplementedError) as error:
            return {"law": name, "not_run": str(error).splitlines()[0]}
    half, single = made
    single.name = "float32"
    times = in_turn(made, repeats=repeats)
    mean, expected = map(_loss, made)
    difference = abs(mean - expected) / abs(expected)
    return {
        **row(half, times, float32="float32"),
        "loss": mean,
        "loss_float32": expected,
        "holds": bool(difference < HOLDS),
        "peak_bytes_float32": single.peak,
    }


def _loss(program: Program) -> float:
    """The mean loss of a call: losses, or their sum, are what it returns last."""
    last = np.asarray(program.run()[-1], np.float64)
    return float(last.sum() / program.samples)
