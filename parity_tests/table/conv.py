"""Rows: convolution and transposed convolution."""

from parity_tests.table.recipe import integers, normal
from parity_tests.table.row import Layer, Refusal, Row

LINE, IMAGE, VOLUME = normal(3, 4, 13), normal(3, 4, 7, 11), normal(2, 4, 5, 3, 7)


def convolutions(axes: int, x) -> list[Row]:
    """What Conv1d, 2d and 3d have in common. The kernel, stride and dilation differ on every axis."""
    name, kernel = f"nn.Conv{axes}d", (3, 2, 5)[:axes]
    stride, dilation, padding = (2, 3, 1)[:axes], (2, 1, 1)[:axes], (1, 2, 3)[:axes]
    return [
        Layer(name, (4, 5, kernel), (x,)),
        Layer(name, (4, 5, kernel), (x,), "no bias", {"bias": False}),
        Layer(name, (4, 5, kernel, stride), (x,), "stride"),
        Layer(name, (4, 5, kernel), (x,), "padding", {"padding": padding}),
        Layer(name, (4, 5, kernel), (x,), "dilation", {"dilation": dilation, "padding": 1}),
        Layer(name, (4, 6, kernel), (x,), "groups", {"groups": 2, "stride": stride, "padding": 1}),
        Layer(name, (4, 8, kernel), (x,), "depthwise", {"groups": 4}),
        Layer(name, (4, 5, 1), (x,), "pointwise"),
        Layer(name, (4, 5, 2), (x,), "same", {"padding": "same", "dilation": dilation}),
        Layer(name, (4, 5, kernel), (x,), "valid", {"padding": "valid"}),
        Layer(name, (4, 5, 3), (x,), "reflect", {"padding": 1, "padding_mode": "reflect"}),
        Layer(name, (4, 5, 3, 2), (x,), "replicate", {"padding": padding, "padding_mode": "replicate"}),
        Layer(name, (4, 5, 2), (x,), "circular", {"padding": "same", "padding_mode": "circular"}),
        Layer(
            name,
            (4, 6, kernel),
            (x,),
            "everything",
            {
                "stride": 2,
                "padding": 3,
                "dilation": dilation,
                "groups": 2,
                "bias": False,
                "padding_mode": "replicate",
            },
        ),
        Refusal(name, (4, 5, 17), (x,), "too large a kernel"),
        Refusal(name, (3, 5, 2), (x,), "other channels"),
        Refusal(name, (4, 5, 2), (normal(*(4, 5, 3, 2, 2, 2)[: axes + 3]),), "too many dimensions"),
        Refusal(name, (4, 5, 2), (normal(*(4, 5, 3)[:axes]),), "too few dimensions"),
        Refusal(name, (4, 5, 2), (integers(*(3, 4, 5, 5, 5)[: axes + 2], high=9),), "integers"),
        Refusal(name, (4, 5, 2), (x,), "no groups", {"groups": 0}),
        Refusal(name, (4, 5, 2), (x,), "input channels not in groups", {"groups": 3}),
        Refusal(name, (4, 5, 2), (x,), "output channels not in groups", {"groups": 2}),
        Refusal(name, (4, 5, 2), (x,), "an unknown padding", {"padding": "full"}),
        Refusal(name, (4, 5, 2), (x,), "an unknown padding mode", {"padding_mode": "reflection"}),
        Refusal(name, (4, 5, 2, 2), (x,), "same with a stride", {"padding": "same"}),
        Refusal(name, (4, 5, 2, 0), (x,), "stride 0"),
        Refusal(name, (4, 5, 2), (x,), "dilation 0", {"dilation": 0}),
        Refusal(name, (4, 5, 2), (x,), "negative padding", {"padding": -1}),
        Refusal(name, (4, 5, 2.5), (x,), "a fractional kernel"),
        Refusal(name, (4, 5, -2), (x,), "a negative kernel"),
        Refusal(name, (4, 5, 2, (1, 1, 1, 1)), (x,), "too many strides"),
        Refusal(name, (4, 5, 2), (x,), "too far around", {"padding": 14, "padding_mode": "circular"}),
        Refusal(name, (4, 5, 2), (x,), "too far reflected", {"padding": 13, "padding_mode": "reflect"}),
    ]


def transposed(axes: int, x) -> list[Row]:
    """What ConvTranspose1d, 2d and 3d have in common."""
    name, kernel = f"nn.ConvTranspose{axes}d", (3, 2, 5)[:axes]
    stride, dilation, padding = (2, 3, 1)[:axes], (2, 1, 3)[:axes], (1, 0, 2)[:axes]
    return [
        Layer(name, (4, 5, kernel), (x,)),
        Layer(name, (4, 5, kernel), (x,), "no bias", {"bias": False}),
        Layer(name, (4, 5, kernel, stride), (x,), "stride"),
        Layer(name, (4, 5, kernel, stride, padding), (x,), "padding"),
        Layer(name, (4, 5, kernel, 3, 1, (2, 0, 1)[:axes]), (x,), "output padding"),
        Layer(name, (4, 5, kernel, 1, 0, 1), (x,), "output padding below dilation", {"dilation": 2}),
        Layer(name, (4, 5, kernel), (x,), "dilation", {"dilation": dilation}),
        Layer(name, (4, 6, kernel, stride), (x,), "groups", {"groups": 2, "padding": 1}),
        Layer(name, (4, 8, kernel), (x,), "depthwise", {"groups": 4}),
        Layer(name, (4, 6, kernel, 3, 2, 1, 2), (x,), "everything", {"bias": False, "dilation": dilation}),
        Refusal(name, (3, 5, 2), (x,), "other channels"),
        Refusal(name, (4, 5, 2), (normal(*(4, 5, 3, 2, 2, 2)[: axes + 3]),), "too many dimensions"),
        Refusal(name, (4, 5, 2), (normal(*(4, 5, 3)[:axes]),), "too few dimensions"),
        Refusal(name, (4, 5, 2), (x,), "input channels not in groups", {"groups": 3}),
        Refusal(name, (4, 5, 2), (x,), "output channels not in groups", {"groups": 2}),
        Refusal(name, (4, 5, 2), (x,), "another padding mode", {"padding_mode": "reflect"}),
        Refusal(name, (4, 5, 2), (x,), "padding by name", {"padding": "same"}),
        Refusal(name, (4, 5, 2, 2, 0, 2), (x,), "too much output padding"),
        Refusal(name, (4, 5, 2, 2, 0, -1), (x,), "negative output padding"),
        Refusal(name, (4, 5, 2, 1, 9), (x,), "too much padding"),
        Refusal(name, (4, 5, 2, 1, -1), (x,), "negative padding"),
        Refusal(name, (4, 5, 2, 0), (x,), "stride 0"),
        Refusal(name, (4, 5, 2), (x,), "one size", {"stride": 2}, {"output_size": 9}),
        Refusal(name, (4, 5, 2), (x,), "too many sizes", {"stride": 2}, {"output_size": (9, 9, 9, 9, 9, 9)}),
        Refusal(name, (4, 5, 2), (x,), "a size out of reach", {"stride": 2}, {"output_size": (40, 40, 40)[:axes]}),
    ]


ROWS: list[Row] = [
    *convolutions(1, LINE),
    Layer("nn.Conv1d", (3, 2, 3), (normal(5, 3, 1031),), "long sums", {"padding": 1}),
    *convolutions(2, IMAGE),
    Layer("nn.Conv2d", (4, 5, [3, 2], (2,)), (IMAGE,), "options as lists", {"padding": (1,)}),
    Layer("nn.Conv2d", (4, 5, 3), (IMAGE,), "cutting", {"padding": -1, "padding_mode": "circular"}),
    Layer("nn.Conv2d", (32, 64, 3), (normal(23, 32, 13, 17),), "several tiles of samples"),
    Layer("nn.Conv2d", (61, 3, (7, 5), (2, 1)), (normal(2, 61, 43, 31),), "several tiles of rows", {"padding": 2}),
    *convolutions(3, VOLUME),
    *transposed(1, LINE),
    Layer("nn.ConvTranspose1d", (4, 5, 3, 3, 1), (LINE,), "output size", {}, {"output_size": (38,)}),
    Layer("nn.ConvTranspose1d", (4, 5, 3, 11, 5, 10), (normal(3, 4, 1),), "nothing but output padding"),
    *transposed(2, IMAGE),
    Layer("nn.ConvTranspose2d", (4, 5, 3, 3, 1), (IMAGE,), "output size", {}, {"output_size": [21, 32]}),
    Layer("nn.ConvTranspose2d", (4, 5, 3, 1, (4, 5)), (IMAGE,), "an empty output"),
    *transposed(3, VOLUME),
]
