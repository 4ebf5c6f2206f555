"""Every public constructor and function, with one argument that is not what it has to be."""

import pytest
from hypothesis import given

from .calls import CALLS
from .entries import ENTRIES
from .wrong import refused, taken, tried

ALL = ENTRIES | CALLS
CASES = [(entry, name) for entry, (_, _, kinds) in ALL.items() for name in kinds]


@pytest.mark.parametrize("entry", ALL)
def test_right_arguments_are_taken(entry):
    call, right, _ = ALL[entry]
    call(**right())
    taken()


@pytest.mark.parametrize(("entry", "name"), CASES)
def test_a_wrong_argument_is_refused(entry, name):
    call, right, kinds = ALL[entry]

    @tried(8)
    @given(kinds[name])
    def each(value):
        refused(lambda: call(**(right() | {name: value})))

    each()
