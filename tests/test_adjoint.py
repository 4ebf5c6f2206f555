"""The Hamiltonian's reversed stream is BPTT; the midpoint rule needs no memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl

DT = 0.05


def problem(getkey, graph, steps=40, inputs=2):
    network = hl.RateNetwork(
        graph, inputs=inputs, outputs=2, time_constant=0.4, key=getkey()
    )
    key_u, key_y = jax.random.split(getkey())
    samples = hl.Sample(
        jax.random.normal(key_u, (steps, inputs)), jax.random.normal(key_y, (steps, 2))
    )
    x0 = 0.3 * jax.random.normal(getkey(), (graph.num_nodes,))
    cost = hl.Cost(accuracy=3.0, weight_decay=0.2)
    return cost, network, samples, x0


def slow_cost(cost, network, samples, x0, midpoint):
    """J by a Python loop over time, for `jax.grad`; shares no code with the library."""
    w = (network.weight, network.input_weight, network.bias)
    decay = sum(jnp.sum(a**2) for a in w)
    states = [x0]
    for k in range(samples.target.shape[0]):
        f = network(states[-1], samples.input[k])
        if midpoint and k > 0:
            states.append(states[-2] + 2 * DT * f)
        else:
            states.append(states[-1] + DT * f)
    J = 0.0
    for k in range(samples.target.shape[0]):
        error = states[k][-2:] - samples.target[k]
        J += DT * (
            cost.accuracy * jnp.sum(error**2) / 2 + cost.weight_decay / 2 * decay
        )
    return J


GRAPHS = {
    "complete": lambda key: hl.Digraph.complete(5, self_loops=True),
    "layered": lambda key: hl.Digraph.layered([3, 4, 2]),
    "sparse": lambda key: hl.Digraph.random(8, in_degree=3, key=key),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("midpoint", [False, True])
def test_gradient_is_that_of_autodiff_through_the_loop(getkey, graph, midpoint):
    # The midpoint rule loses a digit every 1.2 time constants: 2.5 of them here.
    graph = GRAPHS[graph](getkey())
    cost, network, samples, x0 = problem(getkey, graph, steps=20 if midpoint else 40)
    truth = eqx.filter_grad(
        lambda n: slow_cost(cost, n, samples, x0, midpoint), allow_int=True
    )(network)
    exact = hl.midpoint_gradient if midpoint else hl.reversed_stream_gradient
    gradient, _ = exact(cost, network, samples, dt=DT, x0=x0)
    for name in ("weight", "input_weight", "bias"):
        expected = np.asarray(getattr(truth, name))
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient[name], expected, atol=1e-12 * scale, rtol=0)


def test_gradient_with_respect_to_the_start(getkey):
    cost, network, samples, x0 = problem(getkey, GRAPHS["complete"](None))
    truth = jax.grad(lambda x: slow_cost(cost, network, samples, x, False))(x0)
    _, p_x = hl.reversed_stream_gradient(cost, network, samples, dt=DT, x0=x0)
    np.testing.assert_allclose(p_x, truth, rtol=1e-12)


def test_midpoint_recovers_the_start_and_says_when_it_cannot(getkey):
    cost, network, samples, x0 = problem(getkey, GRAPHS["complete"](None), steps=20)
    _, recovered = hl.midpoint_gradient(cost, network, samples, dt=DT, x0=x0)
    np.testing.assert_allclose(recovered, x0, atol=1e-12)
    # 100 time constants: the parasitic mode amplifies rounding beyond recognition.
    long = jax.tree.map(lambda a: jnp.tile(a, (40, 1)), samples)
    _, recovered = hl.midpoint_gradient(cost, network, long, dt=DT, x0=x0)
    assert not np.allclose(recovered, x0, atol=0.1)


@pytest.mark.parametrize(
    "gradient", [hl.reversed_stream_gradient, hl.midpoint_gradient]
)
def test_memory_and_errors(getkey, gradient):
    cost, network, samples, _ = problem(getkey, GRAPHS["complete"](None))
    with pytest.raises(ValueError, match=r"`dt` must be positive, but is -1\.0"):
        gradient(cost, network, samples, dt=-1.0)


def test_midpoint_memory_does_not_grow_with_the_stream(getkey):
    cost, network, _, x0 = problem(getkey, GRAPHS["complete"](None))

    def temporary_bytes(gradient, steps):
        samples = hl.Sample(jnp.zeros((steps, 2)), jnp.zeros((steps, 2)))
        run = jax.jit(lambda x, s: gradient(cost, network, s, dt=DT, x0=x)[0])
        return run.lower(x0, samples).compile().memory_analysis().temp_size_in_bytes

    stored = [temporary_bytes(hl.reversed_stream_gradient, n) for n in (100, 1000)]
    free = [temporary_bytes(hl.midpoint_gradient, n) for n in (100, 1000)]
    states, inputs = 900 * x0.nbytes, 900 * 4 * 8
    assert stored[1] - stored[0] > 0.9 * states
    # Cutting off the first sample may copy the others; states are never stored.
    assert free[1] - free[0] <= inputs
