"""Bytes and operations a second of the laws against what the device can do.

A local law on a dense network cannot do with less than three passes over its weights
a step: the forward product, the transposed product and the update, which reads and
writes. What is counted here is the least traffic of each law, each array of n^2
numbers once for every time it must be read or written; what the device can do is
measured by copying and multiplying large arrays.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ._measure import Program, compiled, in_turn, quartiles
from ._subjects import Setting, subjects
from .batch import program as batch_program

#: n x n arrays read or written a step: W forward, W back, W read and written; flip
#: also reads and writes its costate, SnAp-1 and RFLO a trace that the update reads.
PASSES = {"flip": 6, "gle": 4, "rflo": 5, "snap1": 5}
#: Products of a matrix with a vector, or outer products, of 2 n^2 operations each.
PRODUCTS = {"flip": 4, "gle": 3, "rflo": 3, "snap1": 3}


def device_programs(*, megabytes: int, side: int) -> list[Program]:
    """Copying a large array in place, eight times, and multiplying two matrices."""
    a = jnp.ones(megabytes * 250_000, jnp.float32)
    m = jnp.ones((side, side), jnp.float32)
    often = lambda a: jax.lax.fori_loop(0, 8, lambda _, a: a + 1, a)
    return [
        compiled("copy", often, a, samples=8, carried=a),
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

    Copy and matmul run in the same rounds as the laws, and shares are taken round by
    round.
    """
    size = {"megabytes": 16, "side": 512} if quick else {"megabytes": 256, "side": 2048}
    device = device_programs(**size)
    names = [name for name in names if name in PASSES]
    jobs = [(n, 1, [subjects()[k].law(Setting(n, 16)) for k in names]) for n in sizes]
    streams, local = 64 if quick else 4096, [k for k in ("flip", "rflo") if k in names]
    jobs.append((64, streams, [batch_program(k, 64, streams, 4) for k in local]))
    rows, found = [], {}
    for n, batch, made in jobs:
        times = in_turn([*device, *made], repeats=repeats)
        found = rates(device, times)
        for one in made:
            rows.append(_row(one.name, n, batch, times[one.name], found))
            say(rows[-1])
    return {name: quartiles(values) for name, values in found.items()}, rows


def _row(name: str, n: int, batch: int, us: Any, device: Any) -> dict[str, Any]:
    """Traces are one a stream; the weights are shared."""
    arrays = PASSES[name]
    if batch > 1:
        arrays = 2 * batch + 4 if name == "rflo" else 6
    moved = 4 * n * n * arrays / us * 1e6
    done = 2 * n * n * PRODUCTS[name] * batch / us * 1e6
    return {
        "rule": name,
        "neurons": n,
        "streams": batch,
        "us_per_step": quartiles(us),
        "bytes_per_s": quartiles(moved),
        "flop_per_s": quartiles(done),
        "share_of_copy": quartiles(moved / device["copy_bytes_per_s"]),
        "share_of_matmul": quartiles(done / device["matmul_flop_per_s"]),
    }
