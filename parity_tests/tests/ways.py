"""What torch does to the parameters and buffers of a network; each way takes one and returns the one to go on with."""

import copy
import io
import pickle
import warnings
from functools import partial

import torch
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn


def matrix(net):
    """The first module with a parameter of two dimensions or more, and that parameter's name."""
    return next((m, n) for m in net.modules() for n, p in m.named_parameters(recurse=False) if p.ndim > 1)


def doubled(net):
    return {name: (2 * value if value.is_floating_point() else value + 3) for name, value in net.state_dict().items()}


def nothing(net):
    return net


def pickled(net):
    return pickle.loads(pickle.dumps(net))


def saved(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def copy_then_change_the_original(net):
    twin = copy.deepcopy(copy.deepcopy(net))
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    return twin


def averaged(net, steps=3, **options):
    average = AveragedModel(net, **options)
    for _ in range(steps):
        with torch.no_grad():
            for p in net.parameters():
                p.mul_(1.1)
        average.update_parameters(net)
    return average


def load(net, assign=False):
    net.load_state_dict(doubled(net), assign=assign)
    return net


def load_after_a_copy(net):
    other = copy.deepcopy(net)
    other.load_state_dict({name: value.clone() for name, value in doubled(net).items()})
    return other


def data(net):
    for p in net.parameters():
        p.data = 2 * p.data
    for b in net.buffers():
        b.data = b.data + 1
    return net


def other_layout(net):
    for p in net.parameters():
        p.data = p.data.mT.contiguous().mT if p.ndim > 1 else p.data
    return net


def in_place(net):
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(2).add_(0.1)
        for b in net.buffers():
            b.add_(1)
    return net


def vector(net):
    flat = torch.nn.utils.parameters_to_vector(net.parameters())
    torch.nn.utils.vector_to_parameters(2 * flat, net.parameters())
    return net


def replaced(net):
    for module in net.modules():
        for name, p in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(p.detach() * 2))
        for name, b in list(module.named_buffers(recurse=False)):
            setattr(module, name, b + 1)
    return net


def registered(net):
    module, name = matrix(net)
    old = getattr(module, name)
    delattr(module, name)
    module.register_parameter(name, torch.nn.Parameter(old.detach() * 2))
    return net


def exchanged(net):
    for p in net.parameters():
        torch.utils.swap_tensors(p, torch.nn.Parameter(2 * p.detach()))
    return net


def emptied(net):
    state = {name: value.clone() for name, value in net.state_dict().items()}
    net.to_empty(device="cpu").load_state_dict(state)
    return net


def converted(net, option):
    setting = getattr(torch.__future__, f"set_{option}")
    setting(True)
    try:
        return load(net.to("cpu").double().to(memory_format=torch.channels_last))
    finally:
        setting(False)


def pruned(net, how, remove=False, **options):
    module, name = matrix(net)
    how(module, name, **options)
    if remove:
        prune.remove(module, name)
    return net


def pruned_everywhere(net):
    parts = [(m, n) for m in net.modules() for n, p in m.named_parameters(recurse=False) if p.ndim > 1]
    prune.global_unstructured(parts, prune.L1Unstructured, amount=0.4)
    return net


def parametrized(net, how, remove=None, **options):
    module, name = matrix(net)
    how(module, name, **options)
    if remove is not None:
        parametrize.remove_parametrizations(module, name, leave_parametrized=remove)
    return net


class Enlarged(torch.nn.Module):
    def forward(self, x):
        return 1.5 * x

    def right_inverse(self, x):
        return x / 2


def own_parametrization(net):
    for module, name in [(m, n) for m in net.modules() for n, _ in m.named_parameters(recurse=False)]:
        for _ in range(2):
            parametrize.register_parametrization(module, name, Enlarged())
    return net


def parametrized_buffers(net):
    for module, name in [(m, n) for m in net.modules() for n, _ in m.named_buffers(recurse=False) if "running" in n]:
        parametrize.register_parametrization(module, name, Enlarged())
    return net.eval()


def parametrized_and_copied(net):
    return copy.deepcopy(parametrized(net, parametrizations.weight_norm))


def by_a_hook(net, how, remove=None):
    module, name = matrix(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        how(module, name)
    if remove:
        remove(module, name)
    return net


def frozen(net, every=1):
    for i, p in enumerate(net.parameters()):
        p.requires_grad_(i % every != 0)
    return net


def thawed(net):
    return frozen(net, every=1).requires_grad_(True)


def initialized(net):
    for p in net.parameters():
        torch.nn.init.normal_(p)
    return net


def initialized_by_class(net):
    kinds = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    net.apply(lambda m: torch.nn.init.normal_(m.weight, 1, 0.3) if isinstance(m, kinds) else None)
    return net


def reset(net):
    torch.manual_seed(3)
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return net


def other_settings(net):
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum, module.eps = 0.4, 0.3
    return net


def partly_in_eval_mode(net):
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return net


class Functional(torch.nn.Module):
    """Computes with parameters and buffers of its own in the network's place."""

    def __init__(self, net, buffers=True):
        super().__init__()
        self.network = [net]
        self.names = [name for name, _ in net.named_parameters()]
        self.weights = torch.nn.ParameterList(2 * p.detach() for p in net.parameters())
        self.own_buffers = {name: b.clone() + 1 for name, b in net.named_buffers()} if buffers else {}

    def forward(self, *inputs):
        state = dict(zip(self.names, self.weights, strict=True)) | self.own_buffers
        return torch.func.functional_call(self.network[0], state, inputs)


class Recomputed(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.network = net

    def forward(self, *inputs):
        return torch.utils.checkpoint.checkpoint(self.network, *inputs, use_reentrant=False)


class Cached(Recomputed):
    def forward(self, *inputs):
        with parametrize.cached():
            return self.network(*inputs)


ema, by_buffers = get_ema_avg_fn(0.9), {"use_buffers": True}
WAYS = {
    "nothing": nothing,
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "deepcopy, then the original changes": copy_then_change_the_original,
    "pickle": pickled,
    "torch.save, torch.load": saved,
    "AveragedModel": averaged,
    "AveragedModel, EMA": partial(averaged, avg_fn=ema),
    "AveragedModel, EMA of all, buffers": partial(averaged, multi_avg_fn=get_ema_multi_avg_fn(0.9), **by_buffers),
    "load_state_dict": load,
    "load_state_dict, assign": partial(load, assign=True),
    "load_state_dict into a copy": load_after_a_copy,
    "data = ...": data,
    "data = another layout": other_layout,
    "in place": in_place,
    "vector_to_parameters": vector,
    "module.weight = ...": replaced,
    "register_parameter": registered,
    "swap_tensors": exchanged,
    "share_memory": lambda net: net.share_memory(),
    "to the same": lambda net: net.to("cpu").double().cpu(),
    "to_empty": emptied,
    "overwrite_module_params_on_conversion": partial(converted, option="overwrite_module_params_on_conversion"),
    "swap_module_params_on_conversion": partial(converted, option="swap_module_params_on_conversion"),
    "prune.l1_unstructured": partial(pruned, how=prune.l1_unstructured, amount=0.3),
    "prune.ln_structured": partial(pruned, how=prune.ln_structured, amount=0.3, n=2, dim=0),
    "prune.random_unstructured, removed": partial(pruned, how=prune.random_unstructured, amount=0.3, remove=True),
    "prune.global_unstructured": pruned_everywhere,
    "parametrizations.weight_norm": partial(parametrized, how=parametrizations.weight_norm),
    "parametrizations.spectral_norm": partial(parametrized, how=parametrizations.spectral_norm),
    "parametrizations.orthogonal": partial(parametrized, how=parametrizations.orthogonal),
    "orthogonal, removed": partial(parametrized, how=parametrizations.orthogonal, remove=True),
    "weight_norm, removed": partial(parametrized, how=parametrizations.weight_norm, remove=True),
    "a parametrization of one's own": own_parametrization,
    "parametrized buffers": parametrized_buffers,
    "parametrized, then deepcopy": parametrized_and_copied,
    "parametrize.cached": lambda net: Cached(parametrized(net, parametrizations.spectral_norm)),
    "utils.weight_norm": partial(by_a_hook, how=torch.nn.utils.weight_norm),
    "utils.spectral_norm": partial(by_a_hook, how=torch.nn.utils.spectral_norm),
    "utils.weight_norm, removed": partial(
        by_a_hook, how=torch.nn.utils.weight_norm, remove=torch.nn.utils.remove_weight_norm
    ),
    "frozen": frozen,
    "every second frozen": partial(frozen, every=2),
    "frozen and thawed": thawed,
    "init": initialized,
    "init by class": initialized_by_class,
    "reset_parameters": reset,
    "momentum, eps": other_settings,
    "BatchNorm in eval mode": partly_in_eval_mode,
    "functional_call": Functional,
    "functional_call without buffers": partial(Functional, buffers=False),
    "functional_call of a parametrized one": lambda net: Functional(parametrized(net, parametrizations.weight_norm)),
    "torch.utils.checkpoint": Recomputed,
    "channels_last": lambda net: torch.nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last),
}
