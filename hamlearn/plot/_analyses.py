"""Pictures of what the instruments of `hamlearn.analysis` find."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ._drawn import Balance, Tabled
from ._looks import Look, looks
from ._style import ABOVE, COLOURS, pyplot, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def energies(energy: Balance, *, dt: float, time_unit: str = "time units") -> "Figure":
    """L and H over time, and below what has changed H so far: an energy account."""
    H, L = np.asarray(energy.hamiltonian), np.asarray(energy.lagrangian)
    times = np.arange(len(H)) * float(dt)
    figure, axes = pyplot().subplots(
        2, 1, sharex=True, figsize=(9, 4.8), layout="constrained"
    )
    axes[0].plot(times, H, color=COLOURS[1], lw=0.8, label="Hamiltonian H")
    axes[0].plot(times, L, color=COLOURS[2], lw=0.8, label="Lagrangian L")
    parts = {
        "change of H": H - H[0],
        "exchanged with the signals": _so_far(energy.exchanged),
        "work of policy or constraints": _so_far(energy.work),
        "dissipated": -_so_far(energy.dissipated),
    }
    colours = (COLOURS[-1], COLOURS[0], COLOURS[3], COLOURS[4])
    for (name, part), colour in zip(parts.items(), colours, strict=True):
        axes[1].plot(times, part, color=colour, lw=1, label=name)
    for axis, label in zip(axes, ("L, H", "sum so far"), strict=True):
        axis.set_yscale("symlog", linthresh=1.0)
        axis.set_ylabel(f"{label}\n(cost per unit of time)")
        axis.legend(**ABOVE, ncols=4)
    axes[1].set_xlabel(f"time ({time_unit})")
    return figure


def _so_far(power: Any) -> np.ndarray:
    power = np.asarray(power)
    return np.concatenate([[0.0], np.cumsum(power[:-1])])


@styled
def spectra(
    frequencies: np.ndarray,
    cosines: Mapping[str, np.ndarray],
    *,
    xlabel: str = "frequency × time constant (rad)",
    title: str = "",
) -> "Figure":
    """Alignment with the exact gradient against frequency, one line per law.

    **Arguments:** `cosines`: by law, of shape (frequencies,) or (frequencies,
    repetitions), of which the median is drawn and the range shaded.
    """
    figure, axis = pyplot().subplots(figsize=(6.4, 3.8), layout="constrained")
    for name, look in looks(cosines).items():
        values = np.asarray(cosines[name]).reshape(len(frequencies), -1)
        style = _line(look) | {"marker": look.mark, "ms": 4}
        axis.plot(frequencies, np.median(values, axis=1), lw=1.2, label=name, **style)
        if values.shape[1] > 1:
            _between(axis, frequencies, values.min(1), values.max(1), look.colour)
    axis.axhline(1.0, color="0.5", lw=0.8, ls=":")
    axis.axhline(0.0, color="0.5", lw=0.8)
    axis.set(xscale="log", xlabel=xlabel, ylim=(-1.05, 1.1), title=title)
    if len(frequencies) <= 8:
        axis.set_xticks(frequencies, [f"{f:.2g}" for f in frequencies])
        axis.set_xticks([], minor=True)
    axis.set_ylabel("cosine with the exact gradient")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@styled
def learning_curves(
    x: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    floors: Mapping[str, float] | None = None,
    xlabel: str = "samples",
    ylabel: str = "loss",
    log: bool = True,
) -> "Figure":
    """Loss against effort: median over repetitions, and their range as a band.

    **Arguments:** `x`: samples, seconds or epochs, of shape (points,); `curves`: by
    law, of shape (points,) or (repetitions, points); `floors`: what predictors that
    learn nothing reach, as horizontal lines.
    """
    figure, axis = pyplot().subplots(figsize=(7.6, 3.6), layout="constrained")
    for name, look in looks(curves).items():
        values = np.atleast_2d(np.asarray(curves[name]))
        _checks.shape(f"curves[{name!r}]", values, ("repetitions", len(x)))
        median = np.median(values, axis=0)
        axis.plot(x, median, lw=1.4, label=name, **_line(look))
        if len(values) > 1:
            _between(axis, x, values.min(0), values.max(0), look.colour)
    for (name, value), ls in zip((floors or {}).items(), _dashes(), strict=False):
        axis.axhline(value, color="0.35", ls=ls, lw=1, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "ls": look.dashes}


def _between(axis: Any, x: np.ndarray, low: Any, high: Any, colour: Any) -> None:
    axis.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)


def _dashes() -> list[Any]:
    return ["--", ":", "-.", (0, (1, 3)), (0, (6, 2, 1, 2, 1, 2))]


@styled
def audit(table: Tabled) -> "Figure":
    """A table as a picture: blue where the answer is yes, vermilion where it is no.

    For `analysis.locality`, and any other table.
    """
    from matplotlib.transforms import Bbox

    cells = table.cells()
    names = [name.replace("_", " ") for name in table.columns]
    widths = [max(map(len, column)) + 2 for column in zip(names, *cells, strict=True)]
    size = (0.085 * sum(widths) + 0.4, 0.3 * (len(cells) + 1) + 0.5)
    figure, axis = pyplot().subplots(figsize=size, layout="constrained")
    axis.axis("off")
    drawn = axis.table(
        cells,
        colLabels=names,
        cellColours=[[_colour(value) for value in row] for row in table.values],
        colWidths=[width / sum(widths) for width in widths],
        bbox=Bbox.unit(),
        cellLoc="center",
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(9)
    for place, cell in drawn.get_celld().items():
        cell.set_edgecolor("0.8")
        if place[0] == 0:
            cell.set_text_props(weight="bold")
    axis.set_title(table.title)
    return figure


def _colour(value: Any) -> str:
    """Pale blue for yes, pale vermilion for no; words say the same."""
    if isinstance(value, bool | np.bool_):
        return "#CCE3F0" if value else "#F7DFCC"
    return "white"
