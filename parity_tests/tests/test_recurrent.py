"""Packed sequences, which a row of the table cannot hold: packing and padding, and recurrent layers on them."""

import numpy as np
import pytest
import torch
from torch.nn.utils import rnn as torch_rnn

import scratch
from parity_tests.nests import leaves
from parity_tests.rule import distance, float32_limit, float64_limit
from scratch.nn.recurrent import chunks
from scratch.nn.utils import rnn as scratch_rnn

LENGTHS = (3, 7, 1, 5)
RNG = np.random.default_rng(11)
PADDED = RNG.normal(size=(7, 4, 3)).astype(np.float32)


def same(ours, theirs):
    """Equal values, dtypes and structure."""
    theirs = [leaf.numpy() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves(theirs)]
    for a, b in zip(leaves(ours), theirs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a.dtype == b.dtype and np.array_equal(a, b))


TIES = (1, 3, 2, 3, 1, 1, 2, 3, 3, 2, 1, 2, 3, 1, 2, 2)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("lengths", "enforce_sorted"),
    [(LENGTHS, False), ((6, 6, 2, 1), True), (TIES, False)],
    ids=["", "sorted", "ties"],
)
def test_packing_and_padding(lengths, enforce_sorted, batch_first):
    padded = RNG.normal(size=(7, len(lengths), 3)).astype(np.float32)
    padded = padded.swapaxes(0, 1) if batch_first else padded
    args = (lengths, batch_first, enforce_sorted)
    ours = scratch_rnn.pack_padded_sequence(padded, *args)
    theirs = torch_rnn.pack_padded_sequence(torch.tensor(padded), *args)
    same(ours, theirs)
    for options in ((batch_first,), (batch_first, -2.5), (batch_first, 0.0, 9)):
        same(scratch_rnn.pad_packed_sequence(ours, *options), torch_rnn.pad_packed_sequence(theirs, *options))
    same(scratch_rnn.unpack_sequence(ours), torch_rnn.unpack_sequence(theirs))


def test_sequences_of_one_length_keep_their_order():
    """Sorting in torch leaves the order of ties open, and shuffles them from 17 sequences on; padded, all is equal."""
    lengths = RNG.integers(1, 4, 97)
    padded = RNG.normal(size=(3, 97, 2))
    ours = scratch_rnn.pack_padded_sequence(padded, lengths, enforce_sorted=False)
    theirs = torch_rnn.pack_padded_sequence(torch.tensor(padded), torch.tensor(lengths), enforce_sorted=False)
    same(ours.sorted_indices, torch.sort(torch.tensor(lengths), descending=True, stable=True).indices)
    same(scratch_rnn.pad_packed_sequence(ours), torch_rnn.pad_packed_sequence(theirs))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_lists_of_sequences(batch_first, side):
    sequences = [PADDED[:n, i] for i, n in enumerate(LENGTHS)]
    tensors = [torch.tensor(s) for s in sequences]
    padded = scratch_rnn.pad_sequence(sequences, batch_first, -1.0, side)
    same(padded, torch_rnn.pad_sequence(tensors, batch_first, -1.0, side))
    same(scratch_rnn.pack_sequence(sequences, False), torch_rnn.pack_sequence(tensors, False))
    if side == "right":
        same(scratch_rnn.unpad_sequence(padded, LENGTHS, batch_first), tensors)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, array: lib.pack_padded_sequence(array(PADDED), LENGTHS),
        lambda lib, array: lib.pack_padded_sequence(array(PADDED), (7, 5, 0, 0)),
        lambda lib, array: lib.pack_padded_sequence(array(PADDED), (7, 5)),
        lambda lib, array: lib.pack_padded_sequence(array(PADDED[:, :0]), ()),
        lambda lib, array: lib.pad_packed_sequence(lib.pack_sequence([array(PADDED)]), total_length=3),
        lambda lib, array: lib.pad_sequence([array(PADDED[0]), array(PADDED[:, 0, :2])]),
        lambda lib, array: lib.pad_sequence([]),
        lambda lib, array: lib.pad_sequence(3),
        lambda lib, array: lib.pad_sequence([array(PADDED)], padding_side="top"),
    ],
    ids=["unsorted", "length 0", "two lengths for four", "no sequences", "total_length too small",
         "widths that differ", "an empty list", "no list", "an unknown side"],
)  # fmt: skip
def test_what_torch_refuses(call):
    with pytest.raises(Exception) as theirs:
        call(torch_rnn, torch.tensor)
    with pytest.raises(theirs.type, match=r"pack|pad"):
        call(scratch_rnn, np.asarray)


def test_a_length_beyond_the_input_is_refused_where_torch_packs_less_than_it_says():
    wrong = torch_rnn.pack_padded_sequence(torch.tensor(PADDED), [9, 5, 2, 1])
    assert len(wrong.data) < wrong.batch_sizes.sum()
    with pytest.raises(RuntimeError, match="lengths must be in"):
        scratch_rnn.pack_padded_sequence(PADDED, (9, 5, 2, 1))


LAYERS = [
    ("RNN", {}),
    ("RNN", {"bidirectional": True, "nonlinearity": "relu"}),
    ("GRU", {"bidirectional": True, "num_layers": 2, "dropout": 0.4}),
    ("LSTM", {}),
    ("LSTM", {"bidirectional": True, "num_layers": 2, "dropout": 0.4, "proj_size": 2, "batch_first": True}),
]


@pytest.mark.parametrize("several", [False, True], ids=["one chunk", "chunks"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("hx_given", [True, False])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_layers_take_packed_sequences(name, options, hx_given, dtype, several, monkeypatch):
    """Output, final state, and every gradient, against torch in float64; the limit of the rule with U from torch."""
    if several:
        for name_of_bound in ("LONG", "MANY", "ROWS"):
            monkeypatch.setattr(chunks, name_of_bound, 1)
    ours = run_scratch(name, options, hx_given, dtype)
    theirs, truth = run_torch(name, options, hx_given, dtype), run_torch(name, options, hx_given, "float64")
    u = {what: distance(value, truth[what]) for what, value in run_torch(name, options, hx_given, "float32").items()}
    assert ours.keys() == theirs.keys()
    for what, value in ours.items():
        assert value.dtype == theirs[what].dtype, what
        limit = (float32_limit if dtype == "float32" else float64_limit)(u[what])
        assert distance(value, truth[what]) <= limit, what


def inputs(name, options, hx_given, dtype):
    """A padded input, lengths and an initial state, and cotangents."""
    rng = np.random.default_rng(3)
    directions = 2 if options.get("bidirectional") else 1
    output = options.get("proj_size", 5)
    sizes = (output, 5) if name == "LSTM" else (5,)
    layers = options.get("num_layers", 1) * directions
    states = tuple(rng.normal(size=(layers, 4, size)).astype(np.float32).astype(dtype) for size in sizes)
    dstates = tuple(rng.normal(size=s.shape).astype(np.float32).astype(dtype) for s in states)
    dy = rng.normal(size=(sum(LENGTHS), directions * output)).astype(np.float32).astype(dtype)
    return PADDED.astype(dtype), states if hx_given else None, dy, dstates


def run_scratch(name, options, hx_given, dtype):
    x, states, dy, dstates = inputs(name, options, hx_given, dtype)
    scratch.manual_seed(5)
    layer = getattr(scratch.nn, name)(3, 5, **options, dtype=np.float32)
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(dtype)
    packed = scratch_rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    wrap = (lambda parts: parts) if name == "LSTM" else (lambda parts: parts[0])
    y, last = layer(packed, *([wrap(states)] if states else []))
    assert isinstance(y, scratch_rnn.PackedSequence)
    same(y[1:], packed[1:])
    dx, dhx = layer.backward(y._replace(data=dy), wrap(dstates))
    values = {"y": y.data, **numbered("last", last), "dx": dx}
    values |= numbered("dhx", dhx) if states else {}
    return values | {f"d{n}": p.grad for n, p in layer.named_parameters()}


def run_torch(name, options, hx_given, dtype):
    x, states, dy, dstates = inputs(name, options, hx_given, dtype)
    torch.manual_seed(5)
    layer = getattr(torch.nn, name)(3, 5, **options).to(getattr(torch, dtype))
    packed = torch_rnn.pack_padded_sequence(torch.tensor(x), list(LENGTHS), enforce_sorted=False)
    packed.data.requires_grad_()
    states = [torch.tensor(s, requires_grad=True) for s in states or ()]
    wrap = tuple if name == "LSTM" else (lambda parts: parts[0])
    y, last = layer(packed, *([wrap(states)] if states else []))
    outputs = [y.data, *leaves(last)]
    sources = [packed.data, *states, *layer.parameters()]
    gradients = torch.autograd.grad(outputs, sources, [torch.tensor(d) for d in (dy, *dstates)])
    values = {"y": y.data, **numbered("last", last), "dx": gradients[0]}
    values |= numbered("dhx", gradients[1 : 1 + len(states)])
    values |= {f"d{n}": g for (n, _), g in zip(layer.named_parameters(), gradients[1 + len(states) :], strict=True)}
    return {what: value.detach().numpy() for what, value in values.items()}


def numbered(what, nest):
    return {f"{what}{i}": leaf for i, leaf in enumerate(leaves(nest))}


def test_none_is_a_zero_cotangent():
    lstm = scratch.nn.LSTM(3, 5)
    y, (h, c) = lstm(PADDED)
    zeros = lstm.backward(np.ones_like(y), (np.zeros_like(h), np.zeros_like(c)))
    lstm(PADDED)
    none = lstm.backward(np.ones_like(y), (None, None))
    lstm(PADDED)
    left_out = lstm.backward(np.ones_like(y))
    for a, b, c in zip(leaves(zeros), leaves(none), leaves(left_out), strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)
    lstm(PADDED)
    dx, _ = lstm.backward(None, (h, None))
    assert dx.any()


def test_backward_checks_the_cotangents_of_packed_sequences():
    gru = scratch.nn.GRU(3, 5)
    y, h = gru(scratch_rnn.pack_padded_sequence(PADDED, LENGTHS, enforce_sorted=False))
    with pytest.raises(RuntimeError, match="cotangent"):
        gru.backward(y.data[:-1], h)


def test_dropout_with_one_layer_warns_as_torch_does():
    for kind in (torch.nn.LSTM, scratch.nn.LSTM):
        with pytest.warns(UserWarning, match="dropout"):
            kind(3, 5, dropout=0.5)
