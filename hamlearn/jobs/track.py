"""The main job in one call: a small recurrent network that tracks a signal online."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .. import _checks
from ..action.cost import Cost
from ..graph.digraph import Digraph
from ..laws.hamiltonian import HamiltonianLearning
from ..mechanics.causal import AbstractPolicy
from ..networks.rate import RateNetwork
from ..run.result import Result
from ..run.stream import stream
from ..tasks import Tracking


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `track` runs with; every field in units of the signal's own time.

    `loss_weight` q, `weight_decay` r_w, `inertia` r, `dissipation` theta, `speed` c.
    """

    loss_weight: float
    weight_decay: float
    inertia: float
    dissipation: float
    speed: float
    neurons: int
    seed: int

    @classmethod
    def suited_to(cls, target: Tracking, **given: Any) -> "Settings":
        """Settings that track `target`, with those that are `given` (not None).

        A tracking state answers like an oscillator of frequency om = sqrt(q/r). A
        signal made at small steps gets om = 100 and theta = 60 (c = 10); a recorded
        one, that has to be met within a sampling interval h, gets om = 11/h,
        theta = .7 om and c = 1.5 om.
        """
        r = 0.1 if given.get("inertia") is None else given["inertia"]
        _checks.positive("inertia", r)
        if target.interval > target.dt:
            om = 11 / target.interval
            q, theta, speed = r * om**2, 0.7 * om, 1.5 * om
        else:
            q, theta, speed = 1e4 * r, 60.0, 10.0
        suited = {
            "loss_weight": q,
            "weight_decay": 1.0,
            "inertia": r,
            "dissipation": theta,
            "speed": speed,
            "neurons": 5,
            "seed": 0,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        return cls(**(suited | chosen))


def track(
    target: Tracking,
    *,
    policy: AbstractPolicy | None = None,
    loss_weight: float | None = None,
    weight_decay: float | None = None,
    inertia: float | None = None,
    dissipation: float | None = None,
    speed: float | None = None,
    neurons: int | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Result:
    """Track a signal online with a fully connected network and Hamiltonian learning.

    The network of Betti & Gori (2024): every neuron hears every neuron and a constant
    input, neuron 0 is the output, x(0) ~ 0.3 N(0, 1), weights ~ 0.5 N(0, 1).

    **Arguments:** `target`: from `tasks`; `policy`: default `SignFlip`; the others
    default to `Settings.suited_to(target)`.

    **Returns:** the `Result`, in scaled values (`target.errors(result.output)` gives
    errors in the signal's unit). `plot` shows it.
    """
    _checks.instance("target", target, Tracking)
    chosen = Settings.suited_to(
        target,
        loss_weight=loss_weight,
        weight_decay=weight_decay,
        inertia=inertia,
        dissipation=dissipation,
        speed=speed,
        neurons=neurons,
        seed=seed,
    )
    _checks.at_least("neurons", chosen.neurons, 1)
    _checks.positive("speed", chosen.speed)
    law = HamiltonianLearning(
        Cost(loss_weight=chosen.loss_weight, weight_decay=chosen.weight_decay),
        policy,
        inertia=chosen.inertia,
        dissipation=chosen.dissipation,
    )
    network, x0 = tracker(chosen.neurons, chosen.speed, chosen.seed)
    samples = target.samples()
    return stream(law, network, samples, dt=target.dt, x0=x0, progress=progress)


def tracker(neurons: int, speed: float, seed: int) -> tuple[RateNetwork, np.ndarray]:
    """The network of the tracking experiments and its random initial state."""
    rng = np.random.default_rng(seed)
    x0, w, b = (rng.normal(size=s) for s in (neurons, (neurons, neurons), neurons))
    graph = Digraph.complete(neurons, self_loops=True)
    key = jax.random.key(seed)
    net = RateNetwork(graph, outputs=[0], time_constant=1 / speed, key=key)
    dtype = net.bias.dtype
    start = (0.5 * w).astype(dtype), (0.5 * b).astype(dtype)
    net = eqx.tree_at(
        lambda n: (n.weight, n.bias), net, jax.tree.map(jax.numpy.asarray, start)
    )
    return net, (0.3 * x0).astype(dtype)
