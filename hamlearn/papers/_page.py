"""All figures and claims as one HTML page that needs nothing else."""

import base64
import platform
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path

from ._claim import Claim
from ._gallery import EXHIBITS, PAPERS, Exhibit

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1a1a1a;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, header { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 1.5rem 0 0.5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1.05rem; margin: 0 0 0.5rem; }
p { margin: 0.4rem 0; }
.about { color: #555; font-size: 0.9rem; white-space: pre-line; }
article { display: grid; grid-template-columns: 1fr; gap: 1rem; padding: 1.2rem 0;
  border-bottom: 1px solid #e5e5e5; }
article > * { min-width: 0; }
img { max-width: 100%; max-height: 27rem; height: auto; width: auto;
  object-fit: contain; display: block; margin: 0 auto; }
dl { margin: 0 0 0.6rem; }
dt { font-weight: 600; font-size: 0.85rem; color: #555; }
dd { margin: 0 0 0.4rem; }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: 0.45rem 0 0.45rem 0.7rem; margin: 0.3rem 0; border-left: 4px solid;
  overflow-wrap: anywhere; font-size: 0.93rem; }
.holds { border-color: #0072B2; } .condition { border-color: #E69F00; }
.fails { border-color: #D55E00; }
.badge { font-weight: 700; }
.value { font-variant-numeric: tabular-nums; white-space: nowrap; }
.name { color: #555; font-size: 0.85rem; }
@media (min-width: 56rem) {
  article.figured { grid-template-columns: 3fr 2fr; gap: 2rem; }
}
"""

_BADGES = {
    "holds": "holds",
    "condition": "holds under a condition",
    "fails": "does not hold",
}


def page(
    claims: Mapping[str, Sequence[Claim]], folder: Path, about: Mapping[str, str]
) -> str:
    """The page as text.

    **Arguments:** `claims`: by name of the paper; `folder`: holds a folder of figures
    for each; `about`: what is said of each paper.
    """
    sections = [
        _section(name, list(claims[name]), folder / name, about[name])
        for name in PAPERS
        if name in claims
    ]
    everything = [claim for found in claims.values() for claim in found]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>What was reproduced</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<header>\n{_head(everything)}</header>\n<main>\n"
        + "".join(sections)
        + "</main>\n</body>\n</html>\n"
    )


def kind(claim: Claim) -> str:
    """Whether a claim holds, under a condition, or not: `holds`, `condition`, `fails`.

    "holds for ..." names a condition as "holds if ..." does.
    """
    if claim.verdict.startswith("does not hold"):
        return "fails"
    named = claim.verdict.startswith(("holds if", "holds for", "holds once"))
    return "condition" if named else "holds"


def _head(claims: Sequence[Claim]) -> str:
    import jax  # late: the command line knows the papers by name without it

    counts = {name: sum(kind(c) == name for c in claims) for name in _BADGES}
    said = (
        f"{counts['holds']} hold, {counts['condition']} hold under a condition, "
        f"{counts['fails']} do not hold"
    )
    off = sum(not claim.within_bound for claim in claims)
    machine = (
        f"hamlearn {version('hamlearn')}, JAX {jax.__version__}, Python "
        f"{platform.python_version()}, {jax.devices()[0].device_kind}, double precision"
    )
    return (
        "<h1>What of the papers could be reproduced</h1>\n"
        f"<p>{len(claims)} checks: {said}; {off} were not as expected.</p>\n"
        f'<p class="about">{escape(machine)}. Numbers are those of this run.</p>\n'
    )


def _section(name: str, claims: list[Claim], folder: Path, about: str) -> str:
    parts, left = [], list(claims)
    for exhibit in EXHIBITS:
        if exhibit.paper == name:
            shown = [c for c in left if c.name.startswith(exhibit.checks)]
            left = [c for c in left if c not in shown]
            parts.append(_article(exhibit, shown, folder))
    if left:
        rest = Exhibit(name, "Further checks", None, "See each.", "See above.", ())
        parts.append(_article(rest, left, folder))
    return (
        f"<section>\n<h2>{escape(PAPERS[name])}</h2>\n"
        f'<p class="about">{escape(about.strip())}</p>\n'
        + "".join(parts)
        + "</section>\n"
    )


def _article(exhibit: Exhibit, claims: list[Claim], folder: Path) -> str:
    picture, look = "", ""
    if exhibit.figure is not None:
        data = base64.b64encode((folder / exhibit.figure).read_bytes()).decode()
        text = escape(f"{exhibit.title}: {exhibit.claim}", quote=True)
        picture = f'<img alt="{text}" src="data:image/png;base64,{data}">\n'
        look = ' class="figured"'
    rows = "".join(_row(claim) for claim in claims)
    return (
        f"<article{look}>\n{picture}<div>\n<h3>{escape(exhibit.title)}</h3>\n<dl>"
        f"<dt>Claim</dt><dd>{escape(exhibit.claim)}</dd>"
        f"<dt>Parameters</dt><dd>{escape(exhibit.parameters)}</dd></dl>\n"
        f"<ul>\n{rows}</ul>\n</div>\n</article>\n"
    )


def _row(claim: Claim) -> str:
    verdict = kind(claim)
    words = claim.verdict
    for start in ("does not hold", "holds"):
        words = words.removeprefix(start)
    words = words.lstrip(": ")
    badge = f'<span class="badge">{_BADGES[verdict]}</span>'
    said = f"{badge}: {escape(words)}" if words else badge
    off = "" if claim.within_bound else " <strong>(not as expected)</strong>"
    return (
        f'<li class="{verdict}">{said}{off}<br><span class="name">'
        f"{escape(claim.name.replace('_', ' '))}: </span>"
        f'<span class="value">measured {claim.value:.4g}</span>, '
        f'<span class="value">expected {escape(claim.bound())}</span></li>\n'
    )
