"""The CUDA stream: Random123's known answers, numbers that others published, the kernels replayed thread by thread.

The last part is collected only where there is a GPU, and compares with it.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from parity_tests.checks.streams import same_bits
from scratch import random
from scratch.random.philox import philox4x32

KNOWN_ANSWERS = [  # Random123 1.14, kat_vectors: counter, key, result
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers_of_random123(counter: str, key: str, answer: str) -> None:
    assert np.array_equal(philox4x32(words(counter), words(key)), words(answer))
    many = np.repeat(words(counter)[:, None], 7, axis=1)
    assert np.array_equal(philox4x32(many, words(key)), np.repeat(words(answer)[:, None], 7, axis=1))


# What torch prints on GPUs after torch.manual_seed: (seed, function, numbers), as found in public repositories.
PRINTED = [
    (0, "rand", "0.3990 0.5167 0.0249 0.9401 0.9459 0.7967 0.4150 0.8203 0.2290 0.9096 0.1183 0.0752"),
    (
        0,
        "randn",
        "-0.9247 -0.4253 -2.6438 0.1452 -0.1209 -0.5797 -0.6229 -0.3284 -1.0745 -0.3631 -1.6711 2.2655 0.3117 "
        "-0.1842 1.2866 1.1820 -0.1271 1.2169 1.4353 1.0605 -0.4941 -1.4244 -0.7244 -1.2973 0.0697 -0.0074 "
        "1.8969 0.6878 -0.0779 -0.8373 1.3506 -0.2879 -0.5965 -0.3283 -0.9086 -0.8059 -0.7407 -0.0504 0.5435 "
        "1.5150 0.0141 0.4532 1.6349 0.7124 -0.1806 1.0252 -1.4622 -0.7554",
    ),
    (
        42,
        "randn",
        "0.1940 2.1614 -0.1721 0.8491 -1.9244 0.6530 -0.6494 -0.8175 0.5280 -1.2753 -1.6621 -0.3033 -0.0926 "
        "0.1992 -1.1204 1.8577 -0.7145 0.6881 0.7968 -0.0334",
    ),
]
PRINTED_SECOND = "0.9722 0.7910 0.4690 0.3300 0.3345 0.3783 0.7640 0.6405 0.1103 0.3594"  # rand(10) again, after seed 0
# torch.rand(10000, 10000) after seed 0, on a GPU of 40,960 threads: of each row columns 0, 1, 2, 9997, 9998, 9999
PRINTED_SQUARE = {
    0: "0.3990 0.5167 0.0249 0.9971 0.8137 0.0429",
    1: "0.1117 0.5124 0.6413 0.2033 0.4244 0.7405",
    2: "0.7685 0.7422 0.4577 0.5380 0.1010 0.4636",
    9997: "0.5471 0.9743 0.9763 0.6386 0.4802 0.0591",
    9998: "0.4013 0.6963 0.8307 0.6674 0.3551 0.0153",
    9999: "0.2846 0.1924 0.9891 0.1611 0.7280 0.1510",
}
COLUMNS = (0, 1, 2, 9997, 9998, 9999)
T4 = {"multiprocessors": 40, "threads_per_multiprocessor": 1024}


def off(drawn: np.ndarray, printed: str) -> float:
    """The largest distance from what was printed, in units of its last digit."""
    return float(np.abs(drawn - np.array(printed.split(), float)).max() / 1e-4)


@pytest.mark.parametrize(("seed", "name", "printed"), PRINTED, ids=["rand-0", "randn-0", "randn-42"])
def test_numbers_that_gpus_printed(seed: int, name: str, printed: str) -> None:
    n = len(printed.split())
    assert off(getattr(random, name)(n, generator=random.Generator("cuda").manual_seed(seed)), printed) <= 0.5001
    assert off(getattr(random, name)(n, generator=random.Generator("cuda").manual_seed(seed + 1)), printed) > 1000


def test_the_second_call_that_a_gpu_printed() -> None:
    for first in ((10,), (3, 3)):
        generator = random.Generator("cuda:0").manual_seed(0)
        random.rand(*first, generator=generator)
        assert off(random.rand(10, generator=generator), PRINTED_SECOND) <= 0.5001


def test_the_first_rows_of_a_large_array_that_a_gpu_printed() -> None:
    drawn = random.rand(5, 10000, generator=random.Generator("cuda", **T4).manual_seed(0))
    for row in (0, 1, 2):
        assert off(drawn[row, COLUMNS], PRINTED_SQUARE[row]) <= 0.5001


def element(i: int, threads: int) -> float:
    """Element i of torch.rand after seed 0: lane q % 4 of call q // 4 of thread i % T, q = i // T."""
    call, lane = divmod(i // threads, 4)
    word = philox4x32(np.array([call, 0, i % threads, 0], np.uint32), np.zeros(2, np.uint32))[lane]
    return float(np.float32(word) * np.float32(2**-32) + np.float32(2**-33))


@pytest.mark.parametrize("row", PRINTED_SQUARE)
def test_elements_that_a_gpu_printed_beyond_a_wave_of_threads(row: int) -> None:
    """10^8 elements take 610 calls of each of the T4's threads; another GPU gives others there."""
    drawn = {t: np.array([element(10000 * row + c, t) for c in COLUMNS]) for t in (40 * 1024, 132 * 2048)}
    assert off(drawn[40 * 1024], PRINTED_SQUARE[row]) <= 0.5001
    if row > 2:
        assert off(drawn[132 * 2048], PRINTED_SQUARE[row]) > 100


@pytest.mark.deep
def test_all_elements_of_the_large_array_that_a_gpu_printed() -> None:
    drawn = random.rand(10000, 10000, generator=random.Generator("cuda", **T4).manual_seed(0))
    for row, printed in PRINTED_SQUARE.items():
        assert off(drawn[row, COLUMNS], printed) <= 0.5001


MULTIPROCESSORS, THREADS = 1, 512  # a small GPU, so that small arrays take many trips
SMALL = {"multiprocessors": MULTIPROCESSORS, "threads_per_multiprocessor": THREADS}
SIZES = (1, 2, 4, 255, 256, 257, 512, 513, 1024, 2048, 2049, 4100, 9999, 10000)


def curand4(seed: int, thread: int, offset: int) -> Iterator[list[int]]:
    """One thread's four words after the other, in plain integers."""
    block = offset // 4
    while True:
        c = [block & 0xFFFFFFFF, block >> 32, thread & 0xFFFFFFFF, thread >> 32]
        k = [seed & 0xFFFFFFFF, seed >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
            k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
        yield c
        block += 1


def replay(seed: int, n: int, offset: int, lanes: int) -> tuple[np.ndarray, int]:
    """distribution_elementwise_grid_stride_kernel by threads: (n, 4 / lanes) words, and the offset afterwards."""
    grid = min(MULTIPROCESSORS * (THREADS // 256), (n + 255) // 256)
    stride = 256 * grid
    out = np.zeros((n, 4 // lanes), np.uint32)
    for thread in range(min(stride, n)):
        stream = curand4(seed, thread, offset)
        for start in range(thread, n, stride * lanes):
            quadruple = np.array(next(stream)).reshape(lanes, 4 // lanes)
            for lane, i in enumerate(range(start, min(n, start + stride * lanes), stride)):
                out[i] = quadruple[lane]
    return out, offset + 4 * ((n - 1) // (stride * lanes) + 1)


def replay_dropout(seed: int, n: int, offset: int, itemsize: int) -> tuple[np.ndarray, int]:
    """fused_dropout_kernel_vec by threads: the word each element is decided by, and the offset afterwards."""
    width = 16 // itemsize
    while n % width:
        width //= 2
    if width == 1:
        out, offset = replay(seed, n, offset, lanes=4)
        return out[:, 0], offset
    grid = min(MULTIPROCESSORS * (THREADS // 256), (n + 255) // 256)
    out = np.zeros(n, np.uint32)
    for thread in range(256 * grid):
        stream = curand4(seed, thread, offset)
        for start in range(thread * width, n, 256 * grid * width):
            for quad in range(0, width, 4):
                out[start + quad : start + min(quad + 4, width)] = next(stream)[: min(width, 4)]
    return out, offset + 4 * ((n - 1) // (256 * grid * 4) + 1)


@pytest.mark.parametrize("n", SIZES)
def test_every_element_comes_from_its_thread(n: int) -> None:
    seed = 2**63 + 12345678901
    for dtype, lanes in (("float32", 4), ("float64", 2)):
        generator = random.Generator("cuda", **SMALL).manual_seed(seed)
        offset = 0
        for _ in range(2):
            expected, offset = replay(seed, n, offset, lanes)
            if dtype == "float32":
                units = expected[:, 0].astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
            else:
                units = (expected[:, 0] ^ expected[:, 1].astype(np.uint64) << np.uint64(21)) * 2.0**-53 + 2.0**-54
            units[units == 1] = 0
            assert np.array_equal(random.rand(n, dtype=dtype, generator=generator), units)
            assert generator.get_state()[8:].view("<i8")[0] == offset


@pytest.mark.parametrize("n", SIZES)
def test_integers_take_a_word_or_two(n: int) -> None:
    generator = random.Generator("cuda", **SMALL).manual_seed(9)
    expected, offset = replay(9, n, 0, lanes=4)
    assert np.array_equal(random.randint(3, 1000, (n,), generator=generator), expected[:, 0] % 997 + 3)
    expected, _ = replay(9, n, offset, lanes=2)
    long = expected[:, 0].astype(np.uint64) << np.uint64(32) | expected[:, 1]
    assert np.array_equal(random.randint(2**40, (n,), generator=generator), long % np.uint64(2**40))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dropout_masks(n: int, dtype: str) -> None:
    generator = random.Generator("cuda", **SMALL).manual_seed(77)
    x = np.ones(n, dtype)
    offset = 0
    for p in (0.3, 0.5):
        expected, offset = replay_dropout(77, n, offset, x.itemsize)
        units = expected.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
        kept = units < (1 - p if dtype == "float64" else np.float32(1 - p))
        mask = random.dropout_mask(x, p, generator)
        assert mask.dtype == x.dtype
        assert np.array_equal(mask, kept)
        assert generator.get_state()[8:].view("<i8")[0] == offset
    assert np.array_equal(random.dropout_mask(x, 0.0, generator), x)
    assert not random.dropout_mask(x, 1.0, generator).any()
    assert generator.get_state()[8:].view("<i8")[0] == offset


def test_bernoulli() -> None:
    generator = random.Generator("cuda", **SMALL).manual_seed(5)
    u, offset = replay(5, 3000, 0, lanes=4)
    units = u[:, 0].astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
    assert np.array_equal(random.bernoulli_(np.empty(3000, np.float32), 0.4, generator), units < np.float32(0.4))
    p = np.linspace(0, 1, 3000, dtype=np.float32)
    streams = [next(curand4(5, thread, offset)) for thread in range(750)]
    units = np.array(streams).reshape(-1).astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
    assert np.array_equal(random.bernoulli(p, generator=generator), units <= p)
    assert generator.get_state()[8:].view("<i8")[0] == offset + 12


def test_the_stream_depends_on_the_gpu_beyond_one_launch() -> None:
    small, large = (random.Generator("cuda", multiprocessors=m).manual_seed(1) for m in (1, 132))
    assert np.array_equal(random.rand(2048, generator=small), random.rand(2048, generator=large))
    assert not np.array_equal(random.rand(2049, generator=small), random.rand(2049, generator=large))


def test_memory_order_empty_arrays_and_state() -> None:
    generator = random.Generator("cuda").manual_seed(-3)
    assert generator.initial_seed() == 2**64 - 3
    assert random.rand(0, generator=generator).size == 0
    assert random.dropout_mask(np.empty(0, np.float32), 0.5, generator).size == 0
    state = generator.get_state()
    assert state.size == 16
    flat = random.uniform_(np.empty(12, np.float32), -1, 3, generator)
    generator.set_state(state)
    turned = random.uniform_(np.empty((4, 3), np.float32).T, -1, 3, generator)
    assert np.array_equal(turned.T.ravel(), flat)
    assert flat.min() >= -1
    assert flat.max() < 3


def test_normals_have_the_moments_of_normals() -> None:
    generator = random.Generator("cuda").manual_seed(8)
    for dtype in (np.float32, np.float64):
        z = random.normal_(np.empty(10**6, dtype), 0.3, 1.7, generator)
        assert z.dtype == dtype
        assert abs(z.mean() - 0.3) < 5 * 1.7e-3
        assert abs(z.std() - 1.7) < 5 * 1.7e-3
        assert abs(np.mean(((z - 0.3) / 1.7) ** 4) - 3) < 5 * 96**0.5 * 1e-3


def test_what_the_cuda_stream_refuses() -> None:
    generator = random.Generator("cuda")
    for call in (
        lambda: random.randperm(5, generator=generator),
        lambda: random.exponential_(np.empty(3), generator=generator),
        lambda: random.poisson(np.ones(3), generator=generator),
        lambda: random.binomial(np.ones(3), np.ones(3), generator=generator),
        lambda: random.multinomial(np.ones(3), 2, generator=generator),
        lambda: random.uniform_(np.empty(3, np.float16), generator=generator),
    ):
        with pytest.raises(NotImplementedError, match=r"cuda|CUDA"):
            call()
    with pytest.raises(RuntimeError, match="16 bytes"):
        generator.set_state(random.get_rng_state())
    with pytest.raises(RuntimeError, match="multiple of 4"):
        generator.set_state(np.eye(1, 16, 8, dtype=np.uint8))
    with pytest.raises(RuntimeError, match="tpu"):
        random.Generator("tpu")


if torch.cuda.is_available():
    properties = torch.cuda.get_device_properties(0)
    THIS_GPU = {
        "multiprocessors": properties.multi_processor_count,
        "threads_per_multiprocessor": properties.max_threads_per_multi_processor,
    }
    GPU_SIZES = (1, 1000, 4096, 4098, 10**6, 10**6 + 1, 3 * 10**6)
    EXACT = {  # on each side: n and a generator in, numbers out
        "rand": lambda lib, n, g: lib.rand(n, **g),
        "rand, float64": lambda lib, n, g: lib.rand(n, **g, dtype=lib.float64),
        "uniform_(-0.1, 0.3)": lambda lib, n, g: lib.uniform_(lib.empty(n), -0.1, 0.3, **g),
        "randint(17)": lambda lib, n, g: lib.randint(17, (n,), **g),
        "randint(2^40)": lambda lib, n, g: lib.randint(2**40, (n,), **g),
        "random_()": lambda lib, n, g: lib.random_(lib.empty(n), **g),
        "bernoulli_(0.3)": lambda lib, n, g: lib.bernoulli_(lib.empty(n), 0.3, **g),
        "bernoulli(P)": lambda lib, n, g: lib.bernoulli(lib.linspace(0, 1, n), **g),
    }

    class OnGpu:
        """PyTorch with every array on the GPU, its in-place methods as functions."""

        float64 = torch.float64

        def __getattr__(self, name):
            if name.endswith("_"):
                return lambda x, *arguments, **g: getattr(x, name)(*arguments, **g)
            return lambda *arguments, **options: getattr(torch, name)(*arguments, **options, device="cuda")

        def linspace(self, *arguments):
            return torch.linspace(*arguments).cuda()

        def bernoulli(self, p, **g):
            return torch.bernoulli(p, **g)

    class InNumPy:
        """scratch.random, and float32 arrays for it."""

        float64 = np.float64

        def __getattr__(self, name):
            return getattr(random, name)

        def empty(self, n):
            return np.empty(n, np.float32)

        def linspace(self, *arguments):
            return torch.linspace(*arguments).numpy()

    def generators(seed: int) -> tuple[torch.Generator, random.Generator]:
        return torch.Generator("cuda").manual_seed(seed), random.Generator("cuda", **THIS_GPU).manual_seed(seed)

    @pytest.mark.parametrize("n", GPU_SIZES)
    @pytest.mark.parametrize("name", EXACT)
    def test_bits_of_this_gpu(name: str, n: int) -> None:
        theirs, ours = generators(2**40 + n)
        for _ in range(2):
            drawn = EXACT[name](OnGpu(), n, {"generator": theirs}).cpu().numpy()
            assert same_bits(drawn, EXACT[name](InNumPy(), n, {"generator": ours}))
        assert np.array_equal(theirs.get_state().numpy(), ours.get_state())

    @pytest.mark.parametrize("n", GPU_SIZES)
    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_dropout_of_this_gpu(dtype: str, n: int) -> None:
        torch.cuda.manual_seed(n)
        ours = random.Generator("cuda", **THIS_GPU).manual_seed(n)
        x = torch.ones(n, dtype=getattr(torch, dtype), device="cuda")
        for p in (0.3, 0.5):
            kept = torch.nn.functional.dropout(x, p) != 0
            assert np.array_equal(kept.cpu().numpy(), random.dropout_mask(np.ones(n, dtype), p, ours) != 0)
        assert np.array_equal(torch.cuda.get_rng_state().numpy(), ours.get_state())

    @pytest.mark.parametrize("n", GPU_SIZES)
    def test_normals_of_this_gpu(n: int) -> None:
        """float32 within what __sincosf is off, a few 2^-21 times the radius; float64 within a few ulp."""
        theirs, ours = generators(n)
        for dtype, limit in (("float32", 2.0**-18), ("float64", 2.0**-49)):
            drawn = torch.randn(n, generator=theirs, device="cuda", dtype=getattr(torch, dtype)).cpu().numpy()
            z = random.randn(n, generator=ours, dtype=dtype)
            assert np.abs(drawn - z).max() <= limit * np.abs(z).max()
        assert np.array_equal(theirs.get_state().numpy(), ours.get_state())
