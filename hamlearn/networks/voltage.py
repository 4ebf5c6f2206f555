"""Voltage neurons with a membrane and a prospective time constant each."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.core import Tracer
from jaxtyping import Bool, DTypeLike

from .. import _checks
from .._types import Array, Edges, Float, Neurons, Number, PyTree, Scalar, Values
from ..graph.digraph import Digraph
from ..graph.levels import Levels, levels_of
from ..graph.nodes import NodeSet
from .base import AbstractNeurons, Slopes, euler
from .neurons import forward, slope_at
from .partition import fields_trainable
from .parts import checked_fields, checked_nodes, default_input_nodes, initial_weight

_TIMES = ("membrane_time_constant", "prospective_time_constant")


class VoltageNetwork(AbstractNeurons):
    """Leaky neurons on a digraph that send rates of their prospective voltage.

        tau_m du_i/dt = -u_i + I_i,   I_i = sum_j w_ij r_j + sum_k b_ik x_k + b_i
        r_i = phi(u_i + tau_r du_i/dt) = phi((1 - tau_r/tau_m) u_i + tau_r/tau_m I_i)
        y = r at the output nodes

    The prospective voltage is an explicit lead-lag filter of the current, never a
    numerical derivative. With tau_r > 0 a rate depends at once on the rates before it:
    an acyclic graph is swept level by level, O(edges); on a graph with cycles the
    loop is solved by fixed-point iteration, which needs
    |tau_r/tau_m phi' W| < 1 and gives NaN where it does not converge.

    Time constants may learn. The dynamics see max(tau_m, `floor`) and max(tau_r, 0);
    derivatives pass through this clamp as if it were not there, so that a time
    constant that has hit the floor can leave it again.

    **Arguments:**

    - `graph`, `inputs`, `outputs`, `input_nodes`, `gain`, `dtype`, `key`: as for
      `RateNetwork`.
    - `activation`: phi, elementwise; `linear`: nodes whose rate is their prospective
      voltage itself.
    - `membrane_time_constant`: tau_m > 0, one number or one a neuron.
    - `prospective_time_constant`: tau_r >= 0, likewise. Zero: ordinary leaky
      neurons; equal to tau_m: latent equilibrium, neurons without a lag.
    - `floor`: the smallest tau_m that the dynamics use; 10 steps are a good choice.
    - `learn`: names of the fields that laws change.

    **Raises:** `ValueError` naming the argument that does not fit.

    Ellenberger et al. (2024), "Backpropagation through space, time and the brain".
    """

    graph: Digraph
    weight: Edges
    input_weight: Float[Array, "input_nodes inputs"] | None
    bias: Neurons
    membrane_time_constant: Neurons
    prospective_time_constant: Neurons
    floor: Scalar
    input_nodes: NodeSet
    output_nodes: NodeSet
    is_linear: Bool[Array, "neurons"] | None
    levels: Levels | None
    activation: Callable[[Array], Array] = eqx.field(static=True)
    learn: tuple[str, ...] = eqx.field(static=True)
    is_plain: bool = eqx.field(static=True)

    def __init__(
        self,
        graph: Digraph,
        *,
        inputs: int = 0,
        outputs: int | Sequence[int] = 1,
        input_nodes: Sequence[int] | None = None,
        activation: Callable[[Array], Array] = jnp.tanh,
        linear: Sequence[int] | None = None,
        membrane_time_constant: Values = 1.0,
        prospective_time_constant: Values = 0.0,
        floor: Number = 1e-3,
        gain: float = 1.0,
        learn: Sequence[str] = ("weight", "input_weight", "bias"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        _checks.instance("graph", graph, Digraph)
        _checks.at_least("inputs", inputs, 0)
        _checks.non_negative("gain", gain)
        _checks.shape("gain", gain, ())
        _checks.function("activation", activation, "the neurons' drive", 1)
        _checks.key("key", key)
        n = graph.num_nodes
        times = (membrane_time_constant, prospective_time_constant)
        for name, value in zip(_TIMES, times, strict=True):
            if np.ndim(value) > 0:
                _checks.shape(name, value, (n,))
        _checks.positive("membrane_time_constant", membrane_time_constant)
        _checks.non_negative("prospective_time_constant", prospective_time_constant)
        _checks.positive("floor", floor)
        _checks.shape("floor", floor, ())
        heard = default_input_nodes(graph) if input_nodes is None else input_nodes
        key_w, key_b = jax.random.split(key)
        dtype = _checks.floating("dtype", dtype)
        self.graph = graph
        self.weight = initial_weight(graph, gain, dtype, key_w)
        self.input_nodes = NodeSet(checked_nodes("input_nodes", heard, n))
        self.input_weight = None
        if inputs > 0:
            size = (self.input_nodes.size, inputs)
            scale = jnp.asarray(inputs**-0.5, dtype)
            self.input_weight = scale * jax.random.normal(key_b, size, dtype)
        self.bias = jnp.zeros(n, dtype)
        spread = lambda tau: jnp.broadcast_to(jnp.asarray(tau, dtype), (n,))
        self.membrane_time_constant = spread(membrane_time_constant)
        self.prospective_time_constant = spread(prospective_time_constant)
        self.floor = jnp.asarray(floor, dtype)
        self.output_nodes = NodeSet(checked_nodes("outputs", outputs, n))
        self.is_linear = None
        if linear is not None:
            nodes = checked_nodes("linear", linear, n)
            self.is_linear = jnp.zeros(n, bool).at[nodes].set(True)
        self.levels = levels_of(graph)
        self.activation = activation
        self.learn = checked_fields(learn, type(self))
        # Known for good: inside a transformation the numbers no longer are.
        given = prospective_time_constant
        self.is_plain = not isinstance(given, Tracer) and not np.any(
            np.asarray(given) > 0
        )

    @property
    def tau_m(self) -> Neurons:
        """The membrane time constants that the dynamics use."""
        return _at_least(self.membrane_time_constant, self.floor)

    @property
    def tau_r(self) -> Neurons:
        """The prospective time constants that the dynamics use."""
        return _at_least(self.prospective_time_constant, jnp.zeros_like(self.floor))

    def rate(self, ur: Neurons) -> Neurons:
        """r = phi(u_r), u_r itself where a neuron is linear."""
        return _rate(self.activation, ur, self.is_linear)

    def current(self, ur: Neurons, x: Float[Array, "inputs"]) -> Neurons:
        """I_i, what arrives at every neuron while the prospective voltages are u_r."""
        return self._received(ur) + self.drive(x)

    def drive(self, x: Float[Array, "inputs"]) -> Neurons:
        """The part of I_i that does not come from other neurons."""
        if self.input_weight is None:
            return self.bias
        return self.input_nodes.add(self.bias, self.input_weight @ x)

    def output(self, ur: Neurons) -> Float[Array, "outputs"]:
        """The rates of the output nodes."""
        return self.output_nodes.take(self.rate(ur))

    def velocity(
        self, u: Neurons, x: Float[Array, "inputs"], push: Neurons | float
    ) -> Neurons:
        """du/dt with a further current `push` into every neuron."""
        tau_m, tau_r, outer = self.tau_m, self.tau_r, self.drive(x) + push
        if self.levels is None:
            loop = lambda ur: _prospective(self._received(ur) + outer, u, tau_m, tau_r)
            return (self._received(_settle(loop, u)) + outer - u) / tau_m
        sent, each = _Sent(self.activation), (u, tau_m, tau_r, self.is_linear)
        total, _ = self.levels.forward(self.graph, self.weight, outer, sent, each)
        return (total - u) / tau_m

    def errors(
        self, ur: Neurons, force: Neurons, error: Callable[[Neurons], Neurons]
    ) -> tuple[Neurons, Neurons]:
        """(s, lam) with s = phi'(u_r) W^T lam + force and lam = error(s), undelayed.

        **Arguments:** `error`: acts on every neuron by itself; affine.

        A sweep against the edges on an acyclic graph, O(edges); elsewhere a fixed
        point, which needs |error' phi' W| < 1.
        """
        slope = slope_at(self.rate, ur)
        if self.levels is None:
            back = self.graph.back(self.weight)
            arrived = lambda lam: force + slope * back(lam)
            lam = _settle(lambda lam: error(arrived(lam)), jnp.zeros_like(ur))
            return arrived(lam), lam
        # lam = k s + c, so that lam = (k force + c) + k phi' W^T lam.
        zero = jnp.zeros_like(force)
        c, k = jax.jvp(error, (zero,), (jnp.ones_like(force),))
        _, arrived = self.levels.backward(
            self.graph, self.weight, k * slope, k * force + c, zero
        )
        s = force + slope * arrived
        return s, error(s)

    def __call__(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        """du/dt, for state `x` and input `u`."""
        return self.velocity(x, u, jnp.zeros_like(x))

    def readout(self, x: Neurons, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        return self.output(x + self.tau_r * self(x, u))

    def initial_state(self) -> Neurons:
        return jnp.zeros_like(self.bias)

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def transition(self, x: Neurons, u: Float[Array, "inputs"], dt: Number) -> Neurons:
        return euler(self, x, u, dt)

    def settled(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        return x + self(x, u)

    @property
    def inputs(self) -> int:
        return 0 if self.input_weight is None else self.input_weight.shape[1]

    @property
    def name(self) -> str:
        return "VoltageNetwork"

    def depth(self) -> int | None:
        return self.graph.depth()

    def moves_state(self, name: str) -> bool:
        return True

    def neurons(self) -> "VoltageNetwork | None":
        plain = self.is_plain and "prospective_time_constant" not in self.learn
        return self if plain else None

    def units(self) -> None:
        return None

    @property
    def own_time(self) -> Neurons:
        return self.tau_m

    def slopes(self, x: Neurons, u: Float[Array, "inputs"], dt: Scalar) -> Slopes:
        rate = jnp.asarray(dt, x.dtype) / self.tau_m
        rise = slope_at(self.rate, x)
        return Slopes(1 - rate, rate, rise)

    def sent(self, x: Neurons) -> Neurons:
        return self.rate(x)

    def _received(self, ur: Neurons) -> Neurons:
        return self.graph.aggregate(self.weight, self.graph.once(self.rate(ur)))


class _Sent(eqx.Module):
    """The rates of neurons that `total` arrives at; equal where phi is the same."""

    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, total: Array, each: Any) -> Array:
        *state, linear = each
        return _rate(self.activation, _prospective(total, *state), linear)


def _prospective(total: Array, u: Array, tau_m: Array, tau_r: Array) -> Array:
    return u + tau_r * ((total - u) / tau_m)


def _rate(
    activation: Callable[[Array], Array], ur: Array, linear: Array | None
) -> Array:
    rates = forward(activation)(ur)
    return rates if linear is None else jnp.where(linear, ur, rates)


def _at_least(value: Array, low: Scalar) -> Array:
    """max(value, low) with the derivative of `value`."""
    return value + jax.lax.stop_gradient(jnp.maximum(value, low) - value)


def _settle(function: Callable[[Neurons], Neurons], start: Neurons) -> Neurons:
    """The fixed point, implicitly differentiable; NaN where it is not reached."""
    tolerance = 8 * float(jnp.finfo(start.dtype).eps)
    solver = optx.FixedPointIteration(rtol=tolerance, atol=tolerance)
    wide = jnp.result_type(float)  # in which optimistix holds its error, whatever y is
    again = lambda y, _: function(y.astype(start.dtype)).astype(wide)
    found = optx.fixed_point(
        again, solver, start.astype(wide), max_steps=2000, throw=False
    )
    good = found.result == optx.RESULTS.successful
    return jnp.where(good, found.value, jnp.nan).astype(start.dtype)
