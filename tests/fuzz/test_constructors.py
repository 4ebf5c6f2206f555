"""Every public constructor, with one argument that is not what it has to be."""

import pytest
from hypothesis import given

from .entries import ENTRIES
from .wrong import refused, tried

CASES = [(entry, name) for entry, (_, _, kinds) in ENTRIES.items() for name in kinds]


@pytest.mark.parametrize("entry", ENTRIES)
def test_right_arguments_are_taken(entry):
    call, right, _ = ENTRIES[entry]
    call(**right())


@pytest.mark.parametrize(("entry", "name"), CASES)
def test_a_wrong_argument_is_refused(entry, name):
    call, right, kinds = ENTRIES[entry]

    @tried(8)
    @given(kinds[name])
    def each(value):
        refused(lambda: call(**(right() | {name: value})))

    each()
