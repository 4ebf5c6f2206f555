"""Every law on every kind of dynamics that it has a meaning for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from online_twin import COST, DT, mean_over_signs, relative, summed

from hamlearn import (
    RFLO,
    RTRL,
    Batch,
    Digraph,
    Dynamics,
    EProp,
    RateNetwork,
    Sample,
    SnAp,
    SnAp1,
    VoltageNetwork,
    exact_gradient,
    join,
    split,
)
from hamlearn.action.cost import running_cost
from hamlearn.laws import (
    KFRTRL,
    UORO,
    FeedbackAlignment,
    Instantaneous,
    Law,
    RecurrentBackprop,
)
from hamlearn.networks.base import AbstractNetwork, euler
from hamlearn.sensitivities import KroneckerTrace, RankOneTrace, SymmetricFeedback
from hamlearn.sensitivities.stochastic import kronecker_after, rank_one_after


class GRU(eqx.Module):
    """Update gate z, reset gate r; the reset gate moves every state within one step."""

    update: jax.Array
    reset: jax.Array
    new: jax.Array

    def __init__(self, units, inputs, key):
        draw = jax.random.normal(key, (3, units, units + inputs))
        self.update, self.reset, self.new = draw

    def __call__(self, x, u):
        h = x["h"]
        z = jax.nn.sigmoid(self.update @ jnp.concatenate([h, u]))
        r = jax.nn.sigmoid(self.reset @ jnp.concatenate([h, u]))
        new = jnp.tanh(self.new @ jnp.concatenate([r * h, u]))
        return {"h": z * (new - h), "sum": 0.5 * (jnp.sum(h) - x["sum"])}


class Read(eqx.Module):
    weight: jax.Array

    def __call__(self, x, u):
        return self.weight @ x["h"] + x["sum"]


class Veiled(AbstractNetwork):
    """A network that does not say what it is."""

    network: AbstractNetwork

    def __call__(self, x, u):
        return self.network(x, u)

    def readout(self, x, u):
        return self.network.readout(x, u)

    def initial_state(self):
        return self.network.initial_state()

    def trainable(self):
        everything = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda v: v.network, everything, self.network.trainable())

    def transition(self, x, u, dt):
        return euler(self, x, u, dt)

    def settled(self, x, u):
        return self.network.settled(x, u)

    @property
    def inputs(self):
        return None

    @property
    def name(self):
        return "veiled"

    def depth(self):
        return None

    def moves_state(self, name):
        return True

    def neurons(self):
        return None

    def units(self):
        return None


def gru(key, units=3, inputs=2, outputs=2):
    a, b = jax.random.split(key)
    read = Read(jax.random.normal(a, (outputs, units)))
    start = {"h": jnp.zeros(units), "sum": jnp.ones(())}
    return Dynamics(GRU(units, inputs, b), initial_state=start, readout=read)


def voltages(key, graph, tau_r=0.0, gain=1.0, **options):
    tau = jnp.linspace(0.5, 2.0, graph.num_nodes)
    return VoltageNetwork(
        graph, inputs=2, outputs=2, membrane_time_constant=tau, gain=gain,
        prospective_time_constant=tau_r * tau, key=key, **options,
    )  # fmt: skip


def ring(n):
    loops = np.arange(0, n, 2)
    return Digraph(
        n, np.concatenate([np.arange(n), loops]),
        np.concatenate([(np.arange(n) + 1) % n, loops]),
    )  # fmt: skip


NETWORKS = {
    "gru": gru,
    "voltages": lambda key: voltages(
        key, ring(4), learn=("weight", "input_weight", "bias", "membrane_time_constant")
    ),
    "dense voltages": lambda key: voltages(key, Digraph.complete(3, self_loops=True)),
    "prospective": lambda key: voltages(
        key, Digraph.layered([2, 2, 2]), 0.4,
        learn=("weight", "input_weight", "bias", "prospective_time_constant"),
    ),
    "prospective with cycles": lambda key: voltages(key, ring(3), 0.3, 0.4),
}  # fmt: skip


def make(key, kind, steps=8, batch=()):
    a, b, c = jax.random.split(key, 3)
    u = jax.random.normal(b, (steps, *batch, 2))
    return NETWORKS[kind](a), Sample(u, jax.random.normal(c, (steps, *batch, 2)))


def bptt(network, samples):
    return exact_gradient(COST, network, samples, dt=DT).w


@pytest.mark.parametrize("kind", NETWORKS)
def test_rtrl_is_bptt(getkey, kind):
    network, samples = make(getkey(), kind)
    exact = bptt(network, samples)
    assert relative(summed(RTRL(COST), network, samples), exact) < 1e-10
    assert all(np.abs(exact[name]).max() > 1e-6 for name in exact)


def masked_rtrl(network, samples, order):
    """RTRL with dense Jacobians, and all but what `order` steps reach set to zero."""
    w, frozen = split(network)
    w = {name: leaf for name, leaf in w.items() if not name.startswith("readout")}
    flat_w, unravel_w = ravel_pytree(w)
    flat_x, unravel_x = ravel_pytree(network.initial_state())

    def step(x, w, u):
        net = join(split(network)[0] | unravel_w(w), frozen)
        f = net(unravel_x(x), u)
        return x + DT * ravel_pytree(f)[0]

    ell = lambda x, now: running_cost(COST, network, unravel_x(x), now)
    random = jax.random.normal(jax.random.key(1), flat_x.shape)
    by_x, by_w = jax.jacobian(step, (0, 1))(random, flat_w, samples.input[0])
    mask = by_w != 0
    for _ in range(order - 1):
        mask = mask | ((by_x != 0).astype(float) @ mask.astype(float) > 0)
    P, x, g = jnp.zeros(by_w.shape), flat_x, 0.0
    jacobian = jax.jit(jax.jacobian(step, (0, 1)))
    for k in range(samples.target.shape[0]):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        g = g + jax.grad(ell)(x, now) @ P
        A, B = jacobian(x, flat_w, now.input)
        P, x = jnp.where(mask, A @ P + B, 0), step(x, flat_w, now.input)
    return unravel_w(g), float(mask.mean())


def test_snap_on_any_module_is_rtrl_behind_its_mask(getkey):
    network, samples = make(getkey(), "gru")
    law = SnAp1(COST, inputs=2)
    twin, share = masked_rtrl(network, samples, 1)
    assert 0.1 < share < 0.9
    found = summed(law, network, samples)
    direct = bptt(network, samples)
    rest = jax.tree.map(jnp.zeros_like, twin)
    first = jax.grad(lambda w: _readout_part(network, w, samples))(rest)
    twin = jax.tree.map(jnp.add, twin, first)
    assert relative({name: found[name] for name in twin}, twin) < 1e-12
    assert relative(found, direct) > 1e-3


def _readout_part(network, change, samples):
    """sum_k ell at the states of the run, as a function of a change of the weights."""
    w, frozen = split(network)

    def body(x, now):
        moved = join(w | {k: w[k] + d for k, d in change.items()}, frozen)
        ell = running_cost(COST, moved, x, now)
        after = jax.tree.map(lambda x, f: x + DT * f, x, network(x, now.input))
        return jax.lax.stop_gradient(after), ell

    return jax.lax.scan(body, network.initial_state(), samples)[1].sum()


def test_without_delays_snap_1_is_rtrl_on_an_acyclic_graph(getkey):
    # Within one step a weight moves all that is downstream of it.
    network, samples = make(getkey(), "prospective")
    law = SnAp1(COST)
    assert relative(summed(law, network, samples), bptt(network, samples)) < 1e-12


def test_snap_of_high_order_is_rtrl_on_a_gru(getkey):
    network, samples = make(getkey(), "gru")
    law = SnAp(COST, order=3, inputs=2)
    assert relative(summed(law, network, samples), bptt(network, samples)) < 1e-12


def test_a_batch_of_a_gru_is_the_mean_over_its_streams(getkey):
    network, samples = make(getkey(), "gru", batch=(2,))
    law, found = SnAp1(COST, inputs=2), []
    for k in range(2):
        one = jax.tree.map(lambda leaf, k=k: leaf[:, k], samples)
        found.append(summed(law, network, one))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *found)
    both = summed(law, Batch(network, 2), samples)
    assert relative(both, mean) < 1e-12


def rate(key):
    tau = jnp.linspace(0.5, 2.0, 4)
    return RateNetwork(ring(4), inputs=2, outputs=2, time_constant=tau, key=key)


@pytest.mark.parametrize("make_network", [rate, NETWORKS["voltages"]])
@pytest.mark.parametrize("order", [1, 2])
def test_what_a_network_says_of_itself_is_what_is_measured(getkey, make_network, order):
    network = make_network(getkey())
    _, samples = make(getkey(), "voltages")
    law = SnAp1(COST, inputs=2) if order == 1 else SnAp(COST, order=order, inputs=2)
    own, seen = (summed(law, n, samples) for n in (network, Veiled(network)))
    assert relative({name: seen[f"network.{name}"] for name in own}, own) < 1e-12


def test_traces_of_a_voltage_are_exact_without_recurrence(getkey):
    network, samples = make(getkey(), "voltages")
    network = eqx.tree_at(lambda n: n.weight, network, jnp.zeros(6))
    exact = bptt(network, samples)
    for law in (RFLO(COST, feedback=SymmetricFeedback()), EProp(COST), SnAp1(COST)):
        assert relative(summed(law, network, samples), exact) < 1e-12


def test_on_voltages_rflo_is_snap_1_but_for_self_loops(getkey):
    network, samples = make(getkey(), "voltages")
    loops = np.asarray(network.graph.senders == network.graph.receivers)
    law = RFLO(COST, feedback=SymmetricFeedback())
    snap = summed(SnAp1(COST), network, samples)
    assert relative(summed(law, network, samples), snap) > 1e-3
    weight = jnp.where(loops, 0, network.weight)
    hollow = eqx.tree_at(lambda n: n.weight, network, weight)
    snap = summed(SnAp1(COST), hollow, samples)
    assert relative(summed(law, hollow, samples), snap) < 1e-12


@pytest.mark.parametrize("law", ["UORO on a GRU", "KF-RTRL on voltages"])
def test_the_mean_over_all_256_draws_is_bptt(getkey, law):
    if law == "UORO on a GRU":
        network, part = gru(getkey(), units=1, inputs=1, outputs=1), RankOneTrace()
        nu = lambda signs: {"h": signs[:1], "sum": signs[1]}
        advance = lambda instant, trace, signs: rank_one_after(
            instant, trace, nu(signs)
        )
    else:
        network = VoltageNetwork(
            Digraph.complete(2, self_loops=True), inputs=1, outputs=1, key=getkey()
        )
        part, advance = KroneckerTrace(), kronecker_after
    start = part.start(network, network.initial_state(), None)
    u, y = jax.random.normal(getkey(), (2, 5, 1))
    samples = Sample(u, y)
    exact = bptt(network, samples)
    estimate = lambda instant, trace: part.step(instant, None, trace)[0]
    mean = mean_over_signs(network, samples, start, advance, estimate, bits=2)
    assert relative(mean, exact) < 1e-12


def test_instantaneous_is_the_gradient_at_rest_on_prospective_voltages(getkey):
    network, samples = make(getkey(), "prospective")
    u, y = samples.input[0], samples.target[0]
    w, frozen = split(network)

    def rest(w):
        step = lambda x, _: (x + 0.05 * join(w, frozen)(x, u), None)
        x = jax.lax.scan(step, network.initial_state(), None, length=3000)[0]
        return running_cost(COST, join(w, frozen), x, Sample(u, y))

    exact = jax.jit(jax.grad(rest))(w)
    settle = lambda x, _: (x + 0.05 * network(x, u), None)
    x = jax.lax.scan(settle, network.initial_state(), None, length=3000)[0]
    for law in (Instantaneous(COST), RecurrentBackprop(COST)):
        assert relative(once(law, network, Sample(u, y), x), exact) < 1e-10


def once(law, network, now, x, key=None):
    """The estimate at state x."""
    state = law.init(network, x0=x, key=key)
    return eqx.filter_jit(law.estimate)(state, now, jnp.asarray(DT))[0]


def test_on_a_module_sweeps_are_steps_and_tend_to_recurrent_backprop(getkey):
    network, samples = make(getkey(), "gru")
    now = jax.tree.map(lambda leaf: leaf[0], samples)
    w, frozen = split(network)
    x = {"h": jnp.asarray([0.3, -0.2, 0.1]), "sum": jnp.asarray(0.5)}

    one = lambda law: once(law, network, now, x)

    def step(w):
        # One step under w from x, read out at x: the vjp of step and readout.
        net = join(w, frozen)
        move = jax.tree.map(lambda f: DT * (f - jax.lax.stop_gradient(f)), net(x, u))
        return running_cost(COST, net, jax.tree.map(jnp.add, x, move), now)

    u = now.input
    assert relative(one(Instantaneous(COST, sweeps=0)), jax.grad(step)(w)) < 1e-12
    limit = one(RecurrentBackprop(COST))
    assert relative(one(Instantaneous(COST, sweeps=5)), limit) > 1e-2
    assert relative(one(Instantaneous(COST, sweeps=4000)), limit) < 1e-10


def test_feedback_alignment_on_voltages_with_its_own_weights_back(getkey):
    network = voltages(getkey(), Digraph.layered([2, 3, 2]))
    u, y = jax.random.normal(getkey(), (2, 2))
    x = jax.random.normal(getkey(), (7,))
    law = FeedbackAlignment(COST)
    key = getkey()
    B = np.asarray(law.init(network, key=key, x0=x).rest.fixed[1])[6:].reshape(2, 3)
    g = once(law, network, Sample(u, y), x, key)
    r = np.tanh(np.asarray(x))
    top = 1.5 * (r[5:] - np.asarray(y)) * (1 - r[5:] ** 2)
    hidden = B.T @ top * (1 - r[2:5] ** 2)
    expected = np.concatenate([np.outer(hidden, r[:2]), np.outer(top, r[2:5])], None)
    assert np.abs(g["weight"] - expected).max() < 1e-12


REFUSED = [
    (RFLO(), "OwnLeak, whose trace fades with a neuron's own leak"),
    (EProp(), "OwnLeak, whose trace fades with a neuron's own leak"),
    (KFRTRL(), "KroneckerTrace, which needs a sender for every weight"),
    (FeedbackAlignment(sweeps=1), "RandomFeedback, which replaces weights"),
]


@pytest.mark.parametrize(("law", "why"), REFUSED, ids=lambda part: str(part)[:8])
@pytest.mark.parametrize("kind", ["gru", "prospective"])
def test_laws_without_a_meaning_say_what_they_need(getkey, law, why, kind):
    network, _ = make(getkey(), kind)
    name = "GRU" if kind == "gru" else "VoltageNetwork"
    wanted = f"`network` must be a RateNetwork, .*{why}.*but is a {name}"
    with pytest.raises(ValueError, match=wanted):
        law.init(network, key=getkey())


@pytest.mark.parametrize("law", [SnAp1(), SnAp(order=2)])
def test_the_number_of_inputs_is_asked_for(getkey, law):
    with pytest.raises(ValueError, match="`inputs` must be given"):
        law.init(gru(getkey()))


@pytest.mark.parametrize(
    "law",
    [RTRL(COST), SnAp1(COST, inputs=2), UORO(COST)],
    ids=lambda law: law.title,
)
def test_online_laws_learn_a_gru_and_keep_their_size(getkey, law):
    assert isinstance(law, Law)
    network, samples = make(getkey(), "gru")
    state = after = law.init(network, key=getkey())
    step = eqx.filter_jit(law.step)
    for k in range(3):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        after, _ = step(after, now, jnp.asarray(DT))
    assert jax.tree.map(jnp.shape, after.credit) == jax.tree.map(
        jnp.shape, state.credit
    )
    moved = [np.any(after.w[name] != state.w[name]) for name in state.w]
    assert all(moved)
