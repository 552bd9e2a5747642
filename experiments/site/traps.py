"""Differences of other libraries that matter when you port a layer and compare the numbers.

Facts in a component's own docstring, under Torch, Differs or Numerics, are not repeated here.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

CONVOLUTION_LAYOUT = (
    "Weights are (out, in, height, width) here and images channels first; Keras and TensorFlow have (height, width, "
    "in, out) and channels last. A Flatten before a Dense layer then lists the features in another order."
)
RECURRENT_KERNELS = (
    "Kernels are (gates x hidden, in) here, (in, gates x hidden) in Keras: transpose, then reorder the gates."
)
RECURRENT_INIT = (
    "Keras starts recurrent kernels orthogonal, input kernels Glorot uniform, biases at 0 (the forget gate's at 1); "
    "here everything is uniform within one over the root of the hidden size."
)
TF32 = (
    "On recent GPUs torch computes it in TF32, 10 bits of mantissa and errors near 1e-3, unless that is switched off."
)
KINK = "At a kink every library picks its own slope; the one here is torch's, measured."
SGD_AVERAGE = (
    "Some libraries scale the gradient in the velocity by 1 - momentum, which makes it a running mean: the same as "
    "torch's dampening = momentum, except in the first step."
)

TRAPS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("optim.SGD",): (
        SGD_AVERAGE,
        "Textbook Nesterov evaluates the gradient ahead of the present point: another algorithm, not another notation.",
        "The default rate is 1e-3 here and 0.01 in Keras.",
    ),
    ("optim.Adam",): (
        "Some libraries clip every gradient to norm 1 inside Adam, or keep averaged weights beside it: switch both "
        "off before comparing.",
        "The place of epsilon shows with small gradients: after 20 steps at rate 1e-3, 3e-9 apart at gradient size "
        "1, but 1e-3 at 1e-6.",
    ),
    ("optim.AdamW",): ("Keras applies weight_decay decoupled in every optimizer, SGD included; here only AdamW does.",),
    ("optim.RMSprop",): ("The default rate is 0.01 here and 0.001 in Keras.",),
    ("nn.utils.clip_grad_norm_",): ("The norm is that of all gradients together, as global_clipnorm in Keras.",),
    ("nn.Linear",): (
        "The weight is (out, in); Keras' Dense, and most code written from scratch, has (in, out).",
        "Both weight and bias start uniform within one over the root of fan-in; Keras and scikit-learn start with "
        "Glorot, Keras with zero biases.",
        "A comparer that transposes whenever the shapes then fit pairs square matrices wrongly: say which is which.",
    ),
    ("nn.init.xavier_*",): (
        "scikit-learn uses factor 2 instead of 6 for the logistic activation, and draws the biases too.",
    ),
    ("nn.init.trunc_normal_", "nn.init.kaiming_normal_"): (
        "Keras' normal initialisers are truncated at two deviations and rescaled; these are not unless the name "
        "says so.",
    ),
    ("nn.LeakyReLU",): (
        "The slope is 0.01 here and in ONNX, 0.3 in Keras' layer and 0.2 in its function of the same name.",
    ),
    ("nn.PReLU",): ("Slopes start at 0.25 here and at 0 in Keras.",),
    ("nn.ELU",): ("Alpha is 1 here; some code from scratch has 0.1.",),
    ("nn.SELU", "nn.AlphaDropout"): (
        "ONNX stores the two constants rounded to float32, 1.05070102 and 1.67326319: 1e-8 away.",
    ),
    ("nn.Hardsigmoid", "nn.Hardswish"): (
        "The slope is 1/6 here and in Keras 3, 0.2 in ONNX and in older Keras: up to 0.1 apart.",
    ),
    ("nn.GELU",): ("Keras and ONNX have the error function as default too; code copied from GPT-2 has the tanh form.",),
    ("nn.ReLU", "nn.ReLU6", "nn.Hardtanh", "nn.Hardswish", "nn.Hardshrink", "nn.Softshrink", "nn.Threshold"): (KINK,),
    ("nn.Hardtanh", "nn.ReLU6"): ("torch.clamp had slope 1 at its bounds before torch 2.14; this has 0 there.",),
    ("nn.Softmax", "nn.Softmin", "nn.Softmax2d"): (
        "Some backwards keep only the diagonal of the Jacobian, and some assume that cross-entropy comes next; "
        "gradients of a sum cannot tell, since the true ones are all zero.",
    ),
    ("nn.CrossEntropyLoss", "nn.NLLLoss"): (
        "With class weights the mean divides by the weights that were picked, not by the number of rows.",
        "Rows with the ignored label leave the denominator too: if all are ignored the mean is NaN.",
    ),
    ("nn.BCELoss",): ("Keras clips the probabilities to [1e-7, 1 - 1e-7] instead of cutting the logarithms at -100.",),
    ("nn.MSELoss",): (
        "Some code sums instead of averaging, some has a factor 1/2 (scikit-learn); both change the rate.",
    ),
    ("nn.BatchNorm?d",): (
        "momentum weights the new value here, 0.1; Keras and ONNX weight the old one, 0.99 and 0.9.",
        "The running variance is the unbiased one although the output uses the biased one; Keras and ONNX keep the "
        "biased. TensorFlow does either, depending on the kernel.",
        "eps is 1e-5 here and 1e-3 in Keras.",
    ),
    ("nn.LayerNorm",): (
        "eps is 1e-5 here and in ONNX, 1e-3 in Keras.",
        "A variance computed as E[x²] - E[x]² loses all but three digits at mean 1000.",
    ),
    ("nn.RMSNorm",): ("eps is the machine epsilon of the dtype by default, 1e-6 in Keras, 1e-5 in ONNX.",),
    ("nn.InstanceNorm?d",): ("Neither scale and shift nor running statistics by default, unlike BatchNorm.",),
    ("nn.LSTM", "nn.LSTMCell"): (
        "Gates are i f g o with two biases; Keras has i f c o with one, ONNX i o f c.",
        RECURRENT_KERNELS,
        RECURRENT_INIT,
    ),
    ("nn.GRU", "nn.GRUCell"): (
        "Gates are r z n; Keras and ONNX have z r h. The reset gate acts after the product with h, as Keras' "
        "reset_after=True; ONNX needs linear_before_reset = 1.",
        RECURRENT_KERNELS,
        RECURRENT_INIT,
    ),
    ("nn.RNN", "nn.RNNCell"): (RECURRENT_KERNELS, RECURRENT_INIT),
    ("nn.Conv?d", "nn.ConvTranspose?d"): (
        CONVOLUTION_LAYOUT,
        "What is called a convolution is a correlation: the kernel is not turned around.",
        TF32,
    ),
    ("nn.LSTM", "nn.GRU", "nn.RNN"): (TF32,),
    ("nn.AvgPool?d",): ("Padding is averaged in by default; in Keras' SAME padding and in ONNX it is not.",),
    ("nn.Dropout*",): (
        "What is kept is scaled up in training; some code scales down at test time instead. To compare two engines, "
        "share the mask.",
    ),
    ("nn.MultiheadAttention",): (
        "A true mask entry blocks here, and attends in scaled_dot_product_attention: the same library, the opposite "
        "meaning.",
    ),
    ("nn.ScaledDotProductAttention",): ("A row that may attend to nothing was NaN in torch before it became zeros.",),
    ("nn.KLDivLoss",): ("The default mean is not the divergence: that is batchmean.",),
    ("nn.Flatten",): (
        "Channels first and channels last flatten to different orders; the Linear after it has to know.",
    ),
    ("optim.Adagrad",): ("autograd's and others' accumulators start at other values than 0.",),
}


def traps(name: str) -> list[str]:
    """The facts about a component, in the order of the list, each once."""
    found = [facts for names, facts in TRAPS.items() if any(fnmatchcase(name, pattern) for pattern in names)]
    return list(dict.fromkeys(fact for facts in found for fact in facts))
