"""Laws that estimate the gradient at every sample and hand it to an optimizer."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss, running_cost
from ..mechanics.solvers import in_turn, move
from ..networks.base import AbstractNetwork
from ..networks.batch import Batch
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..networks.rate import RateNetwork
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample
from ._base import AbstractRule, descend


class OnlineState(eqx.Module):
    """State x, weights w, what the law carries and what it never changes."""

    x: PyTree
    w: Params
    trace: PyTree
    fixed: PyTree
    memory: PyTree
    key: Array | None
    frozen: PyTree

    @property
    def network(self) -> Any:
        """The network with its present weights."""
        return join(self.w, self.frozen)


class OnlineInfo(eqx.Module):
    """Output and loss from before the sample taught anything."""

    output: Float[Array, "*batch outputs"]
    loss: Float[Array, "*time"]


class Moment(eqx.Module):
    """One stream at one sample: where it is, and the gradient of the running cost.

    `c_x` and `c_w` are the partial derivatives of ell(x, w) and `error` is that of
    q loss by the output; `key` is fresh at every sample, for laws that draw.
    """

    x: PyTree
    w: Params
    frozen: PyTree
    sample: Sample
    dt: Scalar
    c_x: PyTree
    c_w: Params
    error: Float[Array, "outputs"]
    key: Any

    @property
    def network(self) -> Any:
        """The network of this one stream."""
        return join(self.w, self.frozen)

    def transition(self, x: PyTree, w: Params) -> PyTree:
        """x_{k+1} = x_k + dt f(x_k, w, u_k), as a function of x_k and w."""
        return transition(join(w, self.frozen), x, self.sample, self.dt)


def transition(
    network: AbstractNetwork, x: PyTree, sample: Sample, dt: Scalar
) -> PyTree:
    """x_{k+1} = x_k + dt f(x_k, u_k), the discretised dynamics of all these laws."""
    return move(x, dt, network(x, sample.input))


class AbstractOnlineRule(AbstractRule):
    """A law g_k ~ d ell_k / dw at every sample, applied by an optax optimizer.

    `estimate` gives g_k without applying it, so that its sum over samples can be held
    against the exact gradient; `step` applies it. A `Batch` of streams is a trace a
    stream, and the mean of their estimates. A law whose `credit` draws nothing says so
    in `draws`: a fresh key a sample costs as much as a small network.
    """

    draws: ClassVar[bool] = True
    cost: eqx.AbstractVar[Cost]
    optimizer: eqx.AbstractVar[optax.GradientTransformation]

    @abstractmethod
    def start(
        self, network: Any, x: PyTree, key: Array | None
    ) -> tuple[PyTree, PyTree]:
        """(fixed, trace): what all streams share for good, and one stream's trace."""

    @abstractmethod
    def credit(
        self, moment: Moment, fixed: PyTree, trace: PyTree
    ) -> tuple[Params, PyTree]:
        """(estimate of d ell_k / dw, the trace of x_{k+1})."""

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> OnlineState:
        network = as_network(network, x0)
        x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
        w, frozen = split(network)
        draw, key = (None, None) if key is None else jax.random.split(key)
        single, one = network, x
        if isinstance(network, Batch):
            single, one = network.network, jax.tree.map(lambda leaf: leaf[0], x)
        fixed, trace = self.start(single, one, draw)
        key = key if self.draws else None
        if isinstance(network, Batch):
            size = network.size
            copy = lambda leaf: jnp.broadcast_to(leaf, (size, *leaf.shape))
            trace = jax.tree.map(copy, trace)
        return OnlineState(x, w, trace, fixed, self.optimizer.init(w), key, frozen)

    def estimate(
        self, state: OnlineState, sample: Sample, dt: Scalar
    ) -> tuple[Params, OnlineState, OnlineInfo]:
        """(g_k, the state after dt with the weights held, info)."""
        now, key = None, None
        if state.key is not None:
            now, key = jax.random.split(state.key)
        if not isinstance(state.frozen, Batch):
            g, x, trace, info = self._single(
                state.w, state.frozen, state.fixed, dt, state.x, state.trace,
                sample, now,
            )  # fmt: skip
        else:
            g, x, trace, info = self._batched(state, sample, dt, now)
        where = lambda s: (s.x, s.trace, s.key)
        state = eqx.tree_at(where, state, (x, trace, key), is_leaf=_is_none)
        return g, state, info

    def step(self, state, sample, dt):
        g, after, info = self.estimate(state, sample, dt)
        w, memory = descend(self.optimizer, g, state.memory, state.w)
        w, trace = in_turn(
            (after.x, _at_neurons(after)), (w, state.w), (after.trace, state.trace)
        )
        where = lambda s: (s.w, s.trace, s.memory)
        changed = eqx.tree_at(where, after, (w, trace, memory), is_leaf=_is_none)
        return changed, info

    def _single(self, w, frozen, fixed, dt, x, trace, sample, key):
        def ell(x, w):
            return running_cost(self.cost, join(w, frozen), x, sample)

        c_x, c_w = jax.grad(ell, argnums=(0, 1))(x, w)
        network = join(w, frozen)
        output = network.readout(x, sample.input)
        loss, error = jax.value_and_grad(
            lambda output: output_loss(self.cost, output, sample)
        )(output)
        error = self.cost.accuracy.astype(error.dtype) * error
        moment = Moment(x, w, frozen, sample, dt, c_x, c_w, error, key)
        g, trace = self.credit(moment, fixed, trace)
        x = moment.transition(x, w)
        return g, x, trace, OnlineInfo(output, loss)

    def _batched(self, state, sample, dt, key):
        """Each stream by itself, with the weights of all; the mean of the estimates."""
        batch = state.frozen
        w = {name.removeprefix("network."): leaf for name, leaf in state.w.items()}
        keys = None if key is None else jax.random.split(key, batch.size)
        single = lambda *stream: self._single(
            w, batch.network, state.fixed, dt, *stream
        )
        g, x, trace, info = jax.vmap(single)(state.x, state.trace, sample, keys)
        mean = {f"network.{name}": jnp.mean(leaf, 0) for name, leaf in g.items()}
        return mean, x, trace, OnlineInfo(info.output, jnp.mean(info.loss))


def _at_neurons(state: OnlineState) -> list[Array]:
    """What of the trace is no larger than the state, such as that of the biases."""
    states = sum(leaf.size for leaf in jax.tree.leaves(state.x))
    return [leaf for leaf in jax.tree.leaves(state.trace) if leaf.size <= states]


def number_of_inputs(network: AbstractNetwork, given: int | None = None) -> int:
    """How many inputs a network hears: as it says itself, or as `given`.

    **Raises:** `ValueError` where neither does.
    """
    if isinstance(network, Batch):
        return number_of_inputs(network.network, given)
    if isinstance(network, RateNetwork | VoltageNetwork):
        return 0 if network.input_weight is None else network.input_weight.shape[1]
    if given is None:
        _checks.reject("inputs", "given: the network does not say its own", None)
    return given


def checked_optimizer(optimizer: Any) -> optax.GradientTransformation:
    """`optimizer`, which must be one of optax; plain SGD at a rate of 0.01 for None."""
    if optimizer is None:
        return optax.sgd(0.01)
    _checks.instance("optimizer", optimizer, optax.GradientTransformation)
    return optimizer


def checked_cost(cost: Any) -> Cost:
    """`cost`, or the default one for None."""
    cost = Cost() if cost is None else cost
    _checks.instance("cost", cost, Cost)
    return cost


def _is_none(leaf: Any) -> bool:
    return leaf is None
