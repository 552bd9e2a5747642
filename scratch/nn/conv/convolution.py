"""What convolutions and transposed convolutions share: options, parameters, their initial values, the bias."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.conv.correlation import Correlation
from scratch.nn.module import Module
from scratch.nn.sums import sum_leading, sum_trailing
from scratch.nn.windows import Windows, per_axis
from scratch.random import Generator

PER_AXIS = ("kernel_size", "stride", "padding", "dilation", "output_padding")


class _Convolution(Module):
    """A Correlation with parameters, which are drawn from U(-1/√fan, 1/√fan), fan = the size of weight[0]."""

    axes: int
    transposed: bool = False
    named_paddings: tuple[str, ...] = ()
    padding_modes: tuple[str, ...] = ("zeros",)
    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    output_padding: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        dtype: DTypeLike,
        generator: Generator | None,
    ) -> None:
        name = type(self).__name__
        if groups <= 0:
            raise ValueError(f"{name}: groups must be positive, got {groups}.")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups must divide the channels, got {in_channels} in, {out_channels} out, {groups} groups."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        if min(self.kernel_size) < 0:
            raise RuntimeError(f"{name}: kernel_size must be positive, got {self.kernel_size}.")
        self.weight = self.new_parameter(*self._weight_shape(), dtype=dtype)
        self.bias = self.new_parameter(out_channels, dtype=dtype) if bias else None
        self.reset_parameters(generator)

    def __setattr__(self, name: str, value: Any) -> None:
        """Options are one int for each axis, also those that are assigned later."""
        owner = type(self).__name__
        if name in PER_AXIS and not (name == "padding" and isinstance(value, str) and value in self.named_paddings):
            value = per_axis(owner, name, value, self.axes, one_for_all=name != "kernel_size")
        if name == "padding_mode" and value not in self.padding_modes:
            modes = " or ".join(map(repr, self.padding_modes))
            raise ValueError(f"{owner}: padding_mode must be {modes}, got {value!r}.")
        super().__setattr__(name, value)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound, generator)

    def _weight_shape(self) -> tuple[int, ...]:
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        return (outer, inner // self.groups, *self.kernel_size)

    def _windows(self) -> Windows:
        return Windows(self.kernel_size, self.stride, self.dilation)

    def _correlation(self) -> Correlation:
        return Correlation(self._windows(), self.groups)

    def _with_batch(self, x: np.ndarray) -> np.ndarray:
        return x if x.ndim == self.axes + 2 else x[np.newaxis]

    def _bias_column(self) -> np.ndarray | float:
        """The bias in a shape that broadcasts to (N, C, *S)."""
        return 0.0 if self.bias is None else self.bias.data.reshape(-1, *(1,) * self.axes)

    def _accumulate_bias(self, dy: np.ndarray) -> None:
        """The gradient db = Σ dy over samples and positions: within each plane first, then over the planes."""
        if self.bias is not None and self.bias.requires_grad:
            planes = dy.reshape(*dy.shape[:2], math.prod(dy.shape[2:]))
            self.bias.accumulate(sum_leading(sum_trailing(planes)))

    def check_input(self, x: np.ndarray) -> None:
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise RuntimeError(
                f"{self}: the input must have {self.axes + 1} dimensions, or {self.axes + 2} with a batch, "
                f"got shape {x.shape}."
            )
        channels, *sizes = x.shape[-self.axes - 1 :]
        if channels != self.in_channels:
            raise RuntimeError(f"{self}: the input must have {self.in_channels} channels, got shape {x.shape}.")
        if x.dtype != self.weight.dtype:
            raise RuntimeError(f"{self}: the input must be {self.weight.dtype} like the weight, got {x.dtype}.")
        if self.groups < 1 or len(self.weight.data) % self.groups or self.weight.shape[1:] != self._weight_shape()[1:]:
            raise RuntimeError(f"{self}: the weight does not fit these options, its shape is {self.weight.shape}.")
        if self.weight.size == 0 or 0 in sizes:
            raise RuntimeError(
                f"{self}: only the batch may be empty, got input {x.shape} and weight {self.weight.shape}."
            )
        if min(*self.stride, *self.dilation) < 1:
            raise RuntimeError(f"{self}: stride and dilation must be positive.")

    def extra_repr(self) -> str:
        options = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if isinstance(self.padding, str) or any(self.padding):
            options.append(f"padding={self.padding}")
        if any(d != 1 for d in self.dilation):
            options.append(f"dilation={self.dilation}")
        if any(self.output_padding):
            options.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            options.append(f"groups={self.groups}")
        if self.bias is None:
            options.append("bias=False")
        if self.padding_mode != "zeros":
            options.append(f"padding_mode={self.padding_mode}")
        return ", ".join(options)
