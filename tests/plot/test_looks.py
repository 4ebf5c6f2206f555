"""A law has one colour and one mark in every figure that is drawn of it."""

import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from benchmarks import _figures, alignment_figures, memory
from benchmarks._record import RESULTS
from hamlearn import plot
from hamlearn.jobs import grounds as places
from hamlearn.jobs.contenders import contenders
from hamlearn.jobs.landscape import Landscape, Spot


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def record(name):
    return json.loads((RESULTS / f"{name}-cpu.json").read_text())


def drawn(figure):
    """(name, colour, mark) of every line that a legend names."""
    lines = [line for axis in figure.axes for line in axis.lines]
    return [
        (line.get_label(), to_hex(line.get_color()), line.get_marker())
        for line in lines
        if not line.get_label().startswith("_")
    ]


def known():
    return [*contenders(), *places.ROWS]


def test_every_law_that_is_known_by_name_has_a_look_of_its_own():
    names = list(dict.fromkeys(known()))
    every = plot.looks(names)
    assert len(set(every.values())) == len(names)
    for name in names:
        assert plot.looks(["another", name, "one more"])[name] == every[name]


FIGURES = {
    **{f"{name}{one.ending}": (lambda name=name, one=one: one.draw(record(name)))
       for name, each in _figures.PICTURES.items() for one in each
       if (RESULTS / f"{name}-cpu.json").exists()},
    "alignment, layers": alignment_figures.filters,
    "alignment, recurrent": alignment_figures.recurrent,
}  # fmt: skip
ALSO = {"sign flip": "flip", "RFLO (SnAp-1 alike)": "rflo", "GLE": "gle"}


@pytest.mark.parametrize("name", FIGURES)
def test_laws_keep_their_looks_in_figures_of_what_was_measured(name):
    seen = 0
    for label, colour, mark in drawn(FIGURES[name]()):
        law = ALSO.get(label, label)
        if law in known():
            look = plot.looks([law])[law]
            assert colour == to_hex(look.colour), label
            assert mark in (look.mark, "", "None"), label
            seen += 1
    assert seen >= 2


def test_bars_of_memory_are_in_the_colours_of_laws():
    figure = memory.drawn()
    for axis in figure.axes:
        names = [tick.get_text() for tick in axis.get_yticklabels()]
        for name, bar in zip(names, axis.patches, strict=True):
            law = memory.LAWS.get(name, name)
            assert to_hex(bar.get_facecolor()) == to_hex(plot.looks([law])[law].colour)


def test_the_map_marks_rows_as_laws_are_marked():
    spot = {"online": 1.0, "us": 10.0, "diverged": 0, "step_size": 0.1}
    spots = {(law, "cue"): Spot(0.1, **spot) for law in places.ROWS}
    spots["frozen", "cue"] = Spot(0.5, **spot)
    spots["flip", "cue"] = Spot(np.inf, **spot)
    found = Landscape(spots, {"cue": {"constant": 0.7}}, ("cue",), places.ROWS, 3, 1.0)
    axis, _ = plot.landscape(found).axes
    names = [tick.get_text() for tick in axis.get_yticklabels()]
    marks = {
        names[int(line.get_ydata()[0])]: (line.get_color(), line.get_marker())
        for line in axis.lines
        if len(line.get_xdata()) == 1
    }
    assert set(marks) == set(places.ROWS)
    for law, (colour, mark) in marks.items():
        look = plot.looks([law])[law]
        assert (to_hex(colour), mark) == (to_hex(look.colour), look.mark)
    words = [text.get_text() for text in axis.texts]
    assert {"diverged", ".5", "10"} <= set(words)


def test_comparison_draws_laws_in_their_looks():
    curve = np.ones((2, 5))
    entry = lambda law: SimpleNamespace(
        law=law, losses=(1.0, 2.0), loss=1.5, curve=curve, us_per_sample=1.0
    )
    entries = [entry(law) for law in ("flip", "gle", "rtrl", "frozen", "immediate")]
    task = SimpleNamespace(name="T", loss=lambda: 0, describe=lambda: "asks")
    found = SimpleNamespace(
        task=task, floors={}, trivial=4.0, trivial_name="no change",
        ranked=lambda: entries, scored_on=100,
    )  # fmt: skip
    along, whole = plot.comparison(found).axes
    for k, one in enumerate(entries):
        look = plot.looks([one.law])[one.law]
        assert along.lines[k].get_color() == look.colour
        assert whole.lines[2 * k].get_marker() == look.mark


def test_no_legend_stands_over_what_is_drawn():
    """It is above the axes, beside or below them."""
    import jax

    import hamlearn as hl

    values = 100 + 7 * np.sin(np.arange(60.0))
    target = hl.tasks.recorded("level", np.arange(60.0) / 2, values, unit="cm", dt=0.05)
    with jax.numpy_dtype_promotion("standard"):
        result = hl.track(target, progress=False)
    figures = [plot.tracked(target, result), plot.run(result)]
    figures += [plot.spectra(np.array([0.1, 1.0]), {"RTRL": np.array([0.5, 1.0])})]
    for figure in figures:
        for axis in figure.axes:
            if (legend := axis.get_legend()) is not None:
                box, inside = legend.get_window_extent(), axis.get_window_extent()
                apart = (
                    box.y0 >= inside.y1 - 5
                    or box.x0 >= inside.x1 - 5
                    or box.y1 <= inside.y0 + 5
                )
                assert apart
