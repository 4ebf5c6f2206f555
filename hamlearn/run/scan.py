"""The one loop in which a law steps."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, PyTree
from ..laws.base import AbstractLaw, Info, State, with_rest, without_rest
from ..signals import samples as _samples
from ..signals.signal import Sample, SamplesLike
from ..signals.streams import check_fit, check_input, check_target
from .devices import explicit_mesh, over_mesh
from .order import in_turn

Record = Callable[[State, Sample, Info], PyTree]


def scan(
    law: AbstractLaw,
    state: State,
    samples: SamplesLike,
    dt: Number,
    record: Record | None = None,
) -> tuple[State, PyTree]:
    """Let a law take samples one after the other: pure, for jit, vmap and grad.

    **Arguments:**

    - `state`: from `law.init`, or where another scan ended.
    - `samples`: a `Sample` or an (inputs, targets) pair, with time as leading axis.
    - `dt`: time between samples.
    - `record`: of (state after the sample, sample, info), what is kept of each step;
      by default the info.

    **Returns:** (state at the end, what was kept, with time as leading axis).

    **Example:** the last loss, as a function of the learning rate.

        >>> import hamlearn as hl, jax, jax.numpy as jnp, optax
        >>> net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=jax.random.key(0))
        >>> samples = (jnp.zeros((50, 0)), jnp.ones((50, 1)))
        >>> def last(rate):
        ...     law = hl.RTRL(update=hl.updates.Optax(optax.sgd, learning_rate=rate))
        ...     _, infos = hl.scan(law, law.init(net), samples, 0.1)
        ...     return infos.loss[-1]
        >>> bool(jax.grad(last)(0.01) < 0)
        True

    **Raises:** `ValueError` for bad arguments, and for samples without a leading axis
    of time.
    """
    _checks.instance("law", law, AbstractLaw)
    _checks.instance("state", state, State)
    _checks.positive("dt", dt)
    _checks.shape("dt", dt, ())
    if record is not None:
        _checks.function("record", record, "state, sample and info", 3)
    samples = _samples.traced(samples, _samples.state_dtype(state))
    dt, state = jnp.asarray(dt, _samples.state_dtype(state)), strong(state)
    return _scan(law, state, samples, dt, record)


def _scan(law, state, samples, dt, record=None, count=None):
    """`scan` over the first `count` samples, all of them without it.

    `count` may be computed; what is kept of the samples behind it is zero.
    """
    mesh = explicit_mesh((state, samples))
    if mesh is not None:
        loop = lambda state, samples: _scan(law, state, samples, dt, record, count)
        return over_mesh(loop, state, samples, mesh)
    rest = state.rest

    def step(y, sample):
        before = with_rest(y, rest)
        after, info = fitting(law, before, sample, dt)
        kept = info if record is None else record(after, sample, info)
        return in_turn(without_rest(after), y), kept

    if count is None:
        y, kept = jax.lax.scan(step, without_rest(state), samples)
        return with_rest(y, rest), kept
    at = jax.lax.dynamic_index_in_dim
    place = lambda k: jax.tree.map(lambda leaf: at(leaf, k, keepdims=False), samples)
    shapes = eqx.filter_eval_shape(step, without_rest(state), place(0))[1]
    room = lambda one: jnp.zeros((samples.target.shape[0], *one.shape), one.dtype)

    def turn(k, now):
        y, kept = now
        y, new = step(y, place(k))
        put = lambda all, one: jax.lax.dynamic_update_index_in_dim(all, one, k, 0)
        return y, jax.tree.map(put, kept, new)

    start = without_rest(state), jax.tree.map(room, shapes)
    y, kept = jax.lax.fori_loop(0, count, turn, start)
    return with_rest(y, rest), kept


def strong(state: State) -> State:
    """`state` without weak types, which would compile the loop twice."""
    weak = lambda a: eqx.is_inexact_array(a) and a.weak_type
    fix = lambda a: jnp.asarray(a, a.dtype) if weak(a) else a
    return with_rest(jax.tree.map(fix, without_rest(state)), state.rest)


def fitting(law: AbstractLaw, state: State, sample: Sample, dt: Any):
    """`law.step`, with a clear word where the sample does not fit the network.

    Runs while the program is being traced, and costs nothing after.
    """
    network = state.network
    check_input(network, sample)
    try:
        after, info = law.step(state, sample, dt)
    except (TypeError, ValueError) as error:
        check_fit(network, state.x, sample)
        if "forward-mode" in str(error) and "custom_vjp" in str(error):
            wanted = f"made of functions with a `custom_jvp` for {law.title}"
            got = f"a {network.name} with a `custom_vjp`"
            _checks.reject("network", wanted, got)
        raise
    check_target(info.output, sample)
    return after, info
