"""torch.nn.utils for arrays."""

from scratch.nn.utils import rnn

__all__ = ["rnn"]
