"""What predictors reach that learn nothing of the recurrence."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._signal import Sample


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
