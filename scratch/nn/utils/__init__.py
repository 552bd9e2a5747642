"""torch.nn.utils for arrays: clipping, and sequences of different lengths."""

from scratch.nn.utils import rnn
from scratch.optim.clip import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "rnn"]
