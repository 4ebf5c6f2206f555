"""What was claimed, what was measured, and whether the claim holds."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, checked.

    **Arguments:** `name`: short, unique; `value`: the measurement; `low`, `high`: the
    bounds it was expected within, either may be None; `verdict`: what the measurement
    says of the claim, beginning with "holds", "holds if" (a named condition) or
    "does not hold".
    """

    name: str
    value: float
    low: float | None
    high: float | None
    verdict: str

    @property
    def within_bound(self) -> bool:
        """Whether the measurement came out as expected (never so for NaN)."""
        above = self.low is None or self.value >= self.low
        below = self.high is None or self.value <= self.high
        return bool(above and below and self.value == self.value)

    def bound(self) -> str:
        """The bounds in words."""
        if self.low is None:
            return f"<= {self.high:g}"
        return (
            f">= {self.low:g}"
            if self.high is None
            else f"{self.low:g} .. {self.high:g}"
        )

    def to_json(self) -> str:
        """One line of JSON."""
        value = float(self.value)
        row = {
            "name": self.name,
            "value": value if abs(value) < float("inf") else None,
            "bound": [self.low, self.high],
            "within_bound": self.within_bound,
            "verdict": self.verdict,
        }
        return json.dumps(row)
