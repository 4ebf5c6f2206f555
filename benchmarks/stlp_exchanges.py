"""How good STLP's credit is after a number of exchanges between neighbours.

    python -m benchmarks.stlp_exchanges

Forty neurons without cycles, m_x/m_w = 1e-4; double precision, against a direct solve.
"""

import jax

from hamlearn.papers._stlp_credit import exchanged

from ._record import write


def main() -> None:
    """Write results/stlp_exchanges.json."""
    jax.config.update("jax_enable_x64", True)
    found = exchanged((1, 4, 16, 64), (1, 2, 4))
    rows = [
        {"solver": solver, "exchanges": exchanges, "error": error}
        for solver, errors in (("plain", found.plain), ("sweeps", found.swept))
        for exchanges, error in errors.items()
    ]
    more = {"depth": found.depth, "backprop": found.backprop}
    write("stlp_exchanges", rows, dtype="float64", **more)


if __name__ == "__main__":
    main()
