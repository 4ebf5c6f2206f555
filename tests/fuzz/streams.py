"""Small streams, the laws that hear them, and a NumPy twin of one of them."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl

KEY = jax.random.key(0)
STEPS, DT = 6, 0.1


@cache
def network(inputs=1, outputs=1, dtype=None):
    """Two rate neurons on a complete graph."""
    graph = hl.Digraph.complete(2, self_loops=True)
    return hl.RateNetwork(graph, inputs=inputs, outputs=outputs, dtype=dtype, key=KEY)


@cache
def law(rate=0.1):
    """RTRL by plain SGD, small and exact."""
    return hl.RTRL(update=hl.updates.Optax(optax.sgd, learning_rate=rate))


def signals(inputs=1, outputs=1, steps=STEPS):
    """(inputs, targets) in double precision."""
    t = np.arange(steps)[:, None]
    u = np.sin(t + np.arange(inputs))
    return u, 0.5 * np.cos(0.7 * t + np.arange(outputs))


@cache
def jets():
    """A signal that moves fast, with its rates, for laws that ask for them."""
    signal = hl.Signal(
        lambda t: jnp.sin(5 * t + jnp.arange(1.0)),
        lambda t: 0.5 * jnp.cos(4 * t + jnp.arange(1.0)),
    )
    return jax.tree.map(np.asarray, signal.jets(DT * np.arange(STEPS)))


def losses(u, y, weight=None, rate=0.1):
    """Losses of RTRL with SGD on `network()`, step by step, in NumPy alone."""
    net = network()
    W, B, b = (np.array(a, float) for a in (net.weight, net.input_weight, net.bias))
    x, n = np.zeros(2), 2
    P = {"W": np.zeros((n, n, n)), "B": np.zeros((n, n, 1)), "b": np.zeros((n, n))}
    found = []
    for k in range(len(u)):
        r = np.tanh(W @ x + B @ u[k] + b)
        error = x[1:] - y[k]
        w = 1.0 if weight is None else float(weight[k])
        found.append(w * 0.5 * float(np.sum(error**2)))
        c = w * np.array([0.0, error[0]])
        g = {name: np.tensordot(c, p, 1) for name, p in P.items()}
        slope = DT * (1 - r**2)
        J = (1 - DT) * np.eye(n) + slope[:, None] * W
        P = {name: np.tensordot(J, p, 1) for name, p in P.items()}
        for i in range(n):
            P["W"][i, i] += slope[i] * x
            P["B"][i, i] += slope[i] * u[k]
            P["b"][i, i] += slope[i]
        x = x + DT * (r - x)
        W, B, b = W - rate * g["W"], B - rate * g["B"], b - rate * g["b"]
    return np.array(found)


def streamed(samples, net=None, **options):
    """The losses of `hl.stream`."""
    options = {"dt": DT, "progress": False} | options
    net = network() if net is None else net
    return hl.stream(law(), net, samples, **options).loss
