"""What a comparison says, in words: what no law beats, and what learning was worth."""

from collections.abc import Sequence
from typing import Any

from ..run.tables import number_text


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
        lines.append(f"runs diverged: {', '.join(lost)}")
    if found.missing:
        lines.append(f"interrupted before: {', '.join(found.missing)}")
    return lines


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
    return (
        f"{len(better)} of {len(laws)} laws beat {name} ({best}): {', '.join(better)}"
    )
