"""Claims of the theory: limits, equivalences, time reversal."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hamlearn as hl

from ..plot import looks
from ._claim import Claim
from ._save import save

SPEEDS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def run(out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Backprop as c -> infinity, LQ control, momentum, BPTT; draws `limit`."""
    yield from _backprop_limit(out, SPEEDS[3::2] if quick else SPEEDS)
    yield from _linear_quadratic()
    yield _momentum()
    yield from _bptt()


# Backprop in the limit of infinite propagation speed


def _backprop_limit(out: Path, speeds: Sequence[float]) -> Iterator[Claim]:
    pairs = [_delta_errors(c) for c in speeds]
    flipped, backward = map(np.array, zip(*pairs, strict=True))
    _draw_limit(out, speeds, flipped, backward)
    holds = "holds: costates tend to Backprop's errors like 1/c"
    yield Claim("backprop_limit_flip_c1000", flipped[-1], None, 5e-3, holds)
    ratio = float(flipped[speeds.index(100.0)] / flipped[-1])
    yield Claim("backprop_limit_flip_ratio_100_1000", ratio, 7, 13, holds)
    verdict = "holds for the costate of the two-point problem, swept back from the end"
    yield Claim("backprop_limit_backward_c1000", backward[-1], None, 2e-3, verdict)
    verdict = (
        "does not hold for the true equations run forward: from the exact costate at "
        "c = 10 they explode within 6 time units"
    )
    yield Claim("true_costate_forward_error", _forward_error(), 1e6, None, verdict)


def _net(c: float) -> hl.RateNetwork:
    graph = hl.Digraph.random(12, in_degree=3, acyclic=True, key=jax.random.key(1))
    return hl.RateNetwork(
        graph, inputs=2, outputs=2, input_nodes=range(4), time_constant=1 / c,
        key=jax.random.key(2),
    )  # fmt: skip


SIGNAL = hl.Signal(
    lambda t: jnp.stack([jnp.sin(1.3 * t), jnp.cos(0.7 * t + 1)]),
    lambda t: jnp.stack([0.5 * jnp.sin(t), 0.5 * jnp.cos(1.7 * t)]),
)
NOW = 3.0


def _resting(policy: hl.mechanics.AbstractPolicy | None = None) -> hl.laws.AbstractLaw:
    """Weights that rest: the costates of a given network."""
    return hl.HamiltonianLearning(policy=policy, inertia=1e12, dissipation=0.0)


def _deltas(network: hl.RateNetwork) -> jax.Array:
    """Backprop's error of every neuron at time NOW, through the instant network."""
    sample = SIGNAL(jnp.asarray(NOW))

    def loss(nudge):
        x = jnp.zeros_like(nudge)
        for _ in range(network.graph.num_nodes):
            x = network.activation(network.drive(x, sample.input)) + nudge
        return hl.Cost().loss(network.readout(x, sample.input), sample.target)

    return jax.grad(loss)(jnp.zeros_like(network.bias))


def _delta_errors(c: float) -> tuple[float, float]:
    """Relative error of c p_x against Backprop's deltas at time NOW: flipped on the
    way there, and swept back from later."""
    network, dt = _net(c), 0.05 / c
    steps = round(NOW / dt)
    times = NOW + dt * (np.arange(steps) - steps)
    state = hl.stream(
        _resting(), network, SIGNAL.sample(times), dt=dt, record_every=steps,
        progress=False,
    ).state  # fmt: skip
    horizon = SIGNAL.sample(NOW + dt * np.arange(2000))
    swept, truth = _costate(network, horizon, dt, state.x), _deltas(network)
    error = lambda p: float(jnp.linalg.norm(c * p - truth) / jnp.linalg.norm(truth))
    return error(state.credit.memory), error(swept)


def _costate(network: hl.RateNetwork, samples: hl.Sample, dt: float, x0=None):
    """p at the start of a stream, swept back from its end."""
    return dt * hl.exact_gradient(hl.Cost(), network, samples, dt=dt, x0=x0).x0


def _forward_error(c: float = 10.0, duration: float = 6.0) -> float:
    """Largest |p| pushed forward from its exact start, over its size there."""
    network, dt = _net(c), 0.05 / c
    samples = SIGNAL.sample(dt * np.arange(round(duration / dt)))
    p0 = _costate(network, samples, dt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        law = _resting(hl.costates.NoFlip())
    p_x = lambda state: state.credit.memory[0]  # beside what the policy remembers
    start = eqx.tree_at(p_x, law.init(network), p0)
    end, _ = hl.scan(law, start, samples, dt, lambda *_: None)
    return float(jnp.linalg.norm(p_x(end)) / jnp.linalg.norm(p0))


def _draw_limit(out: Path, speeds: Sequence[float], flipped, backward) -> None:
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    curves = {"sign flip": flipped, "BPTT": backward}
    labels = "sign flip, forward", "true costate, backward"
    for (name, look), label in zip(looks(curves).items(), labels, strict=True):
        style = {"color": look.colour, "marker": look.mark, "label": label}
        axis.loglog(speeds, curves[name], **style)
    axis.loglog(speeds, 2 / np.array(speeds), "--", color="0.5", label="slope -1")
    axis.set_xlabel("propagation speed c (1/time)")
    axis.set_ylabel("relative error of c p\nagainst backprop's errors")
    axis.set_title("Costates tend to backprop's errors as 1/c", fontsize=10)
    axis.legend(frameon=False, loc="upper right")
    save(figure, out / "limit.png")


# Time reversal of the costate, scalar linear-quadratic control


def _linear_quadratic() -> Iterator[Claim]:
    cases = {
        "lq_reversed_riccati": (hl.costates.TimeReversal(), 0.0, 0.2108),
        "lq_flip_critical": (hl.costates.SignFlip(), 2 * np.sqrt(10.0), 0.2372),
        "lq_flip_without_dissipation": (hl.costates.SignFlip(), 0.0, 5.0),
    }
    optimum = float(np.sqrt(0.1) / 2 * np.tanh(10 * np.sqrt(10.0)))
    for name, (policy, theta, expected) in cases.items():
        cost = _lq_cost(policy, theta)
        ratio = f"{cost / optimum:.2f} times the optimum {optimum:.4f}"
        verdict = f"holds: causal and stable, {ratio}"
        if name == "lq_flip_without_dissipation":
            verdict = f"does not hold: without dissipation {ratio}"
        yield Claim(name, cost, 0.98 * expected, 1.02 * expected, verdict)


def _lq_cost(
    policy: hl.mechanics.AbstractPolicy, theta: float, duration: float = 10.0
) -> float:
    """Cost of dx/dt = v, L = x^2/2 + 0.1 v^2/2 from x = 1, with v = -p/0.1."""
    r = 0.1
    field = hl.mechanics.causal_hamilton(
        lambda t, x, p, args: x**2 / 2 - p**2 / (2 * r), policy, dissipation=theta
    )

    def rates(t, y, args):
        motion, _ = y
        x, p, _ = motion
        return field(t, motion), x**2 / 2 + p**2 / (2 * r)

    one = jnp.ones(())
    start = (one, 0 * one, policy.init(one)), 0 * one
    solution = dfx.diffeqsolve(
        dfx.ODETerm(rates), dfx.Dopri8(), 0.0, duration, 1e-3, start, max_steps=10**6,
        stepsize_controller=dfx.PIDController(rtol=1e-9, atol=1e-9),
    )  # fmt: skip
    assert solution.ys is not None
    return float(solution.ys[1][-1])


# Gradient descent with momentum; BPTT


class _Readout(eqx.Module):
    """y = mlp(u), whatever the state."""

    mlp: eqx.nn.MLP

    def __call__(self, x, u):
        return self.mlp(u)


def _momentum(steps: int = 2000, lr: float = 0.01, mu: float = 0.9) -> Claim:
    """Hamiltonian learning against optax's SGD with momentum on the same samples."""
    mlp = eqx.nn.MLP(4, 3, 30, 1, activation=jnp.tanh, key=jax.random.key(0))
    u = jax.random.normal(jax.random.key(1), (steps, 4))
    y = jnp.sin(u[:, :3])
    network = hl.Dynamics(
        lambda x, u: 0 * x, initial_state=jnp.zeros(1), readout=_Readout(mlp)
    )
    dt = 0.5
    cost = hl.Cost(loss_weight=1 / dt)
    law = hl.HamiltonianLearning(cost, inertia=dt / lr, dissipation=(1 - mu) / dt)
    result = hl.stream(law, network, (u, y), dt=dt, progress=False)
    learned = result.network.readout_map.mlp

    optimizer = optax.sgd(lr, momentum=mu)

    def step(carry, sample):
        params, memory = carry
        u, y = sample
        loss = lambda m: jnp.sum((eqx.combine(m, static)(u) - y) ** 2) / 2
        change, memory = optimizer.update(jax.grad(loss)(params), memory)
        return (optax.apply_updates(params, change), memory), None

    params, static = eqx.partition(mlp, eqx.is_inexact_array)
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), (u, y))
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(
        eqx.filter(learned, eqx.is_inexact_array)), strict=True)  # fmt: skip
    difference = max(float(jnp.max(jnp.abs(a - b))) for a, b in pairs)
    verdict = (
        "holds if the costate moves before the weights: equal to SGD with momentum"
    )
    return Claim("equals_sgd_with_momentum", difference, None, 1e-12, verdict)


def _bptt() -> Iterator[Claim]:
    network = _net(5.0)
    samples = SIGNAL.sample(0.01 * np.arange(60))
    cost, x0 = hl.Cost(), network.initial_state()

    def J(net):
        def step(x, sample):
            loss = cost.loss(net.readout(x, sample.input), sample.target)
            return x + 0.01 * net(x, sample.input), 0.01 * loss

        return jnp.sum(jax.lax.scan(step, x0, samples)[1])

    truth = jax.grad(lambda w: J(eqx.tree_at(lambda n: n.weight, network, w)))(
        network.weight
    )
    exact = lambda memory: hl.exact_gradient(
        cost, network, samples, dt=0.01, memory=memory
    )
    gradient = 0.01 * exact(hl.costates.Stored()).w["weight"]
    difference = float(jnp.max(jnp.abs(gradient - truth)))
    verdict = "holds: a stream run forward and then reversed is BPTT"
    yield Claim("reversed_stream_is_bptt", difference, None, 1e-12, verdict)
    recovered = exact(hl.costates.Midpoint()).start
    difference = float(jnp.max(jnp.abs(recovered - x0)))
    verdict = (
        "holds if the run is short: the midpoint rule recovers its start without "
        "stored states, over 3 time constants"
    )
    yield Claim("midpoint_recovers_start", difference, None, 1e-12, verdict)
