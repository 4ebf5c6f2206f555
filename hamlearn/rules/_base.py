"""What every learning law looks like."""

from abc import abstractmethod
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .._types import Array, Float, Params, PyTree, Scalar
from ..action.cost import Cost
from ..signals.signal import Sample


class AbstractRule(eqx.Module):
    """A learning law: `init` makes its state, `step` takes one sample.

    `state.network` is the network with all it has learned so far. What is carried
    (the state) and what is reported (the info, with at least `output` and `loss`,
    both from before the sample taught anything) are different types.

    In discrete time all laws share one convention: the output of step k is h(x_k, u_k)
    and its loss is against y_k; then x_{k+1} = x_k + dt f(x_k, u_k) (or another
    solver's step). An input thus acts on the output one step later.
    """

    cost: eqx.AbstractVar[Cost]

    @abstractmethod
    def init(self, network: Any, *, x0: PyTree = None, key: Array | None = None) -> Any:
        """The state before the first sample.

        **Arguments:** `network`: an `AbstractNetwork`, or any module
        `f(x, u) = dx/dt` together with its start `x0`; `x0` also replaces the
        initial state of a network; `key`: for laws that draw random numbers.
        """

    @abstractmethod
    def step(self, state: Any, sample: Sample, dt: Scalar) -> tuple[Any, Any]:
        """(state after dt, info at the start of the step). Pure; for `jit`, `scan`."""

    def check(self, network: Any, dt: Any) -> None:
        """Warn of, or reject, a step that does not suit the network, before a run.

        By default every step suits. **Raises:** `ValueError`.
        """

    def chosen(self, state: Any) -> "AbstractRule":
        """The law with what it chose for the network by itself, for a `Result`."""
        return self


class AbstractFlow(AbstractRule):
    """A law that is a differential equation.

    `flow(state)` is what moves, `still(state)` the rest; `vector_field(t, y, args)`
    with y = flow and args = (still, signal) goes into `diffrax.ODETerm` as it is.
    The signal is called with t and gives a `Sample`.
    """

    @property
    @abstractmethod
    def jumps(self) -> bool:
        """Whether `step` does more than follow the vector field."""

    @abstractmethod
    def flow(self, state: Any) -> PyTree[Float[Array, "..."]]:
        """What the differential equation moves."""

    @abstractmethod
    def still(self, state: Any) -> PyTree:
        """What it leaves alone."""

    @abstractmethod
    def join(self, flow: PyTree, still: PyTree) -> Any:
        """The state made of the two."""

    @abstractmethod
    def vector_field(self, t: Scalar, y: PyTree, args: tuple[PyTree, Any]) -> PyTree:
        """dy/dt."""

    @abstractmethod
    def observe(self, t: Scalar, y: PyTree, args: tuple[PyTree, Any]) -> Any:
        """The info at time t."""


class AbstractConstrained(AbstractFlow):
    """A law whose state must fit the signal from the start.

    `stream` and `solve` call `begin` once; a `step` from a state that has not begun
    begins by itself.
    """

    @abstractmethod
    def begin(self, state: Any, t: Scalar, signal: Any, *, x0: PyTree = None) -> Any:
        """The state moved onto the constraints at time t of the signal.

        **Raises:** `ValueError` for an `x0` that is not on them, by how much.
        """


def solver_step(
    solver: dfx.AbstractSolver, rule: AbstractFlow, y: PyTree, args: Any, dt: Scalar
) -> PyTree:
    """One step of any diffrax solver over one sample, in time local to the sample.

    The solver starts afresh, so that none of its stages can use another sample. A
    step that fails (an implicit solver that does not converge) returns NaN.
    """
    terms = dfx.ODETerm(rule.vector_field)  # pyright: ignore[reportArgumentType]
    dt = jnp.asarray(dt)
    t0 = jnp.zeros_like(dt)
    memory = solver.init(terms, t0, dt, y, args)
    y1, _, _, _, result = solver.step(terms, t0, dt, y, args, memory, made_jump=False)
    if result is dfx.RESULTS.successful:
        return y1
    failed = result != dfx.RESULTS.successful
    return jax.tree.map(lambda leaf: jnp.where(failed, jnp.nan, leaf), y1)


def descend(
    optimizer: optax.GradientTransformation,
    gradient: Params,
    memory: optax.OptState,
    w: Params,
) -> tuple[Params, optax.OptState]:
    """(w, memory) after one update of any optax optimizer."""
    # optax mixes its counters with floats, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        change, memory = optimizer.update(gradient, memory, w)
    moved = jax.tree.map(lambda w, d: (w + d).astype(w.dtype), w, change)
    return moved, memory
