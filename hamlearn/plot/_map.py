"""Figure of the map: laws on grounds, by colour and number."""

from typing import TYPE_CHECKING

import numpy as np

from ._drawn import Mapped
from ._style import pyplot, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def landscape(found: Mapped) -> "Figure":
    """Where every law lies between a frozen recurrence and exact credit.

    A row per law and predictor without a network, a column per ground; the number is
    the loss with weights held on fresh samples, the colour its share of what exact
    credit gains over a frozen recurrence: white at 0, dark at 1, red below 0.
    """
    losses = found.losses()
    figure, axis = pyplot().subplots(
        figsize=(2.2 + 1.45 * len(found.grounds), 1.2 + 0.42 * len(losses)),
        layout="constrained",
    )
    shares = np.full((len(losses), len(found.grounds)), np.nan)
    for row, by_ground in enumerate(losses.values()):
        for column, ground in enumerate(found.grounds):
            loss = by_ground.get(ground)
            if loss is None:
                continue
            share = found.share(loss, ground) if np.isfinite(loss) else -1.0
            shares[row, column] = np.clip(share, -1, 1)
            colour = "white" if abs(share) > 0.6 else "0.1"
            words = f"{loss:.3g}" if np.isfinite(loss) else "diverged"
            axis.text(column, row, words, ha="center", va="center", color=colour)
    image = axis.imshow(shares, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    paces = [found.pace(name) for name in losses]
    names = [
        name if pace is None else f"{name}  {pace:.3g} µs"
        for name, pace in zip(losses, paces, strict=True)
    ]
    axis.set_yticks(range(len(losses)), names)
    heads = [ground.replace("_", " ") for ground in found.grounds]
    axis.set_xticks(range(len(heads)), heads)
    axis.xaxis.tick_top()
    axis.grid(visible=False)
    bar = figure.colorbar(image, ax=axis, shrink=0.8)
    bar.set_label("share of what exact credit gains over a frozen recurrence")
    axis.set_xlabel("loss with weights held, on fresh samples; time per sample")
    return figure
