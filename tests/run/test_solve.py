"""What `solve` hands on to diffrax: saving, events, step control, errors."""

import diffrax as dfx
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
