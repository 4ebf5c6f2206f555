"""What a run returns: what was learned, what was recorded, how it went."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from .. import _checks
from ..action.cost import cross_entropy, squared_error
from ..laws.base import AbstractLaw, State, without_rest
from ..networks.base import Network
from .card import card, pace
from .records import Records, named_leaves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DivergenceWarning(UserWarning):
    """A run left the finite numbers and was stopped."""


@dataclass(frozen=True)
class Divergence:
    """Which quantities left the finite numbers, at which sample and time."""

    sample: int
    time: float
    quantities: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(f"`{name}`" for name in self.quantities)
        return (
            f"The run diverged at t = {self.time:.6g} (sample {self.sample}): {names} "
            "left the finite numbers. Everything before is kept."
        )


@dataclass(frozen=True, repr=False)
class Result:
    """What came out of `stream` or `solve`. Prints as a card.

    **Attributes:**

    - `network`: with what it has learned; `state`: to look at costates and the like.
    - `times`, `info`: recorded times and arrays by name, with time as leading axis:
      `output`, `target`, `loss` and whatever else the law reports.
    - `samples`: how many were seen (steps taken, for `solve`).
    - `losses`: mean loss beside that of trivial predictors, over all samples.
    - `seconds`: in all, compiling included; `us_per_sample`: µs per sample once it is
      compiled; None where that was not measured, for one chunk or a `solve`.
    - `diverged`: None, or when and what; the rest is then from before.
    """

    law: AbstractLaw
    state: State
    times: np.ndarray
    info: dict[str, np.ndarray]
    samples: int
    dt: float | None
    losses: dict[str, float]
    seconds: float
    us_per_sample: float | None
    diverged: Divergence | None = None
    stats: dict[str, int | float] = field(default_factory=dict)

    @classmethod
    def of_stream(
        cls, law, state, records: Records, options, samples, clock, diverged
    ) -> "Result":
        info = records.arrays()
        number = info.pop("sample", np.zeros(0, np.int64))
        dt = float(options.dt)
        return cls(
            law,
            state,
            number * dt,
            info,
            samples,
            dt,
            _losses(getattr(law.cost, "loss", None), records.sums(), info),
            clock[-1][1] - clock[0][1],
            pace(clock),
            diverged,
        )

    @classmethod
    def of_solve(
        cls, law, state, signal, times, flows, infos, stats, seconds, blew_up
    ) -> "Result":
        times = np.asarray(times)
        if (
            not blew_up
        ):  # what was not needed of the room for saved steps is at infinity
            times = times[np.isfinite(times)]
            cut = lambda leaf: leaf[: len(times)]
            infos, flows = jax.tree.map(cut, (infos, flows))
        info = {name: np.asarray(leaf) for name, leaf in named_leaves(infos).items()}
        info["target"] = np.asarray(jax.vmap(lambda t: signal(t).target)(times))
        flat = [_rows(leaf) for leaf in info.values()]
        good = np.isfinite(np.concatenate([times[:, None], *flat], axis=1)).all(axis=1)
        kept = int(np.argmin(good)) if not good.all() else len(times)
        diverged = None
        if kept < len(times):
            last = max(kept - 1, 0)
            at_last = {
                n: np.asarray(leaf)[last] for n, leaf in named_leaves(flows).items()
            }
            diverged = Divergence(kept, float(times[last]), _largest(at_last)[:1])
        info = {name: leaf[:kept] for name, leaf in info.items()}
        steps = int(stats["num_steps"])
        losses = {"loss": float(np.mean(info["loss"]))} if kept else {}
        return cls(
            law, state, times[:kept], info, steps, None, losses, seconds,
            None, diverged,
            {name: int(np.asarray(count)) for name, count in stats.items()},
        )  # fmt: skip

    @property
    def network(self) -> Network:
        """The network with what it has learned."""
        return self.state.network

    @property
    def output(self) -> np.ndarray:
        """Recorded outputs, each from before its sample taught anything."""
        return self.info["output"]

    @property
    def target(self) -> np.ndarray:
        """The targets at the recorded times."""
        return self.info["target"]

    @property
    def loss(self) -> np.ndarray:
        """Recorded losses."""
        return self.info["loss"]

    @property
    def state_bytes(self) -> int:
        """Bytes of everything the law carries from sample to sample."""
        leaves = jax.tree.leaves(eqx.filter(self.state, eqx.is_array))
        return sum(leaf.nbytes for leaf in leaves)

    def to_numpy(self) -> dict[str, np.ndarray]:
        """Times and everything recorded, as NumPy arrays by name."""
        return {"time": self.times, **self.info}

    def save(self, path: str | Path) -> Path:
        """Write `to_numpy` to a compressed `.npz` file.

        Numbers that NumPy does not have, such as bfloat16, as the same in float32.
        """
        path = Path(path)
        arrays = {name: _native(array) for name, array in self.to_numpy().items()}
        np.savez_compressed(path, **arrays)  # pyright: ignore[reportArgumentType]
        return path

    def plot(self) -> "Figure":
        """Target and output, loss, and the scalars of the law, over time."""
        from ..plot import run

        if not len(self.times):
            _checks.reject("result", "of a recorded sample at least", "of none")
        return run(self)

    def failure(self) -> str:
        """Why the run stopped early, in one sentence."""
        if self.diverged is not None:
            return str(self.diverged)
        name, size = _largest(named_leaves(without_rest(self.state)))
        return (
            f"The solver gave up after {self.samples} steps, where `{name}` was the "
            f"largest, {size:.3g}; what it saved is kept. Raise `max_steps`, loosen "
            "the tolerances or look for an unstable costate."
        )

    def __repr__(self) -> str:
        return card(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _rows(leaf: np.ndarray) -> np.ndarray:
    """A row per time, also of none."""
    return leaf.reshape(leaf.shape[0], int(np.prod(leaf.shape[1:])))


def _native(array: np.ndarray) -> np.ndarray:
    """An array that NumPy reads from a file without help: bfloat16 it does not."""
    return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array


def _losses(loss, sums: np.ndarray, info: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean loss of the run and of predictors that learn nothing."""
    weight, total, zero, last, *targets = sums
    if weight == 0:
        return {}
    means = {"loss": total / weight}
    mean = np.array(targets) / weight
    if loss is squared_error:
        batch = info["target"][0].size // info["target"][0].shape[-1]
        means["zero"] = zero / weight
        means["constant"] = zero / weight - float(mean @ mean) / 2 / batch
        means["last"] = last / weight
    elif loss is cross_entropy:
        shares = mean.reshape(-1, info["target"].shape[-1]).mean(axis=0)
        means["uniform"] = float(np.log(shares.size) * shares.sum())
        means["constant"] = float(-np.sum(shares * np.log(np.maximum(shares, 1e-300))))
    return {name: float(value) for name, value in means.items()}


def _largest(leaves: dict[str, Any]) -> tuple[str, float]:
    sizes = {
        name: float(np.abs(np.asarray(leaf)).max(initial=0))
        for name, leaf in leaves.items()
    }
    name = max(sizes, key=lambda name: sizes[name])
    return name, sizes[name]
