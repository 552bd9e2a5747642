"""Flax NNX ports of the six further blocks, each once right and once or twice wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
from flax import nnx

from parity_tests.tests.foreign.further import Further

RNGS = nnx.Rngs(0)


def conv(a: int, b: int, kernel: int, stride: int = 1, padding: Any = 0, bias: bool = True) -> Any:
    sides = padding if isinstance(padding, str) else ((padding, padding),) * 2
    return nnx.Conv(a, b, (kernel, kernel), stride, padding=sides, use_bias=bias, rngs=RNGS)


def norm(channels: int) -> Any:
    return nnx.BatchNorm(channels, momentum=0.9, epsilon=1e-5, rngs=RNGS)


class Residual(nnx.Module):
    def __init__(self, padding: Any = 1, early: bool = False) -> None:
        self.conv1, self.bn1 = conv(4, 6, 3, 2, padding, False), norm(6)
        self.conv2, self.bn2 = conv(6, 6, 3, 1, 1, False), norm(6)
        self.short, self.bn3, self.early = conv(4, 6, 1, 2, 0, False), norm(6), early

    def __call__(self, x: Any) -> Any:
        h = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        short = self.bn3(self.short(x))
        return nnx.relu(h) + short if self.early else nnx.relu(h + short)


class UNet(nnx.Module):
    def __init__(self, exchanged: bool = False) -> None:
        self.down1, self.down2 = conv(4, 6, 3, 1, 1), conv(6, 8, 3, 1, 1)
        self.up = nnx.ConvTranspose(8, 6, (2, 2), (2, 2), padding="VALID", rngs=RNGS)
        self.fuse, self.out, self.exchanged = conv(12, 6, 3, 1, 1), conv(6, 3, 1), exchanged

    def __call__(self, x: Any) -> Any:
        a = nnx.relu(self.down1(x))
        parts = [a, self.up(nnx.relu(self.down2(nnx.max_pool(a, (2, 2), (2, 2)))))]
        return self.out(nnx.relu(self.fuse(jnp.concatenate(parts[::-1] if self.exchanged else parts, -1))))


class BothWays(nnx.Module):
    """With Flax's Bidirectional, or with loops of its own of which one is not turned back in time."""

    def __init__(self, turned: bool = True) -> None:
        cell = lambda size: nnx.OptimizedLSTMCell(size, 5, rngs=RNGS)  # noqa: E731
        ahead, back = nnx.RNN(cell(8)), nnx.RNN(cell(8), reverse=True, keep_order=False)
        self.first = nnx.Bidirectional(nnx.RNN(cell(8)), nnx.RNN(cell(8))) if turned else nnx.List([ahead, back])
        self.second, self.turned = nnx.Bidirectional(nnx.RNN(cell(10)), nnx.RNN(cell(10))), turned
        self.head = nnx.Linear(10, 3, rngs=RNGS)

    def __call__(self, x: Any) -> Any:
        h = self.first(x) if self.turned else jnp.concatenate([loop(x) for loop in self.first], -1)
        return self.head(self.second(h).mean(1))


class Decoder(nnx.Module):
    def __init__(self, causal: bool = True) -> None:
        self.attn, self.cross = (nnx.MultiHeadAttention(2, 8, decode=False, rngs=RNGS) for _ in range(2))
        self.norm1, self.norm2, self.norm3, self.last = (nnx.LayerNorm(8, epsilon=1e-5, rngs=RNGS) for _ in range(4))
        self.up, self.down, self.causal = nnx.Linear(8, 16, rngs=RNGS), nnx.Linear(16, 8, rngs=RNGS), causal

    def __call__(self, x: Any, memory: Any) -> Any:
        mask = nnx.make_causal_mask(x[..., 0]) if self.causal else None
        x = x + self.attn(self.norm1(x), mask=mask)
        x = x + self.cross(self.norm2(x), memory)
        return self.last(x + self.down(nnx.relu(self.up(self.norm3(x)))))


class Diffusion(nnx.Module):
    def __init__(self, gelu: bool = False, groups: int = 4) -> None:
        self.norm1, self.norm2 = (
            nnx.GroupNorm(c, num_groups=g, epsilon=1e-5, rngs=RNGS) for c, g in ((4, 2), (8, groups))
        )
        self.conv1, self.conv2, self.skip = conv(4, 8, 3, 1, 1), conv(8, 8, 3, 1, 1), conv(4, 8, 1)
        self.time, self.first = nnx.Linear(8, 8, rngs=RNGS), nnx.gelu if gelu else nnx.silu

    def __call__(self, x: Any, t: Any) -> Any:
        h = self.conv1(self.first(self.norm1(x))) + self.time(nnx.silu(t))[:, None, None]
        return self.skip(x) + self.conv2(nnx.silu(self.norm2(h)))


class Tied(nnx.Module):
    def __init__(self, scaled: bool = False) -> None:
        self.embed, self.norm = nnx.Embed(11, 8, rngs=RNGS), nnx.LayerNorm(8, epsilon=1e-5, rngs=RNGS)
        self.positions, self.scaled = nnx.Param(jnp.zeros((7, 8))), scaled

    def __call__(self, i: Any) -> Any:
        h = self.embed(i)
        return self.embed.attend(self.norm((h * 8**0.5 if self.scaled else h) + self.positions[...]))


def ports() -> Iterator[Further]:
    yield Further("residual", Residual, mode="eval")
    yield Further("residual", lambda: Residual("SAME"), "SAME with stride 2", ("conv1",), "padding-side", "eval")
    yield Further(
        "residual", lambda: Residual(early=True), "ReLU before the sum", ("", "relu"), "activation-place", "eval"
    )
    yield Further("unet", UNet)
    yield Further("unet", lambda: UNet(True), "parts exchanged", ("→ fuse",), "concat-order")
    yield Further("both ways", BothWays)
    yield Further("both ways", lambda: BothWays(False), "one half not turned back", ("lstm",), "reverse-order")
    yield Further("decoder", Decoder)
    yield Further("decoder", lambda: Decoder(False), "no causal mask", ("layer.self_attn",), "mask-missing")
    yield Further("diffusion", Diffusion)
    yield Further("diffusion", lambda: Diffusion(True), "GELU for SiLU", ("→ conv1",), "other-activation")
    yield Further("diffusion", lambda: Diffusion(groups=2), "two groups for four", ("norm2",), "groups")
    yield Further("tied", Tied)
    yield Further("tied", lambda: Tied(True), "the embedding scaled", ("embed", "→ norm"), "part-scale")
