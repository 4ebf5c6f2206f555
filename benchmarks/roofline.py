"""Bytes and operations a second of the laws against what the device can do.

A local law on a dense network passes over its weights several times a step: for the
forward product, the transposed product and the update, which reads and writes. What is
counted here is each array of n^2 numbers once for every such time, all updates in one
pass; what the device can do is measured by copying and multiplying large arrays.
"""

import gc
from typing import Any

import jax
import jax.numpy as jnp

from ._measure import Program, compiled, in_turn, quartiles
from ._subjects import Setting, subjects
from .cost import block

#: n x n arrays read or written a step: W forward, W back, W read and written; flip
#: also reads and writes its costate, SnAp-1 and RFLO a trace that the update reads.
PASSES = {"flip": 6, "gle": 4, "rflo": 5, "snap1": 5}
#: Products of a matrix with a vector, or outer products, of 2 n^2 operations each.
PRODUCTS = {"flip": 4, "gle": 3, "rflo": 3, "snap1": 3}


def device_programs(*, megabytes: int, side: int) -> list[Program]:
    """Copying a large array in place, many times, and multiplying two matrices."""
    a = jnp.ones(megabytes * 250_000, jnp.float32)
    m = jnp.ones((side, side), jnp.float32)
    times = 32  # so many that the copy at the start of a call does not count
    often = lambda a: jax.lax.fori_loop(0, times, lambda _, a: a + 1, a)
    return [
        compiled("copy", often, a, samples=times, carried=a),
        compiled("matmul", lambda m: m @ m, m, samples=1, carried=(m, m, m)),
    ]


def rates(programs: list[Program], times: dict[str, Any]) -> dict[str, Any]:
    """Bytes/s, read and written, and flop/s of every round."""
    copy, matmul = programs
    side = (matmul.carried / 12) ** 0.5
    return {
        "copy_bytes_per_s": 2 * copy.carried / times["copy"] * 1e6,
        "matmul_flop_per_s": 2 * side**3 / times["matmul"] * 1e6,
    }


def measure(sizes: list[int], names: list[str], *, repeats: int, quick: bool, say: Any):
    """(the device's rates, a row a law and size).

    One network of every size, then many of 64 neurons at once, each with its own
    weights and stream. Copy and matmul run in the same rounds as the laws, and shares
    are taken round by round.
    """
    names = [name for name in names if name in PASSES]
    on_gpu = jax.default_backend() == "gpu"
    jobs = [Setting(n, 256 if on_gpu else block(n, 2.0)) for n in sizes]
    jobs.append(Setting(64, 256 if on_gpu else 16, copies=64 if quick else 4096))
    rows, found = [], {}
    for setting in jobs:
        made = [subjects()[name].law(setting) for name in names]
        device = device_programs(**_side(quick, on_gpu))
        times = in_turn([*device, *made], repeats=repeats)
        found = rates(device, times)
        for one in made:
            rows.append(_row(one.name, setting, times[one.name], found))
            say(rows[-1])
        del made, device
        gc.collect()
    return {name: quartiles(values) for name, values in found.items()}, rows


def _side(quick: bool, on_gpu: bool) -> dict[str, int]:
    """Arrays that no cache holds, and products long beside their start."""
    if quick:
        return {"megabytes": 16, "side": 512}
    return {"megabytes": 1024 if on_gpu else 256, "side": 8192 if on_gpu else 2048}


def _row(name: str, setting: Setting, us: Any, device: Any) -> dict[str, Any]:
    n, networks = setting.n, max(setting.copies, 1)
    moved = 4 * n * n * networks * PASSES[name] / us * 1e6
    done = 2 * n * n * networks * PRODUCTS[name] / us * 1e6
    return {
        "law": name,
        "neurons": n,
        "streams": networks,
        "us_per_step": quartiles(us),
        "bytes_per_s": quartiles(moved),
        "flop_per_s": quartiles(done),
        "share_of_copy": quartiles(moved / device["copy_bytes_per_s"]),
        "share_of_matmul": quartiles(done / device["matmul_flop_per_s"]),
    }
