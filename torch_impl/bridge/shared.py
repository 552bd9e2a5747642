"""Memory that NumPy and torch share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

HALF = (torch.float16, torch.bfloat16)


def same_memory(tensor: torch.Tensor, array: np.ndarray) -> bool:
    """Whether the two are views of the same numbers, laid out alike."""
    return (
        tensor.data_ptr() == array.__array_interface__["data"][0]
        and tensor.shape == array.shape
        and tuple(tensor.element_size() * stride for stride in tensor.stride()) == array.strides
    )


def as_array(value: Any) -> Any:
    """A tensor as an array that shares its memory; anything else is returned unchanged.

    Raises    RuntimeError for a tensor of another device, in half precision, or whose numbers cannot be seen.
    """
    if not isinstance(value, torch.Tensor):
        return value
    if not value.is_cpu:
        raise RuntimeError(f"TorchModule: NumPy computes on the CPU, got a tensor on {value.device}.")
    if value.dtype in HALF:
        raise RuntimeError(
            f"TorchModule: NumPy computes in float32 or float64, got {value.dtype}, as torch.autocast makes it. "
            "Convert the input, net(x.float()), and exclude this module from the conversion to half precision."
        )
    try:
        return value.numpy(force=True)
    except (RuntimeError, TypeError) as error:
        raise RuntimeError(
            f"TorchModule: NumPy computes with the numbers of dense tensors, which a {type(value).__name__} here does "
            f"not show, as under vmap or is_grads_batched: {str(error).splitlines()[0]}"
        ) from error


def as_tensor(value: Any) -> torch.Tensor | None:
    """An array as a tensor that shares its memory."""
    return None if value is None else torch.from_numpy(np.asarray(value))


def on_cpu(value: Any) -> np.ndarray:
    """A value of a state_dict, of either library and any device, as an array."""
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


class Known:
    """The array that is linked to torch; layers that share a Parameter share this too."""

    def __init__(self, array: np.ndarray | None) -> None:
        self.remember(array)

    def remember(self, array: np.ndarray | None) -> None:
        self.array = array
        if array is not None:
            self.pointer = array.__array_interface__["data"][0]
            self.stride = tuple(stride // array.itemsize for stride in array.strides)

    def shows(self, tensor: torch.Tensor, array: np.ndarray) -> bool:
        """Whether nothing has changed: `same_memory`, in a fraction of its time."""
        return (
            array is self.array
            and tensor.data_ptr() == self.pointer
            and tensor.shape == array.shape
            and tensor.stride() == self.stride
        )

    def __reduce__(self) -> Any:
        """In a copy the array has other memory."""
        return Known, (self.array,)
