"""TripletMarginLoss and TripletMarginWithDistanceLoss: nearer to the positive than to the negative, by a margin."""

from typing import Any

import numpy as np

from scratch.nn.distance.pairwise_distance import PairwiseDistance
from scratch.nn.loss.loss import Loss, check_prediction
from scratch.nn.module import Module


class TripletMarginWithDistanceLoss(Loss):
    """An anchor should be nearer to its positive example than to its negative one, by a margin.

        l_n = max(f(a_n, p_n) - f(a_n, m_n) + margin, 0)        f a distance
        swap: f(a, m) becomes min(f(a, m), f(p, m))

    Shapes    anchor a, positive p, negative m, the same, (N, D) or (D,), or whatever f takes; y () or what f gives.
    Options   distance_function, a function of two arrays or None; margin; swap takes the nearer of anchor and positive;
              reduction, "mean", "sum" or "none".
    Backward  with z the argument of the maximum:  df(a, p) = dl where z > 0, else 0;        df(a, m) = -df(a, p)
              with swap this last goes to the smaller of f(a, m) and f(p, m), half to each at a tie
              da, dp, dm = the sums of what f's backward gives them
    Why       the loss is piecewise linear in the distances; each input appears in two of them (p and m in both of
              theirs with swap), so its gradients add. At the kink z = 0 torch takes the slope 0.
    Saves     which maximum and minimum were taken, and for each distance what f saved.
    Numerics  those of f.
    Torch     torch.nn.TripletMarginWithDistanceLoss. `distance_function` is a Module of two inputs with a backward,
              whereas torch takes any function; PairwiseDistance by default.
    Raises    ValueError unless margin > 0; TypeError if distance_function is not a Module; RuntimeError for unequal
              shapes or dtypes.
    Source    Balntas et al. 2016, Learning shallow convolutional feature descriptors with triplet losses (the swap).
    """

    def __init__(
        self,
        *,
        distance_function: Module | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"{type(self).__name__}: margin must be greater than 0, got {margin}.")
        if distance_function is not None and not isinstance(distance_function, Module):
            raise TypeError(
                f"{type(self).__name__}: distance_function must be a scratch Module with a backward, "
                f"got {type(distance_function).__name__}. Write it as a Module of two inputs."
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = float(margin)
        self.swap = swap

    def forward(self, anchor: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> Any:
        check_prediction(self, anchor, positive, negative)
        near, *slots = self._distance(anchor, positive)
        far, slot = self._distance(anchor, negative)
        slots.append(slot)
        share = None
        if self.swap:
            swapped, slot = self._distance(positive, negative)
            slots.append(slot)
            share = np.where(far == swapped, 0.5, far < swapped).astype(far.dtype)
            far = np.minimum(far, swapped)
        z = self.margin + near - far
        return self.save(self.reduce(np.maximum(z, 0)), z > 0, share, slots, z.dtype)

    def backward(self, dloss: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        active, share, slots, dtype = self.take(dloss)
        dz = np.where(active, self.spread(dloss, active.size, dtype), dtype.type(0))
        da, dp = self._distance_backward(slots[0], dz)
        da_far, dm = self._distance_backward(slots[1], -dz if share is None else -dz * share)
        if share is None:
            return da + da_far, dp, dm
        dp_far, dm_far = self._distance_backward(slots[2], -dz * (1 - share))
        return da + da_far, dp + dp_far, dm + dm_far

    def _distance(self, x1: np.ndarray, x2: np.ndarray) -> tuple[Any, Any]:
        """f(x1, x2), and what f saved, taken out of it: f is called again before its backward."""
        d = self.distance_function(x1, x2)
        slot = [(module, module.saved) for module in self.distance_function.modules()]
        for module, _ in slot:
            module.saved = None
        return d, slot

    def _distance_backward(self, slot: Any, dd: Any) -> tuple[np.ndarray, np.ndarray]:
        for module, saved in slot:
            module.saved = saved
        return self.distance_function.backward(dd)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, margin={self.margin}, swap={self.swap}"


class TripletMarginLoss(TripletMarginWithDistanceLoss):
    """TripletMarginWithDistanceLoss with PairwiseDistance(p, eps) as its distance.

        l_n = max(|a_n - p_n + eps|_p - |a_n - m_n + eps|_p + margin, 0)

    Shapes    anchor, positive, negative (..., D), the same; y () or (...).
    Options   margin; p, the norm; eps, added to differences; swap takes the nearer of anchor and positive; reduction,
              "mean", "sum" or "none".
    Backward, Why, Saves, Raises   as derived there, and in PairwiseDistance for the norm.
    Numerics  eps keeps the distance of equal vectors differentiable.
    Torch     torch.nn.TripletMarginLoss; torch broadcasts sizes of 1, here they are refused.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(distance_function=PairwiseDistance(p, eps), margin=margin, swap=swap, reduction=reduction)

    @property
    def p(self) -> float:
        distance: Any = self.distance_function
        return distance.norm

    @p.setter
    def p(self, p: float) -> None:
        self.distance_function.norm = p

    @property
    def eps(self) -> float:
        distance: Any = self.distance_function
        return distance.eps

    @eps.setter
    def eps(self, eps: float) -> None:
        self.distance_function.eps = eps
