"""The law of Betti & Gori (2024) as they ran it, and its run on a signal."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl


def law(
    loss_weight: float,
    dissipation: float,
    policy: hl.mechanics.AbstractPolicy | None = None,
) -> hl.laws.AbstractLaw:
    """Hamiltonian learning with r = 0.1, r_w = 1, by explicit Euler."""
    cost = hl.Cost(loss_weight=loss_weight, weight_decay=1.0)
    return hl.HamiltonianLearning(
        cost, policy, inertia=0.1, dissipation=dissipation, solver=hl.mechanics.Euler()
    )


def tracked(
    target: hl.tasks.Tracking,
    law: hl.laws.AbstractLaw,
    *,
    speed: float = 10.0,
    seed: int = 0,
) -> hl.Result:
    """Five fully connected neurons of propagation speed c that follow a signal."""
    network, x0 = start(5, speed, seed)
    samples = target.samples()
    return hl.stream(law, network, samples, dt=target.dt, x0=x0, progress=False)


def start(neurons: int, speed: float, seed: int) -> tuple[hl.RateNetwork, np.ndarray]:
    """The paper's network, weights ~ 0.5 N(0, 1), and its state ~ 0.3 N(0, 1)."""
    rng = np.random.default_rng(seed)
    x0, w, b = (rng.normal(size=s) for s in (neurons, (neurons, neurons), neurons))
    graph = hl.Digraph.complete(neurons, self_loops=True)
    key = jax.random.key(seed)
    net = hl.RateNetwork(graph, outputs=[0], time_constant=1 / speed, key=key)
    dtype = net.bias.dtype
    drawn = jnp.asarray(0.5 * w, dtype), jnp.asarray(0.5 * b, dtype)
    net = eqx.tree_at(lambda n: (n.weight, n.bias), net, drawn)
    return net, (0.3 * x0).astype(dtype)
