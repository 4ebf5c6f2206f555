"""What comparisons say, in words: what no law beats, and what learning was worth."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from .. import _checks
from ..run.tables import brief_text, number_text
from .grounds import CONTROLS

#: A law with this share of what exact credit gains is as good.
ENOUGH = 0.9


def verdicts(found: Any) -> list[str]:
    """One line for every predictor that laws should beat, and what was not reached."""
    laws = [entry for entry in found.ranked() if not entry.control]
    controls = [entry for entry in found.ranked() if entry.control]
    floors = {found.trivial_name: found.trivial}
    if "linear" in found.floors:
        floors["four linear taps"] = found.floors["linear"]
    lines = [_against(laws, name, value) for name, value in floors.items() if laws]
    for entry in controls if laws else ():
        name = _CONTROLS.get(entry.law, entry.law)
        lines.append(_against(laws, f"{name} ({entry.law})", entry.loss))
    lost = [entry.law for entry in found.entries if entry.diverged]
    if lost:
        lines.append(f"runs diverged: {_checks.listed(lost)}")
    if found.missing:
        lines.append(f"interrupted before: {_checks.listed(found.missing)}")
    return lines


def which_to_take(found: Any) -> list[str]:
    """One line for every ground of a map: the best law, the cheapest that comes near
    it, and what needs no learning in time."""
    return [line for g in found.grounds if (line := _taken(found, g)) is not None]


def other_sizes(
    spots: Mapping[tuple[str, str], Any], shipped: Mapping[str, Mapping[str, float]]
) -> str:
    """Which step sizes of a map that was tuned are others than those shipped."""
    others = [
        f"{law} on {ground.replace('_', ' ')} {spot.step_size:g} (shipped {known:g})"
        for (law, ground), spot in spots.items()
        if (known := shipped.get(ground, {}).get(law)) not in (None, spot.step_size)
    ]
    said = "step sizes found anew: as shipped"
    text = f"{said}, but for {', '.join(others)}" if others else said
    return textwrap.fill(text, 98, subsequent_indent="  ")


def _taken(found: Any, ground: str) -> str | None:
    on = {law: spot for (law, g), spot in found.spots.items() if g == ground}
    laws = {
        law: spot
        for law, spot in on.items()
        if law not in CONTROLS and math.isfinite(spot.loss)
    }
    if not laws:
        return None
    best = min(laws, key=lambda law: laws[law].loss)
    said = f"{ground.replace('_', ' ')}: {best} ({_priced(laws[best])})"
    shares = {law: found.share(spot.loss, ground) for law, spot in laws.items()}
    enough = [law for law, share in shares.items() if share > ENOUGH]
    cheap = min(enough, key=lambda law: laws[law].us, default=best)
    if cheap != best:
        said += f", or {cheap} ({_priced(laws[cheap])})"
    floors = {name: spot.loss for name, spot in on.items() if name in CONTROLS}
    floors |= found.floors.get(ground, {})
    beaten = [name for name, loss in floors.items() if loss <= laws[best].loss]
    alike = [k for k, loss in floors.items() if found.share(loss, ground) > ENOUGH]
    if beaten:
        return f"{said}; no law beats {' or '.join(beaten)}"
    return said + (f"; {' and '.join(alike)} does as well" if alike else "")


def _priced(spot: Any) -> str:
    return f"{brief_text(spot.loss)} at {brief_text(spot.us)} µs"


_CONTROLS = {
    "frozen": "a frozen recurrence",
    "immediate": "credit of one step with RMSprop",
}


def _against(laws: Sequence[Any], name: str, value: float) -> str:
    better = [entry.law for entry in laws if entry.loss < value]
    best = (
        f"best {laws[0].law} {number_text(laws[0].loss)} against {number_text(value)}"
    )
    if not better:
        return f"no law beat {name} on this stream ({best})"
    if len(better) == len(laws):
        return f"every law beat {name} ({best})"
    share = f"{len(better)} of {len(laws)} laws beat {name} ({best})"
    return f"{share}: {_checks.listed(better)}"
