"""One style for all figures, the same in light and dark notebooks."""

import functools
from collections.abc import Callable
from typing import Any

#: Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS: tuple[str, ...] = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)

_DARK = ("text.color", "axes.edgecolor", "axes.labelcolor")
_TICKS = ("xtick.color", "ytick.color", "legend.labelcolor")
_WHITE = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")

#: Matplotlib's settings for every figure: dark on white, a faint grid.
STYLE: Any = {
    **dict.fromkeys(_DARK + _TICKS, "0.1"),
    **dict.fromkeys(_WHITE, "white"),
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "legend.frameon": False,
    "font.size": 9,
}

#: Where a legend hides no line.
ABOVE: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.97)}


def pyplot() -> Any:
    """`matplotlib.pyplot`, imported where something is drawn.

    **Raises:** `ImportError` where it is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        wanted = 'no picture without matplotlib: pip install "hamlearn[plot]"'
        raise ImportError(wanted) from error
    return plt


def styled(draw: Callable[..., Any]) -> Callable[..., Any]:
    """`draw` under `STYLE`, laid out before the style is left."""

    @functools.wraps(draw)
    def drawn(*args: Any, **options: Any) -> Any:
        with pyplot().rc_context(STYLE):
            figure = draw(*args, **options)
            # Ticks are made when they are first drawn, in the style of that moment.
            figure.draw_without_rendering()
        return figure

    return drawn
