"""Rows: channels in another order."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

ROWS: list[Row] = [
    Layer("nn.ChannelShuffle", (3,), (normal(2, 15, 5, 7),)),
    Layer("nn.ChannelShuffle", (5,), (normal(2, 15, 3),), "three dimensions"),
    Layer("nn.ChannelShuffle", (1,), (normal(2, 5, 3, 2, 7),), "one group"),
    Refusal("nn.ChannelShuffle", (2,), (normal(2, 15, 5, 7),), "groups that do not divide"),
    Refusal("nn.ChannelShuffle", (0,), (normal(2, 15, 5, 7),), "no groups"),
    Refusal("nn.ChannelShuffle", (3,), (normal(15, 5),), "two dimensions"),
    Refusal("nn.ChannelShuffle", (3.0,), (normal(2, 15, 5, 7),), "fractional groups"),
]
