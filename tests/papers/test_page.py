"""The page of all that was reproduced: nothing is lost, nothing is fetched."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from hamlearn import papers
from hamlearn.papers import Claim, _mnist1d_curve, write_page
from hamlearn.papers._gallery import EXHIBITS, PAPERS
from hamlearn.papers._page import kind

VERDICTS = {
    "holds": "holds",
    "holds: as said": "holds",
    "holds if c = 10": "condition",
    "holds for the flipped costate: so": "condition",
    "does not hold: never <so>": "fails",
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_kinds_of_verdicts(verdict):
    assert kind(Claim("name", 1.0, 0.0, None, verdict)) == VERDICTS[verdict]


@pytest.fixture
def drawn(tmp_path):
    """Pictures, each of its own content, in the places of all figures."""
    for k, exhibit in enumerate(EXHIBITS):
        (tmp_path / exhibit.paper).mkdir(exist_ok=True)
        if exhibit.figure is not None:
            (tmp_path / exhibit.paper / exhibit.figure).write_bytes(b"picture %d" % k)
    return tmp_path


class Reader(HTMLParser):
    """Tags that are open, images, items of lists."""

    def __init__(self):
        HTMLParser.__init__(self)
        self.open, self.images, self.items = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag not in ("meta", "br"):
            self.open.append(tag)
            if tag == "li":
                self.items.append([dict(attrs)["class"], ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "li" in self.open:
            self.items[-1][1] += data


def test_page_holds_every_figure_and_every_claim_once(drawn):
    claims = {
        name: [
            Claim(f"{prefix} {k}", 2.5, 1.0, 2.0 if k else None, verdict)
            for exhibit in EXHIBITS
            if exhibit.paper == name
            for prefix in exhibit.checks
            for k, verdict in enumerate(VERDICTS)
        ]
        + [Claim("of no figure", 1.0, None, 3.0, "holds")]
        for name in PAPERS
    }
    text = write_page(drawn, claims).read_text()
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    everything = [claim for found in claims.values() for claim in found]
    assert len(reader.items) == len(everything)
    assert sorted(look for look, _ in reader.items) == sorted(map(kind, everything))
    # A value above its bound is said to be one.
    off = sum(not claim.within_bound for claim in everything)
    assert off > 0
    assert text.count("(not as expected)") == off
    assert f"{off} were not as expected" in text
    shown = [
        image["src"].removeprefix("data:image/png;base64,") for image in reader.images
    ]
    pictures = [
        f"{exhibit.paper}/{exhibit.figure}" for exhibit in EXHIBITS if exhibit.figure
    ]
    assert [base64.b64decode(data) for data in shown] == [
        (drawn / picture).read_bytes() for picture in pictures
    ]
    assert all(image["alt"] for image in reader.images)
    assert "&lt;so&gt;" in text
    assert "width=device-width" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script" not in text


def test_committed_curve_is_what_is_drawn_and_said(tmp_path):
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "mnist1d_gle.json"
    rows = json.loads(path.read_text())["epochs"]
    (claim,) = _mnist1d_curve.run(tmp_path)
    assert claim.value == rows[-1]["test"]
    assert f"{len(rows)} epochs" in claim.verdict
    assert (kind(claim) == "holds") == (rows[-1]["test"] >= 90.9)
    assert plt.imread(tmp_path / "mnist1d.png").shape[1] > 600


def test_command_all_writes_the_page(monkeypatch, capsys, drawn):
    found = [("nilp", Claim("lq_x", 1.0, 0.0, None, "holds")),
             ("stlp", Claim("stlp_bp", 3.0, None, 2.0, "holds if small"))]  # fmt: skip
    monkeypatch.setattr(papers, "everything", lambda out, quick: iter(found))
    from hamlearn.cli import main

    assert main(["reproduce", "all", "--out", str(drawn), "--json"]) == 0
    printed, said = capsys.readouterr()
    assert [json.loads(line)["name"] for line in printed.splitlines()] == [
        "lq_x", "stlp_bp",
    ]  # fmt: skip
    assert "2 claims checked, 1 outside" in said
    text = (drawn / "index.html").read_text()
    assert "stlp bp" in text
    assert PAPERS["gle"].split(" (")[0] not in text
