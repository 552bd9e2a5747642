"""torch.nn.utils for arrays: clipping, sequences of different lengths, fused layers, parameters as a vector."""

from scratch.nn.utils import rnn
from scratch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from scratch.nn.utils.skip_init import skip_init
from scratch.nn.utils.vector import parameters_to_vector, vector_to_parameters
from scratch.optim.clip import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "rnn",
    "skip_init",
    "vector_to_parameters",
]
