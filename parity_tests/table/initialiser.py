"""Rows: initialisers. The inputs give the shapes that are filled, each also as a transposed array."""

import torch

from parity_tests.table.row import Pair, normal

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])
BY_REJECTION = {} if TORCH >= (2, 12) else {"bits": "torch before 2.12 draws by the inverse error function"}

VECTOR, ROW, MATRIX, LARGE, KERNEL = normal(13), normal(1, 3), normal(17, 5), normal(131, 61), normal(5, 3, 2, 7)
ANY = (normal(), VECTOR, normal(0), MATRIX, LARGE, KERNEL)
MATRICES = (ROW, normal(5, 17), MATRIX, LARGE)
FANS = (*MATRICES, KERNEL, normal(0, 3), normal(11, 2, 3))

ROWS = [
    Pair("nn.init.uniform_", inputs=ANY),
    Pair("nn.init.uniform_", (-0.3, 1.7), ANY, "bounds"),
    Pair("nn.init.normal_", inputs=ANY),
    Pair("nn.init.normal_", (0.3, 1.7), ANY, "mean and std"),
    Pair("nn.init.trunc_normal_", inputs=ANY, notes=BY_REJECTION),
    Pair("nn.init.trunc_normal_", (0.1, 0.02, -0.04, 0.12), ANY, "narrow", notes=BY_REJECTION),
    Pair("nn.init.trunc_normal_", (0.0, 1.0, 1.5, 4.0), ANY, "a tail", notes=BY_REJECTION),
    Pair("nn.init.trunc_normal_", (0.0, 0.7, 3.0, 3.1), ANY, "a far tail", notes=BY_REJECTION),
    Pair("nn.init.constant_", (0.3,), ANY),
    Pair("nn.init.ones_", inputs=ANY),
    Pair("nn.init.zeros_", inputs=ANY),
    Pair("nn.init.eye_", inputs=MATRICES),
    Pair("nn.init.dirac_", inputs=(normal(3, 5, 7), normal(5, 3, 3, 2), normal(2, 3, 1, 5, 3))),
    Pair("nn.init.dirac_", (3,), (normal(6, 5, 7), normal(9, 2, 3, 2), normal(3, 3, 1, 5, 3)), "groups"),
    Pair("nn.init.xavier_uniform_", inputs=FANS),
    Pair("nn.init.xavier_uniform_", (1.7,), FANS, "gain"),
    Pair("nn.init.xavier_normal_", inputs=FANS),
    Pair("nn.init.xavier_normal_", (1.7,), FANS, "gain"),
    Pair("nn.init.kaiming_uniform_", inputs=FANS),
    Pair("nn.init.kaiming_uniform_", (5**0.5,), FANS, "as Linear"),
    Pair("nn.init.kaiming_uniform_", (0, "fan_out", "tanh"), FANS, "fan_out"),
    Pair("nn.init.kaiming_normal_", inputs=FANS),
    Pair("nn.init.kaiming_normal_", (0, "FAN_OUT", "relu"), FANS, "fan_out"),
    Pair("nn.init.orthogonal_", inputs=FANS),
    Pair("nn.init.orthogonal_", inputs=FANS, kwargs={"gain": 1.7}, case="gain"),
    Pair("nn.init.sparse_", (0.3,), MATRICES),
    Pair("nn.init.sparse_", (0.9, 1.7), MATRICES, "nearly empty"),
]
