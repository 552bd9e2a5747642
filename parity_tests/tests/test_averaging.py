"""Averaged weights over many updates, with buffers of every dtype, for every averaging function."""

from functools import partial

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from torch_impl.bridge import arrays

UPDATES = 40
FUNCTIONS = {
    "default": {},
    "SWA": {"avg_fn": ("get_swa_avg_fn",)},
    "EMA": {"avg_fn": ("get_ema_avg_fn", 0.9)},
    "slow EMA": {"avg_fn": ("get_ema_avg_fn",)},
    "SWA of lists": {"multi_avg_fn": ("get_swa_multi_avg_fn",)},
    "EMA of lists": {"multi_avg_fn": ("get_ema_multi_avg_fn", 0.9)},
    "fast EMA of lists": {"multi_avg_fn": ("get_ema_multi_avg_fn", 0.37)},
}
FLOATS, INTEGERS, EVERYTHING = ["float32", "float64"], ["int64", "int32", "int16", "int8", "uint8"], ["bool"]


def history(lib, options, dtypes, use_buffers=True):
    """The averaged state after each update, as arrays; the error's class at its end if there was one."""
    net = lib.nn.Linear(3, 2)
    for dtype in dtypes:
        for shape in ((), (5,)):
            start = np.zeros(shape, dtype)
            buffer = start if lib is scratch else torch.from_numpy(start)
            net.register_buffer(f"{dtype}_{len(shape)}", buffer)
    options = {key: getattr(lib.optim.swa_utils, name)(*args) for key, (name, *args) in options.items()}
    averaged = lib.optim.swa_utils.AveragedModel(net, use_buffers=use_buffers, **options)
    rng, said = np.random.default_rng(0), []
    try:
        for update in range(UPDATES):
            for array in arrays(net).values():
                draw = rng.normal if array.dtype.kind == "f" else partial(rng.uniform, 3 * update, 3 * update + 3)
                array[...] = np.asarray(draw(size=array.shape)).astype(array.dtype)
            averaged.update_parameters(net)
            said.append({name: array.copy() for name, array in arrays(averaged).items()})
    except RuntimeError as error:
        said.append(type(error))
    return said


@pytest.mark.parametrize("use_buffers", [True, False], ids=["buffers averaged", "buffers copied"])
@pytest.mark.parametrize("dtypes", [FLOATS, INTEGERS, EVERYTHING], ids=["floats", "integers", "bools"])
@pytest.mark.parametrize("options", FUNCTIONS.values(), ids=FUNCTIONS)
def test_many_updates_are_torchs(options, dtypes, use_buffers):
    ours, theirs = (history(lib, options, dtypes, use_buffers) for lib in (scratch, torch_impl))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(b, type):
            assert issubclass(b, a)  # torch before 2.14 raises a NotImplementedError, which is a RuntimeError
            continue
        assert list(a) == list(b)
        for name in b:
            assert a[name].dtype == b[name].dtype
            near = {"float32": 3e-6, "float64": 1e-14}.get(str(b[name].dtype), 0)
            np.testing.assert_allclose(a[name], b[name], rtol=near, atol=near, err_msg=name)


def test_a_refused_update_says_what_to_do():
    averaged = scratch.optim.swa_utils.AveragedModel(
        scratch.nn.BatchNorm1d(3), multi_avg_fn=scratch.optim.swa_utils.get_swa_multi_avg_fn(), use_buffers=True
    )
    averaged.update_parameters(scratch.nn.BatchNorm1d(3))
    with pytest.raises(RuntimeError, match=r"int64.*use_buffers=False"):
        averaged.update_parameters(scratch.nn.BatchNorm1d(3))
