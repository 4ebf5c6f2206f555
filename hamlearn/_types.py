"""Names for the arrays that appear everywhere, and for what may be handed in."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

Numbers: TypeAlias = Any  # an array of JAX or of NumPy
Scalar: TypeAlias = Float[Array, ""]
Count: TypeAlias = Int[Array, ""]
Neurons: TypeAlias = Float[Array, "neurons"]
Edges: TypeAlias = Float[Array, "*edges"]
Params: TypeAlias = dict[str, Float[Array, "..."]]
State: TypeAlias = PyTree[Shaped[Array, "..."]]
Loss: TypeAlias = Callable[[Float[Array, "outputs"], Float[Array, "outputs"]], Scalar]
ScalarFunction: TypeAlias = Callable[..., Scalar]  # such as L(t, q, v, args)
ConstraintFunction: TypeAlias = Callable[..., PyTree]  # such as G(t, q, args)
Field: TypeAlias = Callable[..., PyTree]  # of (t, y, args): dy/dt

if TYPE_CHECKING:
    Key: TypeAlias = Array  # of jax.random
    Number: TypeAlias = float | Array | np.ndarray | np.number
    Values: TypeAlias = Number | Sequence[float] | Sequence[Sequence[float]]
else:  # what takes them says by name what is wrong with them
    Key = Number = Values = Any

__all__ = [
    "Array",
    "Bool",
    "Callable",
    "ConstraintFunction",
    "Count",
    "Edges",
    "Field",
    "Float",
    "Int",
    "Key",
    "Loss",
    "Neurons",
    "Number",
    "Numbers",
    "Params",
    "PyTree",
    "Scalar",
    "ScalarFunction",
    "Shaped",
    "State",
    "Values",
]
