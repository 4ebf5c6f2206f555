"""A bug in what a user wrote is shown as the user's: their error, their lines."""

import traceback

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn import jobs
from hamlearn.mechanics import AbstractPolicy

KEY = jax.random.key(0)
ERRORS = [
    ZeroDivisionError("mine"),
    TypeError("mine"),
    ValueError("mine"),
    KeyError("mine"),
]


class Policy(AbstractPolicy):
    """One with a bug."""

    error: Exception

    @property
    def joint(self):
        return False

    @property
    def jumps(self):
        return False

    def init(self, q):
        return None

    def rates(self, motion, memory):
        raise self.error.with_traceback(None)

    def settle(self, p, value, memory):
        return p, memory


def raising(error):
    def bug(*args):
        raise error.with_traceback(None)

    return bug


def wave(count=24):
    return np.sin(np.arange(float(count)))


def streamed(law=None, net=None):
    law = hl.HamiltonianLearning(dissipation=1.0) if law is None else law
    if net is None:
        net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=KEY)
    samples = np.zeros((24, net.inputs or 0)), wave()[:, None]
    return hl.stream(law, net, samples, dt=0.1, progress=False)


def own(drift=lambda x, u: -x, **parts):
    return hl.Dynamics(drift, initial_state=jnp.zeros(1), inputs=0, **parts)


def tracked(error):
    held = hl.tasks.recorded("held", np.arange(24.0), wave(), dt=0.25)
    return hl.track(held, policy=Policy(error), progress=False)


def compared(error):
    laws = {"mine": jobs.Contender(raising(error), jobs.contenders()["rtrl"].network)}
    walk = np.cumsum(np.random.default_rng(0).normal(size=300))
    return hl.compare(hl.tasks.Forecast(walk), laws, seeds=1, progress=False)


def solved(error):
    signal = hl.Signal(None, raising(error))
    net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=KEY)
    law = hl.HamiltonianLearning(dissipation=1.0)
    return hl.solve(law, net, signal, t0=0.0, t1=1.0)


THEIRS = {
    "a policy": lambda e: streamed(
        hl.HamiltonianLearning(policy=Policy(e), dissipation=1.0)
    ),
    "a policy that tracks": tracked,
    "a drift": lambda e: streamed(net=own(raising(e))),
    "a readout": lambda e: streamed(net=own(readout=raising(e))),
    "an activation": lambda e: streamed(
        net=hl.RateNetwork(hl.Digraph(2, [0], [1]), activation=raising(e), key=KEY)
    ),
    "a loss": lambda e: streamed(hl.RTRL(hl.Cost(loss=raising(e)))),
    "a Hamiltonian": lambda e: streamed(
        hl.HamiltonianLearning(hamiltonian=raising(e), dissipation=1.0)
    ),
    "a potential": lambda e: hl.networks.HamiltonianNetwork(
        raising(e), neurons=2, key=KEY
    ),
    "a signal": solved,
    "a contender": compared,
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("what", THEIRS)
def test_a_bug_is_shown_as_theirs(what, error):
    with pytest.raises(type(error)) as caught:
        THEIRS[what](error)
    assert str(caught.value) == str(error)
    last = traceback.extract_tb(caught.value.__traceback__)
    assert any(frame.filename == __file__ for frame in last[1:])
    assert last[-1].filename == __file__
