"""A network that answers as another one does."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float
from ..graph.digraph import Digraph
from ..networks.rate import RateNetwork
from ..signals.signal import Sample
from .endless import AbstractEndless
from .floors import floors_of
from .task import Facts


class TeacherStudent(AbstractEndless):
    """Mimic a random recurrent network that hears the same input.

        y_k = h(x_k),   x_{k+1} = x_k + dt f(x_k, u_k)   of the teacher, from rest

    The inputs are filtered noise of variance 1 and the given correlation time. For
    `squared_error`. A student of the same kind can reach 0; how hard it is grows with
    `gain` (beyond 1 the teacher has dynamics of its own), with `neurons`, and with
    fewer `outputs`, which leave more of it unseen.

    **Arguments:** `inputs`, `neurons`, `outputs`: sizes; `depth`: of a chain of layers
    in place of full recurrence, all of which an input has to pass; `gain`: of the
    recurrent weights; `time_constant`: of all neurons; `correlation`: of the input, in
    time; `dt`: of a sample; `seed`: of the teacher.
    """

    _facts: Facts = eqx.field(static=True)
    neurons: int = eqx.field(static=True)
    depth: int | None = eqx.field(static=True)
    gain: float = eqx.field(static=True)
    time_constant: float = eqx.field(static=True)
    correlation: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    seed: int = eqx.field(static=True)

    def __init__(
        self,
        inputs: int = 2,
        neurons: int = 16,
        outputs: int = 4,
        *,
        depth: int | None = None,
        gain: float = 0.9,
        time_constant: float = 1.0,
        correlation: float = 1.0,
        dt: float = 0.1,
        seed: int = 0,
    ):
        sizes: dict[str, Any] = {"inputs": inputs, "neurons": neurons}
        for name, size in (sizes | {"outputs": outputs}).items():
            _checks.at_least(name, size, 1)
        times = {"time_constant": time_constant, "correlation": correlation, "dt": dt}
        for name, value in times.items():
            _checks.positive(name, value)
            _checks.shape(name, value, ())
        _checks.non_negative("gain", gain)
        _checks.at_least("seed", seed, 0)
        about = f"{outputs} of {neurons} neurons of a network that hears the same"
        if depth is not None:
            _checks.at_least("depth", depth, 1)
            _checks.at_least("neurons", neurons, depth * outputs)
            about = f"the last of {depth} slow layers that hear the same"
        self._facts = Facts(
            "teacher" if depth is None else "chain",
            inputs,
            outputs,
            8000,
            strictly_causal=True,
            about=about,
        )
        self.neurons, self.gain, self.seed = neurons, gain, seed
        self.depth = depth
        self.time_constant, self.correlation, self.dt = time_constant, correlation, dt

    @property
    def facts(self) -> Facts:
        """Sizes, `squared_error`."""
        return self._facts

    def network(self, *, key: Array) -> RateNetwork:
        """A network of the teacher's kind: a student that could succeed."""
        return RateNetwork(
            self.graph(),
            inputs=self.inputs,
            outputs=self.outputs,
            gain=self.gain,
            time_constant=self.time_constant,
            key=key,
        )

    def graph(self) -> Digraph:
        """Of the teacher: full recurrence, or a chain of layers of one size."""
        if self.depth is None:
            return Digraph.complete(self.neurons, self_loops=True)
        return Digraph.layered([self.neurons // self.depth] * self.depth)

    def teacher(self) -> RateNetwork:
        """The network to be mimicked."""
        return self.network(key=jax.random.key(self.seed))

    def floors(self) -> dict[str, float]:
        """Losses of predictors without a network (see `floors_of`), and `exact`, 0."""
        return floors_of(self.samples(jax.random.key(self.seed + 1))) | {"exact": 0.0}

    def draw(self, key: Array, steps: int) -> Sample:
        u = self._noise(key, steps)
        with jax.ensure_compile_time_eval():  # graphs are made of numbers
            teacher = self.teacher()

        def body(x, u):
            return teacher.transition(x, u, self.dt), teacher.readout(x, u)

        _, y = jax.lax.scan(body, teacher.initial_state(), u)
        return Sample(u, y)

    def _noise(self, key: Array, steps: int) -> Float[Array, "time inputs"]:
        """u' = keep u + sqrt(1 - keep^2) noise, stationary from the start."""
        noise = jax.random.normal(key, (steps, self.inputs))
        keep = jnp.exp(-jnp.asarray(self.dt / self.correlation, noise.dtype))

        def body(u, fresh):
            after = keep * u + jnp.sqrt(1 - keep**2) * fresh
            return after, after

        _, rest = jax.lax.scan(body, noise[0], noise[1:])
        return jnp.concatenate([noise[:1], rest])
