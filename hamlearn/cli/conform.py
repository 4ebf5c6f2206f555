"""`hamlearn conform`: a user's own cell under every law."""

import argparse
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import shared


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "conform",
        help="put a network of yours under every law",
        description="Put a network of yours under every law that can take it, and say "
        "which is exact on it, which weights get no credit, how it compares with "
        "BPTT in two precisions, what it costs.",
    )
    add = command.add_argument
    add(
        "network",
        metavar="MODULE:NAME",
        help="a class, a function that makes it, or the thing itself: a network, or a "
        "module f(x, u) = dx/dt; MODULE may be a path such as cells.py",
    )
    add("--inputs", type=int, default=1, metavar="N", help="how many it hears")
    add("--state", type=int, metavar="N", help="x0 = N zeros, for a module f(x, u)")
    add("--args", default="{}", metavar="JSON", help="such as '{\"units\": 8}'")
    add("--laws", nargs="+", metavar="LAW", help="only laws whose name starts so")
    add("--steps", type=int, default=60, help="samples of the random stream")
    add("--dt", type=float, default=0.1, help="time between samples")
    add("--draws", type=int, default=16, help="of stochastic laws")
    add("--seed", type=int, default=0, help="of the initial weights and the stream")
    add("--json", action="store_true", help="one JSON object per law")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import jax

    from ..analysis.conformance import conformance

    jax.config.update("jax_enable_x64", True)
    key = jax.random.key(arguments.seed)
    network = _network(arguments, key)
    report = conformance(
        network,
        inputs=arguments.inputs,
        steps=arguments.steps,
        dt=arguments.dt,
        draws=arguments.draws,
        laws=_asked(network, arguments),
        key=key,
    )
    print(report.to_json() if arguments.json else report.text(shared.width()))
    return 0


def _asked(network: Any, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """The laws whose names start as asked, None for all; BPTT is always there."""
    from ..analysis.laws import compared_laws

    if arguments.laws is None:
        return None
    laws = compared_laws(network, arguments.inputs, steps=arguments.steps)
    names, starts = ("BPTT", *laws), [start.lower() for start in arguments.laws]
    for start, word in zip(starts, arguments.laws, strict=True):
        if not any(name.lower().startswith(start) for name in names):
            shared.choice("--laws", word, names)
    chosen = [name for name in laws if name.lower().startswith(tuple(starts))]
    return {name: laws[name] for name in chosen}


def _network(arguments: argparse.Namespace, key: Any) -> Any:
    """The network that was named, with its start."""
    import jax.numpy as jnp

    from ..networks.base import AbstractNetwork
    from ..networks.dynamics import as_network

    network = _made(_found(arguments.network), _options(arguments.args), key)
    if isinstance(network, AbstractNetwork):
        return as_network(network, None)
    if arguments.state is None:
        wanted = "given for a module that is no network"
        raise ValueError(f"`--state` must be {wanted}.")
    return as_network(network, jnp.zeros(arguments.state))


def _options(text: str) -> dict[str, Any]:
    """The arguments of what makes the network."""
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"`--args` must be JSON, but is {text}: {error}.") from error
    if not isinstance(options, dict):
        raise ValueError(f"`--args` must be a JSON object, but is {text}.")
    return options


def _found(place: str) -> Any:
    """What stands at `module:name` or `path.py:name`."""
    source, _, name = place.rpartition(":")
    if not source or not name:
        wanted = "such as cells:GRU or cells.py:GRU"
        raise ValueError(f"`MODULE:NAME` must be {wanted}, but is {place}.")
    module = _of_file(Path(source)) if source.endswith(".py") else _of_name(source)
    try:
        return getattr(module, name)  # which may be imported when asked for
    except AttributeError as error:
        wanted = f"`NAME` must be in {source}, but is {name}."
        raise ValueError(wanted) from error


def _of_name(name: str) -> Any:
    sys.path.insert(0, "")  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ValueError(f"`MODULE` must be importable, but {error}.") from error
    finally:
        sys.path.remove("")


def _of_file(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _made(thing: Any, options: dict[str, Any], key: Any) -> Any:
    """`thing` itself, or what it makes; a `key` is passed where it takes one."""
    if not (isinstance(thing, type) or _is_function(thing)):
        return thing
    make: Callable[..., Any] = thing
    try:
        return make(**options, key=key) if _takes_key(make) else make(**options)
    except TypeError as error:
        raise ValueError(f"`--args` must fit {thing.__name__}: {error}.") from error


def _is_function(thing: Any) -> bool:
    return isinstance(thing, type(_is_function))


def _takes_key(make: Callable[..., Any]) -> bool:
    return "key" in inspect.signature(make).parameters
