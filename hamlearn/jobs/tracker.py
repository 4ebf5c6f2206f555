"""A small network that copies a signal: its start, its cost, its own stability."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Neurons, Numbers
from ..action.cost import Cost, output_loss
from ..graph.digraph import Digraph
from ..networks.neurons import slope_at
from ..networks.rate import RateNetwork
from ..signals.signal import Sample

LEAST = 4  # steps per interval: with fewer nothing beats the last value


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `track` runs with. Time is counted in sampling intervals, the signal in
    parts of its range, so that no number here depends on a unit.

    With om = sqrt(Q/r): `loss_weight` Q, of which the running cost has q(t) = Q/N;
    `inertia` r; `dissipation` theta and `speed` c per interval; `weight_decay` kappa,
    of the leak r_w(t) = kappa q e^2.
    """

    loss_weight: float
    weight_decay: float
    inertia: float
    dissipation: float
    speed: float
    neurons: int
    seed: int

    @classmethod
    def suited_to(cls, steps: float, **given: float | None) -> "Settings":
        """Settings for so many steps per interval, with those `given` (not None).

        om = 11 at 40 steps and in proportion, theta = om, c = 3 om, kappa = 1, r = 1:
        after a jump the error is that of (S + theta)/(S^2 + theta S + om^2), whose RMSE
        over an interval is sqrt(1/om) = .30 of the jump.
        """
        chosen = {name: value for name, value in given.items() if value is not None}
        for name, value in chosen.items():
            if name in ("neurons", "seed"):
                _checks.at_least(name, value, int(name == "neurons"))
                continue
            _checks.number(name, value)
            wanted = ("inertia", "speed")
            (_checks.positive if name in wanted else _checks.non_negative)(name, value)
        r = chosen.get("inertia", 1.0)
        Q = chosen.get("loss_weight", r * (11 * steps / 40) ** 2)
        om = math.sqrt(Q / r)
        suited = cls(Q, 1.0, r, om, 3 * om, 5, 0)
        return dataclasses.replace(suited, **chosen)


class NormalisedDrive(eqx.Module):
    """q and r_w of a tracking network, from where it is.

        q(t) = Q/N,   N = max(g^2, 1/4) (1 + |x|^2),   g = s_0/(1 - s_0 w_00)
        r_w(t) = kappa q(t) e^2

    e the error, s_0 the slope of the output neuron, w_00 its weight on itself. N is
    how far the output settles for a change of its weights, so the loop has one speed
    whatever the size, the signal and the seed. Momentum overshoots, which pushes w_00
    down for ever, in proportion to e^2; a leak in the same proportion stops it near
    -0.24/kappa, and costs no standing error.

    The leak is the e-modification of adaptive control (Narendra & Annaswamy 1987).
    """

    nominal: Cost

    def __call__(self, network: RateNetwork, x: Neurons, sample: Sample) -> Cost:
        """The cost at this step."""
        a = network.drive(x, sample.input)
        slope = slope_at(network.activation, a)[0]
        gain = slope / (1 - slope * network.weight[0, 0])
        N = jnp.maximum(gain**2, 0.25) * (1 + jnp.sum(x**2))
        q = jnp.asarray(self.nominal.loss_weight, x.dtype) / N
        loss = output_loss(self.nominal, network.readout(x, sample.input), sample)
        leak = jnp.asarray(self.nominal.weight_decay, x.dtype)
        r_w = 2 * leak * q * loss
        return Cost(loss=self.nominal.loss, loss_weight=q, weight_decay=r_w)


def tracker(
    neurons: int, speed: float, seed: int, first: float = 0.0
) -> tuple[RateNetwork, np.ndarray]:
    """(the network, its state at the start), which rests at the `first` value.

    Every neuron hears every neuron and a constant; neuron 0 is the output. Weights ~
    0.5 N(0, 1)/sqrt(n); x_0 begins at the first value, within +-0.99, the others where
    they rest beside it, and b_0 is such that it stays there.
    """
    _checks.at_least("neurons", neurons, 1)
    _checks.positive("speed", speed)
    _checks.at_least("seed", seed, 0)
    _checks.number("first", first)
    rng = np.random.default_rng(seed)
    w = 0.5 * rng.normal(size=(neurons, neurons)) / math.sqrt(neurons)
    x0, bias = np.zeros(neurons), np.zeros(neurons)
    for _ in range(200):  # W has a spectral radius of some 0.5
        x0[0] = np.clip(first, -0.99, 0.99)
        x0 = np.tanh(w @ x0)
    x0[0] = np.clip(first, -0.99, 0.99)
    bias[0] = np.arctanh(x0[0]) - w[0] @ x0
    graph = Digraph.complete(neurons, self_loops=True)
    key = jax.random.key(seed)
    net = RateNetwork(graph, outputs=[0], time_constant=1 / speed, key=key)
    dtype = net.bias.dtype
    start = jnp.asarray(w, dtype), jnp.asarray(bias, dtype)
    net = eqx.tree_at(lambda n: (n.weight, n.bias), net, start)
    return net, x0.astype(dtype)


class Stability(eqx.Module):
    """How near the network came to the end of what its step can hold.

    - `own_weight`: the least weight w_00 of the output neuron on itself seen; the
      loop of the learner ends near -0.93.
    - `step`: the largest c dt (1 - min Re eig W) seen; the neurons end at 2.
    """

    own_weight: float = math.inf
    step: float = 0.0

    def with_look(self, weight: Numbers, speed_dt: float) -> "Stability":
        """With one look more at the recurrent weights."""
        weight = np.asarray(weight, np.float64)
        lowest = float(np.linalg.eigvals(weight).real.min())
        own = min(self.own_weight, float(weight[0, 0]))
        return Stability(own, max(self.step, speed_dt * (1 - lowest)))

    def warning(self) -> str | None:
        """What is too near its end, in a sentence; None while nothing is."""
        if self.own_weight < -0.8:
            return (
                f"The weight of the output neuron on itself reached "
                f"{self.own_weight:.2f}; learning becomes unstable near -0.93."
            )
        if self.step > 2:
            return (
                f"c dt (1 - min Re eig W) reached {self.step:.2f}; above 2 the "
                "neurons themselves are unstable at this step."
            )
        return None
