"""All parameters as one vector, and back."""

from collections.abc import Iterable

import numpy as np

from scratch.arrays import check_own_rules
from scratch.nn.parameter import Parameter


def parameters_to_vector(parameters: Iterable[Parameter]) -> np.ndarray:
    """The numbers of all parameters, one after another, as a new vector.

    Torch     torch.nn.utils.parameters_to_vector.
    Raises    ValueError for no parameters.
    """
    arrays = [parameter.data.ravel() for parameter in parameters]
    if not arrays:
        raise ValueError("parameters_to_vector: no parameters were given. Was their iterator already used up?")
    return np.concatenate(arrays)


def vector_to_parameters(vec: np.ndarray, parameters: Iterable[Parameter]) -> None:
    """Copy the numbers of a vector into the parameters, one after another. Remaining numbers are ignored, as in torch.

    Torch     torch.nn.utils.vector_to_parameters, which makes the parameters views of the vector.
    Raises    TypeError if vec is not a plain array; RuntimeError if it is too short, and then nothing has changed.
    """
    if not isinstance(vec, np.ndarray):
        raise TypeError(f"vector_to_parameters: takes an array, got {type(vec).__name__}.")
    check_own_rules("vector_to_parameters", "vec", vec)
    targets = list(parameters)
    needed = sum(parameter.size for parameter in targets)
    if vec.ndim != 1 or vec.size < needed:
        raise RuntimeError(
            f"vector_to_parameters: the parameters need a vector of {needed} numbers, got shape {vec.shape}."
        )
    start = 0
    for parameter in targets:
        parameter.data[...] = vec[start : start + parameter.size].reshape(parameter.shape)
        start += parameter.size
