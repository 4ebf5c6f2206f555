"""What each law must move and multiply against what the device can do.

A local law on a dense network passes over its weights several times per step: for the
forward product, the transposed product and the update, which reads and writes. What is
counted here is each array of n^2 numbers once for every such time, all updates in one
pass; what the device can do is measured by copying and multiplying large arrays. The
bound of a step is the longer of the two times; what XLA says its program moves stands
beside what the law must.
"""

import gc
from typing import Any

import jax
import jax.numpy as jnp

from ._measure import Program, compiled, in_turn, of_law, quartiles
from ._subjects import BLOCK, Setting, learners, subjects
from .cost import block

#: n x n arrays read or written a step: W forward, W back, W read and written; flip
#: also reads and writes its costate, SnAp-1, RFLO and each of four hops a trace that
#: the update reads, UORO a factor whose size it needs beforehand; BPTT writes no
#: weights here, and takes the forward pass twice from checkpoints.
PASSES = {
    "flip": 6, "gle": 4, "instantaneous": 4, "rflo": 5, "snap1": 5, "uoro": 6,
    "hops": 14, "bptt": 2, "bptt-sqrt": 3,
}  # fmt: skip
#: Products of a matrix with a vector, or outer products, of 2 n^2 operations each.
PRODUCTS = {
    "flip": 4, "gle": 3, "instantaneous": 3, "rflo": 3, "snap1": 3, "uoro": 5,
    "hops": 12, "bptt": 3, "bptt-sqrt": 4,
}  # fmt: skip
#: Laws of n^3 numbers: (arrays, products) from n. RTRL reads and writes n arrays and
#: multiplies each by a matrix; in blocks of b samples that is done once a block, beside
#: two products of matrices per sample.
CUBIC = {
    "rtrl": (lambda n: 2 * n + 4, lambda n: n * n),
    "rtrl-blocks": (lambda n: 2 * n / BLOCK + 4, lambda n: 2 * n + n * n / BLOCK),
}
LAWS = (*PASSES, *CUBIC)


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
    """(the device's rates, a row per law and size).

    One network of every size, then many of 64 neurons at once, each with its own
    weights and stream, then one of 128 for laws of n^3 numbers. Copy and matmul run in
    the same rounds as the laws, and shares are taken round by round.
    """
    on_gpu = jax.default_backend() == "gpu"
    flat, deep = ([n for n in names if n in group] for group in (PASSES, CUBIC))
    jobs = [(Setting(n, 256 if on_gpu else block(n, 2.0)), flat) for n in sizes]
    many = Setting(64, 256 if on_gpu else 16, copies=64 if quick else 4096)
    jobs += [(many, flat), (Setting(128, BLOCK), deep)]
    rows, found = [], {}
    for setting, chosen in (job for job in jobs if job[1]):
        made = [_program(name, setting) for name in chosen]
        device = device_programs(**_side(quick, on_gpu))
        times = in_turn([*device, *made], repeats=repeats)
        found = rates(device, times)
        for one in made:
            rows.append(_row(one, setting, times[one.name], found))
            say(rows[-1])
        del made, device
        gc.collect()
    return {name: quartiles(values) for name, values in found.items()}, rows


def _program(name: str, setting: Setting) -> Program:
    if name in subjects():
        return subjects()[name].law(setting)
    return of_law(name, *learners()[name](setting), 1.0, copies=setting.copies)


def _side(quick: bool, on_gpu: bool) -> dict[str, int]:
    """Arrays that no cache holds, and products long beside their start."""
    if quick:
        return {"megabytes": 16, "side": 512}
    return {"megabytes": 1024 if on_gpu else 256, "side": 8192 if on_gpu else 2048}


def _row(one: Program, setting: Setting, us: Any, device: Any) -> dict[str, Any]:
    n, networks = setting.n, max(setting.copies, 1)
    if one.name in CUBIC:
        passes, products = (count(n) for count in CUBIC[one.name])
    else:
        passes, products = PASSES[one.name], PRODUCTS[one.name]
    array = 4 * n * n * networks
    moved = array * passes / us * 1e6
    done = 2 * n * n * networks * products / us * 1e6
    share = moved / device["copy_bytes_per_s"], done / device["matmul_flop_per_s"]
    return {
        "law": one.name,
        "neurons": n,
        "streams": networks,
        "us_per_step": quartiles(us),
        "must_move": passes,
        "moves": one.moved / array,
        "bytes_per_s": quartiles(moved),
        "flop_per_s": quartiles(done),
        "share_of_copy": quartiles(share[0]),
        "share_of_matmul": quartiles(share[1]),
    }
