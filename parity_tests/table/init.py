"""Rows: initialisers. The arrays are filled, each also transposed."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Initialiser

VECTOR, ROW, MATRIX, LARGE, KERNEL = normal(13), normal(1, 3), normal(17, 5), normal(131, 61), normal(5, 3, 2, 7)
ANY = (normal(), VECTOR, normal(0), MATRIX, LARGE, KERNEL)
MATRICES = (ROW, normal(5, 17), MATRIX, LARGE)
FANS = (*MATRICES, KERNEL, normal(0, 3), normal(11, 2, 3))

ROWS = [
    Initialiser("nn.init.uniform_", arrays=ANY),
    Initialiser("nn.init.uniform_", (-0.3, 1.7), ANY, "bounds"),
    Initialiser("nn.init.uniform_", (-0.0, -0.0), ANY, "both bounds -0"),
    Initialiser("nn.init.normal_", arrays=ANY),
    Initialiser("nn.init.normal_", (0.3, 1.7), ANY, "mean and std"),
    Initialiser("nn.init.trunc_normal_", arrays=ANY),
    Initialiser("nn.init.trunc_normal_", (0.1, 0.02, -0.04, 0.12), ANY, "narrow"),
    Initialiser("nn.init.trunc_normal_", (0.0, 1.0, 1.5, 4.0), ANY, "a tail"),
    Initialiser("nn.init.trunc_normal_", (0.0, 0.7, 3.0, 3.1), ANY, "a far tail"),
    Initialiser("nn.init.constant_", (0.3,), ANY),
    Initialiser("nn.init.ones_", arrays=ANY),
    Initialiser("nn.init.zeros_", arrays=ANY),
    Initialiser("nn.init.eye_", arrays=MATRICES),
    Initialiser("nn.init.dirac_", arrays=(normal(3, 5, 7), normal(5, 3, 3, 2), normal(2, 3, 1, 5, 3))),
    Initialiser("nn.init.dirac_", (3,), (normal(6, 5, 7), normal(9, 2, 3, 2), normal(3, 3, 1, 5, 3)), "groups"),
    Initialiser("nn.init.xavier_uniform_", arrays=FANS),
    Initialiser("nn.init.xavier_uniform_", (1.7,), FANS, "gain"),
    Initialiser("nn.init.xavier_uniform_", (0.0,), FANS, "gain 0"),
    Initialiser("nn.init.xavier_normal_", arrays=FANS),
    Initialiser("nn.init.xavier_normal_", (1.7,), FANS, "gain"),
    Initialiser("nn.init.kaiming_uniform_", arrays=FANS),
    Initialiser("nn.init.kaiming_uniform_", (5**0.5,), FANS, "as Linear"),
    Initialiser("nn.init.kaiming_uniform_", (0, "fan_out", "tanh"), FANS, "fan_out"),
    Initialiser("nn.init.kaiming_normal_", arrays=FANS),
    Initialiser("nn.init.kaiming_normal_", (0, "FAN_OUT", "relu"), FANS, "fan_out"),
    Initialiser("nn.init.orthogonal_", arrays=FANS),
    Initialiser("nn.init.orthogonal_", arrays=FANS, kwargs={"gain": 1.7}, case="gain"),
    Initialiser("nn.init.sparse_", (0.3,), MATRICES),
    Initialiser("nn.init.sparse_", (0.9, 1.7), MATRICES, "nearly empty"),
]
