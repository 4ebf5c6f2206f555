"""Streams and solves: what they compute, keep, refuse and never look at."""

import re
import warnings

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optimistix as optx
import pytest

from hamlearn import (
    Cost,
    Digraph,
    DivergenceWarning,
    Dynamics,
    HamiltonianLearning,
    RateNetwork,
    Sample,
    Signal,
    resume,
    solve,
    stream,
)
from hamlearn.action import cross_entropy
from hamlearn.costates import HysteresisSign, SignFlip
from hamlearn.mechanics import Euler, Heun, RungeKutta4
from hamlearn.run import chunks
from hamlearn.signals import Held

KEY = jax.random.key(0)
COST = Cost(loss_weight=50.0, weight_decay=0.1)
MOTION = {"inertia": 0.1, "dissipation": 10.0}
DT = 0.01


def small_network(**changes):
    options = {"inputs": 1, "key": KEY} | changes
    return RateNetwork(Digraph.complete(3, self_loops=True), **options)


def wave(count, dt=DT):
    t = dt * np.arange(count)
    return np.cos(t)[:, None], 0.5 * np.sin(2 * t)[:, None]


def quietly(law, network, samples, **options):
    return stream(law, network, samples, **({"dt": DT, "progress": False} | options))


@eqx.filter_jit
def scan_by_hand(law, state, samples, dt):
    moving, still = eqx.partition(state, eqx.is_array)

    def step(moving, sample):
        state, info = law.step(eqx.combine(moving, still), Sample(*sample), dt)
        return eqx.filter(state, eqx.is_array), info

    moving, infos = jax.lax.scan(step, moving, samples)
    return eqx.combine(moving, still), infos


def same(a, b):
    """Bitwise."""
    assert bool(eqx.tree_equal(a, b))


def flow_of(result):
    return eqx.filter(result.state, eqx.is_array)


LAW = HamiltonianLearning(COST, **MOTION)


@pytest.mark.parametrize(
    "law", [LAW, HamiltonianLearning(COST, HysteresisSign(0.1), **MOTION)]
)
def test_stream_is_a_scan_of_steps(law):
    u, y = wave(300)
    network = small_network()
    result = quietly(law, network, (u, y), chunk=64)
    samples = jnp.asarray(u), jnp.asarray(y)
    state, infos = scan_by_hand(law, law.init(network), samples, jnp.asarray(DT))
    for name in ("output", "loss", "lagrangian", "hamiltonian"):
        wanted = {"output": infos.output, "loss": infos.loss, **infos.more}[name]
        np.testing.assert_allclose(result.info[name], wanted, rtol=1e-11, atol=1e-13)
    for a, b in zip(
        jax.tree.leaves(flow_of(result)),
        jax.tree.leaves(eqx.filter(state, eqx.is_array)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(result.target, y)
    np.testing.assert_allclose(result.times, DT * np.arange(300), rtol=1e-15)
    assert result.samples == 300


def test_chunks_iterables_and_thinning_change_nothing():
    """Bitwise, for one compiled body."""
    u, y = wave(200)
    whole = quietly(LAW, small_network(), (u, y), chunk=64)
    pairs = quietly(LAW, small_network(), zip(u, y, strict=True), chunk=64)
    held = quietly(LAW, small_network(), Sample(u, y), chunk=64)
    each = (Sample(a, b) for a, b in zip(u, y, strict=True))
    singles = quietly(LAW, small_network(), each, chunk=64)
    for other in (pairs, held, singles):
        same(flow_of(other), flow_of(whole))
        for name, value in whole.to_numpy().items():
            np.testing.assert_array_equal(other.to_numpy()[name], value)
        assert other.losses == whole.losses
    for chunk in (1, 7, 1000):
        other = quietly(LAW, small_network(), (u, y), chunk=chunk)
        same(flow_of(other), flow_of(whole))
        np.testing.assert_array_equal(other.output, whole.output)
        for name, value in whole.losses.items():
            np.testing.assert_allclose(other.losses[name], value, rtol=1e-13)
    for every in (3, 64, 150):
        other = quietly(LAW, small_network(), (u, y), chunk=64, record_every=every)
        same(flow_of(other), flow_of(whole))
        for name, value in whole.to_numpy().items():
            np.testing.assert_array_equal(other.to_numpy()[name], value[::every])
        for name, value in whole.losses.items():
            np.testing.assert_allclose(other.losses[name], value, rtol=1e-13)


def test_an_endless_iterable_is_read_chunk_by_chunk():
    taken = []

    def source():
        for k, (a, b) in enumerate(zip(*wave(1000), strict=True)):
            taken.append(k)
            if k == 500:
                raise KeyboardInterrupt
            yield a, b

    with pytest.raises(KeyboardInterrupt):
        quietly(LAW, small_network(), source(), chunk=100)
    assert len(taken) == 501


SOLVERS = {
    "euler": Euler(),
    "heun": Heun(),
    "rk4": RungeKutta4(),
    "in turn": None,
    "tsit5": dfx.Tsit5(),
    "dopri8": dfx.Dopri8(),
    "diffrax heun": dfx.Heun(),
    "implicit": dfx.ImplicitEuler(root_finder=optx.Newton(rtol=1e-8, atol=1e-10)),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_causality(name):
    """Nothing at or before t_{k+1} knows of sample k + 1."""
    law = HamiltonianLearning(COST, SignFlip(), solver=SOLVERS[name], **MOTION)
    u, y = wave(12)
    k = 5
    other_u, other_y = u.copy(), y.copy()
    other_u[k + 1 :] += 0.7
    other_y[k + 1 :] -= 0.4
    runs = [
        quietly(law, small_network(), samples, chunk=12)
        for samples in ((u, y), (other_u, other_y))
    ]
    # The state at t_{k+1} is what k + 1 samples leave behind.
    short = [
        quietly(law, small_network(), (a[: k + 1], b[: k + 1]), chunk=12)
        for a, b in ((u, y), (other_u, other_y))
    ]
    same(flow_of(short[0]), flow_of(short[1]))
    for field in ("output", "loss", "lagrangian", "hamiltonian"):
        a, b = (run.info[field] for run in runs)
        np.testing.assert_array_equal(a[: k + 1], b[: k + 1])
    # The output at t_{k+1} is read from the state alone.
    np.testing.assert_array_equal(runs[0].output[k + 1], runs[1].output[k + 1])
    assert np.all(runs[0].output[k + 2 :] != runs[1].output[k + 2 :])
    # Sample k does act.
    moved = u.copy()
    moved[k] += 1e-3
    third = quietly(law, small_network(), (moved, y), chunk=12)
    assert third.output[k + 1] != runs[0].output[k + 1]


def signal():
    return Signal(lambda t: jnp.cos(3 * t), lambda t: 0.5 * jnp.sin(2 * t))


def test_stream_on_jets_agrees_with_solve():
    """RungeKutta4 on Taylor samples against one adaptive solve."""
    network = small_network()
    exact = solve(
        LAW, network, signal(), t0=0.0, t1=2.0,
        controller=dfx.PIDController(rtol=1e-10, atol=1e-12),
        saveat=dfx.SaveAt(ts=jnp.linspace(0, 2, 11)),
    )  # fmt: skip
    law = HamiltonianLearning(COST, SignFlip(), solver=RungeKutta4(), **MOTION)
    errors = []
    for count in (400, 800):
        times = np.linspace(0, 2, count, endpoint=False)
        jets = signal().jets(times)
        result = quietly(law, network, jets, dt=2 / count)
        flow, wanted = result.state, exact.state
        errors.append(float(jnp.max(jnp.abs(flow.w["weight"] - wanted.w["weight"]))))
        np.testing.assert_allclose(
            result.output[:: count // 10, 0], exact.output[:-1, 0], atol=1e-5
        )
    assert errors[1] < 1e-6
    # Taylor samples of second order leave an error of third order.
    assert abs(np.log2(errors[0] / errors[1]) - 3) < 0.3
    np.testing.assert_allclose(exact.times, np.linspace(0, 2, 11))
    np.testing.assert_allclose(exact.target[:, 0], 0.5 * np.sin(2 * exact.times))


def test_held_samples_in_solve_agree_with_stream():
    u, y = wave(40, dt=0.05)
    network = small_network()
    streamed = quietly(
        HamiltonianLearning(COST, SignFlip(), solver=dfx.Dopri8(), **MOTION),
        network,
        (u, y),
        dt=0.05,
    )
    solved = solve(
        LAW, network, Signal(Held(u, dt=0.05), Held(y, dt=0.05)), t0=0.0, t1=2.0,
        controller=dfx.PIDController(rtol=1e-9, atol=1e-11),
        saveat=dfx.SaveAt(ts=jnp.linspace(0, 2, 5)),
    )  # fmt: skip
    for a, b in zip(
        jax.tree.leaves(flow_of(streamed)),
        jax.tree.leaves(flow_of(solved)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-7)
    np.testing.assert_allclose(solved.output[1:4], streamed.output[10:40:10], atol=2e-7)


def test_other_values_do_not_retrace():
    traces = []

    class Counting(eqx.Module):
        gain: jax.Array

        def __call__(self, x, u):
            traces.append(1)
            return self.gain * u - x

    def run(gain, dt, weight, dissipation, length, seed):
        network = Dynamics(
            Counting(jnp.asarray(gain)), initial_state=jnp.full(1, seed * 0.1)
        )
        cost = Cost(loss_weight=weight)
        law = HamiltonianLearning(cost, dissipation=dissipation)
        u, y = wave(length)
        return quietly(law, network, (seed * u, y), dt=dt, chunk=50)

    compiled = lambda: [f._cached._cache_size() for f in (chunks._whole, chunks._part)]
    before = compiled()
    run(0.5, 0.01, 1.0, 2.0, 120, 1)
    first = len(traces)
    assert compiled() == [
        n + 1 for n in before
    ]  # whole chunks, and a rest of any length
    run(0.7, 0.02, 10.0, 3.0, 333, 2)
    run(0.1, 0.005, 5.0, 0.0, 20, 3)
    run(0.1, 0.005, 3, 0, 20, 3)
    run(0.1, 0.005, np.float64(3), 0.0, 20, 3)
    assert compiled() == [n + 1 for n in before]
    assert len(traces) == first


# Divergence.


class Unstable(eqx.Module):
    rate: jax.Array

    def __call__(self, x, u):
        return self.rate * x + 0 * u


@pytest.mark.parametrize("chunk", [16, 100, 1000])
def test_divergence_is_found_to_the_sample(chunk):
    """x grows by 11 a step from 1: 11^k leaves double precision at k = 296."""
    network = Dynamics(Unstable(jnp.asarray(10.0)), initial_state=jnp.ones(1))
    law = HamiltonianLearning(Cost(loss_weight=0.0), inertia=1e300, dissipation=0.0)
    u = np.zeros((600, 1))
    with pytest.warns(DivergenceWarning, match="diverged at t = ") as caught:
        result = quietly(law, network, (u, u), dt=1.0, chunk=chunk)
    assert len(caught) == 1
    wanted = 1.0
    last = 0
    while np.isfinite(wanted * 11) and np.isfinite(wanted * wanted / 2):
        wanted, last = wanted * 11, last + 1
    # The loss x^2/2 overflows first; its sample is the one that is named.
    assert result.diverged.sample == last
    assert result.diverged.time == float(last)
    assert "loss" in result.diverged.quantities
    assert result.samples == len(result.output) == last
    np.testing.assert_allclose(result.output[:, 0], 11.0 ** np.arange(last), rtol=1e-12)
    assert all(np.isfinite(value).all() for value in result.to_numpy().values())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(flow_of(result)))
    np.testing.assert_allclose(result.state.x, 11.0**last, rtol=1e-12)
    assert "`loss`" in str(result.diverged)
    assert str(result.diverged) in repr(result)
    assert result.failure() == str(result.diverged)


def test_divergence_in_solve_keeps_the_finite_part():
    network = Dynamics(
        lambda x, u: x**2, initial_state=jnp.ones(1), readout=lambda x, u: x
    )  # x = 1/(1 - t)
    law = HamiltonianLearning(Cost(loss_weight=0.0), dissipation=0.0)
    nothing = Signal(None, lambda t: 0 * t)
    with pytest.warns(DivergenceWarning):
        result = solve(
            law, network, nothing, t0=0.0, t1=2.0, max_steps=4096,
            saveat=dfx.SaveAt(ts=jnp.linspace(0, 2, 41)),
        )  # fmt: skip
    assert 0 < len(result.times) <= 21
    assert len(result.times) >= 19
    assert re.search("gave up .* where `x` was the largest", result.failure())
    kept = result.times < 0.95
    np.testing.assert_allclose(
        result.output[kept, 0], 1 / (1 - result.times[kept]), rtol=1e-4
    )
    assert all(np.isfinite(value).all() for value in result.to_numpy().values())


def test_healthy_runs_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = quietly(LAW, small_network(), wave(50))
    assert result.diverged is None
    assert "diverged" not in repr(result)


# Checkpoints.


def test_resumed_run_is_the_uninterrupted_one(tmp_path):
    u, y = wave(500)
    whole = quietly(LAW, small_network(), (u, y), chunk=50, record_every=5)
    options = {"chunk": 50, "record_every": 5, "every": 100, "progress": False}
    stream(
        LAW, small_network(), (u[:300], y[:300]), dt=DT, checkpoint=tmp_path, **options
    )
    result = resume(tmp_path, LAW, small_network(), (u, y), dt=DT, **options)
    same(flow_of(result), flow_of(whole))
    for name, value in whole.to_numpy().items():
        np.testing.assert_array_equal(result.to_numpy()[name], value)
    assert result.losses == whole.losses
    assert result.samples == 500


@pytest.mark.parametrize("at", [3, 50, 260, 499])
@pytest.mark.parametrize("error", [OSError("lost"), KeyboardInterrupt()])
def test_resume_after_an_exception(tmp_path, at, error):
    u, y = wave(500)
    whole = quietly(LAW, small_network(), (u, y), chunk=50, record_every=5)

    def broken():
        for k, pair in enumerate(zip(u, y, strict=True)):
            if k == at:
                raise error
            yield pair

    options = {"chunk": 50, "record_every": 5, "every": 120, "progress": False}
    with pytest.raises(type(error)):
        stream(LAW, small_network(), broken(), dt=DT, checkpoint=tmp_path, **options)
    again = zip(u, y, strict=True)
    result = resume(tmp_path, LAW, small_network(), again, dt=DT, **options)
    same(flow_of(result), flow_of(whole))
    for name, value in whole.to_numpy().items():
        np.testing.assert_array_equal(result.to_numpy()[name], value)
    assert result.losses == whole.losses


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"`checkpoint` must be the folder of an earlier run"
    ):
        resume(tmp_path, LAW, small_network(), wave(10), dt=DT)
    quietly(LAW, small_network(), wave(10), checkpoint=tmp_path)
    other = RateNetwork(Digraph.complete(4, self_loops=True), inputs=1, key=KEY)
    with pytest.raises(ValueError, match=r"`checkpoint` must be one of the same law"):
        resume(tmp_path, LAW, other, wave(10), dt=DT)


# Clocks.


def test_a_million_single_precision_samples_keep_time():
    network = Dynamics(lambda x, u: u - x, initial_state=jnp.zeros(1, jnp.float32))
    law = HamiltonianLearning(Cost(), dissipation=0.0)
    count, every = 1_000_000, 10_000
    u = np.broadcast_to(np.float32(1.0), (count, 1))
    result = stream(law, network, (u, u), dt=1e-3, record_every=every, progress=False)
    assert result.output.dtype == np.float32
    wanted = np.arange(0, count, every) * 1e-3
    np.testing.assert_allclose(result.times, wanted, rtol=1e-15)
    assert len(result.output) == count // every
    assert result.samples == count
    # The dynamics has not stopped moving in time either: x = 1 - e^{-t}.
    short = result.times < 20
    exact = 1 - (1 - 1e-3) ** (result.times[short] * 1e3)
    np.testing.assert_allclose(result.output[short, 0], exact, atol=3e-4)


# Bad samples.


def with_nan():
    u, y = wave(300)
    u[137, 0] = np.nan
    return u, y


def bad_shape_midway():
    u, y = wave(20)
    for k in range(20):
        yield (u[k], y[k]) if k != 13 else (np.ones(2), y[k])


BAD = {
    "`samples.input` must be finite, but is nan at (137, 0).": with_nan,
    "`samples` must be at least one sample, but is empty.": lambda: iter(()),
    "`samples` must be a Sample, (inputs, targets) or iterable, but is 3.": lambda: 3,
    "`samples` must be arrays of one length, but is of lengths [4, 5].": (
        lambda: (np.ones((4, 1)), np.ones((5, 1)))
    ),
    "`samples.input` must be an array of shape (time, ..., channels), which "
    "`x[:, None]` makes of one channel, but is of shape (4,).": lambda: (
        np.ones(4),
        np.ones((4, 1)),
    ),
    "`samples.target` must be of the output's shape (1,) at each step, "
    "but is of shape (2,).": lambda: (np.ones((4, 1)), np.ones((4, 2))),
    "`samples` must be of one shape, input (1,) and target (1,), but is "
    "input (2,) and target (1,) at item 13.": bad_shape_midway,
}


@pytest.fixture
def untyped():
    """As for a user: without the type checks that tests switch on."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("message", BAD)
@pytest.mark.parametrize("chunk", [8, 50])
def test_bad_samples(message, chunk):
    with pytest.raises(ValueError) as caught:
        quietly(LAW, small_network(), BAD[message](), chunk=chunk)
    assert str(caught.value) == message


def test_wrong_input_size_is_named():
    with pytest.raises(
        ValueError, match=r"`samples.input` must be of shape \(1,\) at each"
    ):
        quietly(LAW, small_network(), (np.ones((4, 3)), np.ones((4, 1))))


OPTIONS = {
    "`dt` must be positive, but is 0.0.": {"dt": 0},
    "`dt` must be positive, but is -0.1.": {"dt": -0.1},
    "`record_every` must be an integer of at least 1, but is 0.": {"record_every": 0},
    "`chunk` must be an integer of at least 1, but is -5.": {"chunk": -5},
    "`every` must be an integer of at least 1, but is 0.": {"every": 0},
    "`every_seconds` must be positive, but is 0.0.": {"every_seconds": 0},
}


@pytest.mark.parametrize("message", OPTIONS)
def test_bad_options(message):
    with pytest.raises(ValueError) as caught:
        quietly(LAW, small_network(), wave(5), **OPTIONS[message])
    assert str(caught.value) == message


def test_bad_solves():
    network, good = small_network(), signal()
    with pytest.raises(ValueError, match=r"`t1` must be later than `t0` = 1.0, but"):
        solve(LAW, network, good, t0=1.0, t1=1.0)
    jumping = HamiltonianLearning(COST, HysteresisSign(), **MOTION)
    with pytest.raises(ValueError, match=r"`law` must be a law with rates"):
        solve(jumping, network, good, t0=0.0, t1=1.0)
    held = Signal(Held(np.ones(3), dt=0.1), Held(np.ones(3), dt=0.1))
    fixed = dfx.ConstantStepSize()
    with pytest.raises(ValueError, match=r"`controller` must be adaptive for held"):
        solve(LAW, network, held, t0=0.0, t1=0.3, dt0=0.1, controller=fixed)


# Results.


def test_losses_are_those_of_numpy():
    u, y = wave(210)
    result = quietly(LAW, small_network(), (u, y), chunk=64, record_every=10)
    every = quietly(LAW, small_network(), (u, y), chunk=64)
    half = lambda error: np.mean(np.sum(error**2, axis=1)) / 2
    wanted = {
        "loss": half(every.output - y),
        "zero": half(y),
        "constant": half(y - y.mean(axis=0)),
        "last": half(np.diff(y, axis=0, prepend=y[:1])),
    }
    assert set(result.losses) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(result.losses[name], value, rtol=1e-12)
    card = repr(result)
    for part in ("Hamiltonian learning", "SignFlip", "Digraph(3 nodes, 9 edges",
                 "210 of dt = 0.01 (2.1 units of time)",
                 f"zero {wanted['zero']:.4g}", f"constant {wanted['constant']:.4g}",
                 f"last {wanted['last']:.4g}"):  # fmt: skip
        assert part in card
    tenth = every.loss[:21].mean(), every.loss[-21:].mean()
    assert f"first tenth {tenth[0]:.4g}, last {tenth[1]:.4g}" in repr(every)
    leaves = jax.tree.leaves(flow_of(result))
    assert result.state_bytes == sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def test_weighted_losses():
    u, y = wave(90)
    weight = (np.arange(90) % 3 == 0).astype(float)
    result = quietly(LAW, small_network(), Sample(u, y, weight), chunk=32)
    error = np.sum((result.output - y) ** 2, axis=1) / 2
    np.testing.assert_allclose(result.loss, weight * error, rtol=1e-12, atol=1e-15)
    wanted = np.average(error, weights=weight)
    np.testing.assert_allclose(result.losses["loss"], wanted, rtol=1e-12)
    zero = np.average(np.sum(y**2, axis=1) / 2, weights=weight)
    np.testing.assert_allclose(result.losses["zero"], zero, rtol=1e-12)
    mean = np.average(y, axis=0, weights=weight)
    wanted = np.average(np.sum((y - mean) ** 2, axis=1) / 2, weights=weight)
    np.testing.assert_allclose(result.losses["constant"], wanted, rtol=1e-12)


def test_cross_entropy_baselines():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=200, p=[0.6, 0.3, 0.1])
    y = np.eye(3)[labels]
    u = rng.normal(size=(200, 1))
    law = HamiltonianLearning(Cost(loss=cross_entropy), dissipation=5.0)
    result = quietly(law, small_network(outputs=3), (u, y))
    log = lambda o: o - np.log(np.sum(np.exp(o), axis=1, keepdims=True))
    wanted = -np.mean(np.sum(y * log(result.output), axis=1))
    np.testing.assert_allclose(result.losses["loss"], wanted, rtol=1e-12)
    np.testing.assert_allclose(result.losses["uniform"], np.log(3), rtol=1e-12)
    shares = y.mean(axis=0)
    wanted = -np.sum(shares * np.log(shares))
    np.testing.assert_allclose(result.losses["constant"], wanted, rtol=1e-12)


def test_export(tmp_path):
    result = quietly(LAW, small_network(), wave(30))
    exported = result.to_numpy()
    assert set(exported) == {
        "time", "output", "loss", "lagrangian", "hamiltonian", "target"
    }  # fmt: skip
    np.testing.assert_array_equal(exported["time"], result.times)
    path = result.save(tmp_path / "run.npz")
    with np.load(path) as data:
        assert set(data.files) == set(exported)
        for name, value in exported.items():
            np.testing.assert_array_equal(data[name], value)
    np.testing.assert_array_equal(result.network.weight, result.state.w["weight"])
    html = result._repr_html_()
    assert html.startswith("<pre>")
    assert "SignFlip" in html
