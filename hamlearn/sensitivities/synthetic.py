"""Synthetic gradients: the future's part of the costate, predicted from the state."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._types import Array, Float, Number, PyTree, Scalar
from ..action.cost import as_number
from ..networks.partition import join
from .base import AbstractSensitivity, with_state_part


class Synthesiser(eqx.Module):
    """A in G = A (x, 1), its optimizer and its trace, and the sample before, if any."""

    weight: Float[Array, "n features"]
    optimizer: PyTree
    trace: Float[Array, "n n features"] | None
    x: PyTree
    input: Float[Array, "inputs"]
    begun: Scalar


class SyntheticGradients(AbstractSensitivity):
    """A linear synthesiser of all states, taught online by its own Bellman equation.

        G = A (x, 1),   J_k = dx_k/dx_{k-1}
        delta_k = (ell_x + gamma G_k) J_k - G_{k-1}
        A moves along sum_c delta_c E_c
        E <- gamma lambda J E,   E_{i,ij} <- E_{i,ij} + phi_j
        g_k = (ell_x + kappa G_k) dx_k/dw

    lambda = 0 needs no trace and is the one-step target of decoupled neural
    interfaces; with lambda > 0 E has n^2 (n + 1) numbers, and carrying it is RTRL's
    work. A starts at 0, which is truncation. Full features, no structure of the
    network used: the reference of `Learned`. What is learned is lost where an episode
    begins.

    **Arguments:** `decay`: lambda, in 0 ... 1; `discount`: gamma; `mixing`: kappa;
    `optimizer`: of A, by default Adam at 1e-3.

    Jaderberg et al. (2017), "Decoupled neural interfaces using synthetic gradients";
    Pemberton & Costa (2024), "BP(lambda): Online learning via synthetic gradients".
    """

    decay: float = eqx.field(static=True)
    discount: Scalar
    mixing: Scalar
    optimizer: optax.GradientTransformation = eqx.field(static=True)

    def __init__(
        self,
        decay: float = 0.0,
        *,
        discount: Number = 1.0,
        mixing: Number = 1.0,
        optimizer: optax.GradientTransformation | None = None,
    ):
        _checks.non_negative("decay", decay)
        if decay > 1:
            _checks.reject("decay", "at most 1", decay)
        _checks.non_negative("discount", discount)
        _checks.non_negative("mixing", mixing)
        self.decay = float(decay)
        self.discount, self.mixing = as_number(discount), as_number(mixing)
        self.optimizer = optax.adam(1e-3) if optimizer is None else optimizer

    def prepare(self, network, x, key):
        if network.inputs is None:
            wanted = "one that says how many inputs it hears"
            _checks.reject("network", wanted, f"a {network.name}")

    def start(self, network, x, fixed):
        row, _ = ravel_pytree(x)
        n = row.size
        A = jnp.zeros((n, n + 1), row.dtype)
        trace = jnp.zeros((n, n, n + 1), row.dtype) if self.decay > 0 else None
        u = jnp.zeros(network.inputs, row.dtype)
        none = jnp.zeros((), row.dtype)
        return Synthesiser(A, self.optimizer.init(A), trace, x, u, none)

    def step(self, instant, fixed, memory):
        row, tree = ravel_pytree(instant.x)
        dtype = row.dtype
        gamma, kappa = self.discount.astype(dtype), self.mixing.astype(dtype)
        push = ravel_pytree(instant.ell_x)[0]
        before, _ = ravel_pytree(memory.x)
        old, new = (jnp.concatenate([a, jnp.ones(1, dtype)]) for a in (before, row))
        A = memory.weight

        def step(before, w):
            network = join(instant.w | w, instant.frozen)
            after = network.transition(tree(before), memory.input, instant.dt)
            return ravel_pytree(after)[0]

        _, back = jax.vjp(step, before, instant.w)
        begun = memory.begun
        delta = begun * (back(push + gamma * (A @ new))[0] - A @ old)
        old = begun * old
        if memory.trace is None:
            E, change = None, jnp.outer(delta, old)
        else:
            E = memory.trace.at[jnp.arange(row.size), jnp.arange(row.size)].add(old)
            change = jnp.einsum("c,cij->ij", delta, E)
            fade = gamma * jnp.asarray(self.decay, dtype)
            E = fade * _carried(lambda x: step(x, {}), before, E)
        # optax mixes its counters with floats, which strict promotion forbids.
        with jax.numpy_dtype_promotion("standard"):
            updates, optimizer = self.optimizer.update(-change, memory.optimizer, A)
        A = A + updates
        g = back(begun * (push + kappa * (A @ new)))[1]
        one = jnp.ones_like(begun)
        memory = Synthesiser(A, optimizer, E, instant.x, instant.u, one)
        return with_state_part(instant, g), memory


def _carried(step: Any, x: Array, E: Array) -> Array:
    """J applied to the first index of E."""
    _, along = jax.linearize(step, x)
    columns = E.reshape(E.shape[0], -1)
    return jax.vmap(along, 1, 1)(columns).reshape(E.shape)
