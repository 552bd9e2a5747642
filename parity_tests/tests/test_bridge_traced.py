"""What torch does with a TorchModule beyond one forward and one backward: the same as with the twin, or refused."""

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from torch_impl.bridge import TorchModule, TorchOptimizer, copy_parameters


def network(lib):
    nn, kind = lib.nn, {"dtype": np.float64 if lib is scratch else torch.float64}
    return nn.Sequential(nn.Linear(5, 7, **kind), nn.Tanh(), nn.Linear(7, 3, **kind))


def both(make=network):
    scratch.manual_seed(0)
    inner, theirs = make(scratch), make(torch_impl)
    copy_parameters(inner, theirs)
    return TorchModule(inner), theirs


def inputs(rows=4):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(rows, 5)))


def penalty(net, x):
    """As the critic of a WGAN has it: the cotangent is a constant."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    (net(x.detach()).mean() + slope.norm()).backward()


def adapted(net, x):
    """One step of MAML."""
    gradients = torch.autograd.grad(net(x).sum(), list(net.parameters()), create_graph=True)
    moved = {n: p - 0.1 * g for (n, p), g in zip(net.named_parameters(), gradients, strict=True)}
    torch.func.functional_call(net, moved, (x,)).sum().backward()


SECOND = {
    "gradient penalty": penalty,
    "MAML": adapted,
    "hvp": lambda net, x: torch.autograd.functional.hvp(lambda x: net(x).square().sum(), x, x),
    "hessian": lambda net, x: torch.autograd.functional.hessian(lambda x: net(x).sum(), x),
    "gradgradcheck": lambda net, x: torch.autograd.gradgradcheck(net, x.clone().requires_grad_()),
}


@pytest.mark.parametrize("name", SECOND)
def test_a_second_derivative_is_refused(name):
    ours, theirs = both()
    SECOND[name](theirs, inputs())
    with pytest.raises(RuntimeError, match=r"TorchModule: a gradient .* cannot be differentiated again"):
        SECOND[name](ours, inputs())


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
def test_create_graph_alone_changes_nothing():
    gradients = []
    for net in both():
        net(inputs()).square().sum().backward(create_graph=True)
        gradients.append(torch.cat([p.grad.detach().flatten() for p in net.parameters()]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-14)


def functional(net, x):
    return lambda p: torch.func.functional_call(net, p, (x,)).sum()


TRACED = {
    "func.grad": (lambda net, x: torch.func.grad(functional(net, x))(dict(net.named_parameters())), "torch.func"),
    "func.vmap": (lambda net, x: torch.func.vmap(net)(x), "a loop in place of vmap"),
    "func.jacrev": (lambda net, x: torch.func.jacrev(net)(x), "torch.autograd.functional.jacobian"),
    "func.jvp": (lambda net, x: torch.func.jvp(net, (x,), (x,)), "torch.func"),
    "vectorized jacobian": (
        lambda net, x: torch.autograd.functional.jacobian(net, x, vectorize=True),
        "vmap or is_grads_batched",
    ),
    "jit.trace": (lambda net, x: torch.jit.trace(net, x), "export that"),
    "export": (lambda net, x: torch.export.export(net, (x,)), "export that"),
    "sparse input": (lambda net, x: net(x.to_sparse()), "dense tensors"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRACED)
def test_what_has_no_numbers_is_refused_in_one_line(name):
    ours, _ = both()
    run, message = TRACED[name]
    with pytest.raises(RuntimeError, match=rf"TorchModule: .*{message}") as refusal:
        run(ours, inputs())
    assert "\n" not in str(refusal.value)


def trained(net, run, steps=4):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        run(inputs()).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in net.parameters()]


def test_a_compiled_network_computes_as_it_does_without_compilation():
    """Dynamo would translate NumPy into torch, and run the code of the layers another number of times."""

    def make(lib):
        norm = lib.nn.BatchNorm1d(7, dtype=np.float64 if lib is scratch else torch.float64)
        first, *rest = network(lib)
        return lib.nn.Sequential(first, norm, *rest)

    ours, theirs = both(make)
    torch._dynamo.reset()
    results = trained(ours, torch.compile(ours, backend="eager")), trained(theirs, theirs)
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)
    for (name, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=name)


def test_a_slice_trains_the_network_that_it_is_of():
    results = []
    for net in both():
        head = net[1:]
        assert head[-1].weight is net[2].weight
        trained(head, lambda x, net=net, head=head: head(net[:1](x)))
        results.append([p.detach() for p in net.parameters()])
        assert list(head.state_dict()) == ["2.weight", "2.bias"]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)


def test_a_slice_of_a_list_has_the_parameters_of_the_list():
    layers = TorchModule(scratch.nn.ModuleList([scratch.nn.Linear(5, 5) for _ in range(3)]))
    part = layers[1:]
    assert [p is q for p, q in zip(part.parameters(), layers[1:].parameters(), strict=True)] == [True] * 4
    assert part[0] is layers[1]


def test_a_tensor_whose_sign_is_turned_lazily():
    ours, theirs = both()
    x = torch.complex(inputs(), inputs()).conj().imag
    assert x.is_neg()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("module", [None, torch.nn.Linear(2, 2), {"a": 1}], ids=["None", "torch", "dict"])
def test_anything_but_a_scratch_module_is_refused(module):
    with pytest.raises(TypeError, match="TorchModule: expected a scratch Module, got"):
        TorchModule(module)


# --- what else is done to an optimizer --------------------------------------------------------------------------------


def adam(net):
    if not isinstance(net, TorchModule):
        return torch.optim.Adam(net.parameters(), lr=0.1)
    return TorchOptimizer(scratch.optim.Adam(net.scratch_module.parameters(), lr=0.1), net)


def go_on(net, optimizer, steps=3):
    for _ in range(steps):
        optimizer.zero_grad()
        net(inputs()).square().mean().backward()
        optimizer.step()


def test_the_state_is_read_and_changed_in_place_as_torchs():
    results = []
    for net in both():
        optimizer = adam(net)
        assert not optimizer.state
        go_on(net, optimizer)
        for p in net.parameters():
            optimizer.state[p]["exp_avg"].zero_()
            assert float(optimizer.state[p]["step"]) == 3
        go_on(net, optimizer)
        results.append([*(p.detach() for p in net.parameters()), *(s["exp_avg_sq"] for s in optimizer.state.values())])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


RESETS = {
    "set": lambda optimizer: setattr(optimizer, "state", {}),
    "clear": lambda optimizer: optimizer.state.clear(),
    "del": lambda optimizer: optimizer.state.__delitem__(next(iter(optimizer.state))),
    "an entry": lambda optimizer: optimizer.state.__setitem__(next(iter(optimizer.state)), {}),
}


@pytest.mark.parametrize("how", RESETS)
def test_a_state_that_is_reset_is_refused(how):
    net, _ = both()
    optimizer = adam(net)
    go_on(net, optimizer)
    with pytest.raises(RuntimeError, match="the state is kept by scratch"):
        RESETS[how](optimizer)


def test_a_state_may_be_set_to_what_it_is():
    net, _ = both()
    optimizer = adam(net)
    go_on(net, optimizer)
    state = optimizer.state
    for p, entries in list(state.items()):
        state[p] = dict(entries)


def test_other_parameters_than_the_optimizer_trains_are_refused():
    """Torch's would go on training the old ones; the numbers that were loaded must not be lost."""
    net, _ = both()
    optimizer = adam(net)
    go_on(net, optimizer)
    loaded = {name: 2 * value for name, value in net.state_dict().items()}
    net.load_state_dict(loaded, assign=True)
    net(inputs()).sum().backward()
    with pytest.raises(RuntimeError, match="the module has other parameters now"):
        optimizer.step()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())
    go_on(net, adam(net))
