"""`hl.scan` is pure: jit, vmap and grad go through it, for every law."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.costates import HamiltonianSign, SmoothSign, TimeReversal
from hamlearn.mechanics import Euler
from hamlearn.updates import GradientFlow, Inertia, Optax

KEY = jax.random.key(0)
DT = 0.1
COST = hl.Cost(weight_decay=0.1)
COMPLETE = hl.Digraph.complete(3, self_loops=True)
LAYERS = hl.Digraph.layered([2, 3, 2])
SGD = Optax(optax.sgd, learning_rate=0.05)


def rate_network(key=KEY):
    readout = eqx.nn.Linear(3, 2, key=key)
    return hl.RateNetwork(COMPLETE, inputs=2, outputs=3, readout=readout, key=key)


def layers(tau_r, key=KEY):
    return hl.VoltageNetwork(
        LAYERS, inputs=2, outputs=2, prospective_time_constant=tau_r, key=key
    )


def resting(key=KEY):
    return hl.RateNetwork(LAYERS, inputs=2, outputs=2, key=key)


SMOOTH = hl.Signal(
    lambda t: jnp.stack([jnp.cos(t), jnp.sin(0.7 * t)]),
    lambda t: 0.5 * jnp.stack([jnp.sin(t), jnp.cos(2 * t)]),
)


def samples(count=24):
    return SMOOTH.jets(DT * np.arange(count))


flow = lambda theta, **more: hl.HamiltonianLearning(
    COST, inertia=2.0, dissipation=theta, **more
)
LAWS = {
    "RTRL": (lambda theta: hl.RTRL(COST, Inertia(2.0, theta)), rate_network),
    "RTRL, SGD": (lambda theta: hl.RTRL(COST, SGD), rate_network),
    "RTRL, a flow": (
        lambda theta: hl.RTRL(COST, GradientFlow(0.1), solver=Euler()),
        rate_network,
    ),
    "SnAp-1": (lambda theta: hl.SnAp1(COST, Inertia(2.0, theta)), rate_network),
    "SnAp-2": (lambda theta: hl.SnAp(COST, SGD, order=2), rate_network),
    "RFLO": (lambda theta: hl.RFLO(COST, SGD), rate_network),
    "e-prop": (lambda theta: hl.EProp(COST, SGD), rate_network),
    "UORO": (lambda theta: hl.laws.UORO(COST, SGD), rate_network),
    "KF-RTRL": (lambda theta: hl.laws.KFRTRL(COST, SGD), rate_network),
    "BPTT": (lambda theta: hl.BPTT(COST, SGD, window=6, overlap=3), rate_network),
    "BPTT, inertia": (
        lambda theta: hl.BPTT(COST, Inertia(2.0, theta), window=6),
        rate_network,
    ),
    "instantaneous": (
        lambda theta: hl.laws.Instantaneous(COST, SGD, sweeps=2),
        rate_network,
    ),
    "feedback alignment": (
        lambda theta: hl.laws.FeedbackAlignment(COST, SGD, sweeps=2),
        rate_network,
    ),
    "recurrent backprop": (
        lambda theta: hl.laws.RecurrentBackprop(COST, SGD),
        rate_network,
    ),
    "flip": (flow, rate_network),
    "flip, Euler": (lambda theta: flow(theta, solver=Euler()), rate_network),
    "flip, Adam": (
        lambda theta: hl.HamiltonianLearning(
            COST, dissipation=theta, update=Optax(optax.adam, learning_rate=0.01)
        ),
        rate_network,
    ),
    "smooth sign": (lambda theta: flow(theta, policy=SmoothSign(0.5)), rate_network),
    "H sign": (lambda theta: flow(theta, policy=HamiltonianSign()), rate_network),
    "time reversal": (lambda theta: flow(theta, policy=TimeReversal()), resting),
    "GLE": (lambda theta: hl.GLE(COST, Inertia(2.0, theta)), lambda k: layers(0.5, k)),
    "LE": (lambda theta: hl.LE(COST, SGD), lambda k: layers(1.0, k)),
    "VLE": (lambda theta: hl.VLE(COST, SGD, window=6), lambda k: layers(0.5, k)),
    "NLA": (lambda theta: hl.laws.NLA(COST), lambda k: layers(0.0, k)),
    "STLP": (
        lambda theta: hl.STLP(COST, inertia=1.0, dissipation=theta, neuron_mass=0.1),
        resting,
    ),
}
DISSIPATED = [
    n
    for n in LAWS
    if "flip" in n
    or "sign" in n
    or n in ("RTRL", "SnAp-1", "BPTT, inertia", "time reversal", "GLE", "STLP")
]


def last_loss(name, factor, theta, key=KEY):
    """The loss at the end, of weights scaled by `factor` at the start."""
    make, build = LAWS[name]
    network = build(key)
    w, frozen = hl.split(network)
    network = hl.join({k: leaf * factor for k, leaf in w.items()}, frozen)
    law = make(theta)
    _, infos = hl.scan(law, law.init(network, key=KEY), samples(), DT)
    return infos.loss[-1]


@pytest.mark.parametrize("name", LAWS)
def test_the_last_loss_has_derivatives(name):
    """By the weights at the start and by the dissipation, as finite differences."""
    both = jax.jit(jax.value_and_grad(lambda *at: last_loss(name, *at), (0, 1)))
    _, found = both(1.0, 3.0)
    for k, step in enumerate((1e-5, 1e-4)):
        high, low = ([1.0, 3.0] for _ in range(2))
        high[k], low[k] = high[k] + step, low[k] - step
        wanted = (both(*high)[0] - both(*low)[0]) / (2 * step)
        if k == 1 and name not in DISSIPATED:
            assert found[k] == wanted == 0
            continue
        assert abs(wanted) > 1e-7
        np.testing.assert_allclose(found[k], wanted, rtol=2e-4)


def test_states_at_different_places_of_a_window_can_run_side_by_side():
    """Lanes whose updates are due at different times."""
    law, net = hl.BPTT(COST, SGD, window=4, overlap=2), rate_network()
    all_samples = samples(30)
    part = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], all_samples)
    ahead = [hl.scan(law, law.init(net), part(0, k), DT)[0] for k in (3, 5, 8)]
    alone = [hl.scan(law, state, part(10, 25), DT)[0] for state in ahead]
    stacked = jax.tree.map(
        lambda *a: jnp.stack(a), *(eqx.filter(s, eqx.is_array) for s in ahead)
    )
    still = eqx.filter(ahead[0], eqx.is_array, inverse=True)
    run = lambda s: eqx.filter(
        hl.scan(law, eqx.combine(s, still), part(10, 25), DT)[0], eqx.is_array
    )
    together = jax.jit(jax.vmap(run))(stacked)
    for k, state in enumerate(alone):
        for a, b in zip(
            jax.tree.leaves(together), jax.tree.leaves(eqx.filter(state, eqx.is_array)),
            strict=True,
        ):  # fmt: skip
            np.testing.assert_allclose(a[k], b, rtol=1e-9, atol=1e-12)


def test_a_state_handed_in_is_never_donated():
    law, net = hl.RTRL(COST, SGD), rate_network()
    state = law.init(net)
    before = jax.tree.map(np.array, state.w)
    for _ in range(2):
        hl.scan(law, state, samples(), DT)
    for name, leaf in state.w.items():
        np.testing.assert_array_equal(leaf, before[name])


def test_what_is_kept_is_what_was_asked_for():
    law, net = hl.RTRL(COST, SGD), rate_network()
    state = law.init(net)
    kept = lambda state, sample, info: (state.w["bias"], sample.target, info.loss)
    after, (biases, targets, losses) = hl.scan(law, state, samples(), DT, kept)
    np.testing.assert_array_equal(biases[-1], after.w["bias"])
    np.testing.assert_array_equal(targets, samples().target)
    np.testing.assert_array_equal(losses, hl.scan(law, state, samples(), DT)[1].loss)


@pytest.mark.parametrize("size", [8, 96])
def test_one_nan_spreads_alike_at_every_size(size):
    """A NaN in one state makes the same weights NaN in small and in large networks."""
    graph = hl.Digraph.complete(size, self_loops=True)
    net = hl.RateNetwork(graph, inputs=2, outputs=2, key=KEY)
    law = hl.HamiltonianLearning(COST, inertia=1.0, dissipation=1.0)
    x0 = jnp.zeros(size).at[0].set(jnp.nan)
    one = jax.tree.map(lambda leaf: leaf[:1], samples())
    state, _ = jax.jit(lambda x0: hl.scan(law, law.init(net, x0=x0), one, DT))(x0)
    assert bool(jnp.isnan(state.w["weight"]).any())
    shares = jnp.mean(jnp.isnan(state.w["weight"]))
    assert float(shares) in (1.0, pytest.approx(1 / size))
