"""Pictures of a digraph with what travels over it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._types import Values
from ._drawn import Linked
from ._style import STYLE, pyplot, styled

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

_SIGNED = "RdBu_r"  # told apart by colour-blind readers; white is zero


@styled
def graph(
    graph: Linked,
    *,
    activity: Values | None = None,
    costates: Values | None = None,
    weight: Values | None = None,
    positions: Values | None = None,
) -> "Figure":
    """A digraph without its self-loops, one panel for activity and one for costates.

    Nodes are coloured by sign and size of what they hold, edges by their weight
    (grey without). An acyclic graph is drawn level by level from left to right,
    another on a circle; an edge is thick where it begins and thin where it ends.

    **Arguments:** `activity`, `costates`: one number per node; `weight`: per edge;
    `positions`: of the nodes, of shape (nodes, 2).
    """
    given = {"activity": activity, "costate": costates}
    panels = {name: v for name, v in given.items() if v is not None} or {"": None}
    figure, _ = _draw(graph, panels, weight, positions)
    return figure


def waves(
    graph: Linked,
    times: np.ndarray,
    activity: Values,
    costates: Values,
    *,
    weight: Values | None = None,
    positions: Values | None = None,
    frames: int = 60,
    fps: int = 15,
    time_unit: str = "time units",
) -> "FuncAnimation":
    """Activity and costate travelling over a digraph, as an animation.

    Save it with `.save("waves.gif", writer="pillow")`, or show it in a notebook with
    `.to_jshtml()`.

    **Arguments:** `times`; `activity`, `costates`: of shape (times, nodes), as
    `hl.scan` records them; `frames`: how many are drawn, evenly spaced over the times.
    """
    from matplotlib.animation import FuncAnimation

    values = {"activity": np.asarray(activity), "costate": np.asarray(costates)}
    for name, value in values.items():
        _checks.shape(name, value, (len(times), graph.num_nodes))
    _checks.at_least("frames", frames, 2)
    shown = np.linspace(0, len(times) - 1, frames).round().astype(int)
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, dots = _draw(graph, values, weight, positions)
        stamp = figure.suptitle("", fontsize=10)
        stamp.set_text(f"t = {times[0]:.2f} {time_unit}")
        figure.draw_without_rendering()

    def draw(frame: int) -> list[Any]:
        k = shown[frame]
        stamp.set_text(f"t = {times[k]:.2f} {time_unit}")
        for dot, value in zip(dots, values.values(), strict=True):
            dot.set_array(value[k])
        return [*dots, stamp]

    plt.close(figure)
    return FuncAnimation(figure, draw, frames=frames, interval=1000 / fps)


def layout(graph: Linked) -> np.ndarray:
    """Positions of the nodes: by level where there is no cycle, else on a circle."""
    n, levels = graph.num_nodes, graph.levels()
    if levels is None:
        angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    place = np.zeros((n, 2))
    for level in np.unique(levels):
        here = np.flatnonzero(levels == level)
        height = (np.arange(here.size) + 0.5) / here.size
        place[here] = np.stack([np.full(here.size, level), 1 - height], axis=1)
    place[:, 0] /= max(place[:, 0].max(), 1)
    return place


def _draw(graph: Linked, panels: dict[str, Any], weight: Any, positions: Any):
    """(figure, the nodes of each panel as something with `set_array`)."""
    place = layout(graph) if positions is None else np.asarray(positions)
    _checks.shape("positions", place, (graph.num_nodes, 2))
    size = (4.2 * len(panels), 3.9)
    figure, axes = pyplot().subplots(
        1, len(panels), figsize=size, layout="constrained", squeeze=False
    )
    dots = []
    for axis, (name, value) in zip(axes[0], panels.items(), strict=True):
        axis.add_collection(_edges(graph, place, weight))
        dot = _nodes(axis, graph, place, value, name)
        if value is not None:
            figure.colorbar(dot, ax=axis, shrink=0.8, label=f"{name} of a node")
        axis.set(title=name, xticks=[], yticks=[])
        axis.margins(0.12)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        if graph.levels() is None:
            axis.set_aspect("equal")
        dots.append(dot)
    return figure, dots


def _nodes(axis: Any, graph: Linked, place: np.ndarray, value: Any, name: str) -> Any:
    area = float(np.clip(6000 / graph.num_nodes, 12, 260))
    look = {"s": area, "edgecolors": "0.2", "linewidths": 0.7, "zorder": 2}
    if value is None:
        return axis.scatter(*place.T, c="white", **look)
    value = np.asarray(value, float)
    _checks.shape(name, value[-1:] if value.ndim == 2 else value[None],
                  (1, graph.num_nodes))  # fmt: skip
    most = float(np.abs(value).max()) or 1.0
    now = value[0] if value.ndim == 2 else value
    return axis.scatter(*place.T, c=now, cmap=_SIGNED, vmin=-most, vmax=most, **look)


def _edges(graph: Linked, place: np.ndarray, weight: Any, pieces: int = 8):
    """Every edge as pieces that get thinner towards the receiver."""
    from matplotlib.collections import LineCollection

    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    a, b = place[senders], place[receivers]
    share = np.linspace(0, 1, pieces + 1)[:, None, None]
    points = a + share * (b - a)
    lines = np.stack([points[:-1], points[1:]], axis=2).reshape(-1, 2, 2)
    width = np.repeat(np.linspace(1.8, 0.25, pieces), len(senders))
    crowd = float(np.clip(60 / len(senders), 0.12, 0.8))
    look = {"linewidths": width, "alpha": crowd, "zorder": 1}
    if weight is None:
        return LineCollection(lines.tolist(), colors="0.45", **look)
    w = np.asarray(weight, float).reshape(-1)
    _checks.shape("weight", w, (len(senders),))
    drawn = LineCollection(lines.tolist(), cmap=_SIGNED, **look)
    drawn.set_array(np.tile(w, pieces))
    most = float(np.abs(w).max()) or 1.0
    drawn.set_clim(-most, most)
    return drawn
