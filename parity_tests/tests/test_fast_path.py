"""Eval mode without gradients: torch's fast path for attention, followed where it shows, and how to turn it off."""

import warnings
from itertools import product

import numpy as np
import pytest
import torch

import scratch
from parity_tests.engine import TORCH

N, S, E, H = 4, 5, 6, 2
X = np.random.default_rng(3).standard_normal((N, S, E)).astype(np.float32)
AT_THE_END = np.arange(S) >= np.array([[5], [3], [0], [1]])  # the third sequence is wholly padded
ANYWHERE = AT_THE_END ^ (np.arange(S) == 0) & (np.arange(N) == 1)[:, None]
PADDINGS = {"none": None, "at the end": AT_THE_END, "anywhere": ANYWHERE}
CAUSAL = np.triu(np.ones((S, S), bool), 1)


@pytest.fixture(params=[True, False], ids=["fast path", "turned off"])
def fast_path(request):
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(request.param)
    scratch.nn.attention.set_fastpath_enabled(request.param)
    yield request.param
    torch.backends.mha.set_fastpath_enabled(before)
    scratch.nn.attention.set_fastpath_enabled(True)


def compare(build, call):
    """One output of both, in eval mode, with equal weights; and scratch's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = build(scratch.nn).eval(), build(torch.nn).eval()
        ours.load_state_dict(theirs.state_dict())
        with scratch.no_grad():
            y = call(ours, lambda x: x)
        with torch.no_grad():
            expected = call(theirs, lambda x: None if x is None else torch.from_numpy(x))
    np.testing.assert_allclose(y, expected.numpy(), rtol=2e-5, atol=2e-6)
    return y


def floats(mask, blocked):
    return None if mask is None else np.where(mask, np.float32(blocked), np.float32(0))


@pytest.mark.usefixtures("fast_path")
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    ("name", "options"),
    {
        "self": {},
        "not batch first": {"batch_first": False},
        "odd heads": {"num_heads": 3},
        "no bias": {"bias": False},
        "bias_kv": {"add_bias_kv": True},
        "zero attention": {"add_zero_attn": True},
    }.items(),
)
def test_multihead_attention(name, options, need_weights):
    options = {"embed_dim": E, "num_heads": H, "batch_first": True, **options}

    def build(nn):
        TORCH.seed(1)
        return nn.MultiheadAttention(**options)

    paddings = [AT_THE_END, ANYWHERE, floats(AT_THE_END, -np.inf), None]
    for padding, mask, causal, same in product(paddings, [None, CAUSAL], [False, True], [True, False]):
        if (causal and mask is None) or (mask is not None and padding is not None and padding.dtype != bool):
            continue

        def call(layer, array, padding=padding, mask=mask, causal=causal, same=same):
            x = array(X if options["batch_first"] else X.swapaxes(0, 1).copy())
            other = x if same else array(np.array(x))
            masks = {"key_padding_mask": array(padding), "attn_mask": array(mask), "is_causal": causal}
            return layer(x, x, other, need_weights=need_weights, **masks)[0]

        compare(build, call)


def test_a_wholly_padded_sequence_is_nan_in_attention_on_the_fast_path(fast_path):
    def call(layer, array):
        x = array(X)
        return layer(x, x, x, key_padding_mask=array(AT_THE_END), need_weights=False)[0]

    y = compare(lambda nn: nn.MultiheadAttention(E, H, batch_first=True), call)
    assert np.isnan(y[2]).all() == fast_path
    assert not np.isnan(y[[0, 1, 3]]).any()


LAYERS = {
    "norm last": {},
    "norm first": {"norm_first": True},
    "gelu": {"activation": "gelu"},
    "odd heads": {"nhead": 3},
    "no bias": {"bias": False},
    "not batch first": {"batch_first": False},
}


def layer_of(nn, options):
    TORCH.seed(2)
    sizes = {"d_model": E, "nhead": H, "dim_feedforward": 7, "batch_first": True}
    return nn.TransformerEncoderLayer(**{**sizes, **options})


@pytest.mark.usefixtures("fast_path")
@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
def test_encoder_layer(options, padding):
    for mask in (None, CAUSAL, floats(CAUSAL, -np.inf), floats(CAUSAL, 0.5)):

        def call(layer, array, mask=mask):
            x = X if options.get("batch_first", True) else X.swapaxes(0, 1).copy()
            return layer(array(x), array(mask), src_key_padding_mask=array(padding))

        compare(lambda nn: layer_of(nn, options), call)


@pytest.mark.usefixtures("fast_path")
@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("check", [True, False])
def test_encoder(options, padding, nested, check):
    for mask, as_floats, norm in product((None, CAUSAL), (False, True), (False, True)):

        def build(nn, norm=norm):
            last = nn.LayerNorm(E) if norm else None
            return nn.TransformerEncoder(layer_of(nn, options), 2, last, nested, check)

        def call(encoder, array, mask=mask, as_floats=as_floats):
            x = X if options.get("batch_first", True) else X.swapaxes(0, 1).copy()
            masks = [floats(m, -np.inf) if as_floats else m for m in (mask, padding)]
            return encoder(array(x), array(masks[0]), src_key_padding_mask=array(masks[1]))

        compare(build, call)


def test_padded_positions_are_zero_in_an_encoder_on_the_fast_path(fast_path):
    def call(encoder, array):
        return encoder(array(X), src_key_padding_mask=array(AT_THE_END))

    y = compare(lambda nn: nn.TransformerEncoder(layer_of(nn, {}), 2), call)
    assert (y[AT_THE_END] == 0).all() == fast_path
    assert not np.isnan(y).any() or not fast_path
    off = compare(lambda nn: nn.TransformerEncoder(layer_of(nn, {}), 2, enable_nested_tensor=False), call)
    assert (off[1, 3:] != 0).any()


REFUSED_BY_TORCH = {
    "wholly padded": (X, np.ones((N, S), bool), False),
    "an empty batch": (X[:0], AT_THE_END[:0], False),
    "a later layer in training mode": (X, AT_THE_END, True),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(("x", "padding", "training"), REFUSED_BY_TORCH.values(), ids=REFUSED_BY_TORCH)
def test_what_torchs_nested_tensors_refuse_is_computed(x, padding, training):
    ours, theirs = (nn.TransformerEncoder(layer_of(nn, {"dropout": 0.0}), 2).eval() for nn in (scratch.nn, torch.nn))
    ours.load_state_dict(theirs.state_dict())
    ours.layers[1].train(training), theirs.layers[1].train(training)
    with torch.no_grad(), pytest.raises((AssertionError, RuntimeError)):
        theirs(torch.from_numpy(x), src_key_padding_mask=torch.from_numpy(padding))
    with scratch.no_grad():
        y = ours(x, src_key_padding_mask=padding)
    assert y.shape == x.shape
    assert (y[padding] == 0).all()


@pytest.mark.usefixtures("fast_path")
def test_a_decoder_and_a_whole_transformer():
    def call(net, array):
        masks = {"tgt_key_padding_mask": array(AT_THE_END), "memory_key_padding_mask": array(ANYWHERE & ~AT_THE_END)}
        return net(array(X), array(X[::-1].copy()), src_key_padding_mask=array(AT_THE_END), **masks)

    sizes = {"num_encoder_layers": 2, "num_decoder_layers": 1, "dim_feedforward": 7, "batch_first": True}
    compare(lambda nn: nn.Transformer(E, H, **sizes), call)


def test_gradients_and_training_leave_the_fast_path():
    layer = layer_of(scratch.nn, {"dropout": 0.0})
    expected = layer(X, src_key_padding_mask=AT_THE_END)
    layer.eval()
    assert np.array_equal(layer(X, src_key_padding_mask=AT_THE_END), expected)
    with scratch.no_grad():
        assert np.isnan(layer(X, src_key_padding_mask=AT_THE_END)[2]).all()


def test_the_switch_takes_a_boolean_and_says_what_it_is():
    assert scratch.nn.attention.get_fastpath_enabled() is True
    with pytest.raises(TypeError, match=r"set_fastpath_enabled: value must be True or False"):
        scratch.nn.attention.set_fastpath_enabled(1)
