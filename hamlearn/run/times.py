"""Times that a solve can keep, and those that it is asked for."""

from typing import Any

import diffrax as dfx
import jax.numpy as jnp
import numpy as np

from .. import _checks

STEPS = 10_000
"""Times that a solve has to tell apart between its ends."""


def check_resolution(t0: float, t1: float, dtype: Any) -> None:
    """Time is counted in `dtype`, whose steps grow with it: at Unix times in float32
    they are of two minutes.

    **Raises:** `ValueError` where fewer than `STEPS` of them lie between the two.
    """
    latest = max(abs(float(t0)), abs(float(t1)))
    step = latest * float(jnp.finfo(dtype).eps)
    room = STEPS if float(jnp.finfo(dtype).eps) * STEPS < 1 else 1
    if step * room > float(t1) - float(t0):
        wanted = (
            f"nearer to zero in {jnp.dtype(dtype).name}, which steps by {step:.2g} "
            "there (count time from the start of the run)"
        )
        _checks.reject("t0", wanted, t0)


def check_saveat(saveat: Any, t0: float, t1: float) -> None:
    """**Raises:** `ValueError` for what a `Result` cannot hold, and times not in order
    between the ends.
    """
    _checks.instance("saveat", saveat, dfx.SaveAt)
    one = saveat.subs
    several = one is not None and not isinstance(one, dfx.SubSaveAt)
    whole = dfx.SubSaveAt(t1=True).fn
    refused = {
        "dense": saveat.dense,
        "several `subs`": several,
        "fn": isinstance(one, dfx.SubSaveAt) and one.fn is not whole,
        "solver_state": saveat.solver_state,
        "controller_state": saveat.controller_state,
        "made_jump": saveat.made_jump,
    }
    for name, found in refused.items():
        if found:
            wanted = "of `t0`, `t1`, `ts` or `steps`, at which all is saved"
            _checks.reject("saveat", wanted, f"one with {name}")
    if one is None:
        _checks.reject("saveat", "of `t0`, `t1`, `ts` or `steps`", "of none of them")
    ts = None if one.ts is None else np.asarray(one.ts, float)
    if ts is not None and not (
        np.all(np.diff(ts) >= 0) and t0 <= ts.min() and ts.max() <= t1
    ):
        wanted = f"of `ts` in order between `t0` = {t0} and `t1` = {t1}"
        _checks.reject("saveat", wanted, f"of {np.array2string(ts, threshold=6)}")
