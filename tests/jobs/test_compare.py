"""Laws side by side: nothing is known too early, and the figures are what they say."""

import json

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn import tasks
from hamlearn.jobs import Contender, contenders
from hamlearn.jobs.compare import law_key
from hamlearn.jobs.contenders import recurrent
from hamlearn.jobs.lanes import fitting
from hamlearn.jobs.measures import price

KNOWN = contenders()


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def series():
    """Changes that follow the last one by 0.8, with noise of 0.6."""
    rng, d = np.random.default_rng(0), np.zeros(402)
    for k in range(1, d.size):
        d[k] = 0.8 * d[k - 1] + 0.6 * rng.normal()
    return np.cumsum(d)


@pytest.fixture(scope="module")
def found(series):
    """Laws of every kind of network, run once for several tests."""
    with jax.numpy_dtype_promotion("standard"):
        return compared(series, "snap1", "flip", "le", "rflo", "rtrl", "frozen")


def compared(series, *names, **options):
    task = tasks.Forecast(series)
    laws = {name: KNOWN[name] for name in names}
    options = {"neurons": 4, "seeds": 2, "rates": (0.01, 0.03)} | options
    return hl.compare(task, laws, progress=False, **options)


def fitted(task, contender):
    """The second half of a task, as the contender's network gets it."""
    return tasks.shaped(
        tasks.halves(task)[1],
        immediate=contender.immediate,
        steps=contender.steps,
        strictly_causal=task.strictly_causal,
    )


def test_targets_are_the_next_change_and_inputs_the_last_value_and_change(series):
    task = tasks.Forecast(series)
    known = series[: len(series) // 2]
    scale = np.diff(known).std()
    made, half = tasks.halves(task)[1], task.length // 2
    for k in (0, 7, half - 1):
        at = half + k  # forecast number, over both halves
        now, before, after = series[at + 1], series[at], series[at + 2]
        value = (now - known.mean()) / known.std()
        assert made.input[k] == pytest.approx([value, (now - before) / scale])
        assert made.target[k] == pytest.approx([(after - now) / scale])


@pytest.mark.parametrize(("immediate", "steps"), [(True, 1), (False, 1), (True, 4)])
def test_no_sample_knows_its_target(series, immediate, steps):
    """What a network has heard at a forecast does not move with any later value."""
    shape = {"immediate": immediate, "steps": steps}
    moved, k = series.copy(), 40
    at = (len(series) - 2) // 2 + k
    moved[at + 2 :] += 5.0  # the target of forecast k and all that follows
    before, after = (
        tasks.shaped(tasks.halves(tasks.Forecast(s))[1], **shape)
        for s in (series, moved)
    )
    asked = (k + 1) * steps - 1
    heard = asked + 1 if immediate else asked  # an input acts a step later, or at once
    np.testing.assert_array_equal(before.input[:heard], after.input[:heard])
    taught = slice(steps - 1, asked, steps)  # the only steps whose target counts
    np.testing.assert_array_equal(before.target[taught], after.target[taught])
    assert np.abs(before.target[asked] - after.target[asked]) > 0.1
    if steps > 1:
        for rate in (before.input_rate, before.input_acceleration):
            assert np.abs(rate[steps - 1 :: steps]).max() == 0
        assert before.weight.reshape(-1, steps).sum(0).tolist() == [0, 0, 0, 200]


def named(found, name):
    return next(entry for entry in found.entries if entry.law == name)


@pytest.mark.parametrize("name", ["snap1", "flip", "le"])
def test_forecasts_are_made_before_the_sample_is_seen(series, found, name):
    """Losses up to a value do not depend on it: the whole chain is causal."""
    moved, k = series.copy(), 100
    moved[len(series) // 2 + 1 + k :] += 3.0
    other = compared(moved, name).entries[0].curve
    one, size = named(found, name).curve, found.scored_on // 50
    np.testing.assert_array_equal(one[:, : k // size], other[:, : k // size])
    assert np.all(one[:, k // size] != other[:, k // size])


@pytest.mark.parametrize("name", ["snap1", "flip", "le", "rflo"])
def test_losses_are_those_of_a_stream(found, name):
    """The same law run by `stream`, with the step size that was chosen."""
    contender, entry = KNOWN[name], named(found, name)
    assert entry.step_size == min(entry.tuning, key=lambda rate: entry.tuning[rate])
    samples = fitted(found.task, contender)
    for seed, loss in enumerate(entry.losses):
        result = hl.stream(
            contender.law(hl.Cost(), entry.step_size),
            contender.network(jax.random.key(seed), 4, 2, 1),
            samples,
            dt=1 / contender.steps,
            key=law_key(seed),
            progress=False,
        )
        asked = result.loss[contender.steps - 1 :: contender.steps]
        assert loss == pytest.approx(asked.mean(), rel=1e-9)


def test_laws_that_draw_draw_anew_for_every_seed():
    drawn = [np.asarray(jax.random.key_data(law_key(seed))) for seed in range(3)]
    assert len({key.tobytes() for key in drawn}) == 3
    network = recurrent(jax.random.key(0), 4, 2, 1)
    first, second = (
        KNOWN["rflo"].law(hl.Cost(), 0.1).init(network, key=law_key(seed)).rest.fixed
        for seed in range(2)
    )
    assert not np.array_equal(first, second)


def test_rflo_hears_by_random_weights_and_eprop_by_those_of_the_readout():
    network = recurrent(jax.random.key(0), 4, 2, 1)
    fixed = {
        name: KNOWN[name].law(hl.Cost(), 0.1).init(network, key=law_key(0)).rest.fixed
        for name in ("rflo", "eprop")
    }
    assert fixed["rflo"].shape == (4, 1)
    assert fixed["eprop"] is None


def test_floors_are_those_of_the_process(series):
    """Half the variance of a change, and half that of its noise, in its own scale."""
    floors = tasks.Forecast(series).floors()
    changes = np.diff(series)
    scale = changes[: len(series) // 2 - 1].std()
    length = len(changes) // 2
    assert floors["last"] == pytest.approx(
        np.mean(changes[length + 1 : 2 * length + 1] ** 2) / 2 / scale**2, rel=0.02
    )
    assert floors["linear"] == pytest.approx(0.6**2 / 2 / scale**2, rel=0.15)


def test_exact_laws_agree_with_the_gradient_and_the_control_in_its_readout(found):
    cosine = {entry.law: entry.cosine for entry in found.entries}
    within = {entry.law: entry.cosine_recurrent for entry in found.entries}
    assert cosine["rtrl"] == pytest.approx(1, abs=1e-9)
    assert within["rtrl"] == pytest.approx(1, abs=1e-9)
    assert 0 < within["snap1"] < 1 - 1e-6
    assert 0 < cosine["frozen"] < 1
    assert np.isnan(within["frozen"])


def test_runs_that_diverge_are_counted_and_have_no_loss(series):
    found = compared(series, "eprop", "stlp", "frozen", rates=(1e3,))
    for entry, row in zip(found.entries, found.rows(), strict=True):
        assert entry.diverged == 2
        assert row["diverged"] is True
        assert row["loss"] is None
        assert row["us_per_sample"] > 0
    assert "2 of 2" in repr(found)
    assert len(found.plot().axes) == 2


def test_one_that_diverges_leaves_the_others_as_they_are(series):
    """Lanes of one program do not touch each other."""
    alone, beside = (
        compared(series, "snap1", rates=rates, seeds=1).entries[0]
        for rates in [(0.01,), (0.01, 1e3)]
    )
    assert beside.tuning[1e3] == np.inf
    assert beside.tuning[0.01] == pytest.approx(alone.tuning[0.01], rel=1e-12)
    assert beside.losses == pytest.approx(alone.losses, rel=1e-12)


@pytest.fixture(scope="module")
def classes():
    """Labels that say whether the last two inputs had the same sign."""
    u = np.random.default_rng(2).normal(size=(1200, 1))
    same = u * np.concatenate([u[:1], u[:-1]]) > 0
    return tasks.Paired("same", u, same[:, 0].astype(int))


def test_labels_are_learned_by_cross_entropy_and_scored_by_accuracy(classes):
    laws = {name: KNOWN[name] for name in ("rtrl", "frozen", "le", "stlp")}
    options = {"neurons": 8, "seeds": 2, "rates": (0.1, 0.3), "progress": False}
    found = hl.compare(classes, laws, **options)
    for entry, row in zip(found.entries, found.rows(), strict=True):
        assert len(entry.scores) == 2
        assert 0.4 < row["accuracy"] < 1
        assert row["loss"] < 1.2 * np.log(2)
    assert found.trivial == pytest.approx(np.log(2), abs=0.01)
    assert named(found, "rtrl").cosine == pytest.approx(1, abs=1e-9)
    assert "accuracy" in repr(found)
    result = hl.stream(
        KNOWN["rtrl"].law(hl.Cost(loss=classes.loss), found.entries[0].step_size),
        recurrent(jax.random.key(1), 8, 1, 2),
        fitted(classes, KNOWN["rtrl"]),
        dt=1.0,
        progress=False,
    )
    score = classes.score(result.output, tasks.halves(classes)[1])
    assert score["accuracy"] == pytest.approx(found.entries[0].scores[1], rel=1e-12)
    assert score["loss"] == pytest.approx(found.entries[0].losses[1], rel=1e-9)


def test_what_is_not_asked_does_not_count():
    """Losses of a task with silent samples are means over its answers."""
    task = tasks.Copy(2, 1, 1)
    cut = _Short(task, 400)
    found = hl.compare(
        cut, {"frozen": KNOWN["frozen"]}, neurons=4, seeds=1, rates=(1e-6,),
        progress=False,
    )  # fmt: skip
    samples = tasks.halves(cut)[1]
    assert 0.2 < np.mean(samples.weight) < 0.5
    # A network that has not learned: around ln 2 per answer, whatever their number.
    assert 0.5 < found.entries[0].loss < 1.5
    assert found.entries[0].curve.mean() == pytest.approx(found.entries[0].loss)


class _Short(tasks.AbstractTask):
    """A task with fewer samples."""

    task: tasks.AbstractTask
    most: int

    @property
    def facts(self):
        of = self.task
        return tasks.Facts(
            of.name, of.inputs, of.outputs, self.most, of.loss, of.metric
        )

    def samples(self, key=None, steps=None, *, test=False):
        steps = self.most if steps is None else steps
        return self.task.samples(key, steps, test=test)

    def floors(self):
        return self.task.floors()


def test_a_law_of_your_own_is_a_row(series):
    """Any law with a step size: here RTRL with Adam, which nobody ships."""
    make = lambda cost, rate: hl.RTRL(
        cost, hl.updates.Optax(optax.adam, learning_rate=rate)
    )
    found = hl.compare(
        tasks.Forecast(series), {"adam": Contender(make, recurrent)}, neurons=4,
        seeds=1, rates=(0.01,), progress=False,
    )  # fmt: skip
    (entry,) = found.entries
    assert entry.loss < 1.2 * found.trivial
    assert entry.cosine == pytest.approx(1, abs=1e-9)


def reservoir(key, neurons, inputs, outputs):
    """A recurrence that stays as drawn, with slowness drawn too, and a readout."""
    a, b = jax.random.split(key)
    return hl.RateNetwork(
        hl.Digraph.complete(neurons, self_loops=True), inputs=inputs, outputs=neurons, key=a,
        time_constant=jax.random.uniform(b, (neurons,), minval=1.0, maxval=4.0),
        readout=eqx.nn.Linear(neurons, outputs, key=b), learn=("readout_map",),
    )  # fmt: skip


def test_every_seed_has_the_numbers_that_were_drawn_for_it(series):
    """Of a network also those that do not learn."""
    task, contender = tasks.Forecast(series), Contender(KNOWN["frozen"].law, reservoir)
    found = hl.compare(
        task, {"reservoir": contender}, neurons=4, seeds=3, rates=(0.03,),
        progress=False,
    )  # fmt: skip
    (entry,) = found.entries
    for seed, loss in enumerate(entry.losses):
        network = reservoir(jax.random.key(seed), 4, 2, 1)
        law, samples = contender.law(hl.Cost(), 0.03), fitted(task, contender)
        result = hl.stream(law, network, samples, dt=1.0, progress=False)
        assert loss == pytest.approx(result.loss.mean(), rel=1e-9)
    assert entry.weights == 5
    assert np.isnan(entry.cosine_recurrent)


def test_step_sizes_at_an_end_of_those_tried_are_named(series):
    found = compared(series, "frozen", rates=(1e-5, 1e-4))
    assert found.entries[0].at_edge
    assert "at an end of those tried: frozen" in " ".join(repr(found).split())
    assert not compared(series, "frozen", rates=(0.03,)).entries[0].at_edge


def test_memory_is_that_of_a_sample_however_long_the_stream(series):
    """Also where some steps are not asked, as of laws that are differential equations."""
    contender, task = KNOWN["flip"], tasks.Forecast(series)
    network = contender.network(jax.random.key(0), 4, 2, 1)
    law, whole = contender.law(hl.Cost(), 0.03), fitted(task, contender)
    assert whole.weight is not None
    parts = [jax.tree.map(lambda leaf, n=n: leaf[:n], whole) for n in (200, 800)]
    found = [
        price(law, network, part, steps=4, key=law_key(0), repeats=1).memory_bytes
        for part in parts
    ]
    assert found[0] == pytest.approx(found[1], abs=64)
    assert found[1] > 8 * (4 * 4 + 4)  # two numbers per weight, at least


def test_the_table_is_ranked_and_says_what_costs_nothing(found):
    text = repr(found)
    laws = [
        line.split()[0] for line in text.splitlines() if " kB " in line or " B " in line
    ]
    assert laws == [entry.law for entry in found.ranked()]
    assert max(map(len, text.splitlines())) <= 100
    assert f"the last value {found.floors['last']:.3g}" in text
    assert "rule" not in text


def test_bad_arguments_are_named(series):
    with pytest.raises(ValueError, match="`rates` must be positive"):
        compared(series, "rflo", rates=(0.0,))
    with pytest.raises(ValueError, match="`laws` must be at least one law"):
        compared(series)
    with pytest.raises(ValueError, match="`values` must be changing"):
        tasks.Forecast(np.zeros(200))


def test_rows_are_json_with_nothing_that_is_not_finite(found):
    rows = [json.loads(line) for line in found.to_json().splitlines()]
    keys = ["law", "loss", "loss_held", "loss_trivial", "cosine", "us_per_sample"]
    keys += ["memory_bytes"]
    assert [list(row) for row in rows] == [[*keys, "diverged"]] * len(rows)
    assert [row["law"] for row in rows] == [entry.law for entry in found.entries]


@pytest.mark.parametrize("name", ["snap1", "flip", "le"])
def test_held_losses_are_those_of_the_learned_network_on_fresh_samples(found, name):
    """By `stream(learn=False)` over the stream that step sizes were chosen on."""
    contender, entry = KNOWN[name], named(found, name)
    samples = fitting(contender, found.task, tasks.halves(found.task)[0])
    result = hl.stream(
        contender.law(hl.Cost(), entry.step_size),
        entry.best,
        samples,
        dt=1 / contender.steps,
        key=law_key(0),
        learn=False,
        progress=False,
    )
    asked = result.loss[contender.steps - 1 :: contender.steps]
    assert entry.held[0] == pytest.approx(asked.mean(), rel=1e-9)
    assert entry.answers.shape == (found.scored_on, 1)


def test_what_is_found_is_said_in_words(found):
    words = " ".join(repr(found).split())
    frozen = named(found, "frozen").loss
    laws = [entry for entry in found.entries if not entry.control]
    better = sum(entry.loss < frozen for entry in laws)
    if 0 < better < len(laws):
        assert f"{better} of {len(laws)} laws beat a frozen recurrence" in words
    best = min(laws, key=lambda entry: entry.loss)
    linear = found.floors["linear"]
    said = "no law beat four linear taps on this stream"
    assert (said in words) == (best.loss > linear)


def test_interrupted_it_gives_what_it_has(series):
    def stop(cost, rate):
        raise KeyboardInterrupt

    laws = {"frozen": KNOWN["frozen"], "stop": Contender(stop, recurrent)}
    options = {"neurons": 4, "seeds": 1, "rates": (0.03,), "progress": False}
    found = hl.compare(tasks.Forecast(series), laws, **options)
    assert [entry.law for entry in found.entries] == ["frozen"]
    assert found.missing == ("stop",)
    assert "interrupted before: stop" in repr(found)
    with pytest.raises(KeyboardInterrupt):
        hl.compare(tasks.Forecast(series), {"stop": laws["stop"]}, **options)


def test_needs_are_checked_before_any_work():
    def never(cost, rate):
        raise AssertionError

    laws = {"never": Contender(never, recurrent)}
    x = np.cumsum(np.random.default_rng(0).normal(size=400))
    with pytest.raises(ValueError, match=r"at least 128 samples .* series, with 49"):
        hl.compare(tasks.Forecast(x[:100]), laws)
    still = np.where(np.arange(400) < 200, x, x[200])
    with pytest.raises(ValueError, match="the last value is right all through"):
        hl.compare(tasks.Forecast(still), laws)


def test_the_control_of_one_step_has_the_gradient_of_one_step():
    """Credit of `immediate` is that of the last step alone, by differences."""
    network = recurrent(jax.random.key(0), 4, 2, 1)
    law = KNOWN["immediate"].law(hl.Cost(), 0.1)
    rng = np.random.default_rng(0)
    u, y = rng.normal(size=(6, 2)), rng.normal(size=(6, 1))
    state, estimate = law.init(network), eqx.filter_jit(law.estimate)
    for k in range(5):
        sample = hl.Sample(jax.numpy.asarray(u[k]), jax.numpy.asarray(y[k]))
        before = state
        _, state, _ = estimate(state, sample, jax.numpy.asarray(1.0))
    last = hl.Sample(jax.numpy.asarray(u[5]), jax.numpy.asarray(y[5]))
    g, _, _ = estimate(state, last, jax.numpy.asarray(1.0))

    def loss(weight):
        net = eqx.tree_at(lambda n: n.weight, network, weight)
        x = net.transition(before.x, jax.numpy.asarray(u[4]), 1.0)
        return hl.Cost().loss(net.readout(x, last.input), last.target)

    np.testing.assert_allclose(g["weight"], jax.grad(loss)(network.weight), rtol=1e-9)
