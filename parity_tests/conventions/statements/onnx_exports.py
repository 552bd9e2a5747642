"""torch.onnx: what becomes of masks in exported files, as ONNX Runtime computes them."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from typing import Any

import torch
import torch.nn.functional as F

from parity_tests.conventions.statement import Late, Table

TABLE = Table("torch.onnx")
shows = TABLE.shows
onnx, onnxruntime = Late("onnx"), Late("onnxruntime")


class Attention(torch.nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def exported(mask: torch.Tensor, opset: int | None) -> tuple[int, Any, Any]:
    """The file's opset, and what ONNX Runtime and torch give for this mask, from keys of 0 and values 0, 1, 2 ..."""
    rows, columns = 2, mask.shape[-1]
    v = torch.arange(float(columns)).view(1, 1, columns, 1).expand(mask.shape[0], 1, columns, 2).contiguous()
    given = torch.zeros(mask.shape[0], 1, rows, 2), torch.zeros_like(v), v, mask
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        file = os.path.join(folder, "attention.onnx")
        torch.onnx.export(Attention().eval(), given, file, dynamo=True, opset_version=opset, verbose=False)
        opsets = [one.version for one in onnx.load(file).opset_import if not one.domain]
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_inputs()]
        (found,) = session.run(None, dict(zip(names, (x.numpy() for x in given), strict=True)))
    return opsets[0], found[..., 0].ravel().tolist(), Attention()(*given)[..., 0].flatten().tolist()


@shows(
    "A row that may attend to nothing, exported with dynamo=True: the mean of the values at the default opset, 0 "
    "at opset 23, as in torch. The opsets, and the two rows of each file, of which the second sees nothing.",
    [[20, [0.0, 1.0]], [23, [0.0, 0.0]]],
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
    causes=("masked-rows: the mean",),
)
def forbidden_row() -> Any:
    mask = torch.tensor([[True, False, False], [False, False, False]]).view(1, 1, 2, 3)
    return [list(exported(mask, opset)[:2]) for opset in (None, 23)]


@shows(
    "A mask (N, 1, 1, S), exported with dynamo=True: right at the default opset, refused by ONNX Runtime at opset 23, "
    "whose Attention wants a row of the mask for each query. What the two files do.",
    ["as torch", "Fail"],
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
)
def mask_of_one_row() -> Any:
    mask = torch.tensor([[True, False, False], [True, True, True]]).view(2, 1, 1, 3)
    return [_outcome(mask, opset) for opset in (None, 23)]


def _outcome(mask: torch.Tensor, opset: int | None) -> str:
    onnxruntime.set_default_logger_severity(4)  # the refusal is also printed
    try:
        _, found, theirs = exported(mask, opset)
    except Exception as error:
        return type(error).__name__
    return "as torch" if found == theirs else "otherwise"
