"""Figure of the map: laws on grounds, by colour and number."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ._drawn import Mapped
from ._looks import looks
from ._style import pyplot, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Worse than a frozen recurrence, as good, as good as exact credit.
_SHADES = ("#d6604d", "#f7f7f7", "#08519c")


@styled
def landscape(found: Mapped) -> "Figure":
    """Where every law lies between a frozen recurrence and exact credit.

    A row per law and predictor without a network, each law with its mark, and a column
    per ground; the number is the loss with weights held on fresh samples, the colour
    its share of what exact credit gains over a frozen recurrence: white at 0, blue at
    1, red below 0. The last column is the time per sample.
    """
    from matplotlib.colors import LinearSegmentedColormap

    losses, grounds = found.losses(), found.grounds
    figure, axis = pyplot().subplots(
        figsize=(3.2 + 0.95 * (len(grounds) + 1), 1.6 + 0.3 * len(losses)),
        layout="constrained",
    )
    shares = np.full((len(losses), len(grounds)), np.nan)
    for row, by_ground in enumerate(losses.values()):
        for column, ground in enumerate(grounds):
            loss = by_ground.get(ground, np.nan)
            tried = ground in by_ground
            share = found.share(loss, ground) if np.isfinite(loss) else -1.0
            shares[row, column] = np.clip(share, -1, 1) if tried else np.nan
            words = found.words(loss) if tried else "–"
            ink = "white" if tried and share > 0.6 else "0.1" if tried else "0.7"
            axis.text(column, row, words, ha="center", va="center", color=ink)
    shades = LinearSegmentedColormap.from_list("shares", _SHADES)
    shades = shades.with_extremes(bad="white")
    image = axis.imshow(shares, cmap=shades, vmin=-1, vmax=1, aspect="auto")
    _name_rows(axis, found, list(losses))
    heads = [g.replace("_", "\n", 1).replace("_", " ") for g in grounds]
    _name_columns(axis, [*heads, "µs per\nsample"])
    bar = figure.colorbar(image, ax=axis, shrink=0.6, ticks=[-1, 0, 1], pad=0.01)
    bar.ax.set_yticklabels(["worse", "frozen\nrecurrence", "exact\ncredit"])
    bar.outline.set_visible(False)
    figure.suptitle(
        "Which law for which task: loss with the weights held, on fresh samples",
        x=0.01, ha="left", fontsize=11,
    )  # fmt: skip
    return figure


def _name_rows(axis: Any, found: Mapped, names: list[str]) -> None:
    """Names with the marks of laws, the pace of each, a line below what is no law."""
    paces = {name: found.pace(name) for name in names}
    look = looks(name for name in names if paces[name] is not None)
    last = len(found.grounds)
    for row, name in enumerate(names):
        pace = paces[name]
        if pace is None:
            continue
        axis.text(last, row, found.words(pace), ha="center", va="center")
        axis.plot(
            -0.64, row, look[name].mark, color=look[name].colour, ms=6, clip_on=False
        )
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0, pad=26)
    axis.set_xlim(-0.5, last + 0.5)
    learning = [k for k, name in enumerate(names) if name not in found.controls]
    first = min((k for k in learning if paces[names[k]] is not None), default=0)
    axis.axhline(first - 0.5, color="0.1", lw=1)


def _name_columns(axis: Any, heads: list[str]) -> None:
    """Heads above the columns, white lines between cells."""
    axis.set_xticks(range(len(heads)), heads)
    axis.xaxis.tick_top()
    axis.tick_params(axis="x", length=0)
    axis.set_xticks(np.arange(len(heads)) - 0.5, minor=True)
    axis.set_yticks(np.arange(len(axis.get_yticks())) - 0.5, minor=True)
    axis.grid(visible=False)
    axis.grid(visible=True, which="minor", color="white", lw=2)
    axis.tick_params(which="minor", length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
