"""A cost that is a function of where the run is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.laws import CostAlong

STEPS, DT = 8, 0.02
COST = hl.Cost(loss_weight=30.0, weight_decay=0.5)
TARGETS = np.sin(np.linspace(0, 3, STEPS))[:, None]
SAMPLES = hl.Sample(np.zeros((STEPS, 0)), TARGETS)
LAWS = {
    "flip": lambda cost: hl.HamiltonianLearning(cost, inertia=0.5, dissipation=9.0),
    "joint": lambda cost: hl.HamiltonianLearning(
        cost, hl.costates.HamiltonianSign(), inertia=0.5, dissipation=9.0
    ),
    "gradient": lambda cost: hl.RTRL(cost, hl.updates.Inertia(0.5, 9.0)),
}


def net():
    graph = hl.Digraph.complete(3, self_loops=True)
    return hl.RateNetwork(graph, outputs=[0], key=jax.random.key(0))


def ran(law):
    return hl.scan(law, law.init(net()), SAMPLES, DT)


def close(one, two):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", LAWS)
def test_a_constant_cost_is_that_of_the_law(kind):
    """The law may have been made with another."""
    law = CostAlong(LAWS[kind](hl.Cost()), lambda network, x, sample: COST)
    close(ran(law), ran(LAWS[kind](COST)))


@pytest.mark.parametrize("kind", LAWS)
def test_the_cost_is_read_off_the_state_before_each_step(kind):
    """By hand: at each step the plain law made with the cost of that moment."""
    cost_at = lambda network, x, sample: hl.Cost(
        loss_weight=5 + x[0] ** 2 + network.bias[0], weight_decay=sample.target[0] ** 2
    )
    law = CostAlong(LAWS[kind](COST), cost_at)
    after, infos = ran(law)
    state, losses = law.init(net()), []
    for y in jnp.asarray(TARGETS):
        sample = hl.Sample(jnp.zeros(0), y)
        now = LAWS[kind](cost_at(state.network, state.x, sample))
        state, info = eqx.filter_jit(now.step)(state, sample, jnp.asarray(DT))
        losses.append(info.loss)
    np.testing.assert_allclose(infos.loss, losses, rtol=1e-9)
    close(after.w, state.w)


def test_nothing_is_differentiated_through_it():
    def last(size):
        cost_at = lambda network, x, sample: hl.Cost(loss_weight=1 + size * x[0] ** 2)
        law = CostAlong(hl.HamiltonianLearning(hl.Cost()), cost_at)
        return hl.scan(law, law.init(net()), SAMPLES, DT)[1].loss[-1]

    assert jax.grad(last)(1.0) == 0


def test_held_weights_stand_still():
    law = CostAlong(LAWS["flip"](COST), lambda network, x, sample: COST)
    held = hl.stream(law, net(), SAMPLES, dt=DT, learn=False, progress=False)
    close(held.state.w, law.init(net()).w)
    assert law.title == LAWS["flip"](COST).title
