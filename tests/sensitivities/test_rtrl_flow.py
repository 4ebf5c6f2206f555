"""The sensitivity equation against the adjoint method, and against discrete RTRL."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn import RTRL, Batch, Cost, Digraph, Dynamics, RateNetwork, Sample, Signal
from hamlearn.laws.base import without_rest
from hamlearn.mechanics import RungeKutta4
from hamlearn.updates import GradientFlow, Optax

COST = Cost(loss_weight=1.5, weight_decay=0.01)
EVERYTHING = ("weight", "input_weight", "bias", "readout_map", "time_constant")
SIGNAL = Signal(
    input=lambda t: jnp.stack([jnp.sin(1.3 * t), jnp.cos(0.7 * t)]),
    target=lambda t: jnp.stack([jnp.sin(t), jnp.cos(2 * t)]),
)


def rate_network(graph, getkey):
    n = graph.num_nodes
    return RateNetwork(
        graph, inputs=2, outputs=2, time_constant=jnp.linspace(0.5, 2.0, n),
        readout=eqx.nn.Linear(2, 2, key=getkey()), learn=EVERYTHING, key=getkey(),
    )  # fmt: skip


class Gated(eqx.Module):
    """A module that no law knows, with two leaves as its state."""

    gate: eqx.nn.Linear

    def __call__(self, x, u):
        z = jax.nn.sigmoid(self.gate(jnp.concatenate([u, x["h"]])))
        return {"h": z * jnp.sin(x["slow"]) - x["h"], "slow": 0.3 * (z - x["slow"])}


def networks(getkey):
    gate = eqx.nn.Linear(4, 2, key=getkey())
    start = {"h": jnp.ones(2), "slow": jnp.zeros(2)}
    return {
        "dense": rate_network(Digraph.complete(4, self_loops=True), getkey),
        "sparse": rate_network(Digraph.random(6, in_degree=2, key=getkey()), getkey),
        "module": Dynamics(
            Gated(gate), initial_state=start, readout=lambda x, u: x["h"]
        ),
    }


def by_adjoint(network, time):
    """d/dw of the integral of ell, by diffrax's adjoint of an adaptive solve."""
    w, frozen = hl.split(network)

    def total(w):
        network = hl.join(w, frozen)

        def field(t, y, _):
            x, _ = y
            sample = SIGNAL(t)
            error = network.readout(x, sample.input) - sample.target
            decay = sum(jnp.sum(leaf**2) for leaf in w.values())
            return network(x, sample.input), 1.5 * error @ error / 2 + 0.005 * decay

        y0 = network.initial_state(), jnp.zeros(())
        found = solution(field, y0, time, None)
        return found.ys[1][0]

    return jax.grad(total)(w)


def solution(field, y0, time, args):
    return dfx.diffeqsolve(
        dfx.ODETerm(field), dfx.Tsit5(), 0.0, time, 0.01, y0, args,
        stepsize_controller=dfx.PIDController(rtol=1e-10, atol=1e-12),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["sparse", "module"])
def test_the_integral_of_its_credit_is_the_gradient_of_the_adjoint(getkey, kind):
    network, time = networks(getkey)[kind], 3.0
    law = RTRL(COST, GradientFlow(0.0), solver=dfx.Tsit5())
    credit = RTRL(COST, GradientFlow(1.0), solver=dfx.Tsit5())
    state = law.init(network)
    args = state.rest, SIGNAL

    def field(t, y, args):
        flow, _ = y
        # Under a flow of rate one the weights move by the credit.
        down = credit.vector_field(t, flow, args).w
        return law.vector_field(t, flow, args), jax.tree.map(jnp.negative, down)

    zero = jax.tree.map(jnp.zeros_like, state.w)
    flow, g = solution(field, (without_rest(state), zero), time, args).ys
    exact = by_adjoint(network, time)
    assert g.keys() == exact.keys()
    for name, leaf in exact.items():
        assert np.linalg.norm(leaf) > 1e-4
        # Two adaptive solves at tolerances of 1e-10.
        np.testing.assert_allclose(
            g[name][0], leaf, rtol=1e-7, atol=1e-8 * np.abs(leaf).max()
        )
        assert np.array_equal(flow.w[name][0], state.w[name])


def samples_of(getkey, steps, batch=()):
    u, y = jax.random.normal(getkey(), (2, steps, *batch, 2))
    return Sample(u, y)


@pytest.mark.parametrize(
    ("kind", "batch"), [("dense", ()), ("sparse", (3,)), ("module", ())]
)
def test_by_euler_steps_it_is_discrete_rtrl_with_sgd(getkey, kind, batch):
    network, samples = networks(getkey)[kind], samples_of(getkey, 40, batch)
    network = Batch(network, *batch) if batch else network
    dt, rate = 0.1, 0.2
    flow, discrete = (
        hl.stream(law, network, samples, dt=dt, progress=False)
        for law in (
            RTRL(COST, GradientFlow(rate), solver=dfx.Euler()),
            RTRL(COST, Optax(optax.sgd, learning_rate=rate * dt)),
        )
    )
    np.testing.assert_allclose(flow.loss, discrete.loss, rtol=1e-11)
    start = hl.split(network)[0]
    theirs = hl.split(discrete.network)[0]
    for name, leaf in hl.split(flow.network)[0].items():
        np.testing.assert_allclose(leaf, theirs[name], rtol=1e-10, atol=1e-13)
        assert np.abs(leaf - start[name]).max() > 1e-5


def test_solve_and_fine_streams_agree_while_it_learns(getkey):
    network, law = networks(getkey)["sparse"], RTRL(COST, GradientFlow(0.3))
    fine = RTRL(COST, GradientFlow(0.3), solver=RungeKutta4())
    dt, time = 0.01, 2.0
    solved = hl.solve(law, network, SIGNAL, t0=0.0, t1=time)
    # Held at the middle of a step, the signal is wrong by O(dt^2).
    middles = dt * (jnp.arange(time / dt) + 0.5)
    streamed = hl.stream(fine, network, SIGNAL.sample(middles), dt=dt, progress=False)
    a, b = hl.split(solved.network)[0], hl.split(streamed.network)[0]
    start = hl.split(network)[0]
    for name in a:
        moved = np.linalg.norm(a[name] - start[name])
        assert moved > 1e-3
        assert np.linalg.norm(a[name] - b[name]) < 1e-4 * moved


def test_weights_of_samples_count(getkey):
    network, samples = networks(getkey)["dense"], samples_of(getkey, 30)
    silent = Sample(samples.input, samples.target, jnp.zeros(30))
    law = RTRL(Cost(), GradientFlow(1.0), solver=dfx.Euler())
    still = hl.stream(law, network, silent, dt=0.1, progress=False).network
    assert np.array_equal(still.weight, network.weight)


def test_a_negative_rate_is_named():
    with pytest.raises(ValueError, match=r"`rate` must .* but is -1.0"):
        GradientFlow(-1.0)
