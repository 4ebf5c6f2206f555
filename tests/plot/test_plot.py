"""Figures show the numbers they were given, on white, whatever style is in force."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

import hamlearn as hl
from hamlearn import analysis, plot
from hamlearn.run.tables import Table

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def lines(axis):
    return [np.asarray(line.get_ydata()) for line in axis.lines]


def small():
    graph = hl.Digraph.layered([1, 2, 1])
    net = hl.RateNetwork(graph, inputs=1, time_constant=0.2, key=jax.random.key(0))
    u = np.sin(0.1 * np.arange(40.0))[:, None]
    samples = hl.Sample(jnp.asarray(u), jnp.asarray(0.5 * u))
    law = hl.HamiltonianLearning(hl.Cost(loss_weight=5.0), dissipation=2.0)
    return law, net, samples


def test_trajectories_and_weights_draw_their_entries():
    times, x = np.arange(5.0), RNG.normal(size=(5, 3))
    figure = plot.trajectories(times, {"x": x, "p": 2 * x})
    for axis, value in zip(figure.axes, (x, 2 * x), strict=True):
        np.testing.assert_array_equal(lines(axis), value.T)
    figure = plot.weights(times, {"weight": x.reshape(5, 3, 1)})
    drawn = lines(figure.axes[0])
    np.testing.assert_array_equal(drawn[:3], x.T)
    np.testing.assert_allclose(drawn[3], np.sqrt(np.mean(x**2, axis=1)))
    many = plot.trajectories(times, {"x": RNG.normal(size=(5, 100))}, most=7)
    assert len(many.axes[0].lines) == 7
    with pytest.raises(ValueError, match="`values` must be with the 5 times"):
        plot.trajectories(times, {"x": x.T})


def test_energies_account_for_the_change_of_h():
    law, net, samples = small()
    energy = analysis.energy_balance(law, net, samples, dt=0.1)
    figure = plot.energies(energy, dt=0.1)
    H, L = lines(figure.axes[0])
    np.testing.assert_array_equal(H, energy.hamiltonian)
    np.testing.assert_array_equal(L, energy.lagrangian)
    change, exchanged, work, dissipated = lines(figure.axes[1])
    left = np.concatenate([[0.0], np.cumsum(energy.residual)])
    total = exchanged + work + dissipated + left
    np.testing.assert_allclose(change, total, atol=1e-12)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_xdata()[-1], 3.9)


def test_spectra_and_curves_draw_median_and_range():
    w, values = np.array([0.1, 1.0]), np.array([[0.9, 0.7, 0.8], [-0.5, 0.1, 0.0]])
    axis = plot.spectra(w, {"law": values}).axes[0]
    np.testing.assert_allclose(lines(axis)[0], [0.8, 0.0])
    low, high = _extent(axis.collections[0])
    assert (low, high) == (-0.5, 0.9)
    curves = np.array([[4.0, 2.0], [6.0, 1.0], [5.0, 3.0]])
    figure = plot.learning_curves(w, {"law": curves}, floors={"constant": 2.5})
    axis = figure.axes[0]
    np.testing.assert_allclose(lines(axis)[0], [5.0, 2.0])
    np.testing.assert_allclose(lines(axis)[1], [2.5, 2.5])
    assert _extent(axis.collections[0]) == (1.0, 6.0)
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["law", "constant"]


def _extent(band):
    y = np.concatenate([path.vertices[:, 1] for path in band.get_paths()])
    return float(y.min()), float(y.max())


def test_locality_says_in_words_what_the_colours_say():
    rows = ("A", True, 1.5), ("B", False, None)
    table = Table("T", ("law", "causal", "per_edge"), rows)
    drawn = plot.audit(table).axes[0].tables[0]
    text = lambda row, column: drawn[row, column].get_text().get_text()
    assert [text(0, k) for k in range(3)] == ["law", "causal", "per edge"]
    assert [text(1, k) for k in range(3)] == ["A", "yes", "1.5"]
    assert [text(2, k) for k in range(3)] == ["B", "no", "-"]
    assert drawn[1, 1].get_facecolor() != drawn[2, 1].get_facecolor()


def test_graph_draws_nodes_by_level_and_edges_from_sender_to_receiver():
    graph = hl.Digraph(3, [0, 0, 1], [1, 2, 2])
    figure = plot.graph(graph, activity=[1.0, -2.0, 0.5], weight=[0.1, 0.2, -0.3])
    edges, nodes = figure.axes[0].collections
    np.testing.assert_array_equal(nodes.get_array(), [1.0, -2.0, 0.5])
    assert nodes.get_clim() == (-2.0, 2.0)
    place = np.asarray(nodes.get_offsets())
    assert place[0, 0] < place[1, 0] < place[2, 0]
    pieces = np.asarray(edges.get_segments()).reshape(-1, 3, 2, 2)
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    np.testing.assert_allclose(pieces[0, :, 0], place[senders])
    np.testing.assert_allclose(pieces[-1, :, 1], place[receivers])
    assert edges.get_linewidths()[0] > edges.get_linewidths()[-1]
    np.testing.assert_array_equal(edges.get_array()[:3], [0.1, 0.2, -0.3])
    with pytest.raises(ValueError, match="`activity`"):
        plot.graph(graph, activity=[1.0, 2.0])


def test_graph_with_cycles_is_a_circle():
    place = np.asarray(
        plot.graph(hl.Digraph.complete(6, self_loops=True))
        .axes[0].collections[1].get_offsets()
    )  # fmt: skip
    np.testing.assert_allclose(np.linalg.norm(place, axis=1), 1.0)
    assert np.unique(place.round(6), axis=0).shape == (6, 2)


def test_waves_show_every_frame(tmp_path):
    graph = hl.Digraph.layered([1, 2, 1])
    times, x, p = np.arange(9.0), RNG.normal(size=(9, 4)), RNG.normal(size=(9, 4))
    animation = plot.waves(graph, times, x, p, frames=3)
    for frame, k in enumerate((0, 4, 8)):
        activity, costate, stamp = animation._func(frame)
        np.testing.assert_array_equal(activity.get_array(), x[k])
        np.testing.assert_array_equal(costate.get_array(), p[k])
        assert stamp.get_text() == f"t = {k:.2f} time units"
    animation.save(tmp_path / "waves.gif", writer="pillow", dpi=40)
    with Image.open(tmp_path / "waves.gif") as movie:
        assert movie.n_frames == 3
        first = np.asarray(movie.convert("RGB"))
        movie.seek(2)
        assert np.any(first != np.asarray(movie.convert("RGB")))
    with pytest.raises(ValueError, match="`activity`"):
        plot.waves(graph, times, x[:, :2], p)


def test_a_law_looks_alike_everywhere_and_no_two_do():
    names = ["BPTT", "RTRL", "GLE", "e-prop", "law", "SnAp-9", "SnAp-1"]
    found = plot.looks(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    for name in ("BPTT", "e-prop", "SnAp-1"):
        assert plot.looks(["other", name])[name] == found[name]
    short = plot.looks(["eprop", "Hamiltonian learning, SignFlip"])
    assert short["eprop"] == found["e-prop"]
    assert short["Hamiltonian learning, SignFlip"] == plot.looks(["flip"])["flip"]
    # Two variants of one law are told apart.
    two = ["Hamiltonian learning, SignFlip", "Hamiltonian learning, TimeReversal"]
    assert len(set(plot.looks(two).values())) == 2
    assert len(set(plot.looks(map(str, range(21))).values())) == 21
    assert plot.looks(["sign flip"])["sign flip"] == plot.looks(["flip"])["flip"]
    few = plot.looks(["gle", "law of mine", "instantaneous", "own"])
    assert len({look.colour for look in few.values()}) == 4


def test_laws_keep_their_colours_in_every_figure():
    colour = lambda line: to_rgba(line.get_color())
    x = np.array([0.1, 1.0])
    wanted = to_rgba(plot.looks(["RTRL"])["RTRL"].colour)
    few = plot.spectra(x, {"RTRL": x}).axes[0].lines[0]
    many = plot.learning_curves(x, {"UORO": x, "RTRL": x, "BPTT": x}).axes[0].lines[1]
    assert colour(few) == colour(many) == wanted


def entry(law, losses, us):
    curve = np.outer(losses, [1.5, 0.5])
    return SimpleNamespace(
        law=law, losses=losses, loss=float(np.median(losses)), curve=curve,
        us_per_sample=us,
    )  # fmt: skip


def test_comparison_draws_what_it_was_given():
    entries = [entry("rtrl", (1.0, 3.0, 2.0), 12.34), entry("bptt", (np.inf,) * 3, 1e3)]
    asks = lambda: "asks"
    task = SimpleNamespace(name="T", loss=hl.action.cross_entropy, describe=asks)
    found = SimpleNamespace(
        task=task, floors={"linear": 0.7}, trivial=4.0, trivial_name="no change",
        ranked=lambda: entries, scored_on=100,
    )  # fmt: skip
    along, whole = plot.comparison(found).axes
    np.testing.assert_allclose(lines(along)[0], [3.0, 2.0])
    np.testing.assert_allclose(along.lines[0].get_xdata(), [25.0, 75.0])
    labels = [line.get_label() for line in along.lines]
    assert labels == ["rtrl", "no change", "four linear taps"]
    assert [line.get_ydata()[0] for line in along.lines[1:]] == [4.0, 0.7]
    np.testing.assert_allclose(whole.lines[0].get_xdata(), [1.0, 3.0, 2.0])
    assert whole.lines[1].get_xdata()[0] == 2.0
    assert [t.get_text() for t in whole.get_yticklabels()] == ["rtrl  12.3 µs"]
    assert along.get_title(loc="left") == "T: asks"
    assert along.get_ylabel() == "mean loss so far (nats)"
    found.floors = {}
    alone, _ = plot.comparison(found).axes
    assert [line.get_label() for line in alone.lines] == ["rtrl", "no change"]


def test_a_result_draws_itself():
    law, net, samples = small()
    result = hl.stream(law, net, samples, dt=0.1, progress=False)
    figure = result.plot()
    outputs, loss, scalars = figure.axes
    np.testing.assert_array_equal(lines(outputs)[0], samples.target[:, 0])
    np.testing.assert_array_equal(lines(outputs)[1], result.output[:, 0])
    np.testing.assert_allclose(lines(loss)[0], np.maximum(result.loss, 1e-12))
    np.testing.assert_array_equal(lines(scalars)[0], result.info["lagrangian"])
    np.testing.assert_array_equal(lines(scalars)[1], result.info["hamiltonian"])
    assert outputs.get_title(loc="left").startswith(law.title)
    plain = hl.stream(hl.RTRL(), net, samples, dt=0.1, progress=False).plot()
    assert len(plain.axes) == 2


def test_tracking_is_drawn_in_the_unit_of_the_signal():
    values = 100 + 7 * np.sin(np.arange(60.0))
    target = hl.tasks.recorded("level", np.arange(60.0) / 2, values, unit="cm", dt=0.05)
    result = hl.track(target, progress=False)
    whole, closer, scalars = plot.tracked(target, result).axes
    output, ends = target.unscaled(result.output), np.arange(9, 600, 10)
    np.testing.assert_array_equal(lines(whole)[0], values)
    np.testing.assert_array_equal(lines(whole)[1][1:], values[:-1])
    np.testing.assert_array_equal(lines(whole)[2], output[ends])
    target_line, last, shown = lines(closer)
    assert len(np.unique(target_line)) == 16  # single samples are seen
    jump = np.abs(np.diff(values)).max()
    assert np.abs(np.diff(target_line)).max() == pytest.approx(jump)
    np.testing.assert_array_equal(last[10:], target_line[:-10])
    assert len(shown) == 160
    assert len(scalars.lines) == 2
    title = whole.get_title(loc="left")
    for name in ("rmse", "rmse_last"):
        assert f"{target.errors(result.output)[name]:.3g}" in title


def test_figures_are_dark_on_white_also_in_a_dark_style(tmp_path):
    with plt.style.context("dark_background"):
        figure = plot.trajectories(np.arange(5.0), {"x": np.arange(5.0)})
        figure.savefig(tmp_path / "dark.png", facecolor=figure.get_facecolor())
    axis = figure.axes[0]
    assert figure.get_facecolor() == axis.get_facecolor() == to_rgba("white")
    inks = [axis.yaxis.label, *axis.get_xticklabels(), *axis.get_yticklabels()]
    assert {to_rgba(ink.get_color()) for ink in inks} == {to_rgba("0.1")}
    with Image.open(tmp_path / "dark.png") as image:
        shades = np.asarray(image.convert("L"))
    assert np.mean(shades > 240) > 0.8
    assert plt.rcParams["figure.facecolor"] == plt.rcParamsDefault["figure.facecolor"]
