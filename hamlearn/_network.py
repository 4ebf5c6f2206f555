"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from . import _checks
from ._graph import Digraph, NodeSet
from ._types import Array, Edges, Float, Neurons, PyTree


class AbstractNetwork(eqx.Module):
    """What every law needs of a network: drift, readout, a state, what it learns."""

    @abstractmethod
    def __call__(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        """The drift dx/dt = f(x, u)."""

    @abstractmethod
    def readout(
        self, x: PyTree, u: Float[Array, "inputs"]
    ) -> Float[Array, "*batch outputs"]:
        """The output y = h(x, u)."""

    @abstractmethod
    def initial_state(self) -> PyTree:
        """The state at rest."""

    @abstractmethod
    def trainable(self) -> PyTree[bool]:
        """A tree of booleans, a prefix of the network: True where a law may learn."""


class RateNetwork(AbstractNetwork):
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
    readout_map: Any
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
        time_constant: Any = 1.0,
        gain: float = 1.0,
        readout: Any = None,
        learn: Sequence[str] = ("weight", "input_weight", "bias", "readout_map"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        _checks.instance("graph", graph, Digraph)
        _checks.at_least("inputs", inputs, 0)
        _checks.non_negative("gain", gain)
        n = graph.num_nodes
        if np.ndim(time_constant) > 0:
            _checks.shape("time_constant", time_constant, (n,))
        _checks.positive("time_constant", time_constant)
        heard = default_input_nodes(graph) if input_nodes is None else input_nodes
        key_w, key_b = jax.random.split(key)
        dtype = jnp.zeros((), dtype).dtype
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
        self.activation = activation
        self.learn = checked_fields(learn, type(self))

    def drive(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        """The activation a_i before the nonlinearity."""
        a = self.graph.aggregate(self.weight, x)
        if self.input_weight is not None:
            a = self.input_nodes.add(a, self.input_weight @ u)
        # The bias comes last: with two products side by side XLA turns neither round
        # where there are many streams.
        return a + self.bias

    def __call__(self, x: Neurons, u: Float[Array, "inputs"]) -> Neurons:
        return (self.activation(self.drive(x, u)) - x) / self.time_constant

    def readout(self, x: Neurons, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        y = self.output_nodes.take(x)
        return y if self.readout_map is None else self.readout_map(y)

    def initial_state(self) -> Neurons:
        return jnp.zeros_like(self.bias)

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)


class Dynamics(AbstractNetwork):
    """Any Equinox module `f(x, u) = dx/dt` as a network.

    **Arguments:**

    - `drift`: called as `drift(x, u)`; its floating-point arrays are what learns.
    - `initial_state`: x at the start, any pytree of arrays.
    - `readout`: called as `readout(x, u)`; the state itself without it. Arrays in
      it learn too.
    """

    drift: Any
    readout_map: Any
    start: PyTree

    def __init__(self, drift: Any, *, initial_state: PyTree, readout: Any = None):
        self.drift = drift
        self.readout_map = readout
        self.start = jax.tree.map(jnp.asarray, initial_state)

    def __call__(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        return self.drift(x, u)

    def readout(self, x: PyTree, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        return x if self.readout_map is None else self.readout_map(x, u)

    def initial_state(self) -> PyTree:
        return self.start

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, ("drift", "readout_map"))


class Batch(AbstractNetwork):
    """The same network run on `size` streams at once, with shared weights.

    State, input and output get a leading axis of length `size`; losses average
    over it.
    """

    network: AbstractNetwork
    size: int = eqx.field(static=True)

    def __check_init__(self):
        _checks.at_least("size", self.size, 1)

    def __call__(self, x: PyTree, u: Float[Array, "batch inputs"]) -> PyTree:
        return jax.vmap(self.network)(x, u)

    def readout(
        self, x: PyTree, u: Float[Array, "batch inputs"]
    ) -> Float[Array, "batch outputs"]:
        return jax.vmap(self.network.readout)(x, u)

    def initial_state(self) -> PyTree:
        x = self.network.initial_state()
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (self.size, *a.shape)), x)

    def trainable(self) -> PyTree[bool]:
        everything = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda b: b.network, everything, self.network.trainable())


def as_network(network: Any, x0: PyTree = None) -> AbstractNetwork:
    """`network` itself, or any module `f(x, u)` wrapped with its start `x0`."""
    if isinstance(network, AbstractNetwork):
        return network
    if not callable(network):
        _checks.reject("network", "a network or a module f(x, u) = dx/dt", network)
    if x0 is None:
        _checks.reject(
            "x0",
            "given for a module that is no `AbstractNetwork`: its state is unknown",
            None,
        )
    return Dynamics(network, initial_state=x0)


def split(network: AbstractNetwork) -> tuple[dict[str, Array], PyTree]:
    """(what learns, by name, and the rest): the weights w as one flat dictionary.

    Names are the paths in the network, such as `weight` or `readout_map.bias`.
    """
    learned, frozen = eqx.partition(network, network.trainable())
    leaves, _ = jax.tree_util.tree_flatten_with_path(learned)
    return {_name(path): leaf for path, leaf in leaves}, frozen


def join(w: dict[str, Array], frozen: PyTree) -> Any:
    """The network with weights `w`; undoes `split`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: w.get(_name(path), leaf) if leaf is None else leaf,
        frozen,
        is_leaf=lambda leaf: leaf is None,
    )


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def fields_trainable(module: eqx.Module, names: Sequence[str]) -> PyTree[bool]:
    """True at the floating-point arrays of the named fields, False elsewhere."""
    spec = jax.tree.map(lambda _: False, module)
    for name in names:
        floats = jax.tree.map(eqx.is_inexact_array, getattr(module, name))
        where = lambda m, name=name: getattr(m, name)
        spec = eqx.tree_at(where, spec, floats, is_leaf=lambda leaf: leaf is None)
    return spec


def default_input_nodes(graph: Digraph) -> np.ndarray:
    """The nodes without an incoming edge, or all where each has one."""
    sources = np.flatnonzero(graph.in_degree() == 0)
    return sources if sources.size else np.arange(graph.num_nodes)


def initial_weight(graph: Digraph, gain: float, dtype: Any, key: Array) -> Edges:
    """w_ij ~ N(0, gain^2 / in-degree of i)."""
    fan_in = graph.in_degree()[np.asarray(graph.receivers)].reshape(graph.edge_shape)
    scale = jnp.asarray(gain / np.sqrt(fan_in), dtype)
    return scale * jax.random.normal(key, graph.edge_shape, dtype)


def checked_nodes(name: str, nodes: Any, n: int) -> np.ndarray:
    """Distinct node numbers below n; an integer k stands for the last k nodes."""
    if isinstance(nodes, int):
        if not 1 <= nodes <= n:
            _checks.reject(name, f"between 1 and the number of nodes {n}", nodes)
        return np.arange(n - nodes, n)
    chosen = np.asarray(nodes)
    _checks.shape(name, chosen, ("nodes",))
    fits = chosen.size > 0 and np.issubdtype(chosen.dtype, np.integer)
    fits = fits and chosen.min() >= 0 and chosen.max() < n
    if not fits or np.unique(chosen).size < chosen.size:
        _checks.reject(name, f"distinct nodes between 0 and {n - 1}", list(nodes))
    return chosen


def checked_fields(names: Sequence[str], kind: type) -> tuple[str, ...]:
    """`names`, each of which must be a field of `kind`."""
    for name in names:
        if name not in kind.__dataclass_fields__:
            _checks.reject("learn", f"names of fields of {kind.__name__}", name)
    return tuple(names)
