"""Wrong values for an argument, by what it has to be; and the one thing they may meet."""

import os
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

TIMES = int(os.environ.get("HAMLEARN_FUZZ", "1"))
"""How many times as many inputs as usual are tried."""

TRIED: Counter[str] = Counter()
"""How many inputs of each kind were tried and met what they have to."""

HOUSE = re.compile(r"`[^`]+` must be .+, but is .+\.", re.DOTALL)
"""A refusal: which argument, what it has to be, what it is."""


def tried(number: int) -> settings:
    """`number` inputs, times `TIMES`, the same ones in every run."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def refused(call, *names: str) -> str:
    """What `call` says when it refuses, in the house's wording and by a name of these."""
    with pytest.raises(ValueError) as found:
        call()
    text = str(found.value)
    assert found.type is ValueError, f"{found.type.__name__}: {text}"
    assert HOUSE.fullmatch(text), text
    assert len(text) < 600, text
    subject = text.split("`")[1]
    assert not names or any(name in subject for name in names), text
    TRIED["malformed"] += 1
    return text


def taken() -> None:
    """One more input that is unusual but legal has given the right result."""
    TRIED["unusual"] += 1


class Thing:
    """Something that is not what was asked for."""

    def __repr__(self) -> str:
        return "Thing()"


TEXT = st.sampled_from(["1", "abc", b"1", np.str_("0.5"), np.bytes_(b"2")])
DATES = st.sampled_from([np.datetime64("2020-01-01"), np.timedelta64(3, "s")])
TABLES = st.sampled_from([{}, {"a": 1.0}, set(), Thing(), Thing, np.array(["a"])])
COMPLEX = st.complex_numbers(allow_nan=False).filter(lambda z: z.imag != 0)
MASKED = st.sampled_from([np.ma.masked, np.ma.masked_array([1.0], [True])])
EMPTY = st.sampled_from([[], np.zeros(0), np.zeros((0, 3))])
NOT_FINITE = st.sampled_from([np.nan, np.inf, -np.inf, np.float32("nan")])
FRACTION = st.floats(-1e6, 1e6).filter(lambda v: v != int(v))

NOT_A_NUMBER = TEXT | DATES | TABLES | COMPLEX | MASKED
NEGATIVE = st.floats(max_value=-1e-300) | st.integers(max_value=-1)
NOT_POSITIVE = NEGATIVE | st.sampled_from([0, 0.0, -0.0, np.float32(0)])

number = NOT_A_NUMBER | NOT_FINITE | EMPTY | st.none()
positive = number | NOT_POSITIVE
non_negative = number | NEGATIVE
thing = TEXT | TABLES | COMPLEX | st.integers(2, 9) | FRACTION
text = st.integers() | FRACTION | TABLES.filter(lambda v: v is not Thing) | st.none()


def count(least: int):
    """Whole numbers below `least`, and what is no whole number."""
    return st.integers(max_value=least - 1) | FRACTION | number | st.booleans()


def optional(strategy):
    """The same where None is a value."""
    return strategy.filter(lambda value: value is not None)
