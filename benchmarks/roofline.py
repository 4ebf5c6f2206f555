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
from ._subjects import Setting, forward_outer, subjects
from .batch import program as batch_program

#: n x n arrays read or written a step: W forward, W back, W read and written; flip
#: also reads and writes its costate, SnAp-1 and RFLO a trace that the update reads.
PASSES = {"flip": 6, "gle": 4, "rflo": 5, "snap1": 5}
#: Products of a matrix with a vector, or outer products, of 2 n^2 operations each.
PRODUCTS = {"flip": 4, "gle": 3, "rflo": 3, "snap1": 3}


def device_rates(*, megabytes: int, side: int, repeats: int) -> dict[str, Any]:
    """Copy rate in bytes/s (read and written) and matmul rate in flop/s, float32."""
    a = jnp.ones(megabytes * 250_000, jnp.float32)
    m = jnp.ones((side, side), jnp.float32)
    given = {"samples": 1, "carried": ()}
    programs = [
        compiled("copy", lambda a: a + 1, a, **given),
        compiled("matmul", lambda m: m @ m, m, **given),
    ]
    times = in_turn(programs, repeats=repeats)
    copy = [2 * a.nbytes / us * 1e6 for us in times["copy"]]
    matmul = [2 * side**3 / us * 1e6 for us in times["matmul"]]
    return {"copy_bytes_per_s": quartiles(copy), "matmul_flop_per_s": quartiles(matmul)}


def measure(sizes: list[int], names: list[str], *, repeats: int, quick: bool, say: Any):
    """(the device's rates, a row a law and size: rates and their shares of these)."""
    device = device_rates(
        megabytes=16 if quick else 256, side=512 if quick else 2048, repeats=repeats
    )
    say(device)
    rows = []
    for n in sizes:
        made: list[Program] = [forward_outer(Setting(n, 16))]
        made += [
            subjects()[name].law(Setting(n, 16)) for name in names if name in PASSES
        ]
        times = in_turn(made, repeats=repeats)
        for one in made[1:]:
            rows.append(_row(one.name, n, 1, times[one.name], device))
            say(rows[-1])
    streams = 64 if quick else 4096
    for name in (name for name in ("flip", "rflo") if name in names):
        one = batch_program(name, 64, streams, 4)
        times = in_turn([one], repeats=repeats)
        rows.append(_row(name, 64, streams, times[name], device))
        say(rows[-1])
    return device, rows


def _row(name: str, n: int, batch: int, us: Any, device: Any) -> dict[str, Any]:
    """Traces are one a stream; the weights are shared."""
    arrays = PASSES[name]
    if batch > 1:
        arrays = 2 * batch + 4 if name == "rflo" else 6
    moved = [4 * n * n * arrays / t * 1e6 for t in us]
    done = [2 * n * n * PRODUCTS[name] * batch / t * 1e6 for t in us]
    share = lambda values, of: [v / device[of]["median"] for v in values]
    return {
        "rule": name,
        "neurons": n,
        "streams": batch,
        "us_per_step": quartiles(us),
        "bytes_per_s": quartiles(moved),
        "flop_per_s": quartiles(done),
        "share_of_copy": quartiles(share(moved, "copy_bytes_per_s")),
        "share_of_matmul": quartiles(share(done, "matmul_flop_per_s")),
    }


def device_name() -> str:
    """What it runs on."""
    return jax.devices()[0].device_kind
