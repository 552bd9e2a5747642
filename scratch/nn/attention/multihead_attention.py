"""MultiheadAttention: several attentions side by side, on projections of the input."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.attention.fast_path import attention_is_fast
from scratch.nn.attention.heads import append_backward, append_keys, check_heads, join_heads, split_heads
from scratch.nn.attention.layout import Layout, check_inputs
from scratch.nn.attention.masks import combined
from scratch.nn.attention.projections import affine, affine_backward, project, project_backward
from scratch.nn.attention.scaled_dot_product import attend, attend_backward
from scratch.nn.linear import Linear
from scratch.nn.module import Module, Parameter
from scratch.random import Generator


class MultiheadAttention(Module):
    """Project queries, keys and values, let H heads attend, each on its slice of E / H features, and project back.

        q = query W_q^T + b_q        k = key W_k^T + b_k        v = value W_v^T + b_v
        p_h = softmax(q_h k_h^T / sqrt(E / H) + mask)        o = concat_h(p_h v_h)        y = o W_o^T + b_o

    Shapes    query (L, N, E), key (S, N, kdim), value (S, N, vdim), y (L, N, E); (N, L, E) and so on with batch_first;
              no N without a batch. in_proj_weight (3E, E) holds W_q, W_k, W_v; with other kdim or vdim there are
              q_proj_weight (E, E), k_proj_weight (E, kdim), v_proj_weight (E, vdim). in_proj_bias (3E,).
    Masks     True = blocked, the opposite of scaled_dot_product_attention; floats are added. key_padding_mask (N, S);
              attn_mask (L, S) or (N·H, L, S). is_causal is a hint that needs attn_mask; with it, no weights and no
              key_padding_mask, torch takes the causal mask without looking at attn_mask; scratch does the same.
    Returns   forward: y and the weights after dropout, averaged over the heads (N, L, S), or of each (N, H, L, S) with
              average_attn_weights=False; None with need_weights=False.
              backward(dy, dweights): dquery, dkey, dvalue. If one array was passed as all three, its gradient is their
              sum.
    Options   embed_dim E, num_heads H; dropout, the probability that a weight is dropped; bias=False leaves the biases
              out; add_bias_kv appends a learned key and value, add_zero_attn a key and value of zeros; kdim and vdim,
              the widths of key and value; batch_first; dtype of the parameters, float32 or float64; generator draws
              their initial values (None: the global one).
    Backward  backwards through the same four steps, s_h being the scores before softmax:
                  do = dy W_o              dW_o = dy^T o          db_o = Σ dy
                  dv_h = p_h^T do_h        dp_h = do_h v_h^T
                  ds_h = p_h * (dp_h - Σ_s p_h * dp_h)
                  dq_h = ds_h k_h / sqrt(E / H)        dk_h = ds_h^T q_h / sqrt(E / H)
                  dquery = dq W_q          dW_q = dq^T query      db_q = Σ dq
                  dkey = dk W_k            dW_k = dk^T key        db_k = Σ dk
                  dvalue = dv W_v          dW_v = dv^T value      db_v = Σ dv
              Each projection is one of Linear, each head a ScaledDotProductAttention. `bias_k` and `bias_v`, one more
              key and value for everyone, collect the sums of their gradients over the batch.
    Why       heads share nothing but the input, so each has its own softmax and its own slice of W_o; a row of p_h sums
              to 1, which takes the mean, weighted by p_h, off dp_h.
    Saves     query, key, value, what attention saves, and its output before W_o.
    Numerics  y lies in memory as (L, N, E) even with batch_first, as torch's does: a dropout after it draws its mask in
              the order of memory. A query that may attend to nothing gives NaN with need_weights=True and zeros
              without, as in torch; NaN also on torch's fast path, which ignores is_causal: see set_fastpath_enabled.
    Init      W_o and its bias as Linear draws them, then the bias is zeroed; in_proj_weight (or q, k, v) Xavier
              uniform; `bias_k`, `bias_v` Xavier normal: torch's draws to the bit.
    Torch     torch.nn.MultiheadAttention.
    Raises    AssertionError for dimensions that do not fit (torch's class), RuntimeError for masks of a wrong shape.
    Source    Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        check_heads(embed_dim, num_heads, dropout)
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first

        self.packed = self.kdim == embed_dim and self.vdim == embed_dim
        parameter = partial(self.new_parameter, dtype=dtype)
        if self.packed:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
        self.in_proj_bias = parameter(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype, generator)
        self.bias_k = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.reset_parameters(generator)

    @property
    def head_dim(self) -> int:
        return self.embed_dim // self.num_heads

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for weight in self._in_weights():
            init.xavier_uniform_(weight, generator=generator)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k, generator=generator)
            init.xavier_normal_(self.bias_v, generator=generator)

    def _in_weights(self) -> list[Parameter]:
        return [self.in_proj_weight] if self.packed else [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]

    def forward(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        key_padding_mask: np.ndarray | None = None,
        need_weights: bool = True,
        attn_mask: np.ndarray | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        fast = query is key is value and attention_is_fast(self, query, key_padding_mask, attn_mask)
        layout = Layout(query.ndim == 3, self.batch_first)
        N, L, S = check_inputs(self, query, key, value, layout)
        causal = is_causal and not fast
        mask = combined(self, key_padding_mask, attn_mask, (N, L, S), layout.batched, causal, need_weights)

        x = [layout.enter(part) for part in (query, key, value)]
        q, k, v = project(x, self._in_weights(), self.in_proj_bias)
        k, v = append_keys(k, self.bias_k, self.add_zero_attn), append_keys(v, self.bias_v, self.add_zero_attn)
        q, k, v = (split_heads(part, self.num_heads) for part in (q, k, v))
        p = self.dropout if self.training else 0.0
        empty_rows = np.nan if need_weights or fast else 0.0
        heads, saved = attend(q, k, v, mask, p, math.sqrt(1 / self.head_dim), empty_rows)
        joined = heads.transpose(2, 0, 1, 3).reshape(L, N, self.embed_dim)
        y = affine(joined, self.out_proj.weight, self.out_proj.bias)

        weights = layout.report(saved.dropped, average_attn_weights) if need_weights else None
        return self.save((layout.leave(y), weights), x, saved, joined, layout, average_attn_weights)

    def backward(
        self, dy: np.ndarray | None, dweights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, saved, joined, layout, averaged = self.take((dy, dweights))
        L, N, _ = joined.shape
        dy = np.zeros_like(joined) if dy is None else layout.enter(dy).swapaxes(0, 1)
        dweights = layout.report_backward(dweights, self.num_heads, averaged)

        djoined = affine_backward(dy, joined, self.out_proj.weight, self.out_proj.bias)
        dheads = djoined.reshape(L, N, self.num_heads, self.head_dim).transpose(1, 2, 0, 3)
        dq, dk, dv = (join_heads(part) for part in attend_backward(dheads, saved, dweights))
        S = x[1].shape[1]
        dk, dv = append_backward(dk, self.bias_k, S), append_backward(dv, self.bias_v, S)
        dx = project_backward([dq, dk, dv], x, self._in_weights(), self.in_proj_bias)
        dquery, dkey, dvalue = (layout.leave(part.swapaxes(0, 1)) for part in dx)
        return dquery, dkey, dvalue

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"

    def __repr__(self) -> str:
        return f"MultiheadAttention({self.extra_repr()})"
