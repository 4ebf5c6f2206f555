"""Gradients of braintrace (0.2.6, with brainstate 0.5.4), where it is installed."""

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ._floors import Weights

#: Neurons up to which SnAp-2 runs at the peer's own bound on Jacobians.
LARGEST_EXACT = 128


def installed() -> bool:
    return importlib.util.find_spec("braintrace") is not None


def gradients(w: Weights, u, y) -> dict[str, Callable[[], Weights]]:
    """By BPTT and by its online laws.

    `D_RTRL` in its default mode leaves the gradient of the readout at zero;
    `multi-step` does not.
    """
    import braintrace  # pyright: ignore[reportMissingImports]

    net, weights = _network(w)
    return {
        "braintrace bptt": _bptt(net, weights, u, y),
        "braintrace D_RTRL": _online(net, weights, u, y, braintrace.D_RTRL),
        "braintrace D_RTRL multi-step": _online(
            net, weights, u, y, braintrace.D_RTRL, vjp_method="multi-step"
        ),
        "braintrace pp_prop": _online(
            net, weights, u, y, braintrace.pp_prop, decay_or_rank=0.9
        ),
    }


def exact(w: Weights, u, y) -> dict[str, Callable[[], Weights]]:
    """By SnAp-2, which on a complete network is exact RTRL."""
    import braintrace  # pyright: ignore[reportMissingImports]

    if w.b.size > LARGEST_EXACT:
        return {}
    run = _online(*_network(w), u, y, braintrace.SnAp, n=2)
    return {"braintrace SnAp-2": run}


def _network(w: Weights):
    import brainstate  # pyright: ignore[reportMissingImports]
    import braintrace  # pyright: ignore[reportMissingImports]

    (n, inputs), outputs = w.B.shape, w.C.shape[0]

    class Net(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = braintrace.nn.ValinaRNNCell(inputs, n, activation="tanh")
            self.out = braintrace.nn.Linear(n, outputs)

        def update(self, x):
            return self.out(self.rnn(x))

    net = Net()
    brainstate.nn.init_all_states(net)
    weights = net.states(brainstate.ParamState)
    rnn, out = ("rnn", "W", "weight"), ("out", "weight")
    weights[rnn].value = {"bias": w.b, "weight": jnp.concatenate([w.B.T, w.W.T])}
    weights[out].value = {"bias": w.c, "weight": w.C.T}
    return net, weights


def _as_weights(g: Any, inputs: int) -> Weights:
    rnn, out = g["rnn", "W", "weight"], g["out", "weight"]
    B, W = rnn["weight"][:inputs].T, rnn["weight"][inputs:].T
    return Weights(W, B, rnn["bias"], out["weight"].T, out["bias"])


def _bptt(net: Any, weights: Any, u, y) -> Callable[[], Weights]:
    import brainstate  # pyright: ignore[reportMissingImports]

    @brainstate.transform.jit
    def run(u, y):
        brainstate.nn.reset_all_states(net)

        def total():
            out = brainstate.transform.for_loop(net, u)
            return jnp.sum((out - y) ** 2) / 2

        g = brainstate.transform.grad(total, weights)()
        return _as_weights(g, u.shape[1])

    return lambda: run(u, y)


def _online(net, weights, u, y, algorithm: Any, **options) -> Callable[[], Weights]:
    import brainstate  # pyright: ignore[reportMissingImports]
    import braintrace  # pyright: ignore[reportMissingImports]

    learner = braintrace.compile(net, algorithm, jnp.zeros(u.shape[1]), **options)

    @brainstate.transform.jit
    def run(u, y):
        def step(total, now):
            loss = lambda: jnp.sum((learner(now[0]) - now[1]) ** 2) / 2
            g = brainstate.transform.grad(loss, weights)()
            return jax.tree.map(jnp.add, total, g), None

        # Hidden state and trace have to be reset each by itself.
        brainstate.nn.reset_all_states(net)
        learner.reset_state()
        zero = {k: jax.tree.map(jnp.zeros_like, s.value) for k, s in weights.items()}
        total = brainstate.transform.scan(step, zero, (u, y))[0]
        return _as_weights(total, u.shape[1])

    return lambda: run(u, y)
