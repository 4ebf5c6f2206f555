"""What users get wrong most often: each names argument, value and remedy."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl

from .wrong import refused, taken

KEY = jax.random.key(0)
U = np.sin(np.arange(20.0))[:, None]
MANY = np.zeros((4, 20, 1))  # streams first


def network(**options):
    options = {"inputs": 1, "key": KEY} | options
    return hl.RateNetwork(hl.Digraph.complete(3, self_loops=True), **options)


def cell(**options):
    return hl.Dynamics(lambda x, u: u - x, initial_state=jnp.zeros(1), **options)


def streamed(law=None, net=None, samples=(U, U), **options):
    law, net = law or hl.RTRL(), net or network()
    return hl.stream(law, net, samples, dt=0.1, progress=False, **options)


def solved(a):
    """Of a number that is known nowhere but in the signal."""
    signal = hl.Signal(None, lambda t: a * jnp.ones(1))
    law, net = hl.HamiltonianLearning(), network(inputs=0)
    return hl.solve(law, net, signal, t0=0.0, t1=1.0).loss


MISTAKES = {
    "`num_nodes` must be small enough .* needs": lambda: hl.Digraph.complete(
        10**6, self_loops=True
    ),
    "`sizes` must be small enough .* needs": lambda: hl.Digraph.layered([10**6, 10**6]),
    "`network` must be small enough for `TimeReversal`.* needs": lambda: (
        hl.HamiltonianLearning(policy=hl.costates.TimeReversal()).init(
            hl.RateNetwork(hl.Digraph(10**5, [0], [1]), key=KEY)
        )
    ),
    "`x0` must be at most .*float32": lambda: streamed(
        net=network(dtype="float32"), x0=np.full(3, 1e300)
    ),
    "`readout` must be returning real numbers": lambda: streamed(
        net=cell(readout=lambda x: 1j * x)
    ),
    r"`loss` must be .*the sum over all outputs, .*real numbers of shape \(1,\)": lambda: (
        streamed(hl.RTRL(hl.Cost(loss=optax.l2_loss)))
    ),
    "`loss` must be returning one real number.*complex": lambda: streamed(
        hl.RTRL(hl.Cost(loss=lambda y, target: 1j * jnp.sum(y)))
    ),
    "`samples` must be .*pair, or an iterable of those": lambda: streamed(
        samples=[U, U]
    ),
    "`samples` must be a Sample, .*input": lambda: streamed(samples={"input": U}),
    "`key` must be known: .*`hl.scan`": lambda: jax.vmap(
        lambda key: streamed(hl.laws.UORO(), key=key).loss
    )(jax.random.split(KEY, 2)),
    "must be known: .*`hl.scan`": lambda: jax.jit(
        lambda a: streamed(net=cell(readout=lambda x: a * x)).loss
    )(1.0),
    "must be known: .*`law.vector_field`": lambda: jax.jit(solved)(1.0),
    r"`key` must be a random key such as `jax.random.key\(0\)`, but is 0.": lambda: (
        network(key=0)
    ),
    r"`x0` must be .*3.*but is .*2": lambda: streamed(x0=np.zeros(2)),
    r"`laws` must be a dictionary .*'rtrl': hamlearn.jobs.contenders.*\['rtrl'\]": (
        lambda: hl.compare(hl.tasks.Add(), ["rtrl"])
    ),
    r"`samples.input` must be .*`Batch` for several streams": lambda: streamed(
        samples=(MANY, MANY)
    ),
    r"`samples.input` must be .*streams first, after time": lambda: streamed(
        net=hl.Batch(network(), 4), samples=(MANY, MANY)
    ),
    r"`samples.input` must be .*\(4, 1\).*but is of shape \(1,\)": lambda: streamed(
        net=hl.Batch(network(), 4)
    ),
    r"`samples.input` must be .*`x\[:, None\]` makes": lambda: streamed(
        samples=(U[:, 0], U[:, 0])
    ),
    "`law` must be .*the function itself": lambda: streamed(hl.RTRL),
    r"`inputs` must be given: the network does not say how many": lambda: streamed(
        hl.BPTT(window=3), cell()
    ),
    "`inputs` must be given: .* it hears, but": lambda: streamed(
        hl.SnAp(order=2), cell()
    ),
    "`drift` must be .*shape": lambda: streamed(
        net=hl.Dynamics(lambda x, u: jnp.zeros(2), initial_state=jnp.zeros(1))
    ),
    "`initial_state` must be .*real": lambda: hl.Dynamics(
        lambda x, u: -x, initial_state=jnp.zeros(2, complex)
    ),
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_mistake_is_named(says):
    assert re.search(says, refused(MISTAKES[says]))


def test_what_looks_like_one_and_is_none():
    """A readout of the state alone, a start of integers, weights of which none learns."""
    read = eqx.nn.Linear(1, 1, key=KEY)
    assert streamed(net=cell(readout=read)).samples == 20
    whole, parts = streamed(x0=[0, 0, 0]), streamed(x0=np.zeros(3))
    np.testing.assert_array_equal(whole.output, parts.output)
    still = streamed(net=network(learn=()))
    assert (still.samples, still.state.w) == (20, {})
    taken()
