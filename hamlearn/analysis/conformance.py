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
from .._types import Array, PyTree
from ..action.cost import Cost
from ..costates.riccati import TimeReversal
from ..networks.base import AbstractNetwork
from ..networks.dynamics import Dynamics, as_network
from ..networks.partition import split
from ..rules._base import AbstractRule
from ..rules.bptt import SqrtCheckpoints, StoreAll
from ..rules.hamiltonian import HamiltonianLearning
from ..rules.vle import VLE
from ._credit import (
    Credit,
    Numbers,
    Problem,
    cast,
    compare,
    credit_of_bptt,
    credit_of_law,
    flat,
    require_gradient,
)
from ._horizon import LONGEST, horizon
from ._table import Table, plain
from .laws import compared_laws
from .locality import extent

_CREDIT = ("exact", "cosine", "error", "error_32", "spread", "by_chance", "no_credit")
_COST = (
    "causal", "local_in_space", "local_in_time", "state_bytes", "work_bytes", "us",
    "times_bptt",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class Conformance:
    """What `conformance` found; prints as tables.

    **Attributes:** `title`; `laws`: by name what is known of each, or why it was not
    run; `leaves`: a row for each law and each of its weights; `horizons`: by dtype
    after how many samples a costate pushed forward means nothing, None for never.
    """

    title: str
    laws: dict[str, dict[str, Any]]
    leaves: Table
    horizons: dict[str, int | None]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a law; `note` says why one was not run."""
        empty = dict.fromkeys((*_CREDIT, *_COST))
        return [{"rule": k, **empty, **v} for k, v in self.laws.items()]

    def to_json(self) -> str:
        """One JSON object a law, with its leaves; what is not finite is null."""
        leaves = {name: {} for name in self.laws}
        for row in self.leaves.rows():
            leaves[row.pop("rule")][row.pop("leaf")] = row
        lines = []
        for row in self.rows():
            row |= {"leaves": leaves[row["rule"]], "costate_horizon": self.horizons}
            lines.append(json.dumps(plain(row)))
        return "\n".join(lines)

    def text(self, width: int = 100) -> str:
        """All of it in at most `width` columns."""
        ran = [row for row in self.rows() if not row["note"]]

        def table(title: str, columns: tuple[str, ...]) -> str:
            columns = ("rule", *columns)
            values = tuple(tuple(row[name] for name in columns) for row in ran)
            return Table(title, columns, values).text(width)

        parts = [
            self.title,
            table("Credit, held against BPTT in float64", _CREDIT),
            table("What it needs", _COST),
            self.leaves.text(width),
            self._horizon(),
        ]
        refused = [f"{r['rule']}: {r['note']}" for r in self.rows() if r["note"]]
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
    network: Any,
    *,
    inputs: int,
    x0: PyTree = None,
    steps: int = 60,
    dt: Any = 0.1,
    draws: int = 16,
    rules: Mapping[str, AbstractRule] | None = None,
    key: Array | None = None,
) -> Conformance:
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
      program needs beside, for the whole stream; `us` a sample, and over BPTT's.

    **Arguments:** `network`: any module `f(x, u) = dx/dt` with its start `x0`, or a
    network; `inputs`: how many it hears; `steps`, `dt`: of the stream; `draws`: for
    stochastic laws; `rules`: other laws by name, with plain SGD at a rate of one.

    **Raises:** `ValueError` for a network whose gradient is zero.
    """
    _checks.at_least("inputs", inputs, 0)
    _checks.at_least("steps", steps, 2)
    _checks.at_least("draws", draws, 2)
    _checks.positive("dt", dt)
    network, key = as_network(network, x0), jax.random.key(0) if key is None else key
    seed = np.asarray(jax.random.key_data(key))
    report, horizons = _Report(_dtype(network)), {}
    for precision in ("float64", "float32"):
        with jax.enable_x64(precision == "float64"):
            problem = Problem.make(cast(network), inputs, steps, float(dt), seed)
            chosen = rules
            if rules is None:
                chosen = compared_laws(problem.network, inputs, steps=steps, dt=dt)
            report.add_all(problem, chosen, draws, precision)
            horizons[precision] = horizon(problem.network, problem.samples, problem.dt)
    title = f"{_kind(network)} under every law, {steps} samples of dt = {dt}"
    return Conformance(title, report.laws, report.table(), horizons)


class _Report:
    """Gathers facts, first those of float64, which hold the reference."""

    def __init__(self, native: str):
        self.native = native
        self.laws: dict[str, dict[str, Any]] = {}
        self.exact: dict[str, Numbers] = {}
        self.leaves: dict[tuple[str, str], dict[str, float]] = {}

    def add_all(self, problem, rules, draws: int, precision: str) -> None:
        timed = precision == self.native
        for name, memory in _BPTT.items():
            if precision == "float64":
                self.exact[name] = problem.gradient(Cost())
                require_gradient(self.exact[name])
                # As `locality` measures it for a shorter window.
                known = {"local_in_space": True, "local_in_time": False}
                self.laws[name] = {"note": ""} | known
            self.add(name, credit_of_bptt(problem, memory, timed=timed), precision)
        for name, rule in rules.items():
            if precision == "float64":
                self.exact[name] = problem.gradient(rule.cost)
                self.laws[name] = {"note": ""}
            if self.laws[name]["note"]:
                continue
            try:
                _require_room(rule, problem.network)
                credit = credit_of_law(rule, problem, draws, timed=timed)
            except ValueError as error:
                self.laws[name] = {"note": str(error)}
                continue
            self.add(name, credit, precision)
            if precision == "float64":
                space, in_time = extent(_shortened(rule))
                self.laws[name] |= {"local_in_space": space, "local_in_time": in_time}

    def add(self, name: str, credit: Credit, precision: str) -> None:
        facts, exact, mean = self.laws[name], self.exact[name], credit.mean
        cosine, error = compare(mean, exact)
        if precision == "float64":
            facts |= {"cosine": cosine, "error": error, "exact": error < _EXACT}
            facts |= _draw_facts(credit, mean, exact) | {"causal": credit.causal}
            missing = [k for k in exact if np.any(exact[k]) and not np.any(mean[k])]
            facts["no_credit"] = ", ".join(missing) or None
        else:
            facts["error_32"] = error
        if precision == self.native:
            facts |= {"state_bytes": credit.state_bytes, "us": credit.us}
            facts["work_bytes"] = credit.work_bytes
            facts["times_bptt"] = credit.us / self.laws["BPTT"]["us"]
        suffix = "" if precision == "float64" else "_32"
        for leaf in exact:
            cosine, error = compare({leaf: mean[leaf]}, {leaf: exact[leaf]})
            row = self.leaves.setdefault((name, leaf), {})
            row |= {f"cosine{suffix}": cosine, f"error{suffix}": error}

    def table(self) -> Table:
        names = ("cosine", "error", "cosine_32", "error_32")
        rows = tuple(
            (*at, *(row.get(name) for name in names)) for at, row in self.leaves.items()
        )
        return Table("Credit, leaf by leaf", ("rule", "leaf", *names), rows)


def _shortened(rule: AbstractRule) -> AbstractRule:
    """`rule` with a short window: what is local does not depend on its length."""
    if not isinstance(rule, VLE):
        return rule
    return VLE(rule.cost, rule.optimizer, window=3, discount=rule.discount)


def _require_room(rule: AbstractRule, network: AbstractNetwork) -> None:
    """**Raises:** `ValueError` for a Riccati matrix of more than a few megabytes."""
    if isinstance(rule, HamiltonianLearning) and isinstance(rule.policy, TimeReversal):
        states = jax.tree.leaves(network.initial_state())
        size = sum(leaf.size for leaf in (*states, *split(network)[0].values()))
        if size > _LARGEST:
            wanted = f"one of at most {_LARGEST} states and weights for TimeReversal"
            _checks.reject("network", wanted, f"one of {size}")


_LARGEST = 600
_BPTT = {"BPTT": StoreAll(), "BPTT, checkpointed": SqrtCheckpoints()}
_EXACT = 1e3 * float(np.finfo(np.float64).eps)


def _draw_facts(credit: Credit, mean: Numbers, exact: Numbers) -> dict[str, Any]:
    """Standard deviation over draws, and what of it is left in their mean."""
    count = len(credit.draws)
    if count < 2:
        return {}
    off = [np.linalg.norm(flat(g) - flat(mean)) ** 2 for g in credit.draws]
    spread = float(np.sqrt(np.sum(off) / (count - 1)) / np.linalg.norm(flat(exact)))
    return {"spread": spread, "by_chance": spread / count**0.5}


def _dtype(network: AbstractNetwork) -> str:
    return str(jnp.result_type(*split(network)[0].values()))


def _kind(network: AbstractNetwork) -> str:
    inside = network.drift if isinstance(network, Dynamics) else network
    return type(inside).__name__
