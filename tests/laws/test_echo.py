"""Echo learning against BPTT of the same window, and what its audit says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from oscillators import DT, apart, coupled, read_layer, stream, two_layers

import hamlearn as hl
from hamlearn.analysis import Audited, audited_laws, locality
from hamlearn.laws import Echo
from hamlearn.updates import Optax

SGD = Optax(optax.sgd, learning_rate=1e-2)


def learned(law, network, samples):
    """(weights at the end, infos)."""
    run = eqx.filter_jit(lambda s: hl.scan(law, s, samples, DT))
    state, infos = run(law.init(network))
    return state.w, infos


def test_learns_what_bptt_learns(getkey):
    network, samples = two_layers(getkey(), neurons=5), stream(getkey(), 60)
    cost = hl.Cost(weight_decay=0.1)
    found, infos = learned(Echo(cost, SGD, window=20), network, samples)
    wanted, _ = learned(hl.BPTT(cost, SGD, window=20), network, samples)
    assert apart(found, hl.split(network)[0]) > 1e-3
    assert apart(found, wanted) < 1e-8
    retrace = infos.more["retrace"]
    assert np.all(retrace[:19] == 0)
    assert np.all(retrace[19:] > 0)
    assert retrace.max() < 1e3 * 2**-53 * 20


def test_episodes_and_streams(getkey):
    """An episode begins a window anew; what did not fill one teaches nothing."""
    network = hl.Batch(coupled(getkey(), neurons=3), 2)
    samples = stream(getkey(), 20, (2,))
    start = jnp.zeros(20, bool).at[jnp.asarray([0, 5, 15])].set(True)
    samples = hl.Sample(samples.input, samples.target, start=start)
    w, _ = learned(Echo(update=SGD, window=10), network, samples)
    window = jax.tree.map(lambda a: a[5:15], hl.Sample(samples.input, samples.target))
    wanted, _ = learned(hl.BPTT(update=SGD, window=10), network, window)
    assert apart(w, wanted) < 1e-8


def test_damping_beyond_the_mantissa_is_refused(getkey):
    network, samples = read_layer(getkey(), dissipation=10.0), stream(getkey(), 10)
    law = Echo(window=40)
    with pytest.raises(ValueError, match=r"`e\^\(dissipation \* window \* dt\)` must"):
        hl.stream(law, network, samples, dt=DT)
    with pytest.raises(ValueError, match="`network` must be a HamiltonianNetwork"):
        law.init(hl.RateNetwork(hl.Digraph.layered([2, 2]), inputs=3, key=getkey()))


def test_local_in_space_and_not_in_time():
    table = locality({"echo": audited_laws()["echo"]})
    row = table.rows()[0]
    assert row["local_in_space"]
    assert not row["local_in_time"]
    # A global choice of eps is the one thing that is not local.
    audited = audited_laws()["echo"]
    law = Echo(update=SGD, window=3)
    chosen = Audited(law, audited.network, graph=audited.graph)
    row = locality({"echo": chosen}).rows()[0]
    assert not row["local_in_space"]
