"""What the reference shows of every public thing: each argument with a type that says
something."""

import re
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).parents[2]
LISTED = sorted(
    {
        name
        for path in ROOT.glob("docs/api/*.md")
        for name in re.findall(r"^::: (\S+)", path.read_text(), re.M)
    }
)
#: A type that says nothing: nothing at all, anything, or a function of whatever.
SILENT = re.compile(r"\bAny\b|\bCallable\b(?!\[)|\bCallable\[\.\.\.")

#: Where nothing more can be said, and why.
REASONS = {
    "hamlearn.join": "the network that was split, of its own kind",
    "hamlearn.Digraph.from_scipy(matrix)": "any sparse matrix of SciPy",
    "hamlearn.Digraph.entries(matrix)": "any sparse matrix of SciPy",
    "hamlearn.networks.load": "the network that was saved, of its own kind",
    "hamlearn.networks.save(about)": "what JSON can hold",
    "hamlearn.updates.Optax(options)": "the numbers of the factory",
    "hamlearn.updates.Optax(factory)": "the optimizer's own arguments",
    "hamlearn.analysis.gap(options)": "the arguments of `find`",
    "hamlearn.analysis.gap(find)": "as `two_point`, with options of its own",
    **dict.fromkeys(
        (
            "hamlearn.analysis.ConformanceReport(laws)",
            "hamlearn.analysis.ConformanceReport.rows",
            "hamlearn.analysis.EnergyBalance.rows",
            "hamlearn.analysis.Table(values)",
            "hamlearn.analysis.Table(shown)",
            "hamlearn.analysis.Table.rows",
            "hamlearn.jobs.Comparison.rows",
        ),
        "the cells of a table: text, numbers, None",
    ),
    "hamlearn.plot.styled": "a function that draws takes what it draws",
    "hamlearn.plot.styled(draw)": "a function that draws takes what it draws",
    "hamlearn.plot.STYLE": "values of matplotlib's settings",
}


@pytest.fixture(scope="module")
def package():
    """The package as the site reads it, without running it."""
    return griffe.load("hamlearn", search_paths=[ROOT], resolve_aliases=True)


def said(of, parameters, returns):
    """(name, annotation) of each parameter and of what is returned."""
    for one in parameters:
        if one.name not in ("self", "cls"):
            yield f"{of}({one.name})", one.annotation
    if returns:
        yield of, returns


def annotations(name, thing):
    """Everything that the page shows of one public thing."""
    thing = thing.final_target if thing.is_alias else thing
    if thing.is_module:  # of the same name, which its room's name hides
        thing = thing[thing.name]
    if thing.is_function:
        yield from said(name, thing.parameters, thing.annotation or "")
    elif thing.is_attribute:
        yield name, thing.annotation
    elif thing.is_class:
        made = thing.all_members.get("__init__")
        if made is not None and made.is_function:
            yield from said(name, made.parameters, None)
        for member in thing.members.values():
            if member.name.startswith("_") and member.name != "__call__":
                continue
            if member.is_alias or member.docstring is None:
                continue
            if member.is_function or member.is_attribute:
                yield from annotations(f"{name}.{member.name}", member)


@pytest.mark.parametrize("name", LISTED)
def test_types_say_something(package, name):
    found = dict(annotations(name, package[name.removeprefix("hamlearn.")]))
    silent = {
        place: str(kind)
        for place, kind in found.items()
        if kind is None or SILENT.search(str(kind))
    }
    assert silent.keys() - REASONS.keys() == set(), silent


def test_reasons_are_needed(package):
    found = {}
    for name in LISTED:
        found |= dict(annotations(name, package[name.removeprefix("hamlearn.")]))
    needed = {
        k for k, kind in found.items() if kind is None or SILENT.search(str(kind))
    }
    assert REASONS.keys() - needed == set()


def test_what_says_nothing_is_seen():
    for kind in (
        "Any",
        "dict[str, Any]",
        "Callable",
        "Callable[..., Array]",
        "X | Any",
    ):
        assert SILENT.search(kind)
    for kind in ("Anything", "Callable[[Array], Array]", "ScalarFunction"):
        assert not SILENT.search(kind)
