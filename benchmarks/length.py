"""Memory against the length of the stream: flat, linear, or like its square root."""

from collections.abc import Iterable
from typing import Any

from ._measure import exponent
from ._subjects import Setting, subjects

NEURONS = 32


def measure(lengths: Iterable[int], names: Iterable[str], *, say: Any):
    """Scratch memory of one compiled program over the whole stream, by the compiler.

    What comes in and goes out once a sample, inputs, targets and reported losses, is
    not counted. Nothing is run, so that every length fits.
    """
    known, rows, growth = subjects(), [], {}
    for name in (name for name in names if name in known):
        seen = []
        for length in lengths:
            program = known[name].law(Setting(NEURONS, length))
            total = program.scratch + program.carried
            seen.append((length, total))
            rows.append(
                {
                    "law": name,
                    "neurons": NEURONS,
                    "samples": length,
                    "scratch_bytes": program.scratch,
                    "state_bytes": program.carried,
                    "compile_s": program.compile_s,
                }
            )
            say(rows[-1])
        growth[name] = exponent(*zip(*seen, strict=True))
    return rows, growth
