"""torch.nn."""

import torch
from torch.nn import *  # noqa: F403
from torch.nn import init, utils  # noqa: F401


class ScaledDotProductAttention(torch.nn.Module):
    """torch's function as a module. In torch it is a function and the caller passes dropout_p=0 in eval mode."""

    def __init__(
        self, dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False
    ) -> None:
        super().__init__()
        self.dropout_p, self.is_causal, self.scale, self.enable_gqa = dropout_p, is_causal, scale, enable_gqa

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        p = self.dropout_p if self.training else 0.0
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask, p, self.is_causal, scale=self.scale, enable_gqa=self.enable_gqa
        )
