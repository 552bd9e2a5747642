"""CosineEmbeddingLoss: two vectors that should point the same way, or not."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_prediction

EPSILON = float(np.float32(1e-12))  # torch's constant is a float32, in float64 too


class CosineEmbeddingLoss(Loss):
    """One minus the cosine of the angle where the target is 1, and its excess over a margin where it is -1.

        c_n = <a_n, b_n> / sqrt(A_n B_n)        A = <a, a> + 1e-12,  B = <b, b> + 1e-12
        l_n = 1 - c_n                      if t_n = 1
              max(c_n - margin, 0)         if t_n = -1, and 0 for any other target

    Shapes    x1 = a, x2 = b (N, D) or (D,), the same; target (N,) or (); y () or (N,).
    Options   margin; reduction, "mean", "sum" or "none".
    Backward  da = dc (b / sqrt(A B) - c a / A)        db = dc (a / sqrt(A B) - c b / B)
              dc = -dl if t = 1;  dl if t = -1 and c > margin, else 0
    Why       the product rule: the first term turns a towards b, the second takes out what would only make a longer,
              since c does not depend on a's length.
    Saves     a, b, c, 1 / sqrt(A B), A, B and dc / dl.
    Numerics  the 1e-12 keeps zero vectors finite; their cosine is 0.
    Torch     torch.nn.CosineEmbeddingLoss; torch broadcasts sizes of 1, here they are refused.
    Raises    RuntimeError for unequal shapes or dtypes, and unless the inputs have one dimension more than the target.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = float(margin)

    def forward(self, x1: np.ndarray, x2: np.ndarray, target: np.ndarray) -> Any:
        check_prediction(self, x1, x2)
        if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
            raise RuntimeError(
                f"{self}: the inputs must be (N, D) with a target (N,), or (D,) with a target (); "
                f"got {x1.shape} and {target.shape}."
            )
        a, b = x1, x2
        A, B = (a * a).sum(-1) + EPSILON, (b * b).sum(-1) + EPSILON
        r = 1 / np.sqrt(A * B)
        c = (a * b).sum(-1) * r
        excess = c - self.margin
        losses = np.where(target == 1, 1 - c, 0) + np.where(target == -1, np.maximum(excess, 0), 0)
        slope = ((target == -1) & (excess > 0)).astype(c.dtype)
        slope -= target == 1
        return self.save(self.reduce(losses), a, b, c, r, A, B, slope)

    def backward(self, dloss: Any = None) -> tuple[np.ndarray, np.ndarray]:
        a, b, c, r, A, B, slope = self.take(dloss)
        dc = slope * self.spread(dloss, slope.size, c.dtype)
        da = (dc * r)[..., np.newaxis] * b - (dc * c / A)[..., np.newaxis] * a
        db = (dc * r)[..., np.newaxis] * a - (dc * c / B)[..., np.newaxis] * b
        return da, db

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}"
