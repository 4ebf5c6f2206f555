"""How near filters of the costate come to the best that their features allow."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Number, PyTree, Scalar
from ..action.cost import Cost
from ..costates.filtered import FilteredErrors
from ..costates.latent import Errors
from ..costates.learned import Learned
from ..costates.prospective import ProspectiveAdjoint
from ..costates.window import pulled_back
from ..laws.base import AbstractLaw, State
from ..laws.law import Law
from ..networks.base import NetworkLike
from ..run.patience import Patience
from ..run.scan import scan
from ..run.tables import Table
from ..sensitivities.filtered import FilteredTraces, SplitTraces
from ..sensitivities.layers import conjugate
from ..signals.signal import Sample
from ._sums import Summed, begun
from .alignment import alignment

_FILTERED = (FilteredErrors, SplitTraces, FilteredTraces, Errors)


def filter_alignment(
    laws: Mapping[str, AbstractLaw],
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    fitted: int,
    window: int | None = None,
    rounds: int = 2,
    key: Array | None = None,
    progress: bool = True,
) -> Table:
    """Laws beside the ceiling of a filter's features, layer by layer, on fresh samples.

        ceiling: w* = argmin sum_k |lam*_k - s_k - w.phi_k|^2 over the first samples

    lam* is the exact costate, phi what a `Learned` filter has of its own neuron. w* is
    then held, and it and all laws are scored by `alignment` on the samples after: the
    learned ones have learned on the first samples too. Since s depends on w where
    errors pass from neuron to neuron, the fit is made anew in its presence.

    **Arguments:** `laws`: by name; one of them, or several, with a `Learned` closure,
    the first of which names the features; `network`: of one stream, at most one layer
    of it above another where these are of modes; `samples`: the stream; `fitted`: how
    many of them the fit sees; `window`: of `alignment`; `rounds`: of the fit; `key`:
    for `init`; `progress`: say after two seconds what is being scored.

    **Returns:** a table with one row per law and part: `cosine`, that of the
    `ceiling`, and the `fraction` of it.
    """
    _checks.at_least("fitted", fitted, 1)
    _checks.at_least("rounds", rounds, 1)
    learned = next((law for law in laws.values() if _closure(law) is not None), None)
    if learned is None:
        wanted = "some with one whose closure is a `Learned`"
        _checks.reject("laws", wanted, list(laws))
    assert isinstance(learned, Law)
    _, samples, _ = begun(learned, network, samples, dt, None, key)
    first = jax.tree.map(lambda leaf: leaf[:fitted], samples)
    options: Any = {"dt": dt, "skip": fitted, "window": window, "key": key}
    score = lambda law: {
        row["part"]: row["cosine"]
        for row in alignment(law, network, samples, progress=False, **options).rows()
    }
    rows = []
    with Patience("filters", len(laws) + 1, progress=progress) as patience:
        patience.at("their ceiling")
        ceiling = score(best_filter(learned, network, first, dt=dt, rounds=rounds))
        for name, law in laws.items():
            patience.at(name)
            for part, cosine in score(law).items():
                most = ceiling[part]
                rows.append((name, part, cosine, most, cosine / most))
    columns = ("law", "part", "cosine", "ceiling", "fraction")
    return Table("Filters of the costate and their ceiling", columns, tuple(rows))


def best_filter(
    law: Law, network: NetworkLike, samples: Sample, *, dt: Number, rounds: int = 2
) -> Law:
    """`law` with the filter that fits the exact costate best, and learns no more.

    **Arguments:** `law`: with a `Learned` closure; `samples`: that it is fitted on.

    **Raises:** `ValueError` for a stack of more than two layers.
    """
    closure = _closure(law)
    if closure is None:
        _checks.reject("law", "one with a `Learned` closure", law.title)
    assert closure is not None
    state, samples, dt = begun(law, network, samples, dt, None, None)
    wanted = _exact(law, law.cost, network, samples, dt)
    weight = None
    for _ in range(rounds):
        held = Learned(closure.averages, shrinkage=None, weight=weight)
        law = eqx.tree_at(lambda law: law.credit.closure, law, held)  # pyright: ignore
        state, _, _ = begun(law, network, samples, dt, None, None)
        if isinstance(law.credit, FilteredTraces) and len(state.credit.memory[1]) > 1:
            _checks.reject("network", "a stack of two layers", state.network.name)
        weight = _fitted(law, state, samples, dt, wanted)
    held = Learned(closure.averages, shrinkage=None, weight=weight)
    return eqx.tree_at(lambda law: law.credit.closure, law, held)  # pyright: ignore


def _closure(law: AbstractLaw) -> Learned | None:
    credit = law.credit if isinstance(law, Law) else None
    if not isinstance(credit, _FILTERED):
        return None
    return credit.closure if isinstance(credit.closure, Learned) else None


def _predictor(law: Law, state: State) -> Any:
    """What the closure remembers."""
    memory = state.credit.inside.memory
    if isinstance(law.credit, SplitTraces):
        return memory[1][1]
    return memory[1][0] if isinstance(law.credit, FilteredTraces) else memory[1]


@eqx.filter_jit
def _fitted(law: Law, state: State, samples: Sample, dt: Scalar, wanted: Array):
    """w* of every neuron."""
    summed = Summed(law, -jnp.ones(len(samples.target), jnp.int32), 1)
    look = lambda state, sample, info: (
        _predictor(law, state).before,
        _predictor(law, state).last,
    )
    _, (phi, s) = scan(summed, summed.around(state), samples, dt, look)
    number = (lambda a: a) if s.ndim == 2 else (lambda a: jax.lax.complex(*_pair(a)))
    rest = number(wanted - s)
    A = jnp.einsum("tin,tjn->nij", phi, phi)
    b = jnp.einsum("tin,tn->ni", phi.astype(rest.dtype), rest)
    # Features that never move, or move together, leave A singular.
    size = jnp.trace(A, axis1=1, axis2=2)[:, None, None]
    A = A + 1e-10 * size * jnp.eye(A.shape[1], dtype=A.dtype)
    w = jnp.linalg.solve(A.astype(b.dtype), b[..., None])[..., 0].T
    return w[None] if s.ndim == 2 else jnp.stack([w.real, w.imag])


def _pair(a: Array) -> tuple[Array, Array]:
    return a[:, 0], a[:, 1]


@eqx.filter_jit
def _exact(law: Law, cost: Cost, network: Any, samples: Sample, dt: Scalar) -> Array:
    """lam* at every sample, in the units of the law's closure."""

    def forward(x: PyTree, u: Array) -> tuple[PyTree, PyTree]:
        return network.transition(x, u, dt), x

    _, x = jax.lax.scan(forward, network.initial_state(), samples.input)
    length = len(samples.target)
    if isinstance(law.credit, Errors):
        once = jnp.full((length,), float(length), dt.dtype)
        begins = jnp.zeros((length, 1), bool)
        adjoint = ProspectiveAdjoint(length)
        return adjoint.adjoint(cost, network, x, samples, once, begins, dt)[1]
    first, after = pulled_back(cost, network, x, samples, None, None, dt)
    if not isinstance(law.credit, FilteredTraces):
        return dt / network.own_time * after
    first, after = first[1], after[1]
    here = jnp.concatenate([first[None], after[:-1]])
    return jax.vmap(conjugate)(here)
