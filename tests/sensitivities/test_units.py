"""Traces of units against derivatives of the whole run, by plain reverse mode."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.laws import DiagonalRTRL, MeanSlopeRTRL
from hamlearn.networks import (
    AbstractOwnHead,
    Memoryless,
    OwnHead,
    ProductHead,
    TraceUnits,
)
from hamlearn.sensitivities import AtOnce, FittedPoles

KEYS = jax.random.split(jax.random.key(5), 6)
LENGTH, INPUTS = 80, 3
US = jax.random.normal(KEYS[0], (LENGTH, INPUTS))
YS = jax.random.normal(KEYS[1], (LENGTH, 1))


def truth(net, dt=1.0):
    """dJ/dw by reverse mode through a loop written here."""
    w, frozen = hl.split(net)

    def J(w):
        n = hl.join(w, frozen)

        def step(x, now):
            u, y = now
            ell = jnp.sum((n.readout(x, u) - y) ** 2) / 2
            return n.transition(x, u, dt), ell

        return jax.lax.scan(step, n.initial_state(), (US, YS))[1].sum()

    return jax.jit(jax.grad(J))(w)


def summed(law, net, dt=1.0):
    """The sum of a law's estimates with the weights held."""

    @jax.jit
    def run(state):
        def step(state, sample):
            g, state, _ = law.estimate(state, sample, jnp.asarray(dt))
            return state, g

        return jax.lax.scan(step, state, hl.Sample(US, YS))

    state, g = run(law.init(net))
    return jax.tree.map(lambda leaf: leaf.sum(0), g), state


def worst(got, want, names=None):
    """The largest relative error of any leaf."""
    far = lambda k: jnp.linalg.norm(got[k] - want[k]) / jnp.linalg.norm(want[k])
    return max(float(far(k)) for k in (want if names is None else names))


def lower(kind):
    head = (OwnHead if kind in ("tanh", "diagonal") else ProductHead)(
        4, inputs=INPUTS, key=KEYS[2]
    )
    if kind in ("tanh", "GLU"):
        return Memoryless(head, inputs=INPUTS)
    return hl.DiagonalNetwork(
        4, inputs=INPUTS, head=head, gated=kind == "gated", key=KEYS[3],
        time_constant=(1.0, 20.0), classes=2 if kind == "diagonal" else None,
    )  # fmt: skip


def stack(kind, classes, modes=12, **options):
    above = hl.DiagonalNetwork(
        modes, inputs=4, hidden=5, classes=classes, key=KEYS[4], **options
    )
    return hl.Stack([lower(kind), above])


@pytest.mark.parametrize(
    "options",
    [
        {"time_constant": (1.0, 1000.0)},
        {"gated": True},
        {"classes": 2, "phase": 3.0},
    ],
)
def test_one_layer_is_exact(options):
    net = hl.DiagonalNetwork(4, inputs=INPUTS, key=KEYS[3], **options)
    g, _ = summed(DiagonalRTRL(), net, 0.7)
    assert worst(g, truth(net, 0.7)) <= 1e-12


@pytest.mark.parametrize(
    ("kind", "classes"), [("tanh", 1), ("GLU", 2), ("diagonal", 3), ("gated", 4)]
)
def test_two_layers_with_shared_poles_are_exact(kind, classes):
    """Of every leaf of the lower layer by itself; the instantaneous rule is not."""
    net = stack(kind, classes)
    want, (g, state) = truth(net), summed(hl.RTRL(), net)
    assert worst(g, want) <= 1e-12
    # K complex numbers per lower weight.
    for E in state.credit.memory.passed[0].values():
        assert E.shape[:2] == (2, classes)
    below = [name for name in want if name.startswith("layers.0")]
    fails, _ = summed(DiagonalRTRL(link=AtOnce()), net)
    assert worst(fails, want, below) > 0.3
    above = [name for name in want if name not in below]
    assert worst(fails, want, above) <= 1e-12


def test_a_filter_that_forgets_at_once_is_the_instantaneous_rule():
    """K = 1 with a pole that leaves nothing of the state."""
    net = stack("GLU", 1, time_constant=(1e-3, 1e-3))
    g, _ = summed(DiagonalRTRL(), net)
    same, _ = summed(DiagonalRTRL(link=AtOnce()), net)
    assert worst(g, same) <= 1e-12


def test_filters_on_the_poles_themselves_fit_exactly():
    net = stack("GLU", 3, time_constant=(1.0, 50.0), phase=0.5).layers[1]
    q = jax.random.normal(KEYS[0], (2, 12))
    alpha, r = FittedPoles(3, (1.0, 50.0), 0.25).poles(net.filters(), q, jnp.ones(()))
    np.testing.assert_allclose(alpha, net.filters().passed(jnp.ones(())), atol=1e-14)
    np.testing.assert_allclose(r, net.filters().asked(q, jnp.ones(())), atol=1e-10)


def test_fitted_filters_follow_poles_of_their_own():
    """The kernel sum_i q_i a_i^s M_ij of all units, by six filters, over 200 steps."""
    net = stack("GLU", None, time_constant=(1.0, 50.0), phase=0.5).layers[1]
    one, q = jnp.ones(()), jax.random.normal(KEYS[0], (2, 12))
    pair = lambda p: np.asarray(p[0]) + 1j * np.asarray(p[1])

    def kernel(poles, asked):
        return pair(poles) ** np.arange(200)[:, None] @ pair(asked)

    want = kernel(net.filters().passed(one), net.filters().asked(q, one))
    off = []
    for filters in (1, 3, 6):
        link = FittedPoles(filters, (1.0, 50.0), 0.125)
        got = kernel(*link.poles(net.filters(), q, one))
        off.append(np.linalg.norm(got - want) / np.linalg.norm(want))
    assert off[0] > off[1] > off[2]
    assert off[2] < 0.1


def test_one_implementation_of_what_is_the_same():
    """SnAp of any order and e-prop are RTRL where units do not hear each other."""
    net = hl.DiagonalNetwork(3, inputs=INPUTS, key=KEYS[3])
    want, _ = summed(hl.RTRL(), net)
    feedback = hl.sensitivities.SymmetricFeedback()
    for law in (
        hl.SnAp1(),
        hl.SnAp(order=2),
        hl.EProp(),
        hl.RFLO(feedback=feedback),
    ):
        kinds = jax.tree.structure(law.init(net).credit.memory)
        assert kinds == jax.tree.structure(hl.RTRL().init(net).credit.memory)
    got, _ = summed(hl.SnAp1(), net)
    assert worst(got, want) == 0
    with pytest.raises(ValueError, match="`network` must be a RateNetwork"):
        hl.RFLO().init(net, key=KEYS[0])


def test_general_rtrl_finds_the_same():
    """All of dx/dw, of a stack of three, which `RTRL` falls back on."""
    lone = stack("tanh", 2, modes=4)
    three = hl.Stack(
        [*lone.layers, Memoryless(OwnHead(1, inputs=1, key=KEYS[5]), inputs=1)]
    )
    g, state = summed(hl.RTRL(), three)
    assert state.credit.memory.shape[0] == 8
    assert worst(g, truth(three)) <= 1e-12


def test_memory_begins_anew_with_an_episode():
    net = stack("diagonal", 2, modes=4)
    law = hl.RTRL(update=optax.sgd(0.0))
    start = jnp.zeros(10).at[6].set(1.0)
    samples = hl.Sample(US[:10], YS[:10], start=start)
    late = hl.Sample(US[6:10], YS[6:10])
    a, _ = hl.scan(law, law.init(net), samples, 1.0)
    b, _ = hl.scan(law, law.init(net), late, 1.0)
    same = lambda x, y: np.testing.assert_allclose(x, y, atol=1e-14)
    jax.tree.map(same, (a.x, a.credit.memory), (b.x, b.credit.memory))


def test_traces_are_a_flow_too():
    """Steps of a solver come to the traces of exact steps, as their length does."""
    net = stack("diagonal", 2, modes=4)

    def after(count, solver):
        law = hl.RTRL(update=hl.updates.GradientFlow(0.0), solver=solver)
        samples = (jnp.tile(US[:1], (count, 1)), jnp.tile(YS[:1], (count, 1)))
        return hl.scan(law, law.init(net), samples, 1.0 / count)[0].credit.memory

    import diffrax as dfx

    # The lower layer's outputs move with its state within one step of the exact map.
    def one(memory):
        (a, b), S = memory.turn[0][:, :, None], memory.own[0]["input_weight"]
        return np.stack([a * S[0] - b * S[1], a * S[1] + b * S[0]])

    exact = one(after(1, None))
    np.testing.assert_allclose(one(after(64, dfx.Tsit5())), exact, rtol=1e-7)


def test_the_turning_of_a_trace_keeps_its_length():
    """z of 20,000 steps, by which a product of numbers of length 1 would drift."""
    from hamlearn.sensitivities.units import spiralled

    angle = 1.3 * jnp.arange(5.0)
    a = 0.9 * jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    a = a.at[:, 4].set(0.0).astype(jnp.float32)
    z = jnp.zeros_like(a).at[0].set(1)
    z = jax.lax.fori_loop(0, 20_000, lambda _, z: spiralled(z, a)[1], z)
    np.testing.assert_allclose((z**2).sum(0), 1, rtol=3e-7)
    size, stays = spiralled(z, a)
    np.testing.assert_allclose(size, [0.9] * 4 + [0], rtol=1e-6)
    np.testing.assert_array_equal(stays[:, 4], [1, 0])


@pytest.mark.parametrize("nonlinearity", [None, jnp.tanh, jax.nn.relu])
def test_trace_units_are_exact(nonlinearity):
    net = TraceUnits(
        4, inputs=INPUTS, nonlinearity=nonlinearity, time_constant=(1.0, 50.0),
        key=KEYS[3],
    )  # fmt: skip
    g, state = summed(DiagonalRTRL(), net)
    assert worst(g, truth(net)) <= 1e-12
    numbers = [leaf.size for leaf in state.credit.memory.own[0].values()]
    assert sum(numbers) == 2 * (4 + 4 + 2 * 4 * INPUTS)


class LinearHead(AbstractOwnHead):
    """y_j = Re h_j + D_j u: nothing between two memories."""

    skip: jax.Array

    def act(self, h):
        return h[0]

    def shift(self, u):
        real = self.skip @ u
        return jnp.stack([real, jnp.zeros_like(real)])

    @property
    def modes(self):
        return self.skip.shape[0]


def three(kind, head, gain=1.0):
    options = {"inputs": 4, "classes": 2, "time_constant": (1.0, 20.0)}
    middle = hl.DiagonalNetwork(4, head=head, key=KEYS[4], **options)
    louder = middle.log_gain + np.log(gain)
    middle = eqx.tree_at(lambda m: m.log_gain, middle, louder)
    above = hl.DiagonalNetwork(6, hidden=5, key=KEYS[5], **options | {"classes": 3})
    return hl.Stack([lower(kind), middle, above])


@pytest.mark.parametrize("kind", ["GLU", "diagonal", "gated"])
def test_three_layers_lose_nothing_where_the_middle_one_is_linear(kind):
    net = three(kind, LinearHead(jax.random.normal(KEYS[0], (4, 4))))
    g, _ = summed(MeanSlopeRTRL(), net)
    assert worst(g, truth(net)) <= 1e-12


@pytest.mark.parametrize(
    ("gain", "head"), [(0.5, OwnHead), (1.0, OwnHead), (1.0, ProductHead)]
)
def test_three_layers_by_mean_slopes(gain, head):
    """The upper two exactly; the lowest nearly, which the rule of one step is not."""
    net = three("GLU", head(4, inputs=4, key=KEYS[1]), gain)
    want, (g, _) = truth(net), summed(MeanSlopeRTRL(), net)
    low = [name for name in want if name.startswith("layers.0")]
    assert worst(g, want, [name for name in want if name not in low]) <= 1e-12
    flat = lambda g: jnp.concatenate([g[name].ravel() for name in low])
    cosine = lambda a, b: float(a @ b / jnp.linalg.norm(a) / jnp.linalg.norm(b))
    assert cosine(flat(g), flat(want)) >= 0.97
    fails, _ = summed(DiagonalRTRL(link=AtOnce()), net)
    assert cosine(flat(fails), flat(want)) < 0.9


@pytest.mark.parametrize(
    ("net", "law", "why"),
    [
        (
            lambda: hl.RateNetwork(
                hl.Digraph.complete(3, self_loops=True), inputs=3, key=KEYS[0]
            ),
            DiagonalRTRL(),
            "whose units hear each other",
        ),
        (
            lambda: hl.Stack(
                [
                    hl.DiagonalNetwork(3, inputs=3, outputs=4, key=KEYS[0]),
                    hl.DiagonalNetwork(4, inputs=4, classes=2, key=KEYS[1]),
                ]
            ),
            DiagonalRTRL(),
            "mixes its modes before the nonlinearity",
        ),
        (
            lambda: stack("GLU", None, gated=True),
            DiagonalRTRL(link=AtOnce()),
            "no linear filter of what it hears",
        ),
        (
            lambda: hl.Stack(
                [lower("GLU"), lower_again(), *stack("GLU", 2).layers[1:]]
            ),
            DiagonalRTRL(),
            "a stack of 3 layers",
        ),
        (lambda: stack("GLU", 2), MeanSlopeRTRL(), "one of 2 layers"),
    ],
)
def test_what_breaks_exactness_is_refused_by_name(net, law, why):
    with pytest.raises(ValueError, match=f"`network` must be .*{why}"):
        law.init(net())


def lower_again():
    head = OwnHead(4, inputs=4, key=KEYS[2])
    return hl.DiagonalNetwork(4, inputs=4, head=head, key=KEYS[3])


def test_each_layer_is_a_row_of_alignment():
    net, samples = stack("diagonal", 2, modes=4), hl.Sample(US[:40], YS[:40])
    table = hl.analysis.alignment(hl.RTRL(), net, samples, dt=1.0, window=20)
    rows = {row["part"]: row["cosine"] for row in table.rows()}
    assert rows["layers.0"] == pytest.approx(1, abs=1e-12)
    assert rows["layers.1"] == pytest.approx(1, abs=1e-12)
