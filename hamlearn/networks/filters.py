"""Linear filters of one complex pole each; complex numbers as pairs, see `diagonal`."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Complex

from .._types import Array, Float, Scalar


class Filters(eqx.Module):
    """dh_i/dt = lam_i h_i + (B u)_i: what units do to what they hear.

    `poles`: the different ones; units i of one class, all next to each other, share
    one. `weight`: B.
    """

    poles: Float[Array, "2 classes"]
    weight: Float[Array, "2 units inputs"]

    def alone(self) -> "Filters":
        """The same with a pole of its own for every unit."""
        each = self.weight.shape[1] // self.poles.shape[1]
        return Filters(jnp.repeat(self.poles, each, axis=1), self.weight)

    def passed(self, dt: Scalar | None) -> Float[Array, "2 classes"]:
        """e^{lam dt}, what a step leaves of a state; lam itself without dt."""
        return self.poles if dt is None else held(self.poles, dt)[0]

    def written(self, dt: Scalar) -> Float[Array, "2 units inputs"]:
        """M, what a step adds to the states for every input."""
        lasting = held(self.alone().poles, dt)[1]
        return times(lasting[:, :, None], self.weight)

    def asked(
        self, q: Float[Array, "2 units"], dt: Scalar | None
    ) -> Float[Array, "2 classes inputs"]:
        """sum of q_i M_ij over the units of every class, M u what a step adds to h.

        The drift, B u, without dt.
        """
        shape = (2, self.poles.shape[1], -1)
        at = q.reshape(shape)
        if dt is not None:
            at = times(held(self.poles, dt)[1][:, :, None], at)
        (a, b), (c, d) = at, self.weight.reshape(*shape, self.weight.shape[2])
        each = lambda at, B: jnp.einsum("km,kmj->kj", at, B)
        return jnp.stack([each(a, c) - each(b, d), each(a, d) + each(b, c)])


def held(
    poles: Float[Array, "2 poles"], dt: Float[Array, "..."]
) -> tuple[Float[Array, "2 poles"], Float[Array, "2 poles"]]:
    """(e^{lam dt}, (e^{lam dt} - 1)/lam), without cancellation for slow modes."""
    decay, turn = poles * dt
    left, half = jnp.exp(decay), jnp.sin(turn / 2)
    a = jnp.stack([left * jnp.cos(turn), left * jnp.sin(turn)])
    less = jnp.expm1(decay) * jnp.cos(turn) - 2 * half**2
    return a, over(jnp.stack([less, a[1]]), poles)


def pole(
    log_decay: Float[Array, "poles"], log_frequency: Float[Array, "poles"]
) -> Float[Array, "2 poles"]:
    """lam = -e^nu + i e^theta."""
    return jnp.stack([-jnp.exp(log_decay), jnp.exp(log_frequency)])


def times(a: Float[Array, "2 *a"], b: Float[Array, "2 *b"]) -> Float[Array, "2 *c"]:
    """Products of complex numbers held as pairs."""
    return jnp.stack([a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]])


def over(a: Float[Array, "2 *a"], b: Float[Array, "2 *b"]) -> Float[Array, "2 *c"]:
    """Quotients of complex numbers held as pairs."""
    return times(a, jnp.stack([b[0], -b[1]])) / (b[0] ** 2 + b[1] ** 2)


def complex_of(pair: Float[Array, "2 *a"]) -> Complex[Array, "*a"]:
    """The complex numbers that a pair stands for."""
    return jax.lax.complex(pair[0], pair[1])
