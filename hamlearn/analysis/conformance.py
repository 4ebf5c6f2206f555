"""What every law makes of a user's own network: exact, partial, or not at all."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Number, PyTree
from ..laws.base import AbstractLaw
from ..networks.base import AbstractNetwork, NetworkLike
from ..networks.dynamics import as_network
from ..networks.partition import split
from ..run.patience import Patience
from ..run.tables import Table, plain
from ._credit import Problem, cast
from ._horizon import LONGEST, horizon
from ._report import Report
from .laws import compared_laws

_CREDIT = ("exact", "cosine", "error", "error_32", "spread", "by_chance", "no_credit")
_COST = (
    "causal", "local_in_space", "local_in_time", "state_bytes", "work_bytes", "us",
    "times_bptt",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class ConformanceReport:
    """What `conformance` found; prints as tables.

    **Attributes:** `title`; `laws`: by name what is known of each, or why it was not
    run; `leaves`: one row per law and each of its weights; `horizons`: by dtype
    after how many samples a costate pushed forward means nothing, None for never.
    """

    title: str
    laws: dict[str, dict[str, Any]]
    leaves: Table
    horizons: dict[str, int | None]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per law; `note` says why one was not run."""
        empty = dict.fromkeys((*_CREDIT, *_COST))
        return [{"law": k, **empty, **v} for k, v in self.laws.items()]

    def to_json(self) -> str:
        """One JSON object per law, with its leaves; what is not finite is null."""
        leaves = {name: {} for name in self.laws}
        for row in self.leaves.rows():
            leaves[row.pop("law")][row.pop("leaf")] = row
        lines = []
        for row in self.rows():
            row |= {"leaves": leaves[row["law"]], "costate_horizon": self.horizons}
            lines.append(json.dumps(plain(row)))
        return "\n".join(lines)

    def text(self, width: int = 100) -> str:
        """All of it in at most `width` columns."""
        ran = [row for row in self.rows() if not row["note"]]

        def table(title: str, columns: tuple[str, ...]) -> str:
            columns = ("law", *columns)
            values = tuple(tuple(row[name] for name in columns) for row in ran)
            return Table(title, columns, values).text(width)

        parts = [
            self.title,
            table("Credit, held against BPTT in float64", _CREDIT),
            table("What it needs", _COST),
            self.leaves.text(width),
            self._horizon(),
        ]
        refused = [f"{r['law']}: {r['note']}" for r in self.rows() if r["note"]]
        if refused:
            wrap = lambda line: textwrap.fill(
                line, width, initial_indent="  ", subsequent_indent="    "
            )
            parts.append("\n".join(["Not run", *map(wrap, refused)]))
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def _horizon(self) -> str:
        lines = ["The true costate, pushed forward in time from its exact start,"]
        for name, steps in self.horizons.items():
            after = f"is off by its own size after {steps} samples"
            never = f"stays good for all of {LONGEST} samples"
            lines.append(f"  {name}: {never if steps is None else after}")
        return "\n".join(lines)


def conformance(
    network: NetworkLike,
    *,
    inputs: int,
    x0: PyTree = None,
    steps: int = 60,
    dt: Number = 0.1,
    draws: int = 16,
    laws: Mapping[str, AbstractLaw] | None = None,
    key: Array | None = None,
    progress: bool = True,
) -> ConformanceReport:
    """Put a network under every law and report what each makes of it.

    On a random stream, with the weights held, the summed credit of each law is held
    against the gradient by BPTT in double precision. Of a law that runs:

    - `exact`: within a thousand roundings; `cosine` and relative `error` in float64,
      `error_32` in float32 (of the mean over draws, for laws that draw: the bias);
      `leaves` has them for every weight.
    - `spread`: the standard deviation over draws, relative to the gradient;
      `by_chance`: the error of the mean that it makes by chance.
    - `no_credit`: weights that get exactly none but should.
    - `causal`: credit so far is the same, bit for bit, whatever comes later; None for
      BPTT, which has none until the stream ends.
    - `local_in_space`, `local_in_time`: of the law, as in `locality` (in a cell whose
      states all hear each other everything is one edge away).
    - `state_bytes` carried from sample to sample; `work_bytes` that the compiled
      program needs beside, for the whole stream; `us` per sample, and over BPTT's.

    **Arguments:** `network`: any module `f(x, u) = dx/dt` with its start `x0`, or a
    network; `inputs`: how many it hears; `steps`, `dt`: of the stream; `draws`: for
    stochastic laws; `laws`: other laws by name, by default `compared_laws`;
    `progress`: a word on standard error after two seconds.

    **Raises:** `ValueError` for a network whose gradient is zero.
    """
    _checks.at_least("inputs", inputs, 0)
    _checks.at_least("steps", steps, 2)
    _checks.at_least("draws", draws, 2)
    _checks.positive("dt", dt)
    network, key = as_network(network, x0), jax.random.key(0) if key is None else key
    seed = np.asarray(jax.random.key_data(key))
    report, horizons = Report(_dtype(network)), {}
    with Patience("conformance", progress=progress) as patience:
        for precision in ("float64", "float32"):
            with jax.enable_x64(precision == "float64"):
                problem = Problem.make(cast(network), inputs, steps, float(dt), seed)
                chosen = laws
                if laws is None:
                    chosen = compared_laws(problem.network, inputs, steps=steps)
                report.add_all(problem, chosen, draws, precision, patience)
                horizons[precision] = horizon(
                    problem.network, problem.samples, problem.dt
                )
    title = f"{network.name} under every law, {steps} samples of dt = {dt}"
    return ConformanceReport(title, report.laws, report.table(), horizons)


def _dtype(network: AbstractNetwork) -> str:
    return str(jnp.result_type(*split(network)[0].values()))
