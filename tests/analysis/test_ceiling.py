"""Filters beside the best that their features allow."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.analysis import best_filter, filter_alignment
from hamlearn.costates import Learned, Sweeps, Unfiltered
from hamlearn.laws import DiagonalFiltered, Filtered
from hamlearn.networks import OwnHead


def stack(key):
    a, b, c = jax.random.split(key, 3)
    head = OwnHead(6, inputs=2, key=a)
    span = {"time_constant": (5.0, 20.0)}
    below = hl.DiagonalNetwork(6, inputs=2, head=head, key=b, **span)
    return hl.Stack([below, hl.DiagonalNetwork(6, inputs=6, key=c, **span)])


def problem(getkey, make, steps, dt):
    """A student, and what a teacher of its kind makes of an input that lasts."""
    slow = lambda u, noise: (0.9 * u + 0.4 * noise, u)
    noise = jax.random.normal(getkey(), (steps, 2))
    u = jax.lax.scan(slow, jnp.zeros(2), noise)[1]
    teacher = make(getkey())
    step = lambda x, u: (teacher.transition(x, u, dt), teacher.readout(x, u))
    y = jax.jit(lambda u: jax.lax.scan(step, teacher.initial_state(), u)[1])(u)
    return make(getkey()), hl.Sample(u, y)


def rates(key):
    graph = hl.Digraph.complete(5, self_loops=True)
    return hl.RateNetwork(graph, inputs=2, outputs=2, time_constant=5.0, key=key)


def voltages(key):
    graph = hl.Digraph.layered([4, 2])
    return hl.VoltageNetwork(
        graph, inputs=2, outputs=2, prospective_time_constant=0.1, key=key
    )


CASES = {
    "stack": (stack, 1.0, lambda c: DiagonalFiltered(closure=c), "layers.0"),
    "rates": (rates, 1.0, lambda c: Filtered(closure=c, sweeps=1), "all"),
    "voltages": (
        voltages, 0.1, lambda c: hl.GLE(closure=c, schedule=Sweeps()), "all",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_learned_filters_near_their_ceiling(getkey, name):
    make, dt, law, part = CASES[name]
    network, samples = problem(getkey, make, 7000, dt)
    laws = {"learned": law(Learned()), "instantaneous": law(Unfiltered())}
    table = filter_alignment(laws, network, samples, dt=dt, fitted=5000)
    rows = {row["law"]: row for row in table.rows() if row["part"] == part}
    learned, base = rows["learned"], rows["instantaneous"]
    assert learned["ceiling"] == base["ceiling"] > base["cosine"]
    assert learned["cosine"] > base["cosine"]
    assert learned["fraction"] == learned["cosine"] / learned["ceiling"]
    assert learned["fraction"] > 0.9


def test_the_best_filter_is_least_squares_of_the_exact_costate(getkey):
    """On the samples it is fitted on no other w comes nearer."""
    network, samples = problem(getkey, stack, 600, 1.0)
    law = DiagonalFiltered(closure=Learned(()))
    w = best_filter(law, network, samples, dt=1.0, rounds=1).credit.closure.weight
    w = np.asarray(w[0]) + 1j * np.asarray(w[1])

    def J(kicks):
        def step(x, now):
            sample, kick = now
            x = x[0], x[1] + kick
            error = network.readout(x, sample.input) - sample.target
            return network.transition(x, sample.input, 1.0), jnp.sum(error**2) / 2

        return jnp.sum(jax.lax.scan(step, network.initial_state(), (samples, kicks))[1])

    p = jax.grad(J)(jnp.zeros((600, 2, 6)))
    held = DiagonalFiltered(
        update=optax.set_to_zero(), closure=Learned((), shrinkage=None)
    )
    look = lambda state, *_: (
        state.credit.memory[1][0].before, state.credit.memory[1][0].last,
    )  # fmt: skip
    _, (phi, s) = eqx.filter_jit(
        lambda state: hl.scan(held, state, samples, 1.0, look)
    )(held.init(network))
    p, s, phi = map(np.asarray, (p, s, phi))
    rest = (p[:, 0] - s[:, 0]) - 1j * (p[:, 1] + s[:, 1])
    for n in range(6):
        wanted = np.linalg.lstsq(phi[:, :, n], rest[:, n])[0]
        fit = lambda w, n=n: np.linalg.norm(phi[:, :, n] @ w - rest[:, n])
        np.testing.assert_allclose(fit(w[:, n]), fit(wanted), rtol=1e-6)


def test_refusals(getkey):
    network, samples = problem(getkey, rates, 20, 1.0)
    plain = {"plain": Filtered(closure=Unfiltered(), sweeps=1)}
    with pytest.raises(ValueError, match="`laws` must be some with one whose closure"):
        filter_alignment(plain, network, samples, dt=1.0, fitted=10)
    with pytest.raises(ValueError, match="`law` must be one with a `Learned`"):
        best_filter(plain["plain"], network, samples, dt=1.0)
