"""ChannelShuffle."""

from scratch.nn.channelshuffle.channelshuffle import ChannelShuffle

__all__ = ["ChannelShuffle"]
