"""Names for the arrays that appear everywhere."""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

Numbers: TypeAlias = Any  # an array of JAX or of NumPy
Scalar: TypeAlias = Float[Array, ""]
Count: TypeAlias = Int[Array, ""]
Neurons: TypeAlias = Float[Array, "neurons"]
Edges: TypeAlias = Float[Array, "*edges"]
Params: TypeAlias = dict[str, Float[Array, "..."]]
State: TypeAlias = PyTree[Shaped[Array, "..."]]
Loss: TypeAlias = Callable[[Float[Array, "outputs"], Float[Array, "outputs"]], Scalar]

__all__ = [
    "Array",
    "Bool",
    "Callable",
    "Count",
    "Edges",
    "Float",
    "Int",
    "Loss",
    "Neurons",
    "Numbers",
    "Params",
    "PyTree",
    "Scalar",
    "Shaped",
    "State",
]
