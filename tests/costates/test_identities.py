"""Identities of exact credit: costates, sensitivities and tangents say the same."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from online_twin import COST, DT, relative, summed

from hamlearn import (
    RTRL,
    Digraph,
    Dynamics,
    RateNetwork,
    Sample,
    exact_gradient,
    join,
    split,
)
from hamlearn.action.cost import running_cost

STEPS = 25


class Cell(eqx.Module):
    gate: jax.Array
    new: jax.Array

    def __call__(self, x, u):
        heard = jnp.concatenate([x, u])
        return jax.nn.sigmoid(self.gate @ heard) * (jnp.tanh(self.new @ heard) - x)


def make(key, kind):
    """(network, samples): leaky neurons, leak-free ones (tau = dt), a gated cell."""
    a, b, c, d = jax.random.split(key, 4)
    u = jax.random.normal(a, (STEPS, 2))
    if kind == "gated":
        cell = Cell(*jax.random.normal(b, (2, 4, 6)))
        network = Dynamics(cell, initial_state=jax.random.normal(c, (4,)))
    else:
        network = RateNetwork(
            Digraph.complete(4, self_loops=True), inputs=2, outputs=4, key=b,
            time_constant=DT if kind == "leak-free" else 1.0, gain=1.2,
        )  # fmt: skip
    return network, Sample(u, jax.random.normal(d, (STEPS, 4)))


def linearised(network, samples):
    """x_k, dx_{k+1}/dx_k, dx_{k+1}/dw, ell_x and ell_w at every sample, dense."""
    w, frozen = split(network)
    flat_w, unravel = ravel_pytree(w)
    at = lambda w: join(unravel(w), frozen)

    @jax.jit
    def one(x, now):
        step = lambda x, w: at(w).transition(x, now.input, DT)
        ell = lambda x, w: running_cost(COST, at(w), x, now)
        return (
            step(x, flat_w), *jax.jacfwd(step, (0, 1))(x, flat_w),
            *jax.grad(ell, (0, 1))(x, flat_w),
        )  # fmt: skip

    _, found = jax.lax.scan(
        lambda x, now: (lambda all: (all[0], (x, *all[1:])))(one(x, now)),
        network.initial_state(), samples,
    )  # fmt: skip
    return [np.array(part) for part in found], unravel


def costates(A, c_x):
    """p_k = ell_x + A_k^T p_{k+1} for k = 0 ... T, with p_T = 0."""
    p = [np.zeros(A.shape[1])]
    for k in reversed(range(len(A))):
        p.append(c_x[k] + A[k].T @ p[-1])
    return np.array(p[::-1])


KINDS = ["leaky", "leak-free", "gated"]


@pytest.mark.parametrize("kind", KINDS)
def test_bptt_is_rtrl_is_the_costate_sum_is_forward_differentiation(getkey, kind):
    network, samples = make(getkey(), kind)
    (_, A, B, c_x, c_w), unravel = linearised(network, samples)
    exact = exact_gradient(COST, network, samples, dt=DT).w
    p = costates(A, c_x)
    by_costates = c_w.sum(0) + sum(B[k].T @ p[k + 1] for k in range(STEPS))
    assert relative(unravel(jnp.asarray(by_costates)), exact) < 1e-12
    w, frozen = split(network)

    def total(w):
        net = join(unravel(w), frozen)

        def body(x, now):
            x_next = net.transition(x, now.input, DT)
            return x_next, running_cost(COST, net, x, now)

        return jax.lax.scan(body, net.initial_state(), samples)[1].sum()

    forward = jax.jacfwd(total)(ravel_pytree(w)[0])
    assert relative(unravel(forward), exact) < 1e-12
    assert relative(summed(RTRL(COST), network, samples), exact) < 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_tangent_and_costate_keep_their_product(getkey, kind):
    """<dx_k, p_k> is constant where nothing is paid on the way."""
    network, samples = make(getkey(), kind)
    (_, A, _, c_x, _), _ = linearised(network, samples)
    c_x[:-1] = 0  # a cost at the last sample alone
    p = costates(A, c_x)
    tangent, products = np.asarray(jax.random.normal(getkey(), (4,))), []
    for k in range(STEPS):
        products.append(tangent @ p[k])
        tangent = A[k] @ tangent
    np.testing.assert_allclose(products, products[0], rtol=1e-11)
    assert abs(products[0]) > 1e-8


def test_a_costate_pushed_forward_from_its_exact_start_comes_back(getkey):
    """p_{k+1} = A_k^-T (p_k - ell_x), as long as rounding has not grown to its size."""
    network, samples = make(getkey(), "leaky")
    (_, A, _, c_x, _), _ = linearised(network, samples)
    p = costates(A, c_x)
    pushed = p[0]
    for k in range(STEPS - 1):
        pushed = np.linalg.solve(A[k].T, pushed - c_x[k])
    grown = np.prod([np.linalg.norm(np.linalg.inv(a), 2) for a in A])
    error = np.linalg.norm(pushed - p[-2]) / np.linalg.norm(p[-2])
    assert error < 10 * grown * np.finfo(float).eps
    assert error < 1e-6
