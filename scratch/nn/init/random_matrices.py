"""Random matrices with a property: orthogonal columns, many zeros."""

from __future__ import annotations

import math

import numpy as np

from scratch import random
from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.filled import T, array_to_fill, matrix_to_fill
from scratch.random import Generator
from scratch.threads import one_blas_thread


@plain_options
def orthogonal_(tensor: T, gain: float = 1, generator: Generator | None = None) -> T:
    """A random (semi-)orthogonal matrix times gain; further dimensions are flattened into the columns.

    Q of a QR decomposition of normal values, each column times the sign of R's diagonal, which makes Q uniform
    (Mezzadri 2007, arXiv:math-ph/0609050). The normal values are torch's to the bit. Q is not, in its last bits: it
    depends on the installed LAPACK, as torch's own does between machines and thread counts. Saxe et al. 2013.
    """
    x = array_to_fill("orthogonal_", tensor)
    if x.ndim < 2:
        raise ValueError(f"orthogonal_: needs an array of 2 or more dimensions, got shape {x.shape}.")
    if x.size == 0:
        return tensor
    check_numbers("orthogonal_", gain=gain)
    rows = x.shape[0]
    flat = random.normal_(np.empty((rows, x.size // rows), x.dtype), generator=generator)
    wide = rows < flat.shape[1]
    with one_blas_thread:
        q, r = np.linalg.qr(flat.T if wide else flat)
    q *= np.sign(np.diagonal(r))
    x[...] = (q.T if wide else q).reshape(x.shape)
    x *= gain
    return tensor


@plain_options
def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> T:
    """N(0, std²), then in every column the fraction `sparsity` of the rows, picked at random, is set to 0.

    As in torch the rows come from the default generator even if `generator` is given. Martens 2010.
    """
    x = matrix_to_fill("sparse_", tensor)
    check_numbers("sparse_", sparsity=sparsity, std=std)
    if math.isnan(sparsity):
        raise ValueError("sparse_: sparsity, the fraction of zeros, must not be NaN.")
    zeros = math.ceil(sparsity * x.shape[0])
    random.normal_(x, 0, std, generator=generator)
    for column in x.T:
        column[random.randperm(x.shape[0])[:zeros]] = 0
    return tensor
