"""Running a law as one differential equation."""

import time
import warnings

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, PyTree
from ..laws.base import (
    AbstractFlow,
    AbstractLaw,
    check_solver,
    with_rest,
    without_rest,
)
from ..networks.base import NetworkLike
from ..signals import samples as _samples
from ..signals.held import Held
from ..signals.signal import Signal
from ..signals.streams import check_fit
from .meter import Meter
from .patience import Patience
from .result import DivergenceWarning, Result
from .times import check_resolution, check_saveat


def solve(
    law: AbstractFlow,
    network: NetworkLike,
    signal: Signal,
    *,
    t0: float,
    t1: float,
    dt0: float | None = None,
    solver: dfx.AbstractSolver | None = None,
    controller: dfx.AbstractStepSizeController | None = None,
    saveat: dfx.SaveAt | None = None,
    event: dfx.Event | None = None,
    max_steps: int = 1_000_000,
    x0: PyTree = None,
    key: Array | None = None,
    progress: bool = True,
) -> Result:
    """Solve a law as one differential equation with diffrax, from `t0` to `t1`.

    **Arguments:**

    - `law`: one with rates; `network`, `x0`, `key`: see `law.init`.
    - `signal`: input and target as functions of time. Where they are `Held`, the
      solver stops at every jump, which takes an adaptive controller.
    - `dt0`: first step; needed by a constant step size.
    - `solver`, `controller`: diffrax's; default Tsit5 with rtol 1e-6, atol 1e-9.
    - `saveat`: `t0`, `t1`, `ts` or `steps` of a `diffrax.SaveAt`, by default 1001 times
      from `t0` to `t1`; `event`: ends the solve.
    - `progress`: a line on standard error, after two seconds, on how far it has come.

    **Example:** two neurons that learn a constant answer.

        >>> import hamlearn as hl, jax
        >>> graph, key = hl.Digraph(2, [0], [1]), jax.random.key(0)
        >>> net = hl.RateNetwork(graph, time_constant=0.1, key=key)
        >>> law = hl.HamiltonianLearning(hl.Cost(loss_weight=10.0), dissipation=10.0)
        >>> signal = hl.Signal(None, lambda t: 0.5 + 0 * t)
        >>> result = hl.solve(law, net, signal, t0=0.0, t1=20.0)
        >>> print(f"{result.output[-1, 0]:.2f}")
        0.50

    **Returns:** a `Result` at the saved times. A solve that fails or leaves the
    finite numbers warns and keeps the finite part.

    **Raises:** `ValueError` for bad arguments, for a law that jumps between samples,
    for held signals without an adaptive controller, and for times so late that they
    cannot be told apart in the floating-point numbers of the run.
    """
    _checks.instance("law", law, AbstractLaw)
    _checks.instance("signal", signal, Signal)
    _checks.at_least("max_steps", max_steps, 1)
    remedy = "diffrax solves `law.vector_field`"
    given = {"network": network, "law": law, "signal": signal, "x0": x0, "key": key}
    _samples.outside(remedy, **given, t0=t0, t1=t1, dt0=dt0)
    missing = law.no_rates() if isinstance(law, AbstractFlow) else "no vector field"
    if missing is not None:
        wanted = f"a law with rates, which `stream` does not need; it has {missing}"
        _checks.reject("law", wanted, law.title)
    _check_times(t0, t1, dt0, saveat)
    _check_steps(solver, controller, dt0, event)
    state = law.init(network, x0=x0, key=key)
    dtype = _samples.state_dtype(state)
    check_resolution(t0, t1, dtype)
    start = jnp.asarray(t0, dtype)
    if x0 is not None:
        first = jax.tree.map(lambda leaf: leaf[0], signal.jets(start[None]))
        law.check(state, first, t1 - t0)
    check_fit(state.network, state.x, jax.eval_shape(signal, start), "signal")
    state = law.begin(state, start, signal)
    if controller is None:
        # The smallest step lets a solve that explodes end instead of crawling.
        dtmin = jnp.asarray(10 * float(jnp.finfo(dtype).eps) * (t1 - t0), dtype)
        controller = dfx.PIDController(rtol=1e-6, atol=1e-9, dtmin=dtmin)
    if saveat is None:
        saveat = dfx.SaveAt(ts=jnp.linspace(t0, t1, 1001, dtype=dtype))
    solver = dfx.Tsit5() if solver is None else solver
    controller = _stopping_at_jumps(controller, signal, t0, t1)
    at = lambda t: None if t is None else jnp.asarray(t, dtype)
    began = time.perf_counter()
    with Patience("solve", progress=progress) as patience:
        meter = Meter(jnp.asarray(patience.number, jnp.int32)) if progress else None
        how = (solver, controller, saveat, event, max_steps, meter)
        found = _solve(law, state, signal, at(t0), at(t1), at(dt0), *how)
        times, flows, infos, last, stats, ended = jax.block_until_ready(found)
    seconds, good = time.perf_counter() - began, bool(dfx.is_okay(ended))
    state = with_rest(last, state.rest)
    # Adaptive steps shrink to nothing where a solution explodes.
    blew_up = not good and not bool(ended == dfx.RESULTS.max_steps_reached)
    result = Result.of_solve(
        law, state, signal, times, flows, infos, stats, seconds, blew_up
    )
    if not good or result.diverged is not None:
        warnings.warn(result.failure(), DivergenceWarning, stacklevel=2)
    return result


def _check_times(t0, t1, dt0, saveat) -> None:
    for name, value in (("t0", t0), ("t1", t1)):
        _checks.known(name, value)
        _checks.number(name, value)
    if not float(t1) > float(t0):
        _checks.reject("t1", f"later than `t0` = {t0}", t1)
    if dt0 is not None:
        _checks.known("dt0", dt0)
        _checks.positive("dt0", dt0)
        _checks.shape("dt0", dt0, ())
    if saveat is not None:
        check_saveat(saveat, t0, t1)


def _check_steps(solver, controller, dt0, event) -> None:
    """**Raises:** `ValueError` for parts that diffrax would refuse in its own words."""
    if controller is not None:
        _checks.instance("controller", controller, dfx.AbstractStepSizeController)
    if solver is not None:
        adaptive = dfx.AbstractAdaptiveStepSizeController
        controlled = controller is None or isinstance(controller, adaptive)
        check_solver(solver, controlled=controlled)
    if dt0 is None and isinstance(controller, dfx.ConstantStepSize):
        _checks.reject("dt0", "given for a constant step size", None)
    if event is not None:
        _checks.instance("event", event, dfx.Event)


@eqx.filter_jit
def _solve(
    law, state, signal, t0, t1, dt0, solver, controller, saveat, event, max_steps, meter
):
    args = (state.rest, signal)
    saveat = eqx.tree_at(
        lambda s: s.subs, saveat, {"asked": saveat.subs, "last": dfx.SubSaveAt(t1=True)}
    )
    solution = dfx.diffeqsolve(
        dfx.ODETerm(law.vector_field),  # pyright: ignore[reportArgumentType]
        solver,
        t0,
        t1,
        dt0,
        without_rest(state),
        args=args,
        saveat=saveat,
        stepsize_controller=controller,
        event=event,
        max_steps=max_steps,
        throw=False,
        progress_meter=dfx.NoProgressMeter() if meter is None else meter,
    )
    times, flows = solution.ts["asked"], solution.ys["asked"]  # pyright: ignore[reportOptionalSubscript]
    infos = jax.vmap(lambda t, y: law.observe(t, y, args))(times, flows)
    last = jax.tree.map(lambda leaf: leaf[-1], solution.ys["last"])  # pyright: ignore[reportOptionalSubscript]
    return times, flows, infos, last, solution.stats, solution.result


def _stopping_at_jumps(controller, signal, t0, t1):
    held = [
        leaf
        for leaf in jax.tree.leaves(signal, is_leaf=lambda s: isinstance(s, Held))
        if isinstance(leaf, Held)
    ]
    if not held:
        return controller
    if not isinstance(controller, dfx.AbstractAdaptiveStepSizeController):
        _checks.reject(
            "controller",
            "adaptive for held samples, whose jumps a fixed step smears; `stream` them",
            controller,
        )
    jumps = np.unique(np.concatenate([np.asarray(signal.times()) for signal in held]))
    jumps = jumps[(jumps > t0) & (jumps < t1)]
    return dfx.ClipStepSizeController(controller, jump_ts=jnp.asarray(jumps))
