"""Tools of torch and Lightning that look into a TorchModule find what they look for, or say that they do not."""

import copy
import io
import pickle

import lightning
import numpy as np
import pytest
import torch
from torch.optim.swa_utils import update_bn

import scratch
import torch_impl
from torch_impl.bridge import TorchModule, TorchOptimizer, copy_parameters


def network(lib):
    kind = {"dtype": np.float64 if lib is scratch else torch.float64}
    nn = lib.nn
    return nn.Sequential(nn.Linear(5, 7, **kind), nn.BatchNorm1d(7, **kind), nn.Tanh(), nn.Linear(7, 3, **kind))


def both():
    scratch.manual_seed(0)
    inner, theirs = network(scratch), network(torch_impl)
    copy_parameters(inner, theirs)
    return TorchModule(inner), theirs


def batches(count=4):
    return torch.from_numpy(np.random.default_rng(0).normal(5, 2, (count, 8, 5)))


def assert_same(ours, theirs):
    for (name, a), (other, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name == other
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_update_bn_finds_the_statistics():
    ours, theirs = both()
    for net in (ours, theirs):
        update_bn(batches(), net)
    assert_same(ours, theirs)
    assert ours.scratch_module[1].momentum == 0.1


def test_update_bn_finds_a_batch_norm_that_is_the_whole_network():
    ours, theirs = TorchModule(scratch.nn.BatchNorm1d(5, dtype=np.float64)), torch.nn.BatchNorm1d(5).double()
    for net in (ours, theirs):
        update_bn(batches(), net)
    assert_same(ours, theirs)


class Lit(lightning.LightningModule):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def training_step(self, batch, _):
        return self.net(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05)


def test_lightning_averages_weights_and_statistics():
    ours, theirs = both()
    for net in (ours, theirs):
        lightning.Trainer(
            max_epochs=4,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[lightning.pytorch.callbacks.StochasticWeightAveraging(swa_lrs=0.02, swa_epoch_start=2)],
        ).fit(Lit(net), torch.utils.data.DataLoader(batches(), batch_size=None))
    assert_same(ours, theirs)


def test_each_part_is_of_the_class_that_tools_look_for():
    ours, theirs = both()
    for (name, part), (other, twin) in zip(ours.named_modules(), theirs.named_modules(), strict=True):
        assert name == other
        assert isinstance(part, type(twin))
        assert isinstance(part, TorchModule)


def test_settings_are_scratchs():
    dropout = TorchModule(scratch.nn.Sequential(scratch.nn.Dropout(0.5)))
    for part in dropout.modules():
        if isinstance(part, torch.nn.Dropout):
            assert part.p == 0.5
            part.p = 0.0
    x = torch.ones(4, 5)
    assert torch.equal(dropout(x), x)
    dropout[0].p = 1.0
    assert not dropout(x).any()


def test_a_part_computes_alone():
    ours, theirs = both()
    x = batches()[0]
    torch.testing.assert_close(ours[1](ours[0](x)), theirs[1](theirs[0](x)), rtol=1e-12, atol=1e-12)


def test_fused_convolutions_compute_what_the_two_did():
    inner = scratch.nn.Sequential(scratch.nn.Conv2d(2, 3, 2), scratch.nn.BatchNorm2d(3))
    net = TorchModule(inner)
    x = torch.randn(4, 2, 5, 5)
    net(x)
    net.eval()
    fused = torch.nn.utils.fuse_conv_bn_eval(net[0], net[1])
    torch.testing.assert_close(fused(x), net(x))


def test_half_precision_from_an_autocast_layer_is_refused_with_advice():
    net = torch.nn.Sequential(torch.nn.Linear(5, 5), TorchModule(scratch.nn.Linear(5, 3)))
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError, match=r"autocast.*net\(x\.float\(\)\)"):
        net(torch.randn(2, 5))


def test_a_float32_input_within_autocast_is_computed_in_float32():
    net = torch.nn.Sequential(TorchModule(scratch.nn.Linear(5, 3)), torch.nn.Linear(3, 3))
    with torch.autocast("cpu", torch.bfloat16):
        net(torch.randn(2, 5)).sum().backward()
    assert net[0].weight.grad.dtype == torch.float32


@pytest.mark.parametrize("register", ["register_forward_hook", "register_full_backward_hook"])
def test_hooks_on_a_part_do_not_run_and_it_says_so(register):
    net = TorchModule(scratch.nn.Sequential(scratch.nn.Linear(5, 3)))
    getattr(net[0], register)(lambda *_: None)
    with pytest.warns(UserWarning, match="hooks on 0 do not run"):
        net(torch.randn(2, 5))


def replace_child(net):
    net[1] = torch.nn.Identity()


def untie(net):
    net.load_state_dict({name: value.clone() for name, value in net.state_dict().items()}, assign=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net: setattr(net[0], "bias", None), "0.bias is NoneType in torch"),
        (lambda net: delattr(net[0], "weight"), "0.weight is NoneType in torch"),
        (lambda net: setattr(net[0].weight, "data", net[0].weight.data.float()), "0.weight is float32.*float64"),
        (lambda net: setattr(net[0].weight, "data", net[0].weight.data[:3]), r"0.weight is float64\[3, 5\]"),
        (lambda net: setattr(net[0].weight, "data", net[0].weight.data.bfloat16()), "0.weight is torch.bfloat16"),
        (lambda net: setattr(net[0], "weight", torch.nn.Parameter(net[0].weight.to_sparse())), "torch.sparse_coo, in"),
        (lambda net: setattr(net[0], "weight", torch.nn.Parameter(net[0].weight.to("meta"))), "on meta"),
        (lambda net: setattr(net[1], "running_mean", torch.zeros(3).double()), r"1.running_mean is float64\[3\]"),
        (lambda net: net.add_module("more", torch.nn.Linear(3, 3)), "'more'"),
        (replace_child, "1 is Identity in torch and BatchNorm1d in scratch"),
        (torch.nn.SyncBatchNorm.convert_sync_batchnorm, "1 is SyncBatchNorm in torch"),
        (lambda net: setattr(net.scratch_module, "0", scratch.nn.Linear(5, 7)), "0 is TorchModule in torch"),
    ],
)
def test_what_numpy_cannot_follow_is_refused_in_one_line(change, message):
    net, _ = both()
    change(net)
    with pytest.raises(RuntimeError, match=message) as refusal:
        net(batches()[0])
    assert "\n" not in str(refusal.value)


def test_a_missing_bias_cannot_be_added():
    net = TorchModule(scratch.nn.Linear(5, 3, bias=False))
    with pytest.raises(RuntimeError, match=r"bias of Linear\(.*\) is None and cannot become Parameter"):
        net.bias = torch.nn.Parameter(torch.zeros(3))


def test_a_tie_that_torch_lost_is_refused():
    inner = scratch.nn.Sequential(scratch.nn.Linear(5, 5), scratch.nn.Linear(5, 5))
    inner[1].weight = inner[0].weight
    net = copy.deepcopy(TorchModule(inner))
    net(torch.randn(2, 5)).sum().backward()
    assert net[0].weight is net[1].weight
    untie(net)
    with pytest.raises(RuntimeError, match=r"1\.weight shares its array"):
        net(torch.randn(2, 5))


def test_a_tie_that_torch_lost_over_one_memory_is_refused_where_it_learns():
    """Two tensors have a gradient each, and Adam steps of their own; scratch has the sum of both gradients."""
    inner = scratch.nn.Sequential(scratch.nn.Linear(5, 5), scratch.nn.Linear(5, 5))
    inner[1].weight = inner[0].weight
    net, x = TorchModule(inner), torch.randn(2, 5)
    before = net(x)
    net.load_state_dict(net.state_dict(), assign=True)
    assert net[0].weight is not net[1].weight
    for refused in (net, lambda x: net.pairs()):
        with pytest.raises(RuntimeError, match=r"1\.weight shares its array.*Tie them in torch too"):
            refused(x)
    with torch.no_grad():
        assert torch.equal(net(x), before)
    net[1].weight = net[0].weight
    net(x).sum().backward()
    assert net[0].weight.grad.any()


def test_weights_that_torch_tied_learn_together():
    nets = [TorchModule(scratch.nn.Sequential(*(scratch.nn.Linear(5, 5) for _ in range(2))))]
    nets.append(torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Linear(5, 5)))
    copy_parameters(nets[0].scratch_module, nets[1])
    for net in nets:
        net[1].weight = net[0].weight
        net(torch.ones(2, 5)).square().sum().backward()
    torch.testing.assert_close(nets[0][0].weight.grad, nets[1][0].weight.grad)


def test_a_backward_uses_the_weights_of_its_forward():
    ours, theirs = both()
    x = batches()[0]
    gradients = []
    for net in (ours, theirs):
        inputs = x.clone().requires_grad_()
        other = {name: 3 * p.detach() for name, p in net.named_parameters()}
        y = torch.func.functional_call(net, other, (inputs,))
        net(x)  # in between, with the network's own
        y.sum().backward()
        gradients.append(inputs.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-11)


MOVES = {
    "data": lambda p: setattr(p, "data", p.data.clone()),
    "swap_tensors": lambda p: torch.utils.swap_tensors(p, torch.nn.Parameter(p.detach().clone())),
    "share_memory_": lambda p: p.share_memory_(),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("rule", ["Adam", "LBFGS"])
def test_a_numpy_optimizer_trains_what_torch_has_moved(move, rule):
    x, finals = batches()[0], []
    for moved in (False, True):
        net, _ = both()
        optimizer = TorchOptimizer(getattr(scratch.optim, rule)(net.scratch_module.parameters(), lr=0.1), net)
        for step in range(4):

            def closure(net=net, optimizer=optimizer):
                optimizer.zero_grad()
                loss = net(x).square().mean()
                loss.backward()
                return loss.item()

            if moved and step == 1:
                for p in net.parameters():
                    move(p)
            if rule == "Adam":
                closure()
            optimizer.step(closure if rule == "LBFGS" else None)
        finals.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
        assert all(np.array_equal(a.data, b.detach()) for a, b in net.pairs())
    assert torch.equal(*finals)


def test_a_numpy_optimizer_cannot_train_what_torch_computes():
    net, _ = both()
    torch.nn.utils.parametrizations.weight_norm(net[0])
    with pytest.raises(RuntimeError, match="computed by torch"):
        TorchOptimizer(scratch.optim.SGD(net.scratch_module.parameters(), lr=0.1), net)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("both_ways", [False, True], ids=["network first", "optimizer first"])
@pytest.mark.parametrize("rule", ["SGD", "Adam", "LBFGS"])
def test_a_copy_of_a_numpy_optimizer_trains_the_copy_of_its_network(rule, both_ways, copied):
    """After two steps copied, and two more on each: the same weights, and each its own."""
    net, _ = both()
    optimizer = TorchOptimizer(getattr(scratch.optim, rule)(net.scratch_module.parameters(), lr=0.1), net)

    def train(net, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = net(batches()[0]).square().mean()
            loss.backward()
            return loss.item()

        for _ in range(2):
            if rule != "LBFGS":
                closure()
            optimizer.step(closure if rule == "LBFGS" else None)
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    begun = train(net, optimizer)
    pair = copied((optimizer, net) if both_ways else (net, optimizer))
    twin, its_optimizer = reversed(pair) if both_ways else pair
    ended = train(twin, its_optimizer)
    assert torch.equal(torch.cat([p.detach().flatten() for p in net.parameters()]), begun)
    torch.testing.assert_close(train(net, optimizer), ended, rtol=1e-12, atol=1e-12)
    assert not torch.equal(begun, ended)


def test_a_numpy_optimizer_takes_no_further_group():
    net, _ = both()
    optimizer = TorchOptimizer(scratch.optim.SGD(net.scratch_module.parameters(), lr=0.1), net)
    with pytest.raises(RuntimeError, match=r"TorchOptimizer: no group can be added\. Add it to the scratch optimizer"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(2))]})
    assert len(optimizer.param_groups) == 1


def test_loaded_numbers_are_kept_where_an_optimizer_has_just_taken_the_arrays():
    net, _ = both()
    zeros = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    scratch.optim.SGD(net.scratch_module.parameters(), lr=0.1)
    net.load_state_dict(zeros)
    net.eval()
    assert not net(batches()[0]).any()
    assert not net.scratch_module[0].weight.data.any()


def test_scratch_sees_what_a_copy_learns():
    net = copy.deepcopy(both()[0])
    with torch.no_grad():
        net[0].bias.fill_(7)
        net[1].running_mean.fill_(8)
    assert (net.scratch_module[0].bias.data == 7).all()
    assert (net.scratch_module[1].running_mean == 8).all()


def test_a_frozen_scratch_parameter_learns_again_when_torch_says_so():
    inner = scratch.nn.Linear(5, 3)
    inner.weight.requires_grad = False
    net = TorchModule(inner)
    net.weight.requires_grad_()
    net(torch.ones(2, 5)).sum().backward()
    assert net.weight.grad.abs().sum() > 0
    assert inner.weight.requires_grad is False


class Own(scratch.nn.Module):
    """A layer of the user's own, with a buffer that forward replaces."""

    def __init__(self):
        self.register_buffer("mean", np.zeros(5))

    def forward(self, x):
        self.mean = x.mean(0)
        return self.save(x)

    def backward(self, dy):
        self.take(dy)
        return dy


class Branded(TorchModule):
    def __init__(self, module, brand):
        super().__init__(module)
        self.brand = brand


def test_a_replaced_buffer_reaches_torch():
    net, x = TorchModule(Own()), batches()[0]
    net(x)
    torch.testing.assert_close(net.state_dict()["mean"], x.mean(0))


def test_a_subclass_is_saved_and_read():
    net = Branded(scratch.nn.Linear(5, 3), "ours")
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    read = torch.load(file, weights_only=False)
    assert (type(read), read.brand) == (type(net), "ours")
    assert torch.equal(read.weight, net.weight)
