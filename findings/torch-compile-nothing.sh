#!/usr/bin/env bash
# torch 2.13.0: two ways to ask for compilation that compile nothing and say nothing.
#   nn.Sequential(...).compile()           the module's own method: no graph is made
#   torch.compile(net), net uses nn.LSTM   the whole frame is skipped, the Linear after the LSTM too
# The same Sequential by torch.compile(net) makes one graph.
# Guessed before: one graph in each of the three. Seen: 0, 0 and 1.
# Here: an entry of `nn-parity conventions`; train --compile compiles a function that calls the network, and counts graphs.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import torch
from torch import nn

made = []


def backend(graph, inputs):
    made.append(graph)
    return graph.forward


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


def graphs(run):
    torch._dynamo.reset()
    made.clear()
    run()
    return len(made)


def by_method():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    net.compile(backend=backend)
    net(torch.ones(3, 4))


found = {
    "Sequential.compile()": graphs(by_method),
    "torch.compile(LSTM and Linear)": graphs(lambda: torch.compile(Reader(), backend=backend)(torch.ones(5, 3, 4))),
    "torch.compile(Sequential)": graphs(lambda: torch.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), backend=backend)(torch.ones(3, 4))),
}
print(f"torch {torch.__version__}: graphs", found)
assert list(found.values()) == [0, 0, 1], "this has changed"
PY
