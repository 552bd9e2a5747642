"""torch.utils.data for arrays: the same datasets, samplers and loader, in torch's order from the same seed.

Execution-only arguments of torch's DataLoader are left out: num_workers, pin_memory, timeout, worker_init_fn,
multiprocessing_context, prefetch_factor, persistent_workers, pin_memory_device, in_order.
"""

from scratch.data.collate import default_collate, default_convert
from scratch.data.dataloader import DataLoader
from scratch.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from scratch.data.sampler import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "random_split",
]
