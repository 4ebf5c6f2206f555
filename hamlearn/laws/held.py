"""Any law with the weights held: for evaluation, and to look at its credit."""

from ..action.cost import Cost
from .base import AbstractLaw


class WeightsHeld(AbstractLaw):
    """A law that lets the network run and finds its credit, but moves no weight."""

    law: AbstractLaw
    cost: Cost

    def __init__(self, law: AbstractLaw):
        self.law, self.cost = law, law.cost

    @property
    def title(self) -> str:
        return f"{self.law.title}, weights held"

    def init(self, network, *, x0=None, key=None):
        return self.law.init(network, x0=x0, key=key)

    def step(self, state, sample, dt):
        _, state, info = self.law.estimate(state, sample, dt)
        return state, info

    def estimate(self, state, sample, dt):
        return self.law.estimate(state, sample, dt)

    def check(self, state, sample, dt):
        self.law.check(state, sample, dt)

    def chosen(self, state):
        return WeightsHeld(self.law.chosen(state))
