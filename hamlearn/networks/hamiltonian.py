"""Networks of oscillators from one scalar, H = |p|^2/2 + V(q, c)."""

from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike

from .. import _checks
from .._types import Array, Float, Neurons, Number, PyTree, Scalar, Values
from .base import AbstractWhole, Readout
from .partition import fields_trainable
from .parts import checked_fields, checked_map, vector

Motion = tuple[Float[Array, "neurons"], Float[Array, "neurons"]]


class HamiltonianNetwork(AbstractWhole):
    """Hamilton's equations of one scalar of yours, H(q, p, u) = |p|^2/2 + V(q, c).

        dq/dt = p,   dp/dt = -dV/dq (q, c) - theta p,   c_i = sum_k b_ik u_k

    The state is (q, p), from rest at zero; y = readout(q). One step is symmetric, with
    the force halfway, and for theta = 0 undoes itself with p reversed:

        p <- e^{-theta dt/2} p,   q' = q + dt/2 p
        p <- p - dt dV/dq (q', c),   q <- q' + dt/2 p,   p <- e^{-theta dt/2} p

    With theta it is that of the action, the sum of e^{theta t} (|v|^2/2 - V), and is
    undone by the same step with -theta.

    **Arguments:**

    - `potential`: V(q, c), a function or a module whose arrays learn, such as
      `Harmonic` and `LogCosh`.
    - `neurons`, `inputs`: how many.
    - `readout`: an optional module applied to q; its arrays learn too.
    - `dissipation`: theta >= 0 in 1/time, one for all neurons.
    - `learn`: names of the fields that laws change.
    - `dtype`: of all parameters; JAX's default float without it.
    - `key`: for b_ik ~ N(0, 1/inputs).

    **Example:**

        >>> import hamlearn as hl, jax, jax.numpy as jnp
        >>> well = hl.networks.Harmonic(jnp.linspace(0.5, 2.0, 8))
        >>> net = hl.networks.HamiltonianNetwork(
        ...     well, neurons=8, inputs=1, key=jax.random.key(0)
        ... )
        >>> {name: w.shape for name, w in hl.split(net)[0].items()}
        {'potential.stiffness': (8,), 'input_weight': (8, 1)}

    **Raises:** `ValueError` naming the argument that does not fit.
    """

    potential: Callable[[Neurons, Neurons], Scalar]
    input_weight: Float[Array, "neurons inputs"] | None
    readout_map: Readout | None
    dissipation: Scalar | float
    rest: Neurons
    learn: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        potential: Callable[[Neurons, Neurons], Scalar],
        *,
        neurons: int,
        inputs: int = 0,
        readout: Readout | None = None,
        dissipation: Number = 0.0,
        learn: Sequence[str] = ("potential", "input_weight", "readout_map"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        _checks.function("potential", potential, "q and c", 2)
        _checks.at_least("neurons", neurons, 1)
        _checks.at_least("inputs", inputs, 0)
        _checks.non_negative("dissipation", dissipation)
        _checks.shape("dissipation", dissipation, ())
        _checks.key("key", key)
        dtype = _checks.floating("dtype", dtype)
        self.potential = potential
        self.input_weight = None
        if inputs > 0:
            scale = jnp.asarray(inputs**-0.5, dtype)
            drawn = jax.random.normal(key, (neurons, inputs), dtype)
            self.input_weight = scale * drawn
        self.readout_map = readout
        # None stays a Python zero, and the program has no exponentials for it.
        none = isinstance(dissipation, int | float) and dissipation == 0
        self.dissipation = 0.0 if none else jnp.asarray(dissipation, dtype)
        self.rest = jnp.zeros(neurons, dtype)
        self.learn = checked_fields(learn, type(self))
        V = jax.eval_shape(potential, self.rest, self.rest)
        if V.shape != ():
            wanted = "a function V(q, c) to one number"
            _checks.reject("potential", wanted, f"one to shape {V.shape}")
        if readout is not None:
            _checks.function("readout", readout, "q", 1)
            checked_map("readout", readout, self.rest, of="the neurons")

    def energy(self, q: Neurons, u: Float[Array, "inputs"]) -> Scalar:
        """V(q, c), with c made of u."""
        return self.potential(q, self.drive(u))

    def drive(self, u: Float[Array, "inputs"]) -> Neurons:
        """c, what the inputs are to every neuron."""
        if self.input_weight is None:
            return jnp.zeros_like(self.rest)
        return self.input_weight @ u

    def hamiltonian(self, x: Motion, u: Float[Array, "inputs"]) -> Scalar:
        """H = |p|^2/2 + V(q, c)."""
        q, p = x
        return jnp.sum(p**2) / 2 + self.energy(q, u)

    def halfway(
        self, x: Motion, c: Neurons, dt: Number, dissipation: Number
    ) -> tuple[Motion, Neurons]:
        """(the state after `dt`, q' halfway) under drive `c` with this dissipation."""
        q, p = x
        dt = jnp.asarray(dt, q.dtype)
        none = isinstance(dissipation, float) and dissipation == 0
        keep = 1 if none else jnp.exp(-jnp.asarray(dissipation, q.dtype) * dt / 2)
        p = keep * p
        middle = q + dt / 2 * p
        p = p - dt * jax.grad(self.potential)(middle, c)
        return (middle + dt / 2 * p, keep * p), middle

    def __call__(self, x: Motion, u: Float[Array, "inputs"]) -> Motion:
        q, p = x
        return p, -jax.grad(self.potential)(q, self.drive(u)) - self.dissipation * p

    def readout(self, x: Motion, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        return x[0] if self.readout_map is None else self.readout_map(x[0])

    def initial_state(self) -> Motion:
        return self.rest, self.rest

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def transition(self, x: Motion, u: Float[Array, "inputs"], dt: Number) -> Motion:
        return self.halfway(x, self.drive(u), dt, self.dissipation)[0]

    def settled(self, x: Motion, u: Float[Array, "inputs"]) -> Motion:
        return jax.tree.map(jnp.add, x, self(x, u))

    @property
    def inputs(self) -> int:
        return 0 if self.input_weight is None else self.input_weight.shape[1]

    @property
    def name(self) -> str:
        return "HamiltonianNetwork"


class Harmonic(eqx.Module):
    """V = 1/2 sum_i a_i q_i^2 - sum_i c_i q_i: oscillators of frequency sqrt(a_i).

    **Arguments:** `stiffness`: a, one for every neuron.

    Rusch & Rus (2025), "Oscillatory state-space models" (LinOSS).
    """

    stiffness: Neurons

    def __init__(self, stiffness: Values):
        self.stiffness = vector("stiffness", stiffness)

    def __call__(self, q: Neurons, c: Neurons) -> Scalar:
        _checks.shape("stiffness", self.stiffness, q.shape)
        return jnp.sum(self.stiffness * q**2 / 2 - c * q)


class LogCosh(eqx.Module):
    """V = sum_i a_i q_i^2/2 + g_i log cosh(s_i q_i + c_i + b_i)/s_i.

    The force is -a_i q_i - g_i tanh(s_i q_i + c_i + b_i).

    **Arguments:** `stiffness`: a, one for every neuron; `gain`: g; `slope`: s, not
    zero; `bias`: b; one number or one for every neuron.

    The nonlinear unit of Pourcel & Ernoult (2025), "Learning long range dependencies
    through time reversal symmetry breaking"; of the family of UnICORNN.
    """

    stiffness: Neurons
    gain: Neurons
    slope: Neurons
    bias: Neurons

    def __init__(
        self,
        stiffness: Values,
        *,
        gain: Values = 1.0,
        slope: Values = 1.0,
        bias: Values = 0.0,
    ):
        self.stiffness = vector("stiffness", stiffness)

        def each(name: str, value: Values) -> Neurons:
            _checks.finite(name, value)
            if np.ndim(value) > 0:
                _checks.shape(name, value, self.stiffness.shape)
            value = jnp.asarray(value, self.stiffness.dtype)
            return jnp.broadcast_to(value, self.stiffness.shape)

        self.gain, self.bias = each("gain", gain), each("bias", bias)
        self.slope = each("slope", slope)
        if not isinstance(slope, Tracer) and np.any(np.asarray(slope) == 0):
            _checks.reject("slope", "other than zero", slope)

    def __call__(self, q: Neurons, c: Neurons) -> Scalar:
        _checks.shape("stiffness", self.stiffness, q.shape)
        well = jnp.logaddexp(a := self.slope * q + c + self.bias, -a)
        return jnp.sum(self.stiffness * q**2 / 2 + self.gain * well / self.slope)


def oscillations(
    network: HamiltonianNetwork,
    inputs: Float[Array, "time inputs"],
    dt: Number,
    x0: Motion | None = None,
) -> tuple[Float[Array, "steps neurons"], Float[Array, "steps neurons"]]:
    """All states of harmonic oscillators at once, by a scan that is parallel in time.

        x_{k+1} = M x_k + F c_k,   with 2 x 2 numbers M for every neuron

    as `transition` has it one after the other: depth log T in place of T.

    **Arguments:** `network`: with a `Harmonic` potential; `inputs`: u_0 ... u_{T-1};
    `x0`: by default at rest.

    **Returns:** (q, p) at samples 0 ... T, each of shape (T + 1, neurons).

    **Raises:** `ValueError` for another potential.
    """
    if not isinstance(network.potential, Harmonic):
        _checks.reject("network.potential", "a Harmonic", network.potential)
    start = network.initial_state() if x0 is None else x0
    zero, one = jnp.zeros_like(network.rest), jnp.ones_like(network.rest)
    step = lambda q, p, c: network.halfway((q, p), c, dt, network.dissipation)[0]
    # Linear, and every neuron by itself: three steps tell all.
    each = [step(one, zero, zero), step(zero, one, zero), step(zero, zero, one)]
    (qq, pq), (qp, pp), (qc, pc) = each
    drive = jax.vmap(network.drive)(inputs)
    forced = jnp.stack([qc * drive, pc * drive], 1)
    M = jnp.broadcast_to(
        jnp.stack([jnp.stack([qq, qp]), jnp.stack([pq, pp])]),
        (len(inputs), 2, 2, len(one)),
    )

    def joined(first, second):
        (A, a), (B, b) = first, second
        product = jnp.einsum("...ijn,...jkn->...ikn", B, A)
        return product, jnp.einsum("...ijn,...jn->...in", B, a) + b

    M, x = jax.lax.associative_scan(joined, (M, forced))
    x = x + jnp.einsum("tijn,jn->tin", M, jnp.stack(start))
    x = jnp.concatenate([jnp.stack(start)[None], x])
    return x[:, 0], x[:, 1]
