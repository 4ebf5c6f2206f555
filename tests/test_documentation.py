"""What the texts promise exists: names, files, limits of length."""

import ast
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

import hamlearn as hl
from benchmarks import _page as benchmarks

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
ROOMS = [name for name in hl.__all__ if (ROOT / "hamlearn" / name).is_dir()]
CHAIN = re.compile(r"\b((?:hl|analysis|plot|tasks)(?:\.[A-Za-z]\w*)+)(?=\W)")


def relative(path):
    return str(path.relative_to(ROOT))


def python_of(path):
    """The Python that a text or a notebook shows."""
    if path.suffix == ".md":
        return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
    cells = json.loads(path.read_text())["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def said_in(path):
    """Everything in a text, or in the cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text()
    return "\n".join(
        "".join(c["source"]) for c in json.loads(path.read_text())["cells"]
    )


def leads_nowhere(chain):
    """Whether a chain such as `hl.costates.SignFlip` ends before its last name."""
    first, *names = chain.split(".")
    thing = hl if first == "hl" else getattr(hl, first)
    for name in names:
        if not hasattr(thing, name):
            return True
        thing = getattr(thing, name)
    return False


@pytest.mark.parametrize("path", [*TEXTS, *NOTEBOOKS], ids=relative)
def test_names_in_texts_exist(path):
    text = said_in(path)
    if path.name == "migration.md":  # of its tables, what has taken the place
        text = re.sub(r"^\| .* \| (.*) \|$", r"\1", text, flags=re.M)
        text = re.sub(r"^    rule = .*$", "", text, flags=re.M)
    called = {c for c in CHAIN.findall(text) if c.startswith("hl.") or f"{c}(" in text}
    files = {".md", ".py", ".ipynb", ".csv", ".json", ".jsonl", ".png"}
    chains = {c for c in called if f".{c.rpartition('.')[2]}" not in files}
    assert sorted(c for c in chains if leads_nowhere(c)) == []


@pytest.mark.parametrize("path", TEXTS, ids=relative)
def test_python_in_texts_is_python(path):
    for block in python_of(path):
        ast.parse(block)


@pytest.mark.parametrize("path", [*TEXTS, *NOTEBOOKS], ids=relative)
def test_laws_are_called_as_they_can_be(path):
    """Every keyword of a call of `hl.something` in a text is one that it takes."""
    wrong = []
    for block in python_of(path):
        for node in ast.walk(ast.parse(block)):
            if not isinstance(node, ast.Call):
                continue
            chain = ast.unparse(node.func)
            if not re.fullmatch(r"hl(\.\w+)+", chain) or leads_nowhere(chain):
                continue
            thing = eval(chain, {"hl": hl})
            parameters = inspect.signature(thing).parameters.values()
            if any(p.kind is p.VAR_KEYWORD for p in parameters):
                continue
            known = {p.name for p in parameters}
            given = {word.arg for word in node.keywords} - {None}
            wrong += [f"{chain}({name}=)" for name in sorted(given - known)]
    assert wrong == []


def test_examples_of_parts_of_ones_own_are_those_that_run():
    text = ROOT / "docs" / "your_own.md"
    scripts = [path.read_text() for path in ROOT.glob("examples/own_*.py")]
    blocks = python_of(text)
    assert len(blocks) > 6
    for block in blocks:
        shown = [line.strip() for line in block.splitlines() if line.strip()]
        assert len(shown) < 30
        lines = [
            [s.strip() for s in text.splitlines() if s.strip()] for text in scripts
        ]
        assert any(contains(script, shown) for script in lines), block


def contains(script, shown):
    """Whether some lines stand in a script, one after the other."""
    size = len(shown)
    return any(script[k : k + size] == shown for k in range(len(script) - size + 1))


def test_the_contribution_shown_is_the_one_that_runs():
    script = (ROOT / "examples" / "forward_gradient.py").read_text()
    block = python_of(ROOT / "CONTRIBUTING.md")[0]
    part = block[: block.index("\n\n\nlaw =")]
    assert part in script


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


def test_every_public_name_is_in_the_reference():
    text = "\n".join(path.read_text() for path in ROOT.glob("docs/api/*.md"))
    listed = set(re.findall(r"^::: hamlearn\.(\S+)", text, re.M))
    top = set(hl.__all__) - set(ROOMS)
    last = {name.rpartition(".")[2] for name in listed}
    assert sorted(top - last) == []
    for room in ROOMS:
        named = {f"{room}.{name}" for name in exported(room)}
        assert sorted(named - listed) == []


def test_every_name_in_the_reference_is_public():
    text = "\n".join(path.read_text() for path in ROOT.glob("docs/api/*.md"))
    for name in re.findall(r"^::: (\S+)", text, re.M):
        place, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(place), last), name


def exported(room):
    """What a room offers, as its `__init__` says."""
    lines = (ROOT / "hamlearn" / room / "__init__.py").read_text().splitlines()
    return [
        line.rsplit(" as ", 1)[1]
        for line in lines
        if re.match(r"from \S+ import (\w+) as \1$", line)
    ]


def test_the_page_of_benchmarks_is_what_the_report_makes_of_the_results():
    page = ROOT / "docs" / "benchmarks.md"
    records = benchmarks.read(ROOT / "benchmarks" / "results", "cpu")
    assert page.read_text() == benchmarks.page(records, "cpu")
    for picture in re.findall(r"!\[.*\]\((\S+)\)", page.read_text()):
        assert (page.parent / picture).is_file(), picture
    anchors = {
        benchmarks.slug(title)
        for title in re.findall(r"^## (.+)$", page.read_text(), re.M)
    }
    assert set(re.findall(r"\]\(#(\S+)\)", page.read_text())) <= anchors


#: Words that are not of the field, or tell of how the project is made, and what to say.
BANNED = {
    r"\b(?:number|time|µs|us|byte|row|file|panel|class|update|key|word|level|lock)s? an? "
    r"(?:sample|neuron|edge|weight|command|gain|row|seed|stream|lane|folder|node|"
    r"window|line|step(?! later))\b": "per ...",
    r"\bupdate rules?\b": "law",
    r"\b(?:worktree|subagent|helper session|this session|to-?do|fixme|wip)\b": "nothing",
    r"\bissue #?\d{1,2}\b": "nothing",
    r"(?<![\w/])/(?:work|root|tmp|home)/": "nothing",
}
#: Those whose work is built on, as they write themselves.
PEOPLE = [
    "Akerman",
    "Almeida",
    "Annaswamy",
    "Baydin",
    "Bellec",
    "Benitez",
    "Betti",
    "Brandt",
    "Casoni",
    "Costa",
    "Cownden",
    "Eleftheriou",
    "Ellenberger",
    "Ernoult",
    "Glass",
    "Goldberger",
    "Gori",
    "Graves",
    "Guidi",
    "Haider",
    "Hochreiter",
    "Jaderberg",
    "Javed",
    "Jordan",
    "Kivinen",
    "Kobak",
    "Kriener",
    "Kudo",
    "Lillicrap",
    "Lin",
    "Liu",
    "Lorenz",
    "Maass",
    "Mackey",
    "Mark",
    "Melacci",
    "Menick",
    "Moody",
    "Murray",
    "Narendra",
    "Ollivier",
    "Orvieto",
    "Pemberton",
    "Peng",
    "Petrovici",
    "Pineda",
    "Pourcel",
    "Rus",
    "Rusch",
    "Sacramento",
    "Savin",
    "Schmidhuber",
    "Senn",
    "Shimbo",
    "Silver",
    "Steger",
    "Strogatz",
    "Suembuel",
    "Tallec",
    "Tiezzi",
    "Toyama",
    "Warmuth",
    "Watts",
    "White",
    "Williams",
    "Xiao",
    "Zipser",
    "Zucchet",
]
NAMED = re.compile(
    r"\b([A-Z][a-zé]+) et\s+al\b"
    r"|\b([A-Z][a-zé]+) & ([A-Z][a-zé]+)"
    r"|\b([A-Z][a-zé]+)(?: \(|, )(?:19|20)\d\d"
)
OTHERS = {"NeurIPS", "Processes", "Communications", "Weights", "Biases"}


def spoken(path):
    """What a file says to a reader: a text, or the docstrings and comments of code."""
    return said_in(path) if path.suffix != ".py" else path.read_text()


SPOKEN = [
    *TEXTS,
    ROOT / "CHANGELOG.md",
    *NOTEBOOKS,
    *sorted(ROOT.glob("hamlearn/**/*.py")),
    *sorted(ROOT.glob("benchmarks/*.py")),
]


@pytest.mark.parametrize("path", SPOKEN, ids=relative)
def test_words_are_those_of_the_field(path):
    text = re.sub(r"\s+", " ", spoken(path))
    found = {
        match[0]: better
        for pattern, better in BANNED.items()
        for match in re.finditer(pattern, text, re.I)
    }
    assert found == {}


@pytest.mark.parametrize("path", SPOKEN, ids=relative)
def test_names_are_spelled_as_they_are(path):
    named = {name for found in NAMED.findall(spoken(path)) for name in found if name}
    assert sorted(named - set(PEOPLE) - OTHERS) == []
