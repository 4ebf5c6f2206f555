"""What a network is worth as it is: a stream it has not seen, with no weight moved."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .. import _checks
from ..action.cost import Cost
from ..networks.base import AbstractNetwork
from ..run.result import Divergence
from ..run.stream import stream
from ..run.tables import number_text, plain
from ..tasks import AbstractTask
from ..tasks.task import mean_score
from .contenders import Contender
from .lanes import fitting
from .predictions import predictions


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found. Prints as a few lines.

    **Attributes:** `loss`, `score`: means over all that is asked, the score NaN where
    the task has no metric; `second_half`: the loss over the second half, over which
    the `floors` are; `answers`: one per sample; `samples`, `asked`: how many;
    `diverged`: None, or when and what.
    """

    task: AbstractTask
    loss: float
    score: float
    second_half: float
    floors: dict[str, float]
    answers: np.ndarray
    samples: int
    asked: int
    diverged: Divergence | None = None

    def predictions(self) -> dict[str, np.ndarray]:
        """What was recorded and what was said, by column, in the unit of the series."""
        heard = self.task.samples()
        said = {"foretold": self.answers}
        count = slice(len(self.answers))
        weight = None if heard.weight is None else np.asarray(heard.weight)[count]
        target = np.asarray(heard.target)[count]
        return predictions(self.task, said, target, weight=weight)

    def row(self) -> dict[str, Any]:
        """All figures, for a machine; what is not finite is None."""
        metric = {} if self.task.metric is None else {self.task.metric_name: self.score}
        found = {"task": self.task.name, "loss": self.loss, **metric}
        found |= {"loss_second_half": self.second_half, "floors": self.floors}
        found |= {"samples": self.samples, "asked": self.asked}
        return plain(found | {"diverged": self.diverged is not None})

    def __repr__(self) -> str:
        floors = [f"{name} {number_text(loss)}" for name, loss in self.floors.items()]
        lines = [
            f"task     {self.task.name}: {self.task.describe()}",
            f"samples  {self.samples:,}, {self.asked:,} of them asked; weights held",
            f"loss     {number_text(self.loss)}, over the second half "
            f"{number_text(self.second_half)}",
            f"floors   over the second half, without a network: {', '.join(floors)}",
        ]
        if self.task.metric is not None:
            lines.insert(3, f"{self.task.metric_name:8} {self.score:.4f}")
        if self.diverged is not None:
            lines.append(f"stopped  {self.diverged}")
        return "\n".join(lines)


def evaluate(
    network: AbstractNetwork,
    task: AbstractTask,
    contender: Contender,
    *,
    progress: bool = True,
) -> Evaluation:
    """Let a network answer a whole task, from rest, with its weights held.

    **Arguments:** `network`: such as `hl.networks.load("net.npz")`; `contender`: how it
    was taught, which says how it hears, such as `contenders()["rtrl"]`.

    **Raises:** `ValueError` for a task of other sizes than the network's.
    """
    _checks.instance("task", task, AbstractTask)
    _checks.instance("contender", contender, Contender)
    heard = task.samples()
    law, steps = contender.law(Cost(loss=task.loss), 0.01), contender.steps
    samples = fitting(contender, task, heard)
    # No weight moves, so that whatever a law draws changes nothing.
    options = {"key": jax.random.key(0), "learn": False, "progress": progress}
    result = stream(law, network, samples, dt=1 / steps, **options)
    answers = np.asarray(result.output, np.float64)[steps - 1 :: steps]
    count, half = len(answers), len(np.asarray(heard.target)) // 2
    target = np.asarray(heard.target)[:count]
    weight = np.ones(count) if heard.weight is None else heard.weight[:count]
    weight = np.asarray(weight, np.float64)

    def mean(score: Any, part: slice = slice(None)) -> float:
        if score is None or not weight[part].any():
            return float("nan")
        return mean_score(score, answers[part], target[part], weight[part])

    return Evaluation(
        task,
        mean(task.loss),
        mean(task.metric),
        mean(task.loss, slice(half, 2 * half)),
        task.floors(),
        answers,
        count,
        int((weight > 0).sum()),
        result.diverged,
    )
