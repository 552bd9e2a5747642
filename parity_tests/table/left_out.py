"""What torch.nn, torch.optim, torch.utils.data and torch's random functions have and scratch does not, each with its
reason. Tests read this, so nothing is missing by accident.
"""

LAZY = "lazy: it takes its sizes from the first input and becomes the class without Lazy, which is here"
MEMORY = "about uninitialized tensors of lazy modules"
COMPUTED = (
    "computes a weight from others and leaves its gradient to autograd, which scratch lacks; torch's own works on a "
    "TorchModule, NumPy inside torch"
)
PRUNING = "pruning: a mask and a hook before forward. scratch has no hooks; torch's own works on a TorchModule"
PIPES = "of the data pipes, which torch has deprecated"

LEFT_OUT = {
    "nn.Buffer": "a tensor type that marks buffers; here register_buffer does",
    "nn.Container": "deprecated in torch, an empty Module",
    "nn.DataParallel": "spreads a batch over several GPUs",
    **{f"nn.LazyBatchNorm{d}d": LAZY for d in (1, 2, 3)},
    **{f"nn.LazyConv{d}d": LAZY for d in (1, 2, 3)},
    **{f"nn.LazyConvTranspose{d}d": LAZY for d in (1, 2, 3)},
    **{f"nn.LazyInstanceNorm{d}d": LAZY for d in (1, 2, 3)},
    "nn.LazyLinear": LAZY,
    "nn.LinearCrossEntropyOptions": "says how LinearCrossEntropyLoss trades time for memory",
    "nn.SyncBatchNorm": "synchronizes statistics between processes",
    "nn.UninitializedBuffer": MEMORY,
    "nn.UninitializedParameter": MEMORY,
    "optim.swap_in_optimizer_params_and_state": "about tracing a graph",
    "optim.SparseAdam": "updates the entries of a sparse gradient; here gradients are dense, which torch's refuses",
    "nn.utils.clip_grad_norm": "deprecated in torch: clip_grad_norm_",
    "nn.utils.convert_conv2d_weight_memory_format": "changes strides alone",
    "nn.utils.convert_conv3d_weight_memory_format": "changes strides alone",
    **{f"nn.utils.{name}": COMPUTED for name in ("spectral_norm", "weight_norm")},
    **{f"nn.utils.remove_{name}": COMPUTED for name in ("spectral_norm", "weight_norm")},
    **{f"nn.utils.parametrizations.{name}": COMPUTED for name in ("orthogonal", "spectral_norm", "weight_norm")},
    **{f"nn.utils.parametrize.{name}": COMPUTED for name in ("ParametrizationList", "cached", "is_parametrized")},
    **{f"nn.utils.parametrize.{what}": COMPUTED for what in ("register_parametrization", "remove_parametrizations")},
    "nn.utils.parametrize.transfer_parametrizations_and_params": COMPUTED,
    "nn.utils.parametrize.type_before_parametrizations": COMPUTED,
    **{f"nn.utils.prune.{name}": PRUNING for name in ("BasePruningMethod", "CustomFromMask", "Identity")},
    **{f"nn.utils.prune.{name}": PRUNING for name in ("L1Unstructured", "LnStructured", "PruningContainer")},
    **{f"nn.utils.prune.{name}": PRUNING for name in ("RandomStructured", "RandomUnstructured", "custom_from_mask")},
    **{f"nn.utils.prune.{name}": PRUNING for name in ("global_unstructured", "identity", "is_pruned")},
    **{f"nn.utils.prune.{name}": PRUNING for name in ("l1_unstructured", "ln_structured", "random_structured")},
    **{f"nn.utils.prune.{name}": PRUNING for name in ("random_unstructured", "remove")},
    "nn.utils.stateless.functional_call": "runs a module with other parameters for one call; here backward is a second "
    "call and would read its own. Use load_state_dict, or torch.func.functional_call on a TorchModule",
    **{f"data.{name}": PIPES for name in ("DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe")},
    **{f"data.{name}": PIPES for name in ("argument_validation", "functional_datapipe", "non_deterministic")},
    **{f"data.{name}": PIPES for name in ("guaranteed_datapipes_determinism", "runtime_validation")},
    "data.runtime_validation_disabled": PIPES,
    "data.get_worker_info": "about worker processes, which scratch does not have",
    "random.pca_lowrank": "linear algebra, started at random",
    "random.svd_lowrank": "linear algebra, started at random",
    "random.poisson_nll_loss": "a loss: nn.PoissonNLLLoss",
    "random.thread_safe_generator": "about worker processes, which scratch does not have",
}
