"""scratch.random draws torch's bits: every function, from every kind of seed, in any order, on each kind of machine."""

import os
import platform
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parity_tests.checks import streams as seeds
from parity_tests.checks.streams import DRAWS, SIZES, Draw, random_program, same_bits, same_state, seed_both
from parity_tests.engine import REFERENCE, SCRATCH, Engine
from parity_tests.table.versions import ROWS_ROUND_TWICE
from parity_tests.tests import patience
from scratch import random

EXACT = [pytest.param(draw, dtype, id=f"{draw.name}-{dtype}") for draw in DRAWS if draw.exact for dtype in draw.dtypes]


@pytest.mark.parametrize(("draw", "dtype"), EXACT)
def test_bits_and_state_at_every_size_and_layout(draw: Draw, dtype: str) -> None:
    for n in SIZES:
        for layout in draw.layouts if n < 10**6 else draw.layouts[:1]:
            if draw.smallest <= n <= draw.largest:
                seed_both(n + 1)
                for _ in range(2 if n < 10**6 else 1):  # the second call starts in mid-stream
                    assert same_bits(*draw.both(n, dtype, layout)), (n, layout)
                assert same_state(), (n, layout)


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed: int) -> None:
    assert [call for call, same in random_program(seed) if not same] == []


@pytest.mark.parametrize("seed", [0, 1, -1, 624, 2**32 - 1, 2**32, 2**63, 2**64 - 1, -(2**63), 8123456789012345678])
def test_any_seed(seed: int) -> None:
    seed_both(seed)
    assert same_state()
    for draw in DRAWS[:2]:
        assert same_bits(*draw.both(700, "float32", "contiguous"))


def test_a_private_generator_leaves_the_global_one_alone() -> None:
    seed_both(3)
    theirs, ours = torch.Generator().manual_seed(7), random.Generator().manual_seed(7)
    x = np.linspace(0, 1, 20, dtype=np.float32)
    t = torch.from_numpy(x)
    for name, arguments in {"rand": (5,), "randn": (17,), "randint": (9, (4,)), "randperm": (10,)}.items():
        drawn = getattr(torch, name)(*arguments, generator=theirs)
        assert same_bits(drawn.numpy(), getattr(random, name)(*arguments, generator=ours)), name
    for name, numbers in {"bernoulli": (), "multinomial": (3,), "normal": (2.0,)}.items():
        drawn = getattr(torch, name)(t, *numbers, generator=theirs)
        assert same_bits(drawn.numpy(), getattr(random, name)(x, *numbers, generator=ours)), name
    for name in ("rand_like", "randn_like"):
        assert same_bits(getattr(torch, name)(t, generator=theirs).numpy(), getattr(random, name)(x, generator=ours))
    for name in ("uniform_", "normal_", "random_", "bernoulli_", "exponential_", "log_normal_", "cauchy_"):
        drawn = getattr(torch.empty(5), name)(generator=theirs)
        assert same_bits(drawn.numpy(), getattr(random, name)(np.empty(5, np.float32), generator=ours)), name
    drawn = torch.empty(5).geometric_(0.5, generator=theirs)
    assert same_bits(drawn.numpy(), random.geometric_(np.empty(5, np.float32), 0.5, generator=ours))
    assert np.array_equal(theirs.get_state().numpy(), ours.get_state())
    assert same_state()


def test_float16_uniforms_and_normals() -> None:
    draws = {
        "uniform_": partial(REFERENCE.find("nn.init.uniform_"), a=-0.1, b=0.3),
        "normal_": partial(REFERENCE.find("nn.init.normal_"), mean=0.3, std=1.7),
        "exponential_": torch.Tensor.exponential_,
    }
    for n in (0, 1, 15, 16, 17, 63, 1000, 60000):
        for name, arguments in {"uniform_": (-0.1, 0.3), "normal_": (0.3, 1.7), "exponential_": ()}.items():
            seed_both(n)
            theirs = draws[name](torch.empty(n, dtype=torch.float16)).numpy()
            assert same_bits(theirs, getattr(random, name)(np.empty(n, np.float16), *arguments)), (n, name)
            assert same_state()


@pytest.mark.parametrize("name", ["rand_like", "randn_like", "randint_like"])
def test_like_functions_keep_the_memory_order(name: str) -> None:
    arguments = (9,) if name == "randint_like" else ()
    x = np.empty((2, 5, 4, 3), np.float32).transpose(0, 3, 1, 2)
    theirs = getattr(torch, name)(torch.from_numpy(x), *arguments)
    ours = getattr(random, name)(x, *arguments)
    assert tuple(stride // 4 for stride in ours.strides) == theirs.stride()


def bounds(dtype: str) -> st.SearchStrategy[tuple[float, float]]:
    ends = st.floats(-(2.0**100), 2.0**100, width=32) if dtype == "float32" else st.floats(-(2.0**1000), 2.0**1000)
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize("dtype", seeds.FLOATS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_uniform_between_any_bounds(dtype: str, data: st.DataObject) -> None:
    low, high = data.draw(bounds(dtype))
    seed_both(data.draw(st.integers(0, 2**64 - 1)))
    theirs = REFERENCE.find("nn.init.uniform_")(torch.empty(99, dtype=getattr(torch, dtype)), low, high).numpy()
    assert same_bits(theirs, random.uniform_(np.empty(99, dtype), low, high))


@pytest.mark.parametrize("low", [5e-324, -5e-324])
def test_a_bound_far_below_a_rounding_still_decides_ties(low: float) -> None:
    seed_both(0)
    theirs = torch.empty(10000, dtype=torch.float64).uniform_(low, 3.0).numpy()
    assert same_bits(theirs, random.uniform_(np.empty(10000), low, 3.0))


@pytest.mark.parametrize("n", [9, 99])
@pytest.mark.parametrize("dtype", seeds.FLOATS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_normals_of_any_mean_and_std(dtype: str, n: int, data: st.DataObject) -> None:
    numbers = st.floats(2.0**-60, 2.0**60)
    mean, std = data.draw(numbers) * data.draw(st.sampled_from([-1, 1])), data.draw(numbers)
    seed_both(data.draw(st.integers(0, 2**64 - 1)))
    theirs = torch.empty(n, dtype=getattr(torch, dtype)).normal_(mean, std).numpy()
    assert same_bits(theirs, random.normal_(np.empty(n, dtype), mean, std))


@pytest.mark.parametrize("dtype", seeds.FLOATS)
def test_fused_multiply_add_rounds_once(dtype: str) -> None:
    """Against exact fractions: no neighbor is nearer, and of two equally near the even one is taken."""
    digits = np.finfo(dtype).nmant + 1
    odd = 2.0**12 + 1 if dtype == "float32" else 2.0**27 - 1  # odd² has digits + 1 digits: half way between two numbers
    x = (np.random.default_rng(0).integers(0, 2**digits, 300) * 2.0**-digits).astype(dtype)
    x[:10] = odd * 2.0**-27
    half_way = [(odd, 2.0**-99), (odd, -(2.0**-99)), (odd, 2.0**-27)]
    subnormal = [(factor * 1e-309, 1e-309) for factor in range(1, 9)]
    for factor, term in [*half_way, *subnormal, (3, 1 / 3), (-0.7, 1e-9)]:
        y, z = float(np.dtype(dtype).type(factor)), float(np.dtype(dtype).type(term))
        fused = x.copy()
        random.rounding.multiply_add(fused, y, z)
        for number, result in zip(x, fused, strict=True):
            exact = Fraction(float(number)) * Fraction(y) + Fraction(z)
            near = [result, np.nextafter(result, -np.inf), np.nextafter(result, np.inf)]
            distances = [abs(Fraction(float(value)) - exact) for value in near]
            assert distances[0] == min(distances), (y, z)
            if distances.count(distances[0]) > 1:
                assert result.view("i4" if dtype == "float32" else "i8") % 2 == 0


MACHINES = {"default": "aarch64"} if platform.machine() == "aarch64" else {"default": "scalar", "avx2": "avx2"}
PROGRAM = """
import sys, numpy, torch
from parity_tests.engine import REFERENCE
from parity_tests.tests.test_random import everything
torch.manual_seed(11)
numpy.savez(sys.argv[1], *everything(REFERENCE))
"""


def everything(engine: Engine) -> list[np.ndarray]:
    return [draw.drawn(engine, n, dtype) for draw in DRAWS if draw.exact for dtype in draw.dtypes for n in (15, 999)]


@pytest.mark.parametrize(("capability", "arch"), MACHINES.items())
def test_the_setting_reproduces_the_other_machine(
    capability: str, arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process torch has one capability, so another process draws; `set_arch` alone has to follow it."""
    if ROWS_ROUND_TWICE and arch == "scalar":
        twice = partial(random.rounding.multiply_add, fused=False)
        monkeypatch.setattr(random.normals, "multiply_add", lambda x, std, mean, *fused: twice(x, std, mean))
    saved = tmp_path / "drawn.npz"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    root = Path(__file__).parents[2]
    assert patience.run([sys.executable, "-c", PROGRAM, saved], cwd=root, env=environment).returncode == 0
    random.set_arch(arch)
    try:
        random.manual_seed(11)
        ours = everything(SCRATCH)
    finally:
        random.set_arch(None)
    with np.load(saved) as theirs:
        assert [i for i, drawn in enumerate(ours) if not same_bits(theirs[f"arr_{i}"], drawn)] == []


def test_the_default_machine_is_the_one_torch_runs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"NO AVX": "scalar", "DEFAULT": "scalar", "AVX2": "avx2", "AVX512": "avx2"}
    if platform.machine() == "aarch64":
        expected = dict.fromkeys([torch.backends.cpu.get_cpu_capability()], "aarch64")
    monkeypatch.delenv("SCRATCH_ARCH", raising=False)
    find = random.arch.default_arch.__wrapped__
    assert find() == expected[torch.backends.cpu.get_cpu_capability()]
    monkeypatch.setenv("SCRATCH_ARCH", "aarch64")
    assert find() == "aarch64"
    monkeypatch.setenv("SCRATCH_ARCH", "pdp11")
    with pytest.raises(ValueError, match="pdp11"):
        find()
    with pytest.raises(ValueError, match="pdp11"):
        random.set_arch("pdp11")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what the processor has, elsewhere NumPy is asked")
def test_the_default_machine_does_not_depend_on_what_numpy_was_told_to_leave_out() -> None:
    """NumPy's own dispatch may be cut down by its environment variable, which torch does not read."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    program = """
import numpy, scratch
print(numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []), scratch.random.get_arch())"""
    environment = {name: value for name, value in os.environ.items() if name != "SCRATCH_ARCH"}
    environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(found)
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("[] ")
    assert run.stdout.split()[-1] == random.arch.default_arch.__wrapped__()


def test_orthogonal_draws_the_identical_normals() -> None:
    """Its QR differs in the last bits, as torch's own does between machines; what is drawn does not."""
    for draw in DRAWS:
        if not draw.exact:
            seed_both(5)
            theirs, ours = draw.both(1000, "float64", "contiguous")
            assert same_state()
            assert np.abs(theirs - ours).max() <= 64 * np.finfo(np.float64).eps
