"""Time, compile time and memory a sample on complete networks, and how they grow."""

import gc
from collections.abc import Iterable
from typing import Any

from ._measure import exponent, in_turn, quartiles, row
from ._subjects import Setting, forward, forward_outer, subjects

#: A step that is predicted to take longer, in µs, or carry more, in bytes, is not run.
LONGEST, LARGEST = 1.5e6, 4e9


def measure(sizes: Iterable[int], names: Iterable[str], *, repeats: int, say: Any):
    """Rows for every size and law; each law beside its floor, in the same rounds."""
    known, names = subjects(), list(names)
    rows, seen = [], {name: [] for name in names}
    for n in sizes:
        length = block(n, 2.0)
        base = [make(Setting(n, length)) for make in (forward, forward_outer)]
        for name in (name for name in names if name in known):
            subject = known[name]
            why = refused(n, subject, seen[name])
            if why is not None:
                rows.append({"neurons": n, "law": name, "not_run": why})
            else:
                setting = Setting(n, block(n, subject.growth))
                made = [subject.law(setting)]
                if subject.floor is not None:
                    made.append(subject.floor(setting))
                times = in_turn([*base, *made], repeats=repeats)
                others = {"forward_outer": "forward + outer", "floor": f"floor: {name}"}
                found = {"neurons": n, **row(made[0], times, **others)}
                if subject.floor is not None:
                    found["floor_us"] = quartiles(times[f"floor: {name}"])
                    found["floor_scratch_bytes"] = made[1].scratch
                found["forward_us"] = quartiles(times["forward"])
                found["forward_outer_us"] = quartiles(times["forward + outer"])
                rows.append(found)
                seen[name].append((n, found["us_per_sample"]["median"]))
                del made
                gc.collect()
            say(rows[-1])
    return rows, {name: _growth(values) for name, values in seen.items()}


def block(n: int, growth: float) -> int:
    """Samples a call: a square, of so many that the copies at its start do not count.

    At least 4, or XLA folds the zeros of the start.
    """
    work, least = (4e7, 4) if growth < 3 else (4e8, 2)
    root = int(min(max((work / n**growth) ** 0.5, least), 64))
    return root * root


def refused(n: int, subject: Any, seen: list[tuple[int, float]]) -> str | None:
    """Why a size is not run, from what the smaller ones took."""
    carried = 3 * 4 * n**subject.memory_growth
    if carried > LARGEST:
        return f"it would hold about {carried / 1e9:.0f} GB"
    if not seen:
        return None
    last, us = seen[-1]
    expected = us * (n / last) ** subject.growth
    if expected > LONGEST:
        return f"a step would take about {expected / 1e6:.0f} s"
    return None


def _growth(seen: list[tuple[int, float]]) -> float | None:
    return exponent([n for n, _ in seen], [us for _, us in seen])
