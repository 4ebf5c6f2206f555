"""The house keeps its shape: imports go down, modules are abstract or final."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import pytest

import hamlearn as hl

ROOT = Path(hl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: From the ground up: a room imports rooms before it, and its own files.
ROOMS = [
    "_types",
    "_checks",
    "plot",
    "graph",
    "networks",
    "signals",
    "action",
    "mechanics",
    "costates",
    "sensitivities",
    "updates",
    "laws",
    "run",
    "analysis",
    "tasks",
    "jobs",
    "papers",
    "cli",
    "__main__",
]
#: Where a law may be stepped: the loop itself, what tries a program before it runs,
#: and laws around another law.
STEPPERS = {"run/scan.py", "run/fingerprint.py"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Every module of the package that a file imports, wherever in it."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level] if node.level else ()
            source = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                deeper = ROOT.parent / Path(*source.split("."), alias.name)
                is_module = deeper.is_dir() or deeper.with_suffix(".py").exists()
                found.append(f"{source}.{alias.name}" if is_module else source)
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return [m for m in found if m.split(".")[0] == "hamlearn"]


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
    seen = imports(ROOT / "laws" / "law.py")
    assert "hamlearn.action.action" in seen
    assert "hamlearn._checks" in seen
    assert "hamlearn.laws.base" in seen


def test_every_room_has_its_floor():
    found = {room(path) for path in FILES} - {"__init__"}
    assert found == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_downward(path):
    if path == ROOT / "__init__.py":
        return  # the roof names all rooms, and imports none until it is asked
    here = ROOMS.index(room(path))
    # The roof, `import hamlearn as hl`, names all rooms up to the jobs.
    floor = lambda m: ROOMS.index(m.split(".")[1] if "." in m else "jobs")
    assert [m for m in imports(path) if floor(m) > here] == []


def test_no_import_circles():
    packages = {module_name(p) for p in FILES if p.name == "__init__.py"}
    graph = {module_name(p): set(imports(p)) for p in FILES}
    done = set()

    def visit(name, trail):
        assert name not in trail, " -> ".join([*trail, name])
        if name in done or name in packages:
            return
        for below in graph.get(name, ()):
            if below != name:
                visit(below, [*trail, name])
        done.add(name)

    for name in graph:
        visit(name, [])
    assert len(done) == len(FILES) - len(packages)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_one_loop_steps_laws(path):
    """Whoever loops over time and steps a law has written the loop again.

    A file that calls a law's `step` or `estimate` contains no loop of JAX, but for
    the one loop there is.
    """
    where = str(path.relative_to(ROOT))
    if where in STEPPERS:
        return
    tree = ast.parse(path.read_text())
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
    }
    steps = {
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("step", "estimate")
        and "law" in ast.unparse(node.func.value)
    }
    loops = called & {"fori_loop", "while_loop"}
    loops |= {"lax.scan"} if "lax.scan(" in path.read_text() else set()
    assert not (steps and loops), f"{steps} beside {loops}"


@pytest.mark.parametrize("path", sorted((ROOT / "laws").glob("*.py")), ids=module_name)
def test_laws_know_no_networks(path):
    """What a network is it says itself; no law asks for its kind."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            assert "Network" not in ast.unparse(node.args[1])
            assert "Batch" not in ast.unparse(node.args[1])


def test_batches_are_known_in_one_place():
    """But for the room of networks itself and the border, where samples are checked."""
    asks = [
        str(path.relative_to(ROOT))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and "Batch" in ast.unparse(node.args[1])
    ]
    allowed = ("networks/", "run/scan.py", "signals/streams.py")
    assert [name for name in asks if not name.startswith(allowed)] == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_are_abstract_or_final(name):
    cls = modules()[name]
    for base in cls.__bases__:
        ours = base.__module__.startswith("hamlearn")
        if ours and issubclass(base, eqx.Module):
            assert is_abstract(base), f"{name} subclasses the concrete {base.__name__}"
    assert is_abstract(cls) == cls.__name__.lstrip("_").startswith("Abstract")


def test_the_surface_is_small():
    assert len(hl.__all__) <= 45


@pytest.mark.parametrize("name", hl.__all__)
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


def public():
    """Every public name of the library and the things that bear it."""
    rooms = [getattr(hl, n) for n in hl.__all__ if inspect.ismodule(getattr(hl, n))]
    found: dict[str, set[int]] = {}
    for space in [hl, *rooms]:
        for name in getattr(space, "__all__", vars(space)):
            thing = getattr(space, name)
            if not name.startswith("_") and not inspect.ismodule(thing):
                found.setdefault(name, set()).add(id(thing))
    return found


def test_no_two_things_share_a_name():
    assert [name for name, things in public().items() if len(things) > 1] == []
    lower: dict[str, set[str]] = {}
    for name in public():
        lower.setdefault(name.lower(), set()).add(name)
    assert [names for names in lower.values() if len(names) > 1] == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_house_style(path):
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    talks = room(path) in ("cli", "__main__")
    forbidden = {"super", "hasattr"} | (set() if talks else {"print"})
    assert not names & forbidden
    assert ast.get_docstring(tree)
    assert "XLA_FLAGS" not in path.read_text()


def test_importing_costs_nothing():
    """The roof imports no room, and so neither JAX nor anything else."""
    code = (
        "import sys, hamlearn; "
        "heavy = {'jax', 'equinox', 'diffrax', 'numpy'} & set(sys.modules); "
        "print(heavy)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "set()"


def test_no_two_test_files_share_a_name():
    """pytest imports them by name: of two, one stops the run, in some orders."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []
