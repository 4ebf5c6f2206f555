"""What every learning law looks like."""

from abc import abstractmethod
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Field, Float, Number, Params, PyTree, Scalar
from ..action.cost import Cost
from ..networks.base import Network, NetworkLike
from ..networks.partition import join
from ..networks.portable import copied, reduced
from ..signals.signal import Sample, Signal


class Carried(eqx.Module):
    """What finding the credit remembers, how the state moves, and a random key."""

    memory: PyTree
    motion: PyTree = None
    key: Array | None = None


class Rest(eqx.Module):
    """What never changes: the rest of the network, tables and fixed weights."""

    frozen: PyTree
    fixed: PyTree = None


class State(eqx.Module):
    """What any law carries from sample to sample.

    `x` the state of the network and `w` what learns, by name; `credit` and `update`
    what finding the credit and moving the weights remember; `rest` never changes.
    """

    x: PyTree
    w: Params
    credit: PyTree
    update: PyTree
    rest: PyTree

    @property
    def network(self) -> Network:
        """The network with its present weights."""
        return join(self.w, self.rest.frozen)


class Info(eqx.Module):
    """Output and loss from before the sample taught anything, and by name in `more`
    what the law adds."""

    output: Float[Array, "*time_batch outputs"]
    loss: Float[Array, "*time"]
    more: dict[str, Array] = eqx.field(default_factory=dict)


class AbstractLaw(eqx.Module):
    """A learning law: `init` makes its state, `step` takes one sample.

    In discrete time: the output of step k is that of x_k and u_k, and its loss is
    against y_k; then x moves on. On a network whose readout does not look at u an
    input acts on the output one step later; voltage neurons answer at once.
    """

    cost: eqx.AbstractVar[Cost]

    def __reduce__(self):
        return reduced(self)

    def __deepcopy__(self, memo):
        return copied(self, memo)

    @abstractmethod
    def init(
        self, network: NetworkLike, *, x0: PyTree = None, key: Array | None = None
    ) -> State:
        """The state before the first sample.

        **Arguments:** `network`: an `AbstractNetwork`, or any module
        `f(x, u) = dx/dt` together with its start `x0`; `x0` also replaces the
        initial state of a network; `key`: for laws that draw random numbers.
        """

    @abstractmethod
    def step(self, state: State, sample: Sample, dt: Scalar) -> tuple[State, Info]:
        """(state after dt, info at the start of the step). Pure; for `jit`, `scan`."""

    @abstractmethod
    def estimate(
        self, state: State, sample: Sample, dt: Scalar
    ) -> tuple[Params, State, Info]:
        """(g, the state after dt with the weights held, info).

        g is what the law goes down on, an estimate of d ell/dw, so that its sum over
        samples can be held against the exact gradient. Laws that wait for the end of
        a window have zeros before.
        """

    @abstractmethod
    def check(self, state: State, sample: Sample, dt: Number) -> None:
        """Warn of, or reject, what can be known before a run to go wrong in it.

        **Raises:** `ValueError`.
        """

    @abstractmethod
    def chosen(self, state: State) -> "AbstractLaw":
        """The law with what it chose for the network by itself, for a `Result`."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The law's name, as tables and legends show it."""


class AbstractFlow(AbstractLaw):
    """A law that is, or may be, a differential equation.

    `vector_field(t, y, args)` goes into `diffrax.ODETerm` as it is, with y the state
    without its rest and args = (rest, signal); the signal is called with t.
    """

    @abstractmethod
    def no_rates(self) -> str | None:
        """None where `vector_field` says all; otherwise what is not a rate."""

    @abstractmethod
    def vector_field(
        self, t: Number, y: State, args: tuple[Rest, Signal | Sample]
    ) -> State:
        """dy/dt."""

    @abstractmethod
    def observe(self, t: Number, y: State, args: tuple[Rest, Signal | Sample]) -> Info:
        """The info at time t."""

    @abstractmethod
    def begin(self, state: State, t: Number, signal: Signal | Sample) -> State:
        """The state as it has to be at time t of the signal; most are as they are."""


def without_rest(state: State) -> State:
    """What moves of a state."""
    return State(state.x, state.w, state.credit, state.update, None)


def with_rest(y: State, rest: Rest | None) -> State:
    """The state made of what moves and the rest."""
    return State(y.x, y.w, y.credit, y.update, rest)


def weights_held(field: Field) -> Field:
    """The same rates for all but the weights and what their update remembers."""

    def rates(t, y, args):
        rate = field(t, y, args)
        still = jax.tree.map(jnp.zeros_like, (rate.w, rate.update))
        return State(rate.x, still[0], rate.credit, still[1], None)

    return rates


def check_solver(solver: Any, *, controlled: bool = False) -> None:
    """**Raises:** `ValueError` for one of other equations than dy/dt = f(t, y), and for
    an implicit one that waits for the tolerances of a controller where none controls:
    a step of one sample has none."""
    _checks.instance("solver", solver, dfx.AbstractSolver)
    if solver.term_structure is not dfx.AbstractTerm:
        wanted = "one of ordinary differential equations, such as diffrax.Tsit5()"
        got = f"{type(solver).__name__}, of equations in several parts"
        _checks.reject("solver", wanted, got)
    if controlled or not isinstance(solver, dfx.AbstractImplicitSolver):
        return
    finder = solver.root_finder
    for name in ("rtol", "atol"):
        value = getattr(finder, name, 0.0)
        if not (eqx.is_array_like(value)):
            kind = type(solver).__name__
            wanted = (
                "one with tolerances of its own, such as "
                f"{kind}(root_finder=optimistix.Newton(rtol=1e-6, atol=1e-9))"
            )
            _checks.reject("solver", wanted, f"{kind} without `{name}`")


def solver_step(
    solver: dfx.AbstractSolver,
    field: Field,
    state: State,
    signal: Signal | Sample,
    dt: Scalar,
) -> State:
    """One step of any diffrax solver over one sample, in time local to the sample.

    The solver starts afresh, so that none of its stages can use another sample. A
    step that fails (an implicit solver that does not converge) returns NaN.
    """
    terms = dfx.ODETerm(field)  # pyright: ignore[reportArgumentType]
    y, args, t1 = without_rest(state), (state.rest, signal), jnp.asarray(dt)
    t0 = jnp.zeros_like(t1)
    memory = solver.init(terms, t0, t1, y, args)
    y1, _, _, _, result = solver.step(terms, t0, t1, y, args, memory, made_jump=False)
    if result is not dfx.RESULTS.successful:
        failed = result != dfx.RESULTS.successful
        y1 = jax.tree.map(lambda leaf: jnp.where(failed, jnp.nan, leaf), y1)
    return with_rest(y1, state.rest)
