"""What predictors reach that have no network, in the words that every task uses."""

from typing import Any

import numpy as np

from .. import _checks
from .._types import Float, Loss
from ..action.cost import cross_entropy, squared_error
from ..signals.signal import Sample
from .task import mean_score


def floors_of(
    samples: Sample, *, loss: Loss = squared_error, ahead: int = 1, taps: int = 4
) -> dict[str, float]:
    """Mean losses, over the second half of a stream, of three simple predictors.

    - `constant`: the best constant answer for that half: the mean target; for
      `cross_entropy` the logarithm of the mean target.
    - `last`: the answer of `ahead` samples before; for `cross_entropy` the frequencies
      that followed it in the first half.
    - `linear`: a linear map of the last `taps` inputs, the present one included, fitted
      on the first half by least squares; for `cross_entropy` by softmax regression.

    **Arguments:** `samples`: shapes (time, inputs) and (time, outputs), with weights or
    without; `loss`: any, which is the unit of what is returned; `ahead`: after how many
    samples an answer is known, and can be repeated.
    """
    _checks.at_least("ahead", ahead, 1)
    _checks.at_least("taps", taps, 1)
    u, y, weight = _arrays(samples)
    half = len(y) // 2
    first, second = slice(taps - 1, half), slice(half, 2 * half)

    def judged(guess: np.ndarray) -> float:
        return mean_score(loss, guess, y[second], weight[second])

    def fitted(x: np.ndarray) -> float:
        x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        fit = softmax_regression if loss is cross_entropy else least_squares
        return judged(x[second] @ fit(x[first], y[first], weight[first]))

    mean = np.average(y[second], axis=0, weights=weight[second])
    best = np.log(np.maximum(mean, 1e-300)) if loss is cross_entropy else mean
    before = y[np.maximum(np.arange(len(y)) - ahead, 0)]
    return {
        "constant": judged(np.broadcast_to(best, y[second].shape)),
        "last": fitted(before) if loss is cross_entropy else judged(before[second]),
        "linear": fitted(_past(u, taps)),
    }


def least_squares(
    x: Float[np.ndarray, "time features"],
    y: Float[np.ndarray, "time outputs"],
    weight: Float[np.ndarray, "time"],
) -> Float[np.ndarray, "features outputs"]:
    """W of the least sum of weight |x W - y|^2."""
    scale = np.sqrt(weight)[:, None]
    return np.linalg.lstsq(scale * x, scale * y, rcond=None)[0]


def softmax_regression(
    x: Float[np.ndarray, "time features"],
    y: Float[np.ndarray, "time outputs"],
    weight: Float[np.ndarray, "time"],
) -> Float[np.ndarray, "features outputs"]:
    """W of the least sum of weight * cross-entropy(x W, y), plus |W|^2/2."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    shape = (x.shape[1], y.shape[1])

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(shape)
        log_p = log_softmax(x @ w, axis=1)
        error = np.exp(log_p) * y.sum(axis=1, keepdims=True) - y
        value = flat @ flat / 2 - weight @ np.sum(y * log_p, axis=1)
        return value, (x.T @ (weight[:, None] * error) + w).reshape(-1)

    start, options = np.zeros(shape).reshape(-1), {"maxiter": 1000}
    found: Any = minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B", options=options
    )
    return found.x.reshape(shape)


def _past(u: np.ndarray, taps: int) -> np.ndarray:
    """The last `taps` inputs at every time, with zeros before the first one."""
    padded = np.concatenate([np.zeros((taps - 1, u.shape[1])), u])
    parts = [padded[taps - 1 - k : len(padded) - k] for k in range(taps)]
    return np.concatenate(parts, axis=1)


def _arrays(samples: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    target = np.asarray(samples.target, float)
    _checks.shape("samples.target", target, ("time", "outputs"))
    _checks.at_least("len(samples.target)", len(target), 4)
    u = np.asarray(samples.input, float)
    _checks.shape("samples.input", u, (len(target), "inputs"))
    if samples.weight is None:
        return u, target, np.ones(len(target))
    return u, target, np.asarray(samples.weight, float)
