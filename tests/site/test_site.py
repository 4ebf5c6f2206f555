"""The built site in a browser: on a telephone and a desk, in the light and in the dark."""

import html
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import PROGRAM, Browser

ROOT = Path(__file__).parents[2]
WIDTHS = (390, 1440)
SCHEMES = {"light": "default", "dark": "slate"}

#: How large all that is written comes out, in the colours of the light and the dark.
SHAPES = """
(() => ["default", "slate"].map(scheme => {
  document.body.dataset.mdColorScheme = scheme;
  const page = document.documentElement;
  const box = document.querySelector("article").getBoundingClientRect();
  return [page.scrollWidth, page.scrollHeight, box.width, box.height];
}))()
"""
#: The scheme that the theme shows, once it has heard of a change.
SHOWN = """
(async () => {
  const frame = () => new Promise(requestAnimationFrame);
  await frame(), await frame();
  return document.body.dataset.mdColorScheme;
})()
"""

#: Elements that are wider than what holds them, or cut off by it, and pictures
#: that did not load. What scrolls on purpose is code, and the search and menus of the
#: theme, which lie outside the article.
LOOK = """
(async () => {
  const pictures = [...document.images];
  for (const picture of pictures) picture.loading = "eager";
  await Promise.all(pictures.map(
    p => p.complete || new Promise(done => { p.onload = p.onerror = done; })));
  const name = e => e.outerHTML.slice(0, 120);
  const wide = [], page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) wide.push("the page");
  const skipped = "pre, .highlight, .headerlink, .md-clipboard, svg, .doc-symbol";
  // Down the article, each element against the box that holds it; what lies in code
  // and inside of formulas is not entered.
  const down = (parent, outer) => {
    for (const e of parent.children) {
      if (e.matches(skipped)) continue;
      const display = getComputedStyle(e).display;
      if (e.matches(".formula") && e.scrollWidth > e.clientWidth) wide.push(name(e));
      const inner = e.getBoundingClientRect();
      const shown = display !== "inline" || e.tagName === "math";
      if (shown && inner.width
          && (inner.right > outer.right + 1 || inner.width > outer.width + 1))
        wide.push(name(e));
      if (e.tagName !== "math") down(e, display === "contents" ? outer : inner);
    }
  };
  for (const article of document.querySelectorAll("article"))
    down(article, article.getBoundingClientRect());
  const broken = pictures.filter(p => !p.naturalWidth).map(p => p.src);
  return {wide: wide.slice(0, 5), broken};
})()
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as built for this test, which fails where a link leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder],
        cwd=ROOT,
        check=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": ""},
    )
    return folder


@contextmanager
def served(folder):
    """The address of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    if PROGRAM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    found = Browser()
    yield found
    found.close()


def errors(events, address):
    """What the console complained of, and what was asked of another machine."""
    found = []
    for event in events:
        what, about = event["method"], event["params"]
        if what == "Runtime.exceptionThrown":
            found.append(about["exceptionDetails"]["text"])
        elif what == "Runtime.consoleAPICalled" and about["type"] == "error":
            found.append(str(about["args"]))
        elif what == "Log.entryAdded" and about["entry"]["level"] == "error":
            found.append(about["entry"]["text"])
        elif what == "Network.requestWillBeSent":
            url = about["request"]["url"]
            if not url.startswith((address, "data:", "blob:")):
                found.append(f"loads {url}")
    return found


def test_pages_fit_and_load(site, browser):
    """No element wider than its container, no broken picture, no error, no foreign file."""
    pages = sorted(p.parent.relative_to(site) for p in site.rglob("index.html"))
    assert len(pages) > 30
    found, widths = {}, list(WIDTHS)
    with served(site) as address:
        for page in pages:
            browser.open(f"{address}{page}/".replace("./", ""))
            for width in widths:
                browser.size(width)
                seen = browser.run(LOOK)
                seen["errors"] = errors(browser.events, address)
                if any(seen.values()):
                    found[f"{page} {width}"] = seen
            light, dark = browser.run(SHAPES)
            assert light == dark, page  # colours change no sizes: a look is for both
            widths.reverse()  # the next page is opened as wide as this one was left
    assert found == {}


def test_the_light_and_the_dark_are_those_of_the_system(site, browser):
    with served(site) as address:
        browser.open(address)
        for scheme, theirs in [*SCHEMES.items(), *SCHEMES.items()]:
            browser.scheme(scheme)
            assert browser.run(SHOWN) == theirs
        assert errors(browser.events, address) == []


def identities(text):
    return {html.unescape(name) for name in re.findall(r'\bid="?([^"\s>]+)', text)}


def lost(site):
    """Addresses within the site that lead to no file, or to no place in it."""
    texts = {p: p.read_text() for p in site.rglob("index.html")}
    known, found = {p: identities(text) for p, text in texts.items()}, []
    for page, text in texts.items():
        for address in set(re.findall(r'\b(?:href|src)="?([^"\s>]+)', text)):
            path, _, place = html.unescape(address).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = (page.parent / unquote(path)).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            there = known.get(target, {place} if target.exists() else set())
            if place not in {*there, ""} or not target.exists():
                found.append((str(page.parent.relative_to(site)), address))
    return found


def test_links_lead_somewhere(site, tmp_path):
    assert lost(site) == []
    (tmp_path / "index.html").write_text(
        '<h1 id=here>A</h1><a href=#here>a</a><a href="no/">c</a><a href=#away>d</a>'
    )
    assert {address for _, address in lost(tmp_path)} == {"#away", "no/"}


def test_what_is_wrong_is_seen(tmp_path, browser):
    """The look itself, on a page with a wide table, a lost picture and an error."""
    (tmp_path / "index.html").write_text("""
        <meta name="viewport" content="width=device-width"><body><article>
          <div><table style="width: 900px"><tr><td>1</td></tr></table></div>
          <p><img src="nothing.png" width="5" height="5"></p>
        </article><script>console.error("lost")</script></body>
    """)
    browser.size(390)
    with served(tmp_path) as address:
        browser.open(address)
        seen = browser.run(LOOK)
        assert any("<table" in one for one in seen["wide"])
        assert seen["broken"] == [f"{address}nothing.png"]
        assert any("lost" in one for one in errors(browser.events, address))
