"""What a checkpoint belongs to: law, network, step and stream, by name and value."""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .. import _checks
from ..laws.base import AbstractLaw, State, without_rest
from ..signals.samples import state_dtype
from ..signals.signal import Sample


@dataclass(frozen=True)
class Fingerprint:
    """Short digests by name; and one of the compiled step, which tells functions
    without a name apart as long as JAX is the same."""

    parts: dict[str, str]
    step: str
    jax: str

    @classmethod
    def of(cls, law: AbstractLaw, state: State, head: Sample, dt: Any) -> "Fingerprint":
        """The fingerprint of a run before its first sample."""
        parts = {"dt": repr(float(dt)), "first sample": _digest(head)}
        parts |= _named("law", law)
        parts |= _named("network", state.network)
        begun = (state.x, state.credit, state.update, state.rest.fixed)
        parts["start (`x0`, `key`)"] = _digest(begun)
        where = f"{jax.__version__} on {jax.default_backend()}"
        return cls(parts, _lowered(law, state, head, dt), where)

    def check(self, saved: dict[str, Any]) -> None:
        """**Raises:** `ValueError` naming what differs from a saved one."""
        names = sorted(self.parts.keys() | saved["parts"].keys())
        off = [n for n in names if self.parts.get(n) != saved["parts"].get(n)]
        if not off and saved["jax"] == self.jax and saved["step"] != self.step:
            off = ["a function without a name of its own"]
        if off:
            wanted = "one of the same law, network, dt and samples"
            got = f"of a run that differs in {', '.join(off[:6])}"
            _checks.reject("checkpoint", wanted, got)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"parts": self.parts, "step": self.step, "jax": self.jax}


def _named(path: str, thing: Any) -> dict[str, str]:
    """Digests of everything in a module, by path."""
    if isinstance(thing, eqx.Module):
        inside = [(f.name, getattr(thing, f.name)) for f in dataclasses.fields(thing)]
    elif isinstance(thing, dict):
        inside = [(str(name), value) for name, value in thing.items()]
    elif isinstance(thing, list | tuple):
        inside = [(str(number), value) for number, value in enumerate(thing)]
    else:
        return {path: _shown(thing)}
    found = {path: type(thing).__qualname__}
    for name, value in inside:
        found |= _named(f"{path}.{name}", value)
    return found


def _shown(value: Any) -> str:
    if callable(value):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        return f"{getattr(value, '__module__', '')}.{name}"
    if isinstance(value, str | int | float | bool | None):
        return repr(value)
    return _digest(value)


def _digest(tree: Any) -> str:
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        found.update(jax.tree_util.keystr(path).encode())
        if callable(leaf):
            found.update(getattr(leaf, "__qualname__", type(leaf).__name__).encode())
            continue
        if eqx.is_array(leaf) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.asarray(leaf)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()[:16]


def _lowered(law: AbstractLaw, state: State, head: Sample, dt: Any) -> str:
    arrays, static = eqx.partition((law, state), eqx.is_array)

    def step(arrays, head, dt):
        law, state = eqx.combine(arrays, static)
        after, info = law.step(state, head, dt)
        return without_rest(after), info

    dtype = state_dtype(state)
    text = jax.jit(step).lower(arrays, head, jax.numpy.asarray(dt, dtype)).as_text()
    return hashlib.sha256(text.encode()).hexdigest()[:16]
