"""What torch.nn and torch.optim have and scratch has not, each with its reason. A test reads this: nothing is missing
by accident.
"""

LAZY = "lazy: it learns its sizes from the first input, and becomes the class without Lazy, which is here"
MEMORY = "about uninitialized tensors of lazy modules"

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
}
