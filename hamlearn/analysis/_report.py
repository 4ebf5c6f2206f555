"""Facts about every law on one network, gathered in two precisions."""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from .. import _checks
from ..action.cost import Cost
from ..costates.gradient import Checkpoints, Stored
from ..costates.prospective import ProspectiveAdjoint
from ..costates.riccati import TimeReversal
from ..costates.window import Adjoint
from ..laws.base import AbstractLaw
from ..laws.hamiltonian_flow import HamiltonianFlow
from ..laws.law import Law
from ..laws.nla import NLA
from ..networks.base import AbstractNetwork
from ..networks.partition import split
from ..networks.voltage import VoltageNetwork
from ..run.patience import Patience
from ..run.tables import Table
from ._credit import (
    Credit,
    Numbers,
    compare,
    credit_of_bptt,
    credit_of_law,
    flat,
    require_gradient,
)
from .locality import extent


class Report:
    """Gathers facts, first those of float64, which hold the reference.

    **Attributes:** `native`: the dtype in which times and bytes are measured; `laws`,
    by name, what is known of each; `exact`: the gradients by BPTT; `leaves`: by law
    and weight.
    """

    def __init__(self, native: str):
        self.native = native
        self.laws: dict[str, dict[str, Any]] = {}
        self.exact: dict[str, Numbers] = {}
        self.leaves: dict[tuple[str, str], dict[str, float]] = {}

    def add_all(
        self, problem, laws, draws: int, precision: str, patience: Patience
    ) -> None:
        timed = precision == self.native
        for name, memory in _BPTT.items():
            patience.hear(f"{name} in {precision}")
            if precision == "float64":
                self.exact[name] = problem.gradient(Cost())
                require_gradient(self.exact[name])
                # As `locality` measures it for a shorter window.
                known = {"local_in_space": True, "local_in_time": False}
                self.laws[name] = {"note": ""} | known
            self.add(name, credit_of_bptt(problem, memory, timed=timed), precision)
        for name, law in laws.items():
            patience.hear(f"{name} in {precision}")
            if precision == "float64":
                self.exact[name] = problem.gradient(law.cost)
                self.laws[name] = {"note": ""}
            if self.laws[name]["note"]:
                continue
            try:
                _require_fit(law, problem.network)
                credit = credit_of_law(law, problem, draws, timed=timed)
            except (ValueError, TypeError, NotImplementedError) as error:
                self.laws[name] = {"note": _reason(error)}
                continue
            self.add(name, credit, precision)
            if precision == "float64":
                space, in_time = extent(_shortened(law))
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
        return Table("Credit, leaf by leaf", ("law", "leaf", *names), rows)


def _reason(error: Exception) -> str:
    """Why a law cannot take the network; other errors are the user's own.

    **Raises:** `error` itself where it is no refusal.
    """
    text = str(error)
    if any(word in text for word in ("jvp", "custom_vjp", "forward-mode")):
        return "needs forward-mode derivatives: give the function a `custom_jvp`"
    if isinstance(error, ValueError | NotImplementedError):
        return text
    raise error


def _shortened(law: AbstractLaw) -> AbstractLaw:
    """`law` with a short window: what is local does not depend on its length."""
    credit = law.credit if isinstance(law, Law) else None
    if isinstance(credit, Adjoint):
        short = Adjoint(3, 0, credit.inputs)
    elif isinstance(credit, ProspectiveAdjoint):
        short = ProspectiveAdjoint(3, credit.dissipation, credit.discount)
    else:
        return law
    return eqx.tree_at(lambda law: law.credit, law, short)


def _require_fit(law: AbstractLaw, network: AbstractNetwork) -> None:
    """**Raises:** `ValueError` for a Riccati matrix of more than a few megabytes, and
    for a law whose credit means nothing on samples that jump."""
    if isinstance(law, HamiltonianFlow) and isinstance(law.policy, TimeReversal):
        states = jax.tree.leaves(network.initial_state())
        size = sum(leaf.size for leaf in (*states, *split(network)[0].values()))
        if size > _LARGEST:
            wanted = f"one of at most {_LARGEST} states and weights for TimeReversal"
            _checks.reject("network", wanted, f"one of {size}")
    if isinstance(law, NLA) and isinstance(network, VoltageNetwork):
        wanted = "a stream with rates for NLA, whose credit is the slope of an energy"
        _checks.reject("samples", f"{wanted} at its minimum", "one that jumps")


_LARGEST = 600
_BPTT = {"BPTT": Stored(), "BPTT, checkpointed": Checkpoints()}
_EXACT = 1e3 * float(np.finfo(np.float64).eps)


def _draw_facts(credit: Credit, mean: Numbers, exact: Numbers) -> dict[str, Any]:
    """Standard deviation over draws, and what of it is left in their mean."""
    count = len(credit.draws)
    if count < 2:
        return {}
    off = [np.linalg.norm(flat(g) - flat(mean)) ** 2 for g in credit.draws]
    spread = float(np.sqrt(np.sum(off) / (count - 1)) / np.linalg.norm(flat(exact)))
    return {"spread": spread, "by_chance": spread / count**0.5}
