"""Spiking neurons with a surrogate derivative: leaky, and with adaptive thresholds."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from .. import _checks
from .._types import Array, Float, Neurons, Number, PyTree, Values
from .base import AbstractWhole
from .partition import fields_trainable
from .parts import checked_fields

DAMPING = 0.3  # of the surrogate derivative, as published


@jax.custom_jvp
def spike(above: Neurons) -> Neurons:
    """1 where a neuron is above its threshold, else 0.

    With the derivative 0.3 max(0, 1 - |above|), a triangle of the height of `DAMPING`.

    **Arguments:** `above`: (v - threshold)/baseline, in units of the baseline.
    """
    return (above > 0).astype(above.dtype)


@spike.defjvp
def _spike_jvp(primals: Any, tangents: Any) -> tuple[Neurons, Neurons]:
    (above,), (change,) = primals, tangents
    return spike(above), surrogate(above) * change


def surrogate(above: Neurons) -> Neurons:
    """What stands for the derivative of `spike`."""
    return DAMPING * jnp.maximum(0, 1 - jnp.abs(above))


class SpikingNetwork(AbstractWhole):
    """Recurrent leaky integrate-and-fire neurons, some with adaptive thresholds.

        z = spike((v - theta - beta a)/theta)
        v' = e^{-dt/tau_m} v + W z + B u - theta z
        a' = e^{-dt/tau_a} a + z              y = V r + c
        r' = e^{-dt/tau_r} r + z

    A map from sample to sample: `dt` sets the leaks, and a spike lasts one sample. The
    state is a dictionary of `voltage` v, `adaptation` a and `trace` r. Derivatives of a
    spike are those of `spike`; the reset has none, as published. W has no diagonal, and
    neurons no refractory time.

    **Arguments:**

    - `neurons`, `inputs`, `outputs`: their numbers.
    - `adaptive`: how many neurons have beta > 0, the last ones.
    - `time_constant`, `adaptation_time_constant`, `readout_time_constant`: tau_m,
      tau_a, tau_r > 0, in units of time, such as 20, 200 and 20 ms.
    - `threshold`: theta > 0; `adaptation`: beta of adaptive neurons, in units of
      theta.
    - `learn`: names of the fields that laws change.

    **Raises:** `ValueError` naming the argument that does not fit.

    Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein, Maass (2020), "A solution to
    the learning dilemma for recurrent networks of spiking neurons".
    """

    weight: Float[Array, "neurons neurons"]
    input_weight: Float[Array, "neurons inputs"]
    readout_map: eqx.nn.Linear
    beta: Neurons
    time_constant: Float[Array, ""]
    adaptation_time_constant: Float[Array, ""]
    readout_time_constant: Float[Array, ""]
    threshold: Float[Array, ""]
    learn: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        neurons: int,
        *,
        inputs: int,
        outputs: int,
        adaptive: int = 0,
        time_constant: Values = 20.0,
        adaptation_time_constant: Values = 200.0,
        readout_time_constant: Values = 20.0,
        threshold: Values = 1.0,
        adaptation: Values = 0.17,
        learn: Sequence[str] = ("weight", "input_weight", "readout_map"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        for name, value in (
            ("neurons", neurons), ("inputs", inputs), ("outputs", outputs)
        ):  # fmt: skip
            _checks.at_least(name, value, 1)
        _checks.at_least("adaptive", adaptive, 0)
        if adaptive > neurons:
            _checks.reject("adaptive", f"at most {neurons}", adaptive)
        for name, value in (
            ("time_constant", time_constant),
            ("adaptation_time_constant", adaptation_time_constant),
            ("readout_time_constant", readout_time_constant),
            ("threshold", threshold),
        ):
            _checks.positive(name, value)
            _checks.shape(name, value, ())
        _checks.non_negative("adaptation", adaptation)
        _checks.shape("adaptation", adaptation, ())
        _checks.key("key", key)
        a, b, c = jax.random.split(key, 3)
        dtype = _checks.floating("dtype", dtype)
        number = lambda value: jnp.asarray(value, dtype)
        size = lambda fan: jnp.asarray(fan**-0.5, dtype)
        w = size(neurons) * jax.random.normal(a, (neurons, neurons), dtype)
        self.weight = jnp.where(jnp.eye(neurons, dtype=bool), 0, w)
        drawn = jax.random.normal(b, (neurons, inputs), dtype)
        self.input_weight = size(inputs) * drawn
        self.readout_map = eqx.nn.Linear(neurons, outputs, dtype=dtype, key=c)
        adapts = np.arange(neurons) >= neurons - adaptive
        self.beta = jnp.where(adapts, number(adaptation), 0)
        self.time_constant = number(time_constant)
        self.adaptation_time_constant = number(adaptation_time_constant)
        self.readout_time_constant = number(readout_time_constant)
        self.threshold = number(threshold)
        self.learn = checked_fields(learn, type(self))

    def above(self, x: dict[str, Neurons]) -> Neurons:
        """How far every neuron is above its threshold, in units of the baseline."""
        return x["voltage"] / self.threshold - 1 - self.beta * x["adaptation"]

    def leaks(self, dt: Number) -> dict[str, Array]:
        """What a step leaves of every part of the state."""
        times = {
            "voltage": self.time_constant,
            "adaptation": self.adaptation_time_constant,
            "trace": self.readout_time_constant,
        }
        left = lambda tau: jnp.exp(-jnp.asarray(dt, tau.dtype) / tau)
        return {name: left(tau) for name, tau in times.items()}

    def recurrent(self) -> Float[Array, "neurons neurons"]:
        """W, without its diagonal."""
        return jnp.where(jnp.eye(self.weight.shape[0], dtype=bool), 0, self.weight)

    def transition(
        self, x: dict[str, Neurons], u: Float[Array, "inputs"], dt: Number
    ) -> dict[str, Neurons]:
        z, keep = spike(self.above(x)), self.leaks(dt)
        drive = self.recurrent() @ z + self.input_weight @ u
        reset = self.threshold * jax.lax.stop_gradient(z)
        return {
            "voltage": keep["voltage"] * x["voltage"] + drive - reset,
            "adaptation": keep["adaptation"] * x["adaptation"] + z,
            "trace": keep["trace"] * x["trace"] + z,
        }

    def __call__(
        self, x: dict[str, Neurons], u: Float[Array, "inputs"]
    ) -> dict[str, Neurons]:
        """What a step of one unit of time changes; there is no drift between spikes."""
        after = self.transition(x, u, 1.0)
        return jax.tree.map(lambda a, b: a - b, after, x)

    def readout(
        self, x: dict[str, Neurons], u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        return self.readout_map(x["trace"])

    def initial_state(self) -> dict[str, Neurons]:
        rest = jnp.zeros_like(self.beta)
        return {"voltage": rest, "adaptation": rest, "trace": rest}

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def settled(self, x: dict[str, Neurons], u: Float[Array, "inputs"]) -> PyTree:
        return self.transition(x, u, 1.0)

    @property
    def inputs(self) -> int:
        return self.input_weight.shape[1]

    @property
    def name(self) -> str:
        return "SpikingNetwork"
