"""A filter of the costate that every neuron learns for itself, as a critic is learned.

The exact error is lam_k = direct s_k + G_k with G_{k-1} = keep G_k + ahead s_k: a
Bellman equation, whose G is predicted from what the neuron has.
"""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Neurons, Number, PyTree, Scalar, Values
from ..action.cost import as_number
from ..networks.filters import complex_of
from .filters import AbstractClosure
from .times import AbstractTimes


class Predictor(eqx.Module):
    """What every neuron remembers of its own errors.

    `weight`: w; `spread`: P, the inverse of what has been seen; `before`: phi of the
    last sample, and `last` its s; `averages`; `sizes`: the mean squares of s and of
    the state over the `seen` samples. Complex numbers are held as their two parts.
    """

    weight: Float[Array, "parts features neurons"]
    spread: Float[Array, "parts features features neurons"]
    before: Float[Array, "features neurons"]
    last: Neurons | Float[Array, "2 neurons"]
    averages: Float[Array, "averages rows neurons"]
    sizes: Float[Array, "2 neurons"]
    seen: Scalar


class Learned(AbstractClosure):
    """lam = s + w.phi, with w learned by every neuron from its own Bellman equation.

        phi = (own state, s, leaky averages of s, 1)
        w.phi_{k-1} = keep (s_k + w.phi_k) + ... : G_{k-1} = keep G_k + ahead s_k

    by recursive least squares with the instrument phi_{k-1} (LSTD(0)), k^2 numbers per
    neuron. It begins at w = 0, which is `Unfiltered`, and is held there as if by
    `shrinkage` memories of its neuron, 1/(1 - |keep|) samples each, in which s alone
    was right: what cannot be predicted stays instantaneous.

    What is learned is lost where an episode begins.

    **Arguments:** `averages`: their time constants, in memories of the neuron;
    `shrinkage` > 0; None: w is held; `forgetting`: after how many
    samples the past counts 1/e; None: never; `weight`: w at the start, of shape
    (1, features, neurons), for modes (2, ...), its two parts; by default 0.

    A local relative of synthetic gradients (Jaderberg et al. 2017) and of BP(lambda)
    (Pemberton & Costa 2024), see `SyntheticGradients`: scalar costate, scalar
    transport, O(n k^2).
    """

    averages: tuple[float, ...] = eqx.field(static=True)
    shrinkage: Scalar | None
    forgetting: Scalar | None
    weight: Array | None

    def __init__(
        self,
        averages: Sequence[float] = (0.3, 1.0),
        *,
        shrinkage: Number | None = 10.0,
        forgetting: Number | None = None,
        weight: Values | None = None,
    ):
        for value in averages:
            _checks.positive("averages", value)
        if shrinkage is not None:
            _checks.positive("shrinkage", shrinkage)
        if forgetting is not None:
            _checks.positive("forgetting", forgetting)
        self.averages = tuple(float(value) for value in averages)
        self.shrinkage = None if shrinkage is None else as_number(shrinkage)
        self.forgetting = None if forgetting is None else as_number(forgetting)
        self.weight = None if weight is None else jnp.asarray(weight)

    def init(self, u):
        rows, n = (1, u.size) if u.ndim == 1 else u.shape
        count, dtype = len(self.averages), u.dtype
        features = rows * (2 + count) + 1
        identity = jnp.eye(features, dtype=dtype)[:, :, None]
        real = jnp.zeros((rows, 1, 1, 1), dtype).at[0].set(1)
        N = self.shrinkage
        prior = jnp.asarray(0.0 if N is None else 1 / N).astype(dtype)
        w = jnp.zeros((rows, features, n), dtype)
        if self.weight is not None:
            _checks.shape("weight", self.weight, w.shape)
            w = self.weight.astype(dtype)
        return Predictor(
            w,
            jnp.broadcast_to(prior * real * identity, (rows, features, features, n)),
            jnp.zeros((features, n), dtype),
            jnp.zeros_like(u),
            jnp.zeros((count, rows, n), dtype),
            jnp.zeros((2, n), dtype),
            jnp.zeros((), dtype),
        )

    def error(self, s, memory, times):
        phi = self.features(s, memory, times)[0]
        return s + times.held(_sum(_number(memory.weight), phi))

    def advance(self, s, memory, times, leak):
        phi, averages = self.features(s, memory, times)
        sizes, seen = self._sizes(s, memory, times)
        if self.shrinkage is None:
            w, P = memory.weight, memory.spread
            return Predictor(w, P, phi, s, averages, sizes, seen)
        horizon = 1 / jnp.maximum(1 - jnp.abs(times.keep), jnp.finfo(s.dtype).eps)
        unit = jnp.sqrt(jnp.where(sizes[0] > 0, sizes[0], 1) * horizon)
        w, P = _number(memory.weight), _number(memory.spread)
        kind = w.dtype
        keep = times.keep.astype(kind)
        old, new = ((a / unit).astype(kind) for a in (memory.before, phi))
        later = (1 - times.direct) * keep + times.ahead
        here = times.number(s / unit)
        before = times.number(memory.last / unit)
        rest = later * here - (1 - times.direct) * before
        fade = jnp.ones((), s.dtype)
        if self.forgetting is not None:
            fade = jnp.exp(-1 / self.forgetting.astype(s.dtype))
        w, P = _recursed(w, P, old, old - keep * new, rest, fade)
        return Predictor(_parts(w), _parts(P), phi, s, averages, sizes, seen)

    def features(
        self, s: Array, memory: Predictor, times: AbstractTimes
    ) -> tuple[Float[Array, "features neurons"], Array]:
        """(phi, the averages with s), affine in s."""
        rows, averages = times.rows(s), memory.averages
        loss = (1 - jnp.abs(times.keep)).astype(s.dtype)
        each = []
        for k, length in enumerate(self.averages):
            rate = jnp.minimum(loss / length, 1)
            each.append(averages[k] + rate * (rows - averages[k]))
        size_s, size_x = memory.sizes
        root = jnp.sqrt(size_s)
        own = root / jnp.sqrt(jnp.where(size_x > 0, size_x, 1))
        parts = [own * times.rows(times.state), rows, *each, root[None]]
        averages = jnp.stack(each) if each else averages
        return jnp.concatenate(parts), averages

    def _sizes(self, s: Array, memory: Predictor, times: AbstractTimes) -> PyTree:
        """(mean squares of s and of the state, samples seen)."""
        seen = memory.seen + 1
        most = seen if self.forgetting is None else jnp.minimum(
            seen, self.forgetting.astype(s.dtype)
        )  # fmt: skip
        now = jnp.stack([jnp.mean(times.rows(a) ** 2, 0) for a in (s, times.state)])
        return memory.sizes + (now - memory.sizes) / most, seen


def _recursed(
    w: Array, P: Array, old: Array, change: Array, rest: Array, fade: Scalar
) -> tuple[Array, Array]:
    """One step of least squares of old (rest - change.w) = 0, of every neuron."""
    fade = fade.astype(w.dtype)
    seen = jnp.sum(P * old[None], axis=1)
    gain = seen / (fade + jnp.sum(change * seen, axis=0))
    w = w + gain * (rest - jnp.sum(change * w, axis=0))
    P = (P - gain[:, None] * jnp.sum(change[:, None] * P, axis=0)[None]) / fade
    return w, P


def _sum(w: Array, phi: Array) -> Array:
    return jnp.sum(w * phi.astype(w.dtype), axis=0)


def _number(parts: Float[Array, "parts *rest"]) -> Array:
    """The real, or complex, numbers that their parts stand for."""
    return parts[0] if len(parts) == 1 else complex_of(parts)


def _parts(number: Array) -> Float[Array, "parts *rest"]:
    """The parts of real, or complex, numbers."""
    if jnp.iscomplexobj(number):
        return jnp.stack([number.real, number.imag])
    return number[None]
