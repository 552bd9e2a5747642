"""Rows: gradient clipping. None is a parameter without a gradient."""

from parity_tests.table.recipe import given, normal
from parity_tests.table.row import Clipping

GRADIENTS = (normal(7, 5), None, normal(131), normal(), normal(3, 2, scale=1e-3))
TINY = (normal(7, 5, scale=1e-6), normal(13, scale=1e-9))

ROWS = [
    Clipping("nn.utils.get_total_norm", gradients=GRADIENTS),
    *(
        Clipping("nn.utils.get_total_norm", GRADIENTS, f"order {order}", {"norm_type": order})
        for order in (1.0, 3.0, 0.5, 0.0, -2.0, float("inf"), float("-inf"))
    ),
    Clipping("nn.utils.clip_grad_norm_", GRADIENTS, "longer", {"max_norm": 1.7}),
    Clipping("nn.utils.clip_grad_norm_", GRADIENTS, "shorter", {"max_norm": 1000.0}),
    Clipping("nn.utils.clip_grad_norm_", GRADIENTS, "largest element", {"max_norm": 0.1, "norm_type": float("inf")}),
    Clipping("nn.utils.clip_grad_norm_", TINY, "tiny", {"max_norm": 1e-7}),
    Clipping("nn.utils.clip_grad_norm_", (given([0.0, 0.0]),), "zeros", {"max_norm": 1.0}),
    Clipping("nn.utils.clip_grad_norm_", (given([1.0, float("nan")]), normal(3)), "NaN", {"max_norm": 1.0}),
    Clipping("nn.utils.clip_grad_norm_", (given([1.0, float("inf")]), normal(3)), "infinite", {"max_norm": 1.0}),
    Clipping("nn.utils.clip_grads_with_norm_", GRADIENTS, "longer", {"max_norm": 1.7, "total_norm": 5.0}),
    Clipping("nn.utils.clip_grads_with_norm_", GRADIENTS, "shorter", {"max_norm": 1.7, "total_norm": 1.0}),
    Clipping("nn.utils.clip_grad_value_", GRADIENTS, "", {"clip_value": 0.3}),
    Clipping("nn.utils.clip_grad_value_", (given([float("nan"), float("inf"), -7.0]),), "NaN", {"clip_value": 0.3}),
]
