"""What `solve` hands on to diffrax: saving, events, step control, errors."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl

COST = hl.Cost(loss_weight=50.0, weight_decay=0.1)
LAW = hl.HamiltonianLearning(COST, inertia=0.1, dissipation=10.0)
SIGNAL = hl.Signal(target=lambda t: 0.5 * jnp.sin(2 * t))


def network(getkey):
    graph = hl.Digraph.complete(3, self_loops=True)
    return hl.RateNetwork(graph, outputs=1, time_constant=0.2, key=getkey())


def test_an_event_ends_the_solve_where_its_condition_changes_sign(getkey):
    law, net = LAW, network(getkey)
    level = 0.2
    crossing = dfx.Event(lambda t, y, args, **_: y.x[-1] - level, root_finder=_newton())
    x0 = jnp.array([0.1, 0.0, 0.0])
    result = hl.solve(
        law, net, SIGNAL, t0=0.0, t1=20.0, event=crossing, x0=x0,
        saveat=dfx.SaveAt(t1=True),
    )  # fmt: skip
    assert 0 < result.times[-1] < 20
    assert result.output[-1, 0] == pytest.approx(level, abs=1e-5)
    assert float(result.state.x[-1]) == pytest.approx(level, abs=1e-5)
    # The same run without the event passes through that level at that time.
    times = np.array([result.times[-1]])
    free = hl.solve(
        law, net, SIGNAL, t0=0.0, t1=20.0, x0=x0, saveat=dfx.SaveAt(ts=times)
    )
    assert free.output[-1, 0] == pytest.approx(level, abs=1e-4)


def _newton():
    import optimistix as optx

    return optx.Newton(rtol=1e-8, atol=1e-8, norm=optx.rms_norm)


def test_saved_times_and_tolerances_are_those_asked_for(getkey):
    law, net = LAW, network(getkey)
    x0, ts = jnp.array([0.1, 0.0, 0.0]), np.linspace(0.5, 3.0, 6)
    outputs = [
        hl.solve(
            law, net, SIGNAL, t0=0.0, t1=3.0, x0=x0, saveat=dfx.SaveAt(ts=ts),
            controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
            solver=dfx.Dopri8(),
        )
        for tolerance in (1e-4, 1e-11)
    ]  # fmt: skip
    assert np.array_equal(outputs[0].times, ts)
    assert outputs[0].samples < outputs[1].samples
    difference = np.abs(outputs[0].output - outputs[1].output).max()
    assert 1e-9 < difference < 1e-2


BAD = {
    "`t1` must be later than `t0` = 1.0, but is 0.5": {"t0": 1.0, "t1": 0.5},
    "`max_steps` must be an integer of at least 1, but is 0": {"max_steps": 0},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments_are_named(getkey, message):
    options = {"t0": 0.0, "t1": 1.0} | BAD[message]
    with pytest.raises(ValueError, match=message):
        hl.solve(LAW, network(getkey), SIGNAL, **options)


def test_too_few_steps_warn_and_keep_what_was_saved(getkey):
    law, net = LAW, network(getkey)
    with pytest.warns(hl.DivergenceWarning):
        result = hl.solve(law, net, SIGNAL, t0=0.0, t1=20.0, max_steps=20)
    assert 0 < len(result.times) < 1001
    assert np.isfinite(result.output).all()
    assert result.times[-1] < 20
    assert result.diverged is None
    assert "gave up after 20 steps" in result.failure()


def test_every_step_can_be_saved(getkey):
    law, net = LAW, network(getkey)
    steps = dfx.SaveAt(steps=True, t0=True)
    result = hl.solve(
        law, net, SIGNAL, t0=0.0, t1=2.0, max_steps=512, saveat=steps, x0=jnp.zeros(3)
    )
    accepted = result.stats["num_accepted_steps"]
    assert result.diverged is None
    assert len(result.times) == accepted + 1 < 512
    assert result.times[-1] == 2.0
    np.testing.assert_array_equal(result.output[-1, 0], result.state.x[-1])


REFUSED = {
    "of `t0`, `t1`, `ts` or `steps`, at which .* one with dense": {"dense": True},
    "at which all is saved, but is one with fn": {
        "t1": True,
        "fn": lambda t, y, _: y.x,
    },
    "at which all is saved, but is one with several `subs`": {
        "subs": [dfx.SubSaveAt(t0=True), dfx.SubSaveAt(t1=True)]
    },
    "but is one with solver_state": {"t1": True, "solver_state": True},
    "but is of none of them": {},
    r"`ts` in order between `t0` = 0.0 and `t1` = 1.0, but is of \[0.5 0.1\]": {
        "ts": np.array([0.5, 0.1])
    },
    r"but is of \[0.5 1.5\]": {"ts": np.array([0.5, 1.5])},
    r"but is of \[0.5 nan\]": {"ts": np.array([0.5, np.nan])},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_a_result_cannot_hold_is_not_saved(getkey, message):
    saveat = dfx.SaveAt(**REFUSED[message])
    with pytest.raises(ValueError, match=f"`saveat` must be .*{message}"):
        hl.solve(LAW, network(getkey), SIGNAL, t0=0.0, t1=1.0, saveat=saveat)


def test_times_are_told_apart_or_refused(getkey):
    """At 1.7e9 a float32 steps by two minutes; a float64 by a quarter of a us."""
    net, ts = network(getkey), np.linspace(0, 1, 5)
    single = jax.tree.map(
        lambda a: a.astype("float32") if eqx.is_inexact_array(a) else a, net
    )
    unix = {"t0": 1.7e9, "t1": 1.7e9 + 1.0}
    with pytest.raises(ValueError, match=r"`t0` must be nearer to zero in float32"):
        hl.solve(LAW, single, SIGNAL, **unix)
    late = hl.Signal(target=lambda t: 0.5 * jnp.sin(2 * (t - 1.7e9)))
    saveat = dfx.SaveAt(ts=1.7e9 + ts)
    result = hl.solve(LAW, net, late, **unix, saveat=saveat)
    wanted = hl.solve(LAW, net, SIGNAL, t0=0.0, t1=1.0, saveat=dfx.SaveAt(ts=ts))
    np.testing.assert_allclose(result.output, wanted.output, atol=1e-5)
    for end in (np.inf, np.nan):
        with pytest.raises(ValueError, match=r"`t[01]` must be"):
            hl.solve(LAW, net, SIGNAL, t0=0.0, t1=end)


@pytest.mark.parametrize("when", [0.0, 1e-3, 0.5, 1.0])
def test_an_event_may_come_at_any_time(getkey, when):
    """Before the first saved time, between two, at the end: as a solve that ends there.

    Without a root finder an event ends the solve after the step in which it came.
    """
    net, ts = network(getkey), np.linspace(0.25, 1.0, 4)
    event = dfx.Event(lambda t, y, args, **_: t >= when)
    controller = dfx.StepTo(np.linspace(0.0, 1.0, 1001))
    options = {"t0": 0.0, "controller": controller}
    result = hl.solve(
        LAW, net, SIGNAL, t1=1.0, event=event, saveat=dfx.SaveAt(ts=ts), **options
    )
    assert result.diverged is None
    assert result.samples == round(1000 * when)
    np.testing.assert_array_equal(result.times, ts[ts <= when])
    if when == 0:
        started = LAW.init(net)
        assert eqx.tree_equal(result.state.x, started.x)
        assert repr(result)
        return
    options["controller"] = dfx.StepTo(np.linspace(0.0, when, result.samples + 1))
    short = (
        hl.solve(
            LAW, net, SIGNAL, t1=when, saveat=dfx.SaveAt(ts=ts[ts <= when]), **options
        )
        if any(ts <= when)
        else None
    )
    last = hl.solve(LAW, net, SIGNAL, t1=when, saveat=dfx.SaveAt(t1=True), **options)
    for ends, found in zip(
        jax.tree.leaves((last.state.x, last.state.w, last.state.credit)),
        jax.tree.leaves((result.state.x, result.state.w, result.state.credit)),
        strict=True,
    ):
        np.testing.assert_allclose(found, ends, rtol=1e-10, atol=1e-13)
    if short is not None:
        np.testing.assert_allclose(result.output, short.output, rtol=1e-10)


def test_an_implicit_solver_brings_its_tolerances(getkey):
    with pytest.raises(
        ValueError, match=r"`solver` must be one with tolerances of its"
    ):
        hl.HamiltonianLearning(COST, dissipation=1.0, solver=dfx.ImplicitEuler())
    solver = dfx.ImplicitEuler(root_finder=_newton())
    law = hl.HamiltonianLearning(COST, dissipation=1.0, solver=solver)
    samples = np.zeros((3, 0)), np.zeros((3, 1))
    assert hl.stream(law, network(getkey), samples, dt=0.1, progress=False).samples == 3


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("t0", np.nan, "finite"),
        ("t1", np.inf, "finite"),
        ("dt0", 0.0, "positive"),
        ("dt0", -0.1, "positive"),
        ("solver", dfx.ItoMilstein(), "of ordinary differential equations"),
        ("solver", dfx.SemiImplicitEuler(), "of ordinary differential equations"),
        ("solver", dfx.KenCarp4(), "of ordinary differential equations"),
    ],
)
def test_what_diffrax_would_refuse_is_refused_by_name(getkey, name, value, says):
    options = {"t0": 0.0, "t1": 1.0} | {name: value}
    with pytest.raises(ValueError, match=rf"`{name}` must be .*{says}"):
        hl.solve(LAW, network(getkey), SIGNAL, **options)


def test_constant_steps_ask_for_their_size_and_a_solver_for_its_tolerances(getkey):
    options = {"t0": 0.0, "t1": 1.0, "controller": dfx.ConstantStepSize()}
    with pytest.raises(ValueError, match="`dt0` must be given for a constant"):
        hl.solve(LAW, network(getkey), SIGNAL, **options)
    options |= {"dt0": 0.1, "solver": dfx.ImplicitEuler()}
    with pytest.raises(ValueError, match="`solver` must be one with tolerances"):
        hl.solve(LAW, network(getkey), SIGNAL, **options)
