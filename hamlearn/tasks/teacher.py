"""A network that answers as another one does."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float
from ..graph.digraph import Digraph
from ..networks.rate import RateNetwork
from ..signals.signal import Sample
from .floors import floors_of


class TeacherStudent(eqx.Module):
    """Mimic a random recurrent network that hears the same input.

        y_k = h(x_k),   x_{k+1} = x_k + dt f(x_k, u_k)   of the teacher, from rest

    The inputs are filtered noise of variance 1 and the given correlation time. For
    `squared_error`. A student of the same kind can reach 0; how hard it is grows with
    `gain` (beyond 1 the teacher has dynamics of its own), with `neurons`, and with
    fewer `outputs`, which leave more of it unseen.

    **Arguments:** `inputs`, `neurons`, `outputs`: sizes; `gain`: of the recurrent
    weights; `time_constant`: of all neurons; `correlation`: of the input, in time;
    `dt`: of a sample; `seed`: of the teacher.
    """

    inputs: int = eqx.field(static=True, default=2)
    neurons: int = eqx.field(static=True, default=16)
    outputs: int = eqx.field(static=True, default=4)
    gain: float = eqx.field(static=True, default=0.9)
    time_constant: float = eqx.field(static=True, default=1.0)
    correlation: float = eqx.field(static=True, default=1.0)
    dt: float = eqx.field(static=True, default=0.1)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        for name in ("inputs", "neurons", "outputs"):
            _checks.at_least(name, getattr(self, name), 1)
        for name in ("time_constant", "correlation", "dt"):
            _checks.positive(name, getattr(self, name))

    def network(self, *, key: Array) -> RateNetwork:
        """A network of the teacher's kind: a student that could succeed."""
        return RateNetwork(
            Digraph.complete(self.neurons, self_loops=True),
            inputs=self.inputs,
            outputs=self.outputs,
            gain=self.gain,
            time_constant=self.time_constant,
            key=key,
        )

    def teacher(self) -> RateNetwork:
        """The network to be mimicked."""
        return self.network(key=jax.random.key(self.seed))

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        """`steps` samples, with `batch` of that many streams as second axis."""
        _checks.at_least("steps", steps, 1)
        if batch is None:
            return self._one(steps, key)
        _checks.at_least("batch", batch, 1)
        keys = jax.random.split(key, batch)
        return jax.vmap(lambda key: self._one(steps, key), out_axes=1)(keys)

    def floors(self, steps: int = 20_000, *, key: Array | None = None):
        """Losses of predictors without a network (see `floors_of`), and `exact`, 0."""
        key = jax.random.key(self.seed + 1) if key is None else key
        return floors_of(self(steps, key=key)) | {"exact": 0.0}

    def _one(self, steps: int, key: Array) -> Sample:
        u, teacher = self._noise(steps, key), self.teacher()
        dt = jnp.asarray(self.dt, u.dtype)

        def body(x, u):
            return x + dt * teacher(x, u), teacher.readout(x, u)

        _, y = jax.lax.scan(body, teacher.initial_state(), u)
        return Sample(u, y)

    def _noise(self, steps: int, key: Array) -> Float[Array, "time inputs"]:
        """u' = keep u + sqrt(1 - keep^2) noise, stationary from the start."""
        noise = jax.random.normal(key, (steps, self.inputs))
        keep = jnp.exp(-jnp.asarray(self.dt / self.correlation, noise.dtype))

        def body(u, fresh):
            after = keep * u + jnp.sqrt(1 - keep**2) * fresh
            return after, after

        _, rest = jax.lax.scan(body, noise[0], noise[1:])
        return jnp.concatenate([noise[:1], rest])
