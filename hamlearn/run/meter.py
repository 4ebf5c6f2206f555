"""How far a compiled solve has come, told to whoever waits for it."""

import diffrax as dfx
import jax
import jax.numpy as jnp

from .._types import Array, Count, Int
from .patience import Patience

#: Steps of the solver between two words.
EVERY = 256


class Meter(dfx.AbstractProgressMeter):
    """Tells the `Patience` of this number, an array, so that nothing compiles anew."""

    number: Int[Array, ""]

    def init(self) -> Count:
        return jnp.zeros((), jnp.int32)

    def step(self, state, progress):
        tell = lambda: jax.debug.callback(_tell, self.number, progress)
        jax.lax.cond(state % EVERY == EVERY - 1, tell, lambda: None)
        return state + 1

    def close(self, state):
        pass


def _tell(number, progress) -> None:
    heard = Patience.waiting.get(int(number))
    if heard is not None:
        heard.hear(f"{100 * float(progress):.0f} %")
