"""STLP, BPTT and RTRL beside each other on one network, through the door.

What a sample costs and what is carried, against n and against the length of the
stream; how well the credit agrees with exact BPTT, layer by layer; and what is learned
after equal samples and after equal seconds. Costs are those of `hl.scan`, compiled;
streams and learning go through `hl.stream`.
"""

import gc
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl

from ._measure import Program, exponent, in_turn, of_law, quartiles, row
from ._three import DT, KINDS, RULES, WINDOW, heard, learner

#: Seconds that a call may take, and the rounds of all laws at one size.
CALL, ROUNDS = 0.1, 12.0
#: µs per sample and bytes beyond which a cell is not run; seconds of a whole stream.
LONGEST, LARGEST, STREAM = 8e5, 4e9, 10.0
#: The network and windows of alignment; samples and seconds of learning.
SMALL, SKIP, SPAN = 32, 300, 900
TUNED_ON, EQUAL, SECONDS, LAST = 4000, 10_000, 1.0, 1000
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
Row = dict[str, Any]


def costs(
    kind: str, sizes: Iterable[int], names: Sequence[str], *, dtype: str,
    repeats: int, say: Any,
) -> tuple[list[Row], dict[str, float | None]]:  # fmt: skip
    """Rows for every size and law, in turn at every size; exponents of n."""
    rows, seen = [], {name: [] for name in names}
    for n in sizes:
        made, expected = [], 0.0
        about = {"what": "cost", "kind": kind, "neurons": n, "dtype": dtype}
        for name in names:
            us = _expected(name, n, seen[name])
            why = _refused(name, n, us)
            if why is not None:
                rows.append({**about, "law": name, "not_run": why})
                say(rows[-1])
                continue
            waits = RULES[name].waits(n, WINDOW)
            length = waits * max(1, round(np.clip(CALL / us * 1e6, 4, 4096) / waits))
            made.append(_program(name, kind, n, length))
            expected += us * length / 1e6
        rounds = int(np.clip(ROUNDS / max(expected, 1e-9), 2, repeats))
        times = in_turn(made, repeats=rounds)
        for one in made:
            found = row(one, times, bptt="bptt")
            seen[one.name].append((n, found["us_per_sample"]["median"]))
            waits = RULES[one.name].waits(n, WINDOW)
            rows.append({**about, **found, "waits": waits})
            say(rows[-1])
        del made
        gc.collect()
    growth = {
        name: exponent(*zip(*values, strict=True)) if values else None
        for name, values in seen.items()
    }
    return rows, growth


def _program(name: str, kind: str, n: int, length: int, *, copies: int = 0) -> Program:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of large errors, which are measured here
        law, net = learner(name, kind, n)
        given = jax.tree.map(jnp.asarray, _cast(heard(name, kind, length)))
        return of_law(name, law, net, given, DT, copies=copies)


def _cast(samples: hl.Sample) -> hl.Sample:
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(float))
    return jax.tree.map(lambda leaf: leaf.astype(dtype), samples)


def _expected(name: str, n: int, seen: list[tuple[int, float]]) -> float:
    """µs per sample, from what a smaller network took."""
    if not seen:
        return {"stlp": 60.0}.get(name, 5.0) * (n / 8) ** (RULES[name].growth - 1)
    last, us = seen[-1]
    return us * (n / last) ** RULES[name].growth


def _refused(name: str, n: int, us: float) -> str | None:
    rule = RULES[name]
    carried = 2 * 4 * n**rule.memory
    if carried > LARGEST:
        return f"it would hold about {carried / 1e9:.0f} GB"
    if us > LONGEST:
        return f"a sample would take about {us / 1e6:.2g} s"
    if us * rule.waits(n, WINDOW) > 10 * LONGEST:
        return f"an update would take about {us * rule.waits(n, WINDOW) / 1e6:.2g} s"
    return None


def many(n: int, copies: int, names: Sequence[str], *, repeats: int, say: Any):
    """Many small networks at once, each with its own weights and stream."""
    rows = []
    for name in names:
        about = {"what": "many", "kind": "layers", "neurons": n, "networks": copies}
        carried = 2 * 4 * copies * n ** RULES[name].memory
        if carried > LARGEST or RULES[name].waits(n, WINDOW) > 1:
            why = f"it would hold about {carried / 1e9:.0f} GB"
            why = why if carried > LARGEST else "its windows are timed alone"
            rows.append({**about, "law": name, "not_run": why})
        else:
            one = _program(name, "layers", n, 4, copies=copies)
            rows.append({**about, **row(one, in_turn([one], repeats=repeats))})
        say(rows[-1])
    return rows


def streams(
    lengths: Iterable[int], names: Sequence[str], costs: Sequence[Row], *, say: Any
) -> list[Row]:
    """One stream of each length through `hl.stream`; BPTT's window is all of it."""
    rows = []
    cost = {r["law"]: r for r in costs if r["neurons"] == SMALL and "not_run" not in r}
    for length in lengths:
        for name in (name for name in names if name in cost):
            about = {"what": "stream", "kind": "layers", "neurons": SMALL}
            about |= {"law": name, "samples": length}
            seconds = cost[name]["us_per_sample"]["median"] * length / 1e6
            if seconds > STREAM:
                rows.append(
                    {**about, "not_run": f"it would take about {seconds:.0f} s"}
                )
            else:
                rows.append({**about, **_streamed(name, length, cost[name])})
            say(rows[-1])
    return rows


def _streamed(name: str, length: int, cost: Row) -> Row:
    whole = name.startswith("bptt")
    law, net = learner(name, "layers", SMALL, window=length)
    given = heard(name, "layers", length)
    # A window that is handed from chunk to chunk would be copied for each.
    chunk = length if whole else None

    def call() -> tuple[float, hl.Result]:
        began = time.perf_counter()
        result = hl.stream(law, net, given, dt=DT, chunk=chunk, progress=False)
        return time.perf_counter() - began, result

    first, (second, result) = call()[0], call()
    used = cost["state_bytes"], cost["scratch_bytes"]
    if whole:
        one = _program_of(law, net, given)
        used = one.carried, one.scratch
    waits = length if whole else RULES[name].waits(SMALL, WINDOW)
    return {
        "first_call_s": first,
        "us_per_sample": second / length * 1e6,
        "state_bytes": used[0],
        "scratch_bytes": used[1],
        "updates": length // waits,
        "loss": float(np.mean(result.loss[-100:])),
    }


def _program_of(law: Any, net: Any, samples: hl.Sample) -> Program:
    given = jax.tree.map(jnp.asarray, _cast(samples))
    return of_law("", law, net, given, DT)


def aligned(kind: str, names: Sequence[str], *, say: Any) -> list[Row]:
    """Cosine with exact BPTT of the credit summed over windows, weights held."""
    rows = []
    for name in names:
        given = heard(name, kind, SKIP + SPAN)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            law, net = learner(name, kind, SMALL)
            found = hl.analysis.alignment(
                law, net, given, dt=DT, skip=SKIP, window=SPAN
            )
        about = {"what": "alignment", "kind": kind, "neurons": SMALL, "law": name}
        cosines = {r["part"]: r["cosine"] for r in found.rows()}
        ratios = {r["part"]: r["ratio"] for r in found.rows()}
        rows.append({**about, "cosines": cosines, "ratios": ratios})
        say({**rows[-1], "all": cosines["all"]})
    return rows


def learned(
    kind: str, names: Sequence[str], costs: Sequence[Row], *, seeds: int, say: Any
) -> list[Row]:
    """Losses at the step size that served another network best."""
    rows = []
    cost = {r["law"]: r for r in costs if r["neurons"] == SMALL and "not_run" not in r}
    for name in (name for name in names if name in cost):
        us = cost[name]["us_per_sample"]["median"]
        tuned = {r: _loss_of(name, kind, r) for r in RATES}
        rate = min(tuned, key=lambda r: tuned[r])
        within = int(SECONDS / us * 1e6)
        length = int(np.clip(within, EQUAL, 100_000))
        curves = [_curve(name, kind, rate, length, seed) for seed in range(seeds)]
        about = {"what": "learning", "kind": kind, "neurons": SMALL, "law": name}
        about |= {"step_size": rate, "at_the_edge": rate in (RATES[0], RATES[-1])}
        about |= {"tuning": {str(r): _finite(loss) for r, loss in tuned.items()}}
        seen = {"equal_samples": EQUAL, "equal_seconds": min(within, length)}
        found = {what: _late(curves, k) for what, k in seen.items()}
        parts = np.array_split(np.median(curves, axis=0), 100)
        shown = {"curve": [_finite(part.mean()) for part in parts], "samples": length}
        before = _late(curves, LAST)
        rows.append(about | found | shown | {"us_per_sample": us, "first": before})
        say(rows[-1])
    return rows


def _late(curves: Sequence[np.ndarray], k: int) -> dict[str, float]:
    """Mean losses over the last samples before the k-th, over the seeds."""
    return quartiles([np.mean(curve[max(k - LAST, 0) : k]) for curve in curves])


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _loss_of(name: str, kind: str, rate: float) -> float:
    return float(np.mean(_curve(name, kind, rate, TUNED_ON, 100)[-LAST:]))


def _curve(name: str, kind: str, rate: float, length: int, seed: int) -> np.ndarray:
    """Losses before every sample taught; infinite from where a run diverged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        law, net = learner(name, kind, SMALL, rate=rate, seed=seed)
        given = heard(name, kind, length)
        loss = hl.stream(law, net, given, dt=DT, progress=False).loss
    return np.concatenate([loss, np.full(length - len(loss), np.inf)])


def measure(
    sizes: Sequence[int], names: Sequence[str], *, quick: bool, repeats: int, say: Any
) -> tuple[list[Row], Row]:
    """(all rows, the exponents of n by kind)."""
    rows, growth = [], {}
    on_gpu = jax.default_backend() == "gpu"
    timed: dict[str, list[Row]] = {}
    for kind in KINDS:
        timed[kind], growth[kind] = costs(
            kind, sizes, names, dtype="float32", repeats=repeats, say=say
        )
        rows += timed[kind]
    if not quick:
        with jax.enable_x64(True):
            for kind in KINDS:
                double = [n for n in sizes if n in (32, 512)]
                rows += costs(
                    kind, double, names, dtype="float64", repeats=repeats, say=say
                )[0]
    for kind in KINDS:
        rows += aligned(kind, names, say=say)
        rows += learned(kind, names, timed[kind], seeds=1 if quick else 3, say=say)
    lengths = (100, 10_000) if quick else (100, 10_000, 1_000_000)
    rows += streams(lengths, names, timed["layers"], say=say)
    copies = 4096 if on_gpu else 8 if quick else 64
    rows += many(64, copies, names, repeats=repeats, say=say)
    return rows, {"exponents": growth}
