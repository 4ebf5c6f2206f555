"""Your own Hamiltonian: weights that cannot move faster than a given speed V.

Their cost of moving is that of special relativity, r V^2 (1 - sqrt(1 - v^2/V^2)),
which is r v^2/2 for small v. Its least value together with p v,

    r V^2 - V sqrt(r^2 V^2 + p^2),      at v = -p / sqrt(r^2 + p^2/V^2),

stands in H where Hamiltonian learning has -p^2/(2r). Nothing else is written: one
gradient of H moves states, weights and both costates.

    python examples/own_hamiltonian.py
"""

import jax
import jax.numpy as jnp

import hamlearn as hl

COST = hl.Cost(loss_weight=1000.0, weight_decay=1.0)
INERTIA, SPEED = 0.1, 0.5


def H(network, x, p_x, p_w, sample):
    """ell + p_x.f, and for every weight the least of its cost and p v."""
    rest = {name: jnp.zeros_like(p) for name, p in p_w.items()}
    least = lambda p: INERTIA * SPEED**2 - SPEED * jnp.hypot(INERTIA * SPEED, p)
    moving = sum(jnp.sum(least(p)) for p in p_w.values())
    return hl.action.hamiltonian(COST, network, x, p_x, rest, sample) + moving


def main():
    """(largest speed of a weight, loss, loss of predicting zero) on a sine."""
    net = hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True),
        outputs=[0],
        time_constant=0.1,
        key=jax.random.key(0),
    )
    law = hl.HamiltonianLearning(COST, dissipation=60.0, hamiltonian=H)
    target = hl.tasks.sine(duration=20.0)
    kept = lambda state, sample, info: (state.w, info.loss)
    samples = jax.tree.map(jnp.asarray, target.samples())
    _, (w, loss) = jax.jit(
        lambda samples: hl.scan(law, law.init(net), samples, target.dt, kept)
    )(samples)
    fastest = max(jnp.abs(jnp.diff(leaf, axis=0)).max() for leaf in w.values())
    zero = jnp.mean(samples.target**2) / 2
    return float(fastest / target.dt), float(loss[-5000:].mean()), float(zero)


if __name__ == "__main__":
    fastest, loss, zero = main()
    print(f"fastest {fastest:.3f} (limit {SPEED}); loss {loss:.1e}, zero {zero:.1e}")
    assert fastest < 1.001 * SPEED
    assert loss < 0.1 * zero
