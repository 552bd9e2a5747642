"""Between scratch and torch: copy parameters either way, and run NumPy modules and optimizers inside torch.

    net = TorchModule(scratch.nn.Sequential(...))        # a torch.nn.Module whose forward and backward are NumPy
    opt = TorchOptimizer(scratch.optim.Adam(...), net)   # a torch.optim.Optimizer whose step is NumPy

Memory is shared, not copied: the torch parameters are views of the scratch arrays, so torch.optim may train scratch
modules, scratch.optim may train them inside Lightning, and torch.autograd.gradcheck checks the hand-written backward.
"""

from torch_impl.bridge.module import TorchModule
from torch_impl.bridge.optimizer import TorchOptimizer, TorchScheduler
from torch_impl.bridge.parameters import (
    AnyModule,
    arrays,
    copy_parameters,
    load_arrays,
    load_safetensors,
    save_safetensors,
)

__all__ = [
    "AnyModule",
    "TorchModule",
    "TorchOptimizer",
    "TorchScheduler",
    "arrays",
    "copy_parameters",
    "load_arrays",
    "load_safetensors",
    "save_safetensors",
]
