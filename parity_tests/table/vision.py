"""Rows: upsampling."""

from parity_tests.table.recipe import integers, normal
from parity_tests.table.row import Layer, Refusal, Row

SEQUENCE, IMAGE, VOLUME = normal(2, 3, 5), normal(2, 3, 5, 7), normal(2, 3, 5, 3, 2)
ANY = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}
INPUTS = {  # what each mode exists for, by the number of spatial dimensions
    "nearest": ANY,
    "nearest-exact": ANY,
    "area": ANY,
    "linear": {1: SEQUENCE},
    "bilinear": {2: IMAGE},
    "bicubic": {2: IMAGE},
    "trilinear": {3: VOLUME},
}
UP, DOWN, MIXED = 11, 2, {1: (13,), 2: (11, 3), 3: (7, 2, 5)}


def upsample(mode, n, x):
    def row(case, **kwargs):
        return Layer("nn.Upsample", (), (x,), f"{mode} {n}d {case}", {**kwargs, "mode": mode})

    sizes = (UP, DOWN, MIXED[n], 1)
    rows = [row(f"to {size}", size=size) for size in sizes]
    rows += [row(f"by {factor}", scale_factor=factor) for factor in (2, 1.7, 0.6, (1.3, 0.7, 2.0)[:n])]
    rows.append(row("by 1.7, recomputed", scale_factor=1.7, recompute_scale_factor=True))
    if "linear" in mode or mode == "bicubic":
        rows += [row(f"corners to {size}", size=size, align_corners=True) for size in sizes]
        rows.append(row("corners by 1.7", scale_factor=1.7, align_corners=True))
    return rows


ROWS: list[Row] = [
    *(row for mode, inputs in INPUTS.items() for n, x in inputs.items() for row in upsample(mode, n, x)),
    Layer("nn.Upsample", (7,), (normal(2, 3, 7, 5),), "one axis stays", {"mode": "bilinear"}),
    Layer("nn.Upsample", ((7, 5),), (normal(2, 3, 7, 5),), "both axes stay", {"mode": "bilinear"}),
    Layer("nn.Upsample", (97,), (normal(2, 3, 31),), "wide", {"mode": "linear"}),
    Refusal("nn.Upsample", (), (IMAGE,), "neither size nor factor"),
    Refusal("nn.Upsample", (5, 2), (IMAGE,), "size and factor"),
    Refusal("nn.Upsample", ((5,),), (IMAGE,), "too few sizes"),
    Refusal("nn.Upsample", (), (IMAGE,), "too few factors", {"scale_factor": (2.0,)}),
    Refusal("nn.Upsample", (0,), (IMAGE,), "size 0"),
    Refusal("nn.Upsample", (2.5,), (IMAGE,), "fractional size"),
    Refusal("nn.Upsample", (), (IMAGE,), "a factor that leaves nothing", {"scale_factor": 0.1}),
    Refusal("nn.Upsample", (), (IMAGE,), "negative factor", {"scale_factor": -1}),
    Refusal("nn.Upsample", (), (IMAGE,), "list of factors", {"scale_factor": [2, 2]}),
    Refusal("nn.Upsample", (5,), (IMAGE,), "unknown mode", {"mode": "best"}),
    Refusal("nn.Upsample", (5,), (IMAGE,), "linear in 2d", {"mode": "linear"}),
    Refusal("nn.Upsample", (5,), (VOLUME,), "bicubic in 3d", {"mode": "bicubic"}),
    Refusal("nn.Upsample", (5,), (normal(3, 5),), "two dimensions"),
    Refusal("nn.Upsample", (5,), (IMAGE,), "corners of nearest", {"align_corners": False}),
    Refusal("nn.Upsample", (5,), (IMAGE,), "recomputed factor of a size", {"recompute_scale_factor": True}),
    Refusal("nn.Upsample", (5,), (normal(2, 0, 5, 7),), "no channels"),
    Refusal("nn.Upsample", (5,), (normal(2, 3, 0, 7),), "an empty image"),
    Refusal("nn.Upsample", (5,), (integers(2, 3, 5, 7, high=9),), "integers"),
    Layer("nn.UpsamplingBilinear2d", ((11, 3),), (IMAGE,)),
    Layer("nn.UpsamplingBilinear2d", (), (IMAGE,), "factor", {"scale_factor": 2}),
    Refusal("nn.UpsamplingBilinear2d", (5,), (SEQUENCE,), "a sequence"),
    Layer("nn.UpsamplingNearest2d", ((11, 3),), (IMAGE,)),
    Layer("nn.UpsamplingNearest2d", (), (IMAGE,), "factor", {"scale_factor": (2.0, 1.5)}),
    Refusal("nn.UpsamplingNearest2d", (), (IMAGE,), "no size"),
]
