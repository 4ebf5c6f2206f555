"""What predictors reach that learn nothing of the recurrence.

Every task has `floors()`: a dictionary of losses by name, in units of the loss the
task is meant for, with `constant` always among them. `floors_of` makes it for any
stream with numbers as targets.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._types import Loss
from ..action.cost import Cost, squared_error
from ..rules import BPTT
from ..run.stream import stream
from ..signals.signal import Sample


def floors_of(samples: Sample, *, taps: int = 4, ahead: int = 1) -> dict[str, float]:
    """All floors of a stream at once, in units of `squared_error`.

    **Arguments:** `taps`: of the linear predictor; `ahead`: after how many samples a
    target is known, and can be repeated.

    **Returns:** `constant`, `persistence` and `autoregression`, the last one on the
    second half of the stream.
    """
    return {
        "constant": constant(samples),
        "persistence": persistence(samples, ahead=ahead),
        "autoregression": autoregression(samples, taps=taps),
    }


def frozen_recurrence(
    network: Any,
    samples: Any,
    *,
    dt: Any,
    loss: Loss = squared_error,
    optimizer: optax.GradientTransformation | None = None,
    prefix: str = "readout_map",
) -> float:
    """The loss with the recurrence frozen and only the readout learned online.

    The mean over the last tenth of the stream, by gradient descent at every sample.
    What a law must beat for its credit to the recurrence to be worth anything.

    **Arguments:** `optimizer`: of the readout, by default SGD at a rate of 0.03;
    `prefix`: as for `readout_only`.
    """
    learns = optax.sgd(0.03) if optimizer is None else optimizer
    rule = BPTT(Cost(loss=loss), readout_only(learns, prefix=prefix), window=1)
    losses = stream(rule, network, samples, dt=dt, progress=False).loss
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def constant(samples: Sample) -> float:
    """Half the squared error of the mean target."""
    target, weight = _arrays(samples)
    mean = np.average(target, axis=0, weights=weight)
    return _half_square(target - mean, weight)


def persistence(samples: Sample, *, ahead: int = 1) -> float:
    """Half the squared error of repeating the target of `ahead` steps ago."""
    _checks.at_least("ahead", ahead, 1)
    target, weight = _arrays(samples)
    return _half_square(target[ahead:] - target[:-ahead], weight[ahead:])


def autoregression(samples: Sample, *, taps: int = 4, train: float = 0.5) -> float:
    """Half the squared error of least squares on the last inputs, on unseen samples.

    **Arguments:** `taps`: how many past inputs, the present one included; `train`:
    the first part of the stream, on which the coefficients are fitted.
    """
    _checks.at_least("taps", taps, 1)
    target, weight = _arrays(samples)
    u = np.asarray(samples.input, float)
    count = len(u) - taps + 1
    past = [u[taps - 1 - k : taps - 1 - k + count] for k in range(taps)]
    design = np.concatenate([*past, np.ones((count, 1))], axis=1)
    target, weight = target[taps - 1 :], weight[taps - 1 :]
    cut = int(train * count)
    scale = np.sqrt(weight[:cut, None])
    fitted, *_ = np.linalg.lstsq(scale * design[:cut], scale * target[:cut], rcond=None)
    return _half_square(target[cut:] - design[cut:] @ fitted, weight[cut:])


def readout_only(
    optimizer: optax.GradientTransformation, *, prefix: str = "readout_map"
) -> optax.GradientTransformation:
    """`optimizer` for the readout alone: the recurrence stays frozen.

    Give it to any law that takes an optimizer, for the control that says what learning
    the recurrence is worth.

    **Arguments:** `prefix`: what the names of the weights that learn begin with.
    """
    learns = lambda name: name.removeprefix("network.").startswith(prefix)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        change: Any
        change, state = optimizer.update(updates, state, params)
        frozen = {
            name: leaf if learns(name) else jnp.zeros_like(leaf)
            for name, leaf in change.items()
        }
        return frozen, state

    return optax.GradientTransformation(optimizer.init, update)


def _arrays(samples: Sample) -> tuple[np.ndarray, np.ndarray]:
    target = np.asarray(samples.target, float)
    _checks.shape("samples.target", target, ("time", "outputs"))
    if samples.weight is None:
        return target, np.ones(len(target))
    return target, np.asarray(samples.weight, float)


def _half_square(error: np.ndarray, weight: np.ndarray) -> float:
    return float(weight @ np.sum(error**2, axis=1) / 2 / weight.sum())
