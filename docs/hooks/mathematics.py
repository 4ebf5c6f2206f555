"""Mathematics made into MathML while the site is built; nothing is loaded to view it.

`pymdownx.arithmatex` finds $...$ and $$...$$ and leaves them as LaTeX; here they are
translated (latex2mathml). What the translator would print as it stands, in place of
setting it, stops the build with the name of the page. Tables get the name of its column
on every cell, for narrow screens, where a row is shown as a list.
"""

import html
import re
import xml.etree.ElementTree as etree

from latex2mathml.converter import convert
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.exceptions import PluginError

FOUND = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)
#: Environments that are set, by the one that the translator has for them.
SET = {
    "align*": "align*", "aligned": "align*", "split": "split", "cases": "cases",
    "array": "array", "matrix": "matrix", "pmatrix": "pmatrix", "bmatrix": "bmatrix",
    "vmatrix": "vmatrix",
}  # fmt: skip
ENVIRONMENT = re.compile(r"\\(begin|end)\{([^}]*)\}")
#: Commands, marks of columns and of arguments that were not understood.
LEFT = re.compile(r"<m(?:i|n|o|text)\b[^>]*>(\\[^<]+|&(?:amp;|#x0*26;)?|[#~{}])</m")
#: Tables with more columns are lists on narrow screens.
COLUMNS = 2


def mathml(tex: str, display: str) -> str:
    """One formula.

    **Raises:** `ValueError` for what the translator does not know.
    """
    tex = tex.strip()
    asked = {name for _, name in ENVIRONMENT.findall(tex)}
    if asked - SET.keys():
        raise ValueError(f"No MathML for {sorted(asked - SET.keys())} in {tex!r}.")
    open_, shut = (len(re.findall(rf"(?<!\\){mark}", tex)) for mark in "{}")
    if open_ != shut:
        raise ValueError(f"{open_} braces open and {shut} close in {tex!r}.")
    known = ENVIRONMENT.sub(lambda m: rf"\{m[1]}{{{SET[m[2]]}}}", tex)
    made = convert(known, display=display)
    left = LEFT.findall(made)
    if left:
        raise ValueError(f"No MathML for {sorted(set(left))} in {tex!r}.")
    return made.replace("<math ", f'<math alttext="{html.escape(tex)}" ', 1)


def replaced(found: re.Match[str]) -> str:
    tex = html.unescape(found["tex"])
    if found["tag"] == "span":
        return mathml(tex, "inline")
    return f'<div class="formula">{mathml(tex, "block")}</div>'


def said(label: str) -> str:
    """A heading as plain text, where it may hold LaTeX."""
    return re.sub(r"\\[(\[\])]|[\\{}]", "", label).strip()


class _Labels(Treeprocessor):
    def run(self, root: etree.Element) -> None:
        for table in root.iter("table"):
            names = [said("".join(th.itertext())) for th in table.iter("th")]
            if len(names) > COLUMNS:
                table.set("class", "wide")
            for row in table.iter("tr"):
                for name, cell in zip(names, row.findall("td"), strict=False):
                    cell.set("data-label", name)


class _Tables(Extension):
    def extendMarkdown(self, md):
        # After the inline processor (20), which finds code and formulas.
        md.treeprocessors.register(_Labels(md), "labels", 15)


def on_config(config):
    config.markdown_extensions.append(_Tables())
    return config


def on_page_content(content, page, **_):
    try:
        return FOUND.sub(replaced, content)
    except Exception as error:  # whatever the translator raises, the page is named
        raise PluginError(f"{page.file.src_uri}: {error!r}") from error
