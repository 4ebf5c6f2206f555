"""Formulas of the site: what is set, and what stops the build by the name of its page."""

import html
import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location(
    "mathematics", ROOT / "docs" / "hooks" / "mathematics.py"
)
mathematics = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mathematics)


def cells(tex):
    """The text of every cell of what a formula becomes."""
    made = mathematics.mathml(tex, "block")
    return [
        html.unescape("".join(re.findall(r">([^<]+)<", cell)))
        for cell in re.findall(r"<mtd[^>]*>(.*?)</mtd>", made)
    ]


@pytest.mark.parametrize("name", ["aligned", "align*", "split", "matrix", "cases"])
def test_environments_are_set_in_columns(name):
    tex = rf"\begin{{{name}}} a &= b \\ c &= d \end{{{name}}}"
    assert cells(tex) == ["a", "=b", "c", "=d"]


@pytest.mark.parametrize(
    "tex",
    [
        r"a & b",
        r"\nosuchcommand{a}",
        r"a + \nosuch",
        r"\begin{gathered} a \\ b \end{gathered}",
        r"\begin{nosuch} a & b \end{nosuch}",
        r"\begin{aligned} a &= b",
        r"\frac{a",
        r"#1",
    ],
)
def test_what_is_not_understood_stops_the_build(tex):
    content = f'<p><span class="arithmatex">\\({tex}\\)</span></p>'
    page = SimpleNamespace(file=SimpleNamespace(src_uri="theory/some.md"))
    with pytest.raises(PluginError, match=r"theory/some\.md"):
        mathematics.on_page_content(content, page=page)


def test_every_formula_of_the_site_is_set():
    """The pages say what they say: `\\&` and the like are none of what is left over."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    content = '<span class="arithmatex">\\(\\lvert a\\rvert \\le \\tfrac12\\)</span>'
    made = mathematics.on_page_content(content, page=page)
    assert made.startswith("<math ")
    assert "\\" not in re.sub(r'alttext="[^"]*"', "", made)
