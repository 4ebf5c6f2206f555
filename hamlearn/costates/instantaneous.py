"""Costates that treat every sample as if the network had come to rest at it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import Array
from ..action.trees import added, negative, scaled
from ..networks.base import AbstractNeurons
from ..networks.parts import initial_weight
from .base import AbstractCostate


class SweepCount(eqx.Module):
    """A number of sweeps against the edges, known when the program is compiled."""

    number: int = eqx.field(static=True)


class AtRest(AbstractCostate):
    """Backprop through the network at each sample, as if it had come to rest there.

        p <- h ell_x + (1 + h f_x)^T p,   p_0 = h ell_x,   lam = -p

    for a number of sweeps, each of which carries credit one edge back. h is the time
    constant of every neuron; a module that is no network of neurons has none of its
    own: h is the step dt.

    **Arguments:** `sweeps`: by default the length of the longest path.
    """

    sweeps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.sweeps is not None:
            _checks.at_least("sweeps", self.sweeps, 0)

    def prepare(self, network, x, key):
        return number_of_sweeps(self.sweeps, network)

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        network, ell_x = instant.network, instant.ell_x
        if not isinstance(network, AbstractNeurons):
            step = lambda x: instant.transition(x, {})
            _, back = jax.vjp(step, instant.x)
            first = scaled(instant.dt, ell_x)
            sweep = lambda _, p: added(first, back(p)[0])
        else:
            _, back = jax.vjp(lambda x: network(x, instant.u), instant.x)
            time = network.own_time
            first = time * ell_x
            sweep = lambda _, p: p + time * (ell_x + back(p)[0])
        return negative(jax.lax.fori_loop(0, fixed.number, sweep, first)), None


class RandomFeedback(AbstractCostate):
    """`AtRest` with fixed random weights B on the way back: no weight transport.

        delta_i = ell_{x_i} + sum_k sigma'_k b_ki delta_k,   lam_i = -tau_i delta_i

    For neurons whose weights act on one neuron each. B is drawn like fresh weights.

    **Arguments:** `sweeps`: by default the length of the longest path.

    Lillicrap, Cownden, Tweed, Akerman (2016), "Random synaptic feedback weights
    support error backpropagation for deep learning".
    """

    sweeps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.sweeps is not None:
            _checks.at_least("sweeps", self.sweeps, 0)

    def prepare(self, network, x, key):
        require_neurons(self, network, "which replaces weights on the way back")
        drawn = jax.random.split(require_key(key, "the feedback weights are drawn"))[0]
        back = initial_weight(network.graph, 1.0, network.weight.dtype, drawn)
        return number_of_sweeps(self.sweeps, network), back

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        sweeps, back = fixed
        neurons = instant.network.neurons()
        one = jnp.ones((), instant.x.dtype)
        now = neurons.slopes(instant.x, instant.u, one)
        time, ell_x = neurons.own_time, instant.ell_x
        transpose = neurons.graph.back(back)
        gain = now.slope * time
        sweep = lambda _, d: ell_x + now.felt(transpose(gain * d))
        return -time * jax.lax.fori_loop(0, sweeps.number, sweep, ell_x), None


class FixedPoint(AbstractCostate):
    """Recurrent backpropagation: the exact costate of a network at rest.

        f_x^T p = -ell_x,   lam = -p

    Takes any module; f_x^T enters as a product, and the solver decides what becomes
    of it. A singular f_x gives NaN.

    **Arguments:** `linear_solver`: any of lineax; the default is direct.

    Almeida (1987), "A learning rule for asynchronous perceptrons with feedback in a
    combinatorial environment"; Pineda (1987), "Generalization of back-propagation to
    recurrent neural networks".
    """

    linear_solver: lx.AbstractLinearSolver = lx.LU()

    def __check_init__(self):
        _checks.instance("linear_solver", self.linear_solver, lx.AbstractLinearSolver)

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        network, u = instant.network, instant.u
        _, back = jax.vjp(lambda x: network(x, u), instant.x)
        shape = jax.eval_shape(lambda: instant.x)
        operator = lx.FunctionLinearOperator(lambda p: back(p)[0], shape)
        answer = lx.linear_solve(
            operator, instant.ell_x, self.linear_solver, throw=False
        )
        fine = answer.result == lx.RESULTS.successful
        return jax.tree.map(lambda p: jnp.where(fine, p, jnp.nan), answer.value), None


def number_of_sweeps(sweeps: int | None, network: Any) -> SweepCount:
    """`sweeps`, or the depth of the network.

    **Raises:** `ValueError` where it has none.
    """
    if sweeps is None:
        sweeps = network.depth()
    if sweeps is None:
        wanted = "given: the network has cycles, or no graph"
        _checks.reject("sweeps", wanted, None)
    return SweepCount(sweeps)


def require_neurons(part: Any, network: Any, why: str) -> None:
    """Say clearly that a law needs to know at which neuron every weight acts."""
    if network.neurons() is not None:
        return
    wanted = "a RateNetwork, or a VoltageNetwork whose tau_r is 0 and does not learn,"
    kind = type(part).__name__
    _checks.reject("network", f"{wanted} for {kind}, {why}", f"a {network.name}")


def require_key(key: Array | None, why: str) -> Array:
    """`key`. **Raises:** `ValueError` without one."""
    if key is None:
        _checks.reject("key", f"given: {why}", None)
    return key
