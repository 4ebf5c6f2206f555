"""The law of Betti & Gori (2024) as they ran it, and its run on a signal."""

import hamlearn as hl

from ..jobs.track import tracker


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
    network, x0 = tracker(5, speed, seed)
    samples = target.samples()
    return hl.stream(law, network, samples, dt=target.dt, x0=x0, progress=False)
