"""AdamW: Adam with weight decay outside the moments."""

from collections.abc import Iterable, Mapping
from typing import Any

from scratch.optim.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights instead of joining the gradient.

        θ = (1 - lr weight_decay) θ, then Adam's step with the plain gradient

    Options   params, an iterable of parameters or of groups with their own options; lr; betas (β1, β2); eps;
              weight_decay; amsgrad; maximize.
    Why       L2 in the gradient is divided by Adam's root, so that weights with large gradients decay less. Decoupled,
              all weights decay at the same rate.
    State     Adam's.
    Differs   the paper scales decay by a separate schedule η; here, as in torch, optax and Keras, η is lr itself.
              weight_decay is 0.01 here, 1e-4 in optax and 0.004 in Keras.
    Torch     torch.optim.AdamW; same names and defaults.
    Raises    ValueError as Adam does.
    Source    Loshchilov, Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a state_dict of AdamW or of Adam; decay stays decoupled."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
