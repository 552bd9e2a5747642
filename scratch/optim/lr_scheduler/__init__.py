"""torch.optim.lr_scheduler in NumPy."""

from scratch.optim.lr_scheduler.composite import ChainedScheduler, SequentialLR
from scratch.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from scratch.optim.lr_scheduler.cyclic import CyclicLR, OneCycleLR
from scratch.optim.lr_scheduler.factor import ExponentialLR, LambdaLR, MultiplicativeLR, MultiStepLR, StepLR
from scratch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from scratch.optim.lr_scheduler.scheduler import LRScheduler
from scratch.optim.lr_scheduler.warmup import ConstantLR, LinearLR, PolynomialLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
