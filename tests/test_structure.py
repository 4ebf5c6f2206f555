"""The house keeps its shape: imports go down, modules are abstract or final."""

import ast
import importlib
import inspect
from pathlib import Path

import equinox as eqx
import pytest

import hamlearn as hl

ROOT = Path(hl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# From the ground floor up: a room may import its own floor's earlier rooms and below.
FLOORS = [
    "_types",
    "_checks",
    "_aggregation",
    "_graph",
    "_network",
    "_signal",
    "_action",
    "_mechanics",
    "_constraint",
    "_solver",
    "_policy",
    "_reversal",
    "rules",
    "_records",
    "_samples",
    "_checkpoint",
    "_result",
    "_stream",
    "_solve",
]
TOP = ("analysis", "tasks", "reproduce", "plot", "_cli", "__main__")
RUNNING = FLOORS[FLOORS.index("rules") + 1 :]
VISITORS = ("tasks", "reproduce", "plot")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[tuple[str, str]]:
    """Every (module, name) that a file imports from the package."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level] if node.level else ()
            source = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                deeper = ROOT.parent / Path(*source.split("."), alias.name)
                is_module = deeper.is_dir() or deeper.with_suffix(".py").exists()
                target = f"{source}.{alias.name}" if is_module else source
                found.append((target, alias.name))
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return [(m, n) for m, n in found if m.split(".")[0] == "hamlearn"]


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def modules():
    """Every class of the package that is an Equinox module."""
    found = {}
    for path in FILES:
        if path.name == "__main__.py":
            continue
        module = importlib.import_module(module_name(path))
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, eqx.Module) and cls.__module__.startswith("hamlearn"):
                found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return found


def is_abstract(cls) -> bool:
    waiting = getattr(cls, "__abstractvars__", ()) or getattr(
        cls, "__abstractclassvars__", ()
    )
    return inspect.isabstract(cls) or bool(waiting)


def test_imports_are_read():
    seen = imports(ROOT / "rules" / "hamiltonian.py")
    assert ("hamlearn._action", "hamiltonian") in seen
    assert ("hamlearn._checks", "_checks") in seen
    assert ("hamlearn.rules._base", "solver_step") in seen


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(module_name(p)) in FLOORS], ids=module_name
)
def test_imports_go_downward(path):
    here = room(module_name(path))
    above = [*FLOORS[FLOORS.index(here) + 1 :], *TOP]
    bad = [f"{m}.{n}" for m, n in imports(path) if room(m) in above]
    # The card and the plot of a result load matplotlib only when asked for.
    lazy = ["hamlearn.plot.run"] if here == "_result" else []
    assert [name for name in bad if name not in lazy] == []


def test_no_import_cycles():
    graph = {module_name(path): {m for m, _ in imports(path)} for path in FILES}
    graph["hamlearn"] = set()  # the roof gathers names
    lazy = {(f"hamlearn.{m}", "hamlearn.plot") for m in ("_result", "_comparison")}
    order, done = [], set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail, name])
        if name in done:
            return
        for below in graph.get(name, ()):
            if (name, below) not in lazy and below != name:
                visit(below, [*trail, name])
        done.add(name)
        order.append(name)

    packages = {
        "hamlearn",
        *(m for m in graph if (ROOT.parent / m.replace(".", "/")).is_dir()),
    }
    for name in graph:
        if name not in packages:
            visit(name, [])
    assert len(order) >= len(FILES) - len(packages)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "rules").rglob("*.py")), ids=module_name
)
def test_rules_stand_alone(path):
    """A law imports no other law and nothing that runs it."""
    if path.name == "__init__.py":
        return
    own = path.parent != ROOT / "rules"  # a law that is a folder
    for module, name in imports(path):
        assert room(module) not in (*RUNNING, *TOP), f"{module}.{name}"
        if module.startswith("hamlearn.rules"):
            inside = own and module.startswith(module_name(path.parent))
            shared = module.split(".")[-1].startswith("_")
            assert inside or shared, f"{path.name} imports {module}.{name}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(module_name(p)) in VISITORS], ids=module_name
)
def test_visitors_use_public_names(path):
    here = room(module_name(path))
    for module, name in imports(path):
        if room(module) in VISITORS:
            assert room(module) in (here, "plot", "tasks"), f"{module}.{name}"
        elif "._" in module and room(module) not in ("_checks", "_types"):
            assert name in vars(hl) or name in vars(hl.rules), f"{module}.{name}"


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_are_abstract_or_final(name):
    cls = modules()[name]
    for base in cls.__bases__:
        ours = base.__module__.startswith("hamlearn")
        if ours and issubclass(base, eqx.Module):
            assert is_abstract(base), f"{name} subclasses the concrete {base.__name__}"
    assert is_abstract(cls) == cls.__name__.lstrip("_").startswith("Abstract")


def public_names():
    return [
        n
        for n in vars(hl)
        if not n.startswith("_") and not inspect.ismodule(vars(hl)[n])
    ]


@pytest.mark.parametrize("name", public_names())
def test_public_names_are_documented(name):
    thing = getattr(hl, name)
    assert len((thing.__doc__ or "").strip()) > 20
    # Dataclasses without a docstring get their signature for one.
    assert not thing.__doc__.startswith(f"{name}(")
    for attribute, value in vars(thing).items() if inspect.isclass(thing) else ():
        if inspect.isfunction(value) and not attribute.startswith("_"):
            if attribute in getattr(thing, "__dataclass_fields__", {}):
                continue  # a field that holds a function
            texts = [
                vars(c)[attribute].__doc__
                for c in thing.__mro__
                if attribute in vars(c)
            ]
            assert any(texts), f"{name}.{attribute} has no docstring"


def test_public_names_are_reexported():
    lines = [
        line.split(" import ")[1]
        for line in (ROOT / "__init__.py").read_text().splitlines()
        if line.startswith("from .")
    ]
    assert all(a == f"{n} as {n}" for a in lines for n in [a.split(" as ")[0]])


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_house_style(path):
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    forbidden = {"super", "hasattr"} | (
        set() if room(module_name(path)) in ("_cli", "__main__") else {"print"}
    )
    assert not names & forbidden
    assert ast.get_docstring(tree)
