"""Rate neurons on a digraph."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from .. import _checks
from .._types import Array, Edges, Float, Neurons, Number, PyTree, Scalar, Values
from ..graph.digraph import Digraph
from ..graph.levels import Levels
from ..graph.nodes import NodeSet
from .base import AbstractNeurons, Readout, Slopes, euler
from .neurons import forward, slope_at
from .partition import fields_trainable
from .parts import (
    checked_fields,
    checked_map,
    checked_nodes,
    default_input_nodes,
    initial_weight,
)


class RateNetwork(AbstractNeurons):
    """Rate neurons on a digraph.

        tau_i dx_i/dt = -x_i + sigma(a_i),   a_i = sum_j w_ij x_j + sum_k b_ik u_k + b_i
        y = readout(x at the output nodes)

    c_i = 1/tau_i is the propagation speed of Betti & Gori (2024, section 2).

    **Arguments:**

    - `graph`: the digraph that carries the recurrent weights w.
    - `inputs`: number of external signals u_k (0 or more).
    - `outputs`: the nodes whose state is read; an integer k means the last k nodes.
    - `input_nodes`: the nodes that hear u. Default: those without an incoming edge,
      or all nodes where each has one.
    - `activation`: sigma, elementwise.
    - `time_constant`: tau > 0, one number or one a neuron, in units of time.
    - `gain`: standard deviation of w_ij times sqrt(in-degree of i) at the start.
    - `readout`: an optional module applied to the output nodes, such as
      `eqx.nn.Linear`; its arrays learn with the rest.
    - `learn`: names of the fields that laws change.
    - `dtype`: of all parameters; JAX's default float without it.
    - `key`: for the initial weights w ~ N(0, gain^2/in-degree) and
      b_ik ~ N(0, 1/inputs); biases start at zero.

    **Example:**

        >>> import hamlearn as hl, jax
        >>> graph = hl.Digraph.complete(3, self_loops=True)
        >>> net = hl.RateNetwork(graph, inputs=1, key=jax.random.key(0))
        >>> {name: w.shape for name, w in hl.split(net)[0].items()}
        {'weight': (3, 3), 'input_weight': (3, 1), 'bias': (3,)}

    **Raises:** `ValueError` naming the argument that does not fit.
    """

    graph: Digraph
    weight: Edges
    input_weight: Float[Array, "input_nodes inputs"] | None
    bias: Neurons
    time_constant: Neurons
    readout_map: Readout | None
    input_nodes: NodeSet
    output_nodes: NodeSet
    activation: Callable[[Array], Array] = eqx.field(static=True)
    learn: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        graph: Digraph,
        *,
        inputs: int = 0,
        outputs: int | Sequence[int] = 1,
        input_nodes: Sequence[int] | None = None,
        activation: Callable[[Array], Array] = jnp.tanh,
        time_constant: Values = 1.0,
        gain: float = 1.0,
        readout: Readout | None = None,
        learn: Sequence[str] = ("weight", "input_weight", "bias", "readout_map"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        _checks.instance("graph", graph, Digraph)
        _checks.at_least("inputs", inputs, 0)
        _checks.non_negative("gain", gain)
        _checks.shape("gain", gain, ())
        _checks.function("activation", activation, "the neurons' drive", 1)
        if readout is not None:
            _checks.function("readout", readout, "the output nodes' states", 1)
        _checks.key("key", key)
        n = graph.num_nodes
        if np.ndim(time_constant) > 0:
            _checks.shape("time_constant", time_constant, (n,))
        _checks.positive("time_constant", time_constant)
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
        self.time_constant = jnp.broadcast_to(jnp.asarray(time_constant, dtype), (n,))
        self.readout_map = readout
        self.output_nodes = NodeSet(checked_nodes("outputs", outputs, n))
        if readout is not None:
            read = jax.ShapeDtypeStruct((self.output_nodes.size,), dtype)
            checked_map("readout", readout, read, of="the output nodes")
        self.activation = activation
        self.learn = checked_fields(learn, type(self))

    def drive(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        """The activation a_i before the nonlinearity."""
        a = self._with_input(self.graph.aggregate(self.weight, x), u)
        # The bias comes last: with two products side by side XLA turns neither round
        # where there are many streams.
        return a + self.bias

    def __call__(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        rates = forward(self.activation)(self.drive(x, u))
        return (rates - x) / self.time_constant

    def readout(self, x: Neurons, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        y = self.output_nodes.take(x)
        return y if self.readout_map is None else self.readout_map(y)

    def initial_state(self) -> Neurons:
        return jnp.zeros_like(self.bias)

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def transition(self, x: Neurons, u: Float[Array, "inputs"], dt: Number) -> Neurons:
        return euler(self, x, u, dt)

    def settled(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        return forward(self.activation)(self.drive(x, u))

    def rested(self, levels: Levels, u: Float[Array, "inputs"]) -> Neurons:
        """The state at rest under `u`, level by level; `levels` are the graph's."""
        outer = self._with_input(jnp.zeros_like(self.bias), u) + self.bias
        sent = _Sent(self.activation)
        return levels.forward(self.graph, self.weight, outer, sent, ())[1]

    @property
    def inputs(self) -> int:
        return 0 if self.input_weight is None else self.input_weight.shape[1]

    @property
    def name(self) -> str:
        return "RateNetwork"

    def depth(self) -> int | None:
        return self.graph.depth()

    def moves_state(self, name: str) -> bool:
        return not name.startswith("readout_map")

    def neurons(self) -> "RateNetwork":
        return self

    def units(self) -> None:
        return None

    @property
    def own_time(self) -> Neurons:
        return self.time_constant

    def slopes(self, x: Neurons, u: Float[Array, "inputs"], dt: Scalar) -> Slopes:
        rate = jnp.asarray(dt, x.dtype) / self.time_constant
        a = self.drive(x, u)
        rise = slope_at(self.activation, a)
        return Slopes(1 - rate, rate * rise)

    def sent(self, x: Neurons) -> Neurons:
        return x

    def _with_input(self, a: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        if self.input_weight is None:
            return a
        return self.input_nodes.add(a, self.input_weight @ u)


class _Sent(eqx.Module):
    """The rates of neurons that `total` arrives at; equal where sigma is the same."""

    activation: Callable[[Array], Array] = eqx.field(static=True)

    def __call__(self, total: Array, each: Values) -> Array:
        return forward(self.activation)(total)
