"""Upsample, UpsamplingNearest2d, UpsamplingBilinear2d: images of another resolution."""

from typing import Any

import numpy as np

from scratch.nn.axis_matrix import AxisMatrix, apply_each, transposed
from scratch.nn.module import Module
from scratch.nn.vision.interpolation import interpolation_matrix

ANY = (1, 2, 3)
MODES = {  # the name of a mode: what each axis does, and for how many axes it exists
    "nearest": ("nearest", ANY),
    "nearest-exact": ("nearest-exact", ANY),
    "area": ("area", ANY),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
}
INTERPOLATING = ("linear", "bilinear", "trilinear", "bicubic")


class Upsample(Module):
    """Resample an image to a given size, or by a given factor, one axis after another.

        y_(o p ...) = Σ_(i j ...) A[o, i] B[p, j] ... x_(i j ...)

    The matrices depend on sizes and mode alone: see interpolation.py for their coordinates and weights.

    Shapes    x (N, C, I, ...) with 1, 2 or 3 spatial axes; y with O = size, or floor(scale_factor I), instead of I.
    Backward  dx_(i j ...) = Σ_(o p ...) A[o, i] B[p, j] ... dy_(o p ...)
    Why       y is linear in x, so the gradient is the transposed matrix of each axis.
    Saves     the entries of the matrices; nothing of the size of x.
    Numerics  coordinates follow torch to the rounding. A weight of 0 times infinity is NaN, as in torch.
    Torch     torch.nn.Upsample. scale_factor enters the coordinates unchanged, unless recompute_scale_factor derives it
              again from the rounded size. Torch's own backward rounds the coordinates of nearest and bicubic
              differently from its forward, so for rare sizes, or a scale_factor that keeps the size, its gradient is
              not the transpose; here it always is. Torch's uint8 images are left out.
    Raises    ValueError unless exactly one of size and scale_factor is given, for another number of sizes or factors
              than spatial axes, or for align_corners with a mode that does not support it; RuntimeError for sizes below
              1; NotImplementedError for an unknown mode, one that does not support x's dimensions, and for integers.
    Source    Keys 1981, Cubic convolution interpolation for digital image processing (bicubic).
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size = size
        factors = scale_factor if isinstance(scale_factor, tuple) else (0 if scale_factor is None else scale_factor,)
        if not all(isinstance(factor, int | float) for factor in factors):
            raise TypeError(
                f"{type(self).__name__}: scale_factor must be a number, or a tuple of them, got {scale_factor!r}."
            )
        if not all(abs(factor) < 2**31 for factor in factors):
            raise OverflowError(f"{type(self).__name__}: scale_factor must be less than 2^31, got {scale_factor!r}.")
        self.scale_factor: Any = None
        if scale_factor:
            self.scale_factor = tuple(map(float, factors)) if isinstance(scale_factor, tuple) else float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: np.ndarray) -> np.ndarray:
        matrices = self.matrices(x)
        return self.save(apply_each(matrices, x), matrices)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        matrices = self.take(dy)
        return apply_each(transposed(matrices), dy)

    def matrices(self, x: np.ndarray) -> dict[int, AxisMatrix]:
        """The matrix of every axis, the last axis first: it is the cheapest while x is small."""
        sizes, outputs, factors = self.sizes(x)
        kind, dimensions = MODES.get(self.mode, ("", ()))
        if len(sizes) not in dimensions:
            raise NotImplementedError(
                f"{self}: the mode does not support an input of {x.ndim} dimensions. The modes are linear for 3, "
                "bilinear and bicubic for 4, trilinear for 5; nearest, nearest-exact and area for all of these."
            )
        if x.dtype.char not in "fd":
            raise NotImplementedError(f"{self}: the input must be float32 or float64, got {x.dtype}. Convert it first.")
        if min(*sizes, *outputs) < 1 or x.shape[1] < 1:
            raise RuntimeError(
                f"{self}: channels, input and output sizes must be at least 1, got shape {x.shape} and sizes {outputs}."
            )
        return {
            axis: interpolation_matrix(
                kind, sizes[axis], outputs[axis], factors[axis], bool(self.align_corners), x.dtype
            )
            for axis in range(-1, -len(sizes) - 1, -1)
        }

    def sizes(self, x: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float | None, ...]]:
        """I, O, and the scale factor if it counts, of every axis."""
        if self.align_corners is not None and self.mode not in INTERPOLATING:
            raise ValueError(f"{self}: align_corners needs one of the modes {', '.join(INTERPOLATING)}.")
        if (self.size is None) == (self.scale_factor is None):
            raise ValueError(f"{self}: give either size or scale_factor.")
        sizes, given = x.shape[2:], self.size if self.scale_factor is None else self.scale_factor
        options = tuple(given) if isinstance(given, tuple | list) else (given,) * len(sizes)
        if len(options) != len(sizes):
            raise ValueError(
                f"{self}: give one number, or one for each of the {len(sizes)} dimensions after (N, C); "
                f"the input has shape {x.shape}."
            )
        if self.scale_factor is not None:
            outputs = tuple(int(np.floor(i * factor)) for i, factor in zip(sizes, options, strict=True))
            counts = not self.recompute_scale_factor and self.mode != "area"
            return sizes, outputs, options if counts else (None,) * len(sizes)
        if self.recompute_scale_factor:
            raise ValueError(f"{self}: recompute_scale_factor has no meaning with an explicit size.")
        if not all(isinstance(o, int | np.integer) and not isinstance(o, bool) for o in options):
            raise TypeError(f"{self}: size must be an int, or a tuple of them, got {self.size!r}.")
        if not all(abs(o) < 2**31 for o in options):
            raise RuntimeError(f"{self}: size must be less than 2^31.")
        return sizes, tuple(int(o) for o in options), (None,) * len(sizes)

    def extra_repr(self) -> str:
        given = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else f"size={self.size!r}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with mode="nearest": every output copies one input.

    Options   size, the (H, W) of y, or scale_factor, the enlargement: one of the two.
    Torch     torch.nn.UpsamplingNearest2d. Everything else as in Upsample.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample with mode="bilinear" and aligned corners: every output is a weighted mean of its four neighbors.

    Options   size, the (H, W) of y, or scale_factor, the enlargement: one of the two.
    Torch     torch.nn.UpsamplingBilinear2d. Everything else as in Upsample.
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
