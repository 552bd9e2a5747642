#!/usr/bin/env bash
# torch 2.13.0: a row of a mask that allows nothing gives zeros in scaled_dot_product_attention, and the mean of all
# values in the file that torch.onnx.export(dynamo=True) writes at its default opset, 20. At opset 23 the file gives 0.
# Padded rows of a batch are such rows: their outputs, and whatever pools over them, change by exporting.
# Guessed before: the file computes what the module computes. Seen: 1 for 0, the mean of 0, 1 and 2.
# Here: two entries of `nn-parity conventions`; compare names the opset of a file, and the cause "masked-rows".
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0
"$dir/venv/bin/python" - "$dir" 2>/dev/null <<'PY'
import os
import sys

import onnx
import onnxruntime
import torch


class Attention(torch.nn.Module):
    def forward(self, q, k, v, mask):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


v = torch.tensor([0.0, 1.0, 2.0]).view(1, 1, 3, 1).expand(1, 1, 3, 2).contiguous()
mask = torch.tensor([[True, False, False], [False, False, False]]).view(1, 1, 2, 3)
given = torch.zeros(1, 1, 2, 2), torch.zeros_like(v), v, mask
found = {}
for opset in (None, 23):
    file = os.path.join(sys.argv[1], "attention.onnx")
    torch.onnx.export(Attention().eval(), given, file, dynamo=True, opset_version=opset, verbose=False)
    written = onnx.load(file).opset_import[0].version
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feeds = {one.name: x.numpy() for one, x in zip(session.get_inputs(), given, strict=True)}
    found[f"opset {written}"] = session.run(None, feeds)[0][0, 0, 1, 0].item()
found["torch"] = Attention()(*given)[0, 0, 1, 0].item()
print(f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}: the row that sees nothing:", found)
assert list(found.values()) == [1.0, 0.0, 0.0], "this has changed"
PY
