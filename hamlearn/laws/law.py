"""A law is three answers: how the network is imposed, how the costate or the
sensitivity is found causally, how the weights move."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Number, Params, PyTree, Scalar
from ..action.action import Instant, Point, credit
from ..action.cost import Cost, output_loss
from ..action.residual import AbstractResidual, Dynamical
from ..costates.base import AbstractCostate, AbstractCostateFlow, AbstractWindow
from ..costates.motion import AbstractMotion, Transition
from ..networks.base import NetworkLike
from ..networks.batch import (
    first_stream,
    over_mean,
    over_streams,
    single,
    stream_keys,
)
from ..networks.dynamics import started
from ..networks.partition import split
from ..sensitivities.base import AbstractSensitivity, AbstractSensitivityFlow
from ..signals.signal import Sample
from ..signals.streams import stream_samples
from ..updates import AbstractUpdate, AbstractUpdateFlow, as_update
from ..updates.base import UpdateLike
from .base import (
    AbstractFlow,
    Carried,
    Info,
    Rest,
    State,
    check_solver,
    solver_step,
    weights_held,
    with_rest,
    without_rest,
)
from .moves import filled, moved, restarted
from .windowed import telling, window_credit, windowed

Credit = AbstractCostate | AbstractWindow | AbstractSensitivity


class Law(AbstractFlow):
    """A learning law, put together from its answers.

        1  G(x, v, w) = 0 imposes the network, `motion` says how its state moves
        2  a costate gives lam, and g = dM/dw with M = ell + <lam, G>;
           a sensitivity gives g itself
        3  an update moves w by g

    In one step: credit and state with the weights of the sample, then the weights.
    Where the costate is itself a flow: costates, then weights, then state, each with
    what is newest. With a `solver` all move at once, by its rates.

    **Arguments:**

    - `cost`: what is minimised.
    - `credit`: of `hl.costates` or `hl.sensitivities`, or yours.
    - `update`: of `hl.updates`, or an optimizer of optax.
    - `residual`, `motion`: by default `Dynamical` and the network's own `transition`.
    - `solver`: any diffrax solver, one step of which is taken per sample.
    - `title`: its name in tables.

    **Raises:** `ValueError` for a solver with parts that have no rates.
    """

    cost: Cost
    credit: Credit
    update: AbstractUpdate
    residual: AbstractResidual
    motion: AbstractMotion
    solver: dfx.AbstractSolver | None
    name: str = eqx.field(static=True)

    def __init__(
        self,
        cost: Cost | None,
        credit: Credit,
        update: UpdateLike | None = None,
        *,
        residual: AbstractResidual | None = None,
        motion: AbstractMotion | None = None,
        solver: dfx.AbstractSolver | None = None,
        title: str = "law",
    ):
        self.cost = Cost() if cost is None else cost
        self.credit = credit
        self.update = as_update(update)
        self.residual = Dynamical() if residual is None else residual
        self.motion = Transition() if motion is None else motion
        self.solver = solver
        _checks.instance("title", title, str)
        self.name = title
        _checks.instance("cost", self.cost, Cost)
        kinds = (AbstractCostate, AbstractWindow, AbstractSensitivity)
        _checks.instance("credit", credit, kinds)
        found = isinstance(credit, AbstractCostate | AbstractWindow)
        wanted = credit.residual if found else AbstractResidual
        _checks.instance("residual", self.residual, wanted)
        _checks.instance("motion", self.motion, AbstractMotion)
        if solver is not None:
            check_solver(solver)
            if self.no_rates() is not None:
                wanted = f"None for a law with {self.no_rates()}"
                _checks.reject("solver", wanted, solver)

    @property
    def title(self) -> str:
        return self.name

    def init(
        self, network: NetworkLike, *, x0: PyTree = None, key: Array | None = None
    ) -> State:
        """The state before the first sample; arguments as for `AbstractLaw.init`."""
        network, x = started(network, x0, key)
        w, frozen = split(network)
        inside, one = single(network), first_stream(network, x)
        draw, key = (None, None) if key is None else jax.random.split(key)
        fixed = self.credit.prepare(inside, one, draw)
        draws = isinstance(self.credit, AbstractSensitivity) and self.credit.draws
        memory, motion = filled(self, network, x, fixed)
        carried = Carried(memory, motion, key if draws else None)
        return State(x, w, carried, self.update.start(w), Rest(frozen, fixed))

    def step(self, state: State, sample: Sample, dt: Scalar) -> tuple[State, Info]:
        """(state after dt, info at the start of the step). Pure; for `jit`, `scan`."""
        if self.solver is not None:
            return self._at_once(state, sample, dt)
        state = restarted(self, state, sample)
        if isinstance(self.credit, AbstractWindow):
            after, info = windowed(self, state, sample, dt)
            return after, telling(self, after.credit.memory, info)
        g, memory, point, info, key = self._credit(state, sample, dt)
        w, update = self.update.step(g, state.w, state.update, dt, info.loss)
        late = isinstance(self.credit, AbstractCostateFlow)
        x, motion = moved(self, w if late else state.w, state, point, dt)
        return State(x, w, Carried(memory, motion, key), update, state.rest), info

    def estimate(
        self, state: State, sample: Sample, dt: Scalar
    ) -> tuple[Params, State, Info]:
        """(g, the state after dt with the weights held, info)."""
        state = restarted(self, state, sample)
        if self.solver is not None:
            g = self._look(state, sample, dt, self.credit.rates)[0]  # pyright: ignore
            return g, *self._at_once(state, sample, dt, weights_held)
        g, memory, point, info, key = self._credit(state, sample, dt)
        x, motion = moved(self, state.w, state, point, dt)
        carried = Carried(memory, motion, key)
        return g, State(x, state.w, carried, state.update, state.rest), info

    def check(self, state: State, sample: Sample, dt: Number) -> None:
        self.motion.check(single(state.network), dt)
        if isinstance(self.credit, AbstractWindow):
            self.credit.check(single(state.network), dt)

    def chosen(self, state):
        return self

    def no_rates(self) -> str | None:
        kinds = AbstractCostateFlow | AbstractSensitivityFlow
        if not isinstance(self.credit, kinds):
            return f"`{type(self.credit).__name__}`, which has no rates"
        if not isinstance(self.update, AbstractUpdateFlow):
            return "an optimizer, which has no rates (`Inertia`, `GradientFlow` have)"
        return None

    def begin(self, state, t, signal):
        return state

    def vector_field(self, t: Number, y: State, args: PyTree) -> State:
        """(dx/dt, dw/dt, and the rates of what is remembered)."""
        rest, signal = args
        state, sample = with_rest(y, rest), signal(t)
        g, memory, point, _, _ = self._look(state, sample, t, self.credit.rates)  # pyright: ignore
        assert isinstance(self.update, AbstractUpdateFlow)
        w, update = self.update.rates(g, y.w, y.update)
        return State(point.v, w, Carried(memory, None, None), update, None)

    def observe(self, t: Number, y: State, args: PyTree) -> Info:
        """Output, loss and what the law adds."""
        rest, signal = args
        state = with_rest(y, rest)
        return self._look(state, signal(t), t, self.credit.rates)[3]  # pyright: ignore

    def _at_once(self, state, sample, dt, change=lambda field: field):
        """A step of the solver, its rates changed by `change`."""
        sample = stream_samples(state.network, sample)
        state = restarted(self, state, sample)
        info = self.observe(
            jnp.zeros_like(dt), without_rest(state), (state.rest, sample)
        )
        assert self.solver is not None
        field = change(self.vector_field)
        return solver_step(self.solver, field, state, sample, dt), info

    def _credit(self, state, sample, dt):
        """(g, memory, where M was taken, info, key)."""
        if isinstance(self.credit, AbstractWindow):
            g, past, point, info, key = window_credit(self, state, sample, dt)
            return g, past, point, telling(self, past, info), key
        return self._look(state, sample, dt, self.credit.step)

    def _look(self, state: State, sample: Sample, dt: Scalar, find: Any):
        """One look at every stream, with `find` the credit's `step` or `rates`."""
        network, fixed = state.network, state.rest.fixed
        sample = stream_samples(network, sample)
        inside = single(network)
        _, frozen = split(inside)
        flows = isinstance(self.credit, AbstractCostateFlow)
        residual = self.residual if flows else self.residual.over(dt)
        now, key = _keys(network, state.credit.key)

        def one(x, memory, motion, sample, key):
            v, heard = self.motion.rate(inside, x, sample, motion)
            output = residual.output(inside, x, v, sample.input)
            loss = output_loss(self.cost, output, sample)
            instant = Instant(
                self.cost, residual, state.w, frozen, x, v, heard, sample, dt, output,
                loss, key,
            )  # fmt: skip
            found, after = find(instant, fixed, memory)
            more = self._scalars(instant, memory, state.update)
            return found, after, v, heard, Info(output, loss, more)

        streams = (state.x, state.credit.memory, state.credit.motion, sample, now)
        found, memory, v, heard, info = over_streams(network, one)(*streams)
        mean = lambda tree: over_mean(network, tree)
        info = Info(info.output, mean(info.loss), mean(info.more))
        if isinstance(self.credit, AbstractCostate):
            point = Point(state.x, v, heard, found, sample)
            g = credit(self.cost, residual, state.w, state.rest.frozen, point)
        else:
            point = Point(state.x, v, heard, None, sample)
            g = mean(found)
        return g, memory, point, info, key

    def _scalars(self, instant, memory, update) -> dict[str, Array]:
        if not isinstance(self.credit, AbstractCostateFlow):
            return {}
        kinetic = 0.0
        if isinstance(self.update, AbstractUpdateFlow):
            kinetic = self.update.kinetic(update)
        return self.credit.scalars(instant, memory, kinetic)


def _keys(network: Any, key: Array | None) -> tuple[Any, Array | None]:
    """(a key for every stream now, the key to go on with)."""
    if key is None:
        return None, None
    now, key = jax.random.split(key)
    return stream_keys(network, now), key
