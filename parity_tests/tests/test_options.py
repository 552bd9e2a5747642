"""Every argument of every constructor, given what nobody would write: our own sentence, and NumPy's numbers as numbers.

The components and their arguments are read from the table and the signatures, so a new one is asked as soon as it has a
row. A fixed share of the cases runs always, all of them with `-m deep`.
"""

import inspect
import warnings
import zlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import scratch
from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator, leaves
from parity_tests.tests.properties.disagreements import unknown
from parity_tests.tests.properties.example import Example, Option, rows, signature
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.properties.verdict import problems
from parity_tests.tests.test_refusals_sweep import FIRST, RULES, SCHEDULES, arguments, find, outcome

STRANGE = [
    *(True, np.True_, -1, 0, 1, 2, 3.5, -0.5, 1e300, 1e-300, float("-inf"), float("inf"), float("nan")),
    *("mean", "no such", b"x", None, (), (1,), (2, 2), (1, 2, 3), [2], [2, 2, 2], [[1, 2], [3]], {}, {1: 2}, set()),
    *(np.int64(2), np.uint8(1), np.float64(0.5), np.float32(0.25), np.float16(0.5), np.longdouble(0.5)),
    *(np.array(2), np.array(0.5), np.array("mean"), np.array([2, 2]), np.array([]), np.array([None]), np.ma.masked),
    *(Fraction(1, 2), Decimal("0.5"), 2**63, -(2**63), 10**400, 1j, object(), len, range(2), "2", ("a", 1), (None,)),
]
SHARE = 12  # one case of so many runs always
COUNTS = {"num_layers", "num_encoder_layers", "num_decoder_layers"}  # so many layers are built


def row_of(name):
    return rows()[FIRST[name]]


def components_with_options():
    variadic = inspect.Parameter.VAR_POSITIONAL
    return [n for n in FIRST if not any(p.kind is variadic for p in signature(n).parameters.values())]


def cases(name):
    """(argument, value) of the component."""
    return [(key, value) for key in arguments(find(scratch, name)) for value in STRANGE]


def chosen(name, deep):
    """All cases, or those whose names fall on the fixed share."""
    return [
        (key, value)
        for i, (key, value) in enumerate(cases(name))
        if deep or zlib.crc32(f"{name} {key} {i}".encode()) % SHARE == 0
    ]


def forward_and_backward(side, row):
    """Everything that comes out of scratch's component of a row."""
    inputs, call = draw((row.inputs, row.call), generator(row, 0), np.float32)
    output = side.forward(inputs, call, True, 0)
    gradients = side.backward(side.cotangents(output))
    return [np.asarray(x) for x in leaves([output, gradients, list(side.state().values())]) if x is not None]


def wrong(name, key, value):
    """What is wrong with the refusal of this option, if it is refused."""
    row = Option(key, value).row(row_of(name))
    built = []
    error = outcome(lambda: built.append(ScratchSide(row, np.float32)))
    if error is not None and not str(error).startswith(name.rpartition(".")[2]):
        return f"{error!r} does not begin with the component that was built"
    if error is None:
        with np.errstate(all="ignore"):
            error = outcome(lambda: forward_and_backward(built[0], row))
    return "" if error is None else fault(error)


def faults(name, deep):
    found = [(key, value, wrong(name, key, value)) for key, value in chosen(name, deep)]
    return "\n".join(f"{key}={str(value)[:50]}: {text}" for key, value, text in found if text)


@pytest.mark.parametrize("name", components_with_options())
def test_a_strange_option_is_taken_or_refused_in_our_own_words(name):
    assert not (text := faults(name, deep=False)), text


@pytest.mark.deep
@pytest.mark.parametrize("name", components_with_options())
def test_every_strange_option_is_taken_or_refused_in_our_own_words(name):
    assert not (text := faults(name, deep=True)), text


# --- a NumPy scalar is the number -------------------------------------------------------------------------------------

KINDS = {
    bool: (np.bool_,),
    int: (np.int64, np.uint8, np.int32),
    float: (np.float64, np.float32, np.float16, np.longdouble),
}


def numbers(name, defaults):
    """(argument, number) for every argument that is a number, from the row or the default; floats exact in float16."""
    for key, value in defaults.items():
        if isinstance(value, tuple) and value and all(type(part) in (int, float) for part in value):
            yield key, tuple(exact(part) for part in value)
        elif type(value) in KINDS:
            yield key, exact(value)


def exact(value):
    """The float that float16 holds of it, if it holds any."""
    return float(np.float16(value)) if type(value) is float and abs(value) < 65504 else value


def disguised(value, kind):
    """The number as a NumPy scalar of the kind, if that can hold it; every part of a tuple."""
    if isinstance(value, tuple):
        return tuple(disguised(part, kind) for part in value)
    kinds = KINDS[type(value)]
    wanted = kinds[kind % len(kinds)]
    large = type(value) is float and not abs(value) < 65504
    return kinds[0](value) if large or (type(value) is int and value < 0) else wanted(value)


def options_of(name):
    known = signature(name).parameters
    bound = signature(name).bind(*row_of(name).args, **row_of(name).kwargs)
    bound.apply_defaults()
    return {key: bound.arguments[key] for key in arguments(find(scratch, name)) if key in known}


def same_bits(ours, theirs):
    return (
        not isinstance(ours, type)
        and len(ours) == len(theirs)
        and all(
            x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
            for x, y in zip(ours, theirs, strict=True)
        )
    )


def result(name, key, value):
    """What a component with this option computes, or the class of its refusal."""
    row = Option(key, value).row(row_of(name))
    found = []
    with np.errstate(all="ignore"):
        error = outcome(lambda: found.append(forward_and_backward(ScratchSide(row, np.float32), row)))
    return type(error) if error is not None else found[0]


@pytest.mark.parametrize("name", components_with_options())
def test_a_numpy_scalar_does_what_the_number_does(name):
    for key, number in numbers(name, options_of(name)):
        expected = result(name, key, number)
        for kind in range(4):
            got = result(name, key, disguised(number, kind))
            same = (
                got is expected
                if isinstance(expected, type)
                else not isinstance(got, type) and same_bits(got, expected)
            )
            assert same, (key, disguised(number, kind), number)


def trained(name, options):
    """Weights, rates and state after three steps, as bytes."""
    rng = np.random.default_rng(0)
    parameters = [scratch.nn.Parameter(rng.standard_normal((3, 2)).astype(np.float32))]
    optimizer = getattr(scratch.optim, name)(parameters, **options)
    for _ in range(3):
        parameters[0].grad = rng.standard_normal((3, 2)).astype(np.float32)
        optimizer.step(*([lambda: 1.0] if name == "LBFGS" else []))
    state = [np.asarray(x) for entries in optimizer.state.values() for x in entries.values() if not isinstance(x, list)]
    return [(x.dtype, x.tobytes()) for x in (parameters[0].data, *state)], optimizer.param_groups[0]


@pytest.mark.parametrize("name", RULES)
def test_a_numpy_scalar_does_what_the_number_does_in_an_optimizer(name):
    defaults = {k: p.default for k, p in inspect.signature(getattr(scratch.optim, name)).parameters.items()}
    options = dict(numbers(name, {**defaults, "lr": 0.1}))
    if name.startswith("Adafactor"):
        options["eps"] = (0.25, 0.5)
    for kind in range(4):
        disguise = {key: disguised(value, kind) for key, value in options.items()}
        plain, dressed = trained(name, options), trained(name, disguise)
        assert plain[0] == dressed[0]
        assert all(type(v) is type(plain[1][k]) for k, v in dressed[1].items() if k != "params"), dressed[1]
        group = {"params": [scratch.nn.Parameter(np.ones((3, 2), np.float32))], **disguise}
        added = getattr(scratch.optim, name)([group]).param_groups[0]
        assert not any(isinstance(value, np.generic) for value in added.values())


@pytest.mark.parametrize("name", [n for n, row in SCHEDULES.items() if list(numbers(n, row.kwargs))])
def test_a_numpy_scalar_does_what_the_number_does_in_a_schedule(name):
    def rates(disguise):
        row = SCHEDULES[name]
        parameters = [scratch.nn.Parameter(np.ones(2, np.float32))]
        optimizer = getattr(scratch.optim, row.optimizer)(parameters, lr=0.125)
        options = dict(row.kwargs)
        options |= {key: disguise(value) for key, value in numbers(name, options)}
        schedule = getattr(scratch.optim.lr_scheduler, name)(**{**options, "optimizer": optimizer})
        seen = []
        for step in range(12):
            optimizer.step()
            schedule.step(*([1.0 + step % 3] if name == "ReduceLROnPlateau" else []))
            seen.append((type(optimizer.param_groups[0]["lr"]), float(optimizer.param_groups[0]["lr"])))
        return seen

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = rates(lambda value: value)
        for kind in range(4):
            assert rates(lambda value, kind=kind: disguised(value, kind)) == plain


@pytest.mark.parametrize("name", [n for n in scratch.nn.init.__all__ if n.endswith("_")])
def test_a_numpy_scalar_does_what_the_number_does_in_an_initialiser(name):
    function = getattr(scratch.nn.init, name)
    given = {k: p.default for k, p in inspect.signature(function).parameters.items()} | {"val": 0.3, "sparsity": 0.4}
    options = dict(numbers(name, {k: given[k] for k in arguments(function)[1:]}))

    def fill(options):
        scratch.manual_seed(0)
        return function(np.zeros((4, 2, 3) if name == "dirac_" else (4, 2), np.float32), **options).tobytes()

    for kind in range(4):
        assert fill({key: disguised(value, kind) for key, value in options.items()}) == fill(options)


ONES = np.ones(4, np.float32)
FUNCTIONS = {
    "get_ema_avg_fn": lambda v: scratch.optim.swa_utils.get_ema_avg_fn(v)(ONES, 3 * ONES, 1),
    "get_ema_multi_avg_fn": lambda v: averaged_in_place(scratch.optim.swa_utils.get_ema_multi_avg_fn(v)),
    "fuse_conv_bn_weights": lambda v: scratch.nn.utils.fuse_conv_bn_weights(
        np.ones((4, 1, 2), np.float32), None, ONES, ONES, v, ONES, ONES
    ),
    "fuse_linear_bn_weights": lambda v: scratch.nn.utils.fuse_linear_bn_weights(
        np.ones((4, 3), np.float32), None, ONES, ONES, v, ONES, ONES
    ),
    "GaussianNLLLoss": lambda v: scratch.nn.GaussianNLLLoss()(ONES, 2 * ONES, v),
}


def averaged_in_place(average):
    found = ONES.copy()
    average([found], [3 * ONES], 1)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_numpy_scalar_does_what_the_number_does_in_a_function(name):
    def bits(value):
        found = [getattr(x, "data", x) for x in leaves([FUNCTIONS[name](value)])]
        return [(np.asarray(x).dtype, np.asarray(x).tobytes()) for x in found]

    for kind in (np.float64, *(() if name == "GaussianNLLLoss" else (np.float32, np.float16, np.longdouble))):
        assert bits(kind(0.25)) == bits(0.25)


# --- torch's acceptance -----------------------------------------------------------------------------------------------

LIKELY = [True, False, 0, 1, 2, 3, -1, 0.0, 0.25, 1.5, -0.5, "mean", "sum", "none", (2, 2), [2, 2], (1, 1)]


@pytest.mark.parametrize("name", components_with_options())
def test_what_torch_computes_with_scratch_computes_with(name):
    """An option of the type of the row's, with which torch's component is built and runs, ours takes too."""
    found, tried = [], 0
    for key, kind in ((key, type(value)) for key, value in options_of(name).items()):
        for value in (v for v in LIKELY if type(v) is kind):
            row = Option(key, value).row(row_of(name))
            inputs, call = draw((row.inputs, row.call), generator(row, 0), np.float32)
            if outcome(lambda: TorchSide(row, np.float32, 7).run(inputs, call)) is None:  # noqa: B023
                tried += 1
                example = Example(FIRST[name], (Option(key, value),))
                refused = [p for p in unknown(example, problems(example)) if p.what in ("verdict", "text")]
                found += [f"{key}={value!r}: {p.text}" for p in refused]
    assert not found, "\n".join(found)
    assert tried or not any(type(value) in map(type, LIKELY) for value in options_of(name).values())
