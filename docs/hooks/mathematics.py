"""Mathematics made into MathML while the site is built; nothing is loaded to view it.

`pymdownx.arithmatex` finds $...$ and $$...$$ and leaves them as LaTeX; here they are
translated (latex2mathml). Tables get the name of its column on every cell, for narrow
screens, where a row is shown as a list.
"""

import html
import re
import xml.etree.ElementTree as etree

from latex2mathml.converter import convert
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

FOUND = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)
#: Tables with more columns are lists on narrow screens.
COLUMNS = 2


def mathml(tex: str, display: str) -> str:
    """One formula; what the translator does not know stops the build."""
    made = convert(tex.strip(), display=display)
    unknown = re.findall(r"<m[ion]>(\\[^<]+)</m[ion]>", made)
    if unknown:
        raise ValueError(f"No MathML for {unknown} in {tex!r}.")
    return made.replace("<math ", f'<math alttext="{html.escape(tex.strip())}" ', 1)


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


def on_page_content(content, **_):
    return FOUND.sub(replaced, content)
