"""CTCLoss: a sequence of labels whose positions in time are unknown."""

from typing import Any

import numpy as np

from scratch.nn.loss.loss import Loss, check_labels, check_prediction

LEAST = float(np.finfo(np.float32).min)


class CTCLoss(Loss):
    """Connectionist temporal classification: the log-likelihood of a label sequence, summed over all its alignments.

        An alignment walks through the positions 0 ... 2S of the sequence with a blank before, between and after its S
        labels; each time step it stays, goes on by one, or by two, past a blank between different labels.
        e_ts = log_probs[t, class of position s]. It starts at 0 or 1 and ends at 2S or 2S - 1, so

        α_ts = e_ts + log(exp α_t-1,s + exp α_t-1,s-1 + [s may be reached by two] exp α_t-1,s-2)
        l    = -log(exp α_T-1,2S + exp α_T-1,2S-1)            mean:  y = mean of l_n / max(S_n, 1)

    Shapes    log_probs (T, N, C) or (T, C); targets (N, S) padded, or concatenated (ΣS_n,); input_lengths and
              target_lengths (N,), or of any shape with one element without a batch; y () or (N,).
    Options   blank, the index of the blank label; reduction, "mean", "sum" or "none"; zero_infinity replaces an
              infinite loss by 0.
    Backward  β_ts = log Σ_s' exp(e_t+1,s' + β_t+1,s')  over the s' that follow s;  0 at both ends at T - 1
              γ_ts = exp(α_ts + β_ts + l), the probability that the alignment is at s at time t, given the labels
              dlog_probs_tc = (exp(log_probs_tc) - Σ_{s of class c} γ_ts) dl    for t < T, else 0
    Why       α_ts + β_ts is the log-likelihood of all alignments through s at t, so dl/de_ts = -γ_ts. torch adds
              exp(log_probs) and so returns the gradient of the logits directly: a log-softmax takes g to g - p Σ g, and
              both -γ and p - γ become p - γ. It is the derivative only where a log-softmax comes before.
    Saves     log_probs, e, α, l, the positions' classes, which are reached from where, and the lengths.
    Numerics  all in logarithms, with the largest term of each sum factored out. Labels without a possible alignment
              have the likelihood 0, the loss inf and the gradient NaN; with zero_infinity both are 0.
    Cost      8 NumPy calls per time step and direction. With 4 sequences of 50 steps and 10 labels their overhead makes
              it 5 times as slow as torch, with 64 of 100 steps and 30 labels it is faster.
    Torch     torch.nn.CTCLoss. It does not check the labels; here one out of range is refused. A blank among the labels
              is computed as in torch, except that torch's gradient misses one of two final positions of the same class.
    Raises    RuntimeError for shapes, lengths, labels or a blank that do not fit, and for an empty batch.
    Source    Graves et al. 2006, Connectionist temporal classification, equations 6 to 16.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        lengths = (np.asarray(x) if isinstance(x, list | tuple) else x for x in inputs[1:])
        return super().__call__(*inputs[:1], *lengths, **options)

    def forward(
        self, log_probs: np.ndarray, targets: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray
    ) -> Any:
        lp = self._batched(log_probs)
        T, S = self._lengths("input_lengths", input_lengths, lp), self._lengths("target_lengths", target_lengths, lp)
        classes = self._classes(lp, targets, S)
        enters = np.ones((3, *classes.shape), bool)  # whether position s is entered from s - 2, s - 1 and s
        enters[0, :, :2] = False
        enters[0, :, 2:] = classes[:, 2:] != classes[:, :-2]

        e = np.take_along_axis(lp, classes[np.newaxis], 2)
        steps, batch, positions = e.shape
        n, s = np.arange(batch), np.arange(positions)
        final = s >= 2 * S[:, np.newaxis] - 1
        e[np.arange(steps)[:, np.newaxis] >= T] = -np.inf  # no position after the sequence's last time step,
        np.copyto(e, -np.inf, where=s > 2 * S[:, np.newaxis])  # none past its last position,
        e[T - 1, n] = np.where(final, e[T - 1, n], -np.inf)  # and at the end one of the last two
        alpha = np.full((steps + 1, batch, positions + 2), -np.inf, e.dtype)  # [t + 1, n, s + 2], -inf before s = 0
        alpha[0, :, 2] = 0  # without any time it is at position 0
        alpha[1, :, 2:4] = e[0, :, :2]
        before = _three_in_a_row(alpha)
        for t in range(1, steps):
            np.add(e[t], _log_sum(before[:, t], enters), out=alpha[t + 1, :, 2:])

        blank, label = alpha[T, n, 2 * S + 2], alpha[T, n, 2 * S + 1]
        nll = -np.where(S == 0, blank, _log_sum(np.stack([blank, label]), True))
        alpha[T, n, 2:] = np.where(final, alpha[T, n, 2:], -np.inf)
        losses = np.where(nll == np.inf, 0, nll) if self.zero_infinity else nll
        if self.reduction == "mean":
            losses = losses / np.maximum(S, 1).astype(e.dtype)
        y = self.reduce(losses if log_probs.ndim == 3 else losses[0])
        return self.save(y, log_probs.shape, lp, e, alpha, nll, classes, enters, T, S)

    def backward(self, dloss: Any = None) -> np.ndarray:
        shape, lp, e, alpha, nll, classes, enters, T, S = self.take(dloss)
        steps, batch, positions = e.shape
        gamma = np.empty_like(e)
        following = np.full((batch, positions + 2), -np.inf, e.dtype)  # e + beta one step later; -inf past 2S
        after = _three_in_a_row(following)
        leaves = np.ones_like(enters)  # whether position s leads to s, s + 1 and s + 2
        leaves[2, :, :-2] = enters[0, :, 2:]
        ends = set(T.tolist())
        for t in reversed(range(steps)):
            beta = _log_sum(after, leaves)
            if t + 1 in ends:
                last = np.flatnonzero(t + 1 == T)
                beta[last, 2 * S[last]] = beta[last, np.maximum(2 * S[last] - 1, 0)] = 0
            gamma[t] = beta
            np.add(e[t], beta, out=following[:, :-2])
        gamma += alpha[1:, :, 2:] + nll[:, np.newaxis]
        gamma[np.isposinf(e)] = np.nan
        np.exp(gamma, out=gamma)

        dlp = np.exp(lp)
        np.subtract.at(dlp, (*np.ogrid[:steps, :batch, :1][:2], classes), gamma)
        dlp[np.isneginf(lp)] = np.nan
        dlp[:, np.isnan(nll)] = np.nan
        dlp[:, nll == np.inf] = 0 if self.zero_infinity else np.nan
        dlp[np.arange(steps)[:, np.newaxis] >= T] = 0
        dl = self.spread(dloss, batch, e.dtype)
        if self.reduction == "mean":
            dl = dl / np.maximum(S, 1).astype(e.dtype)
        dlp *= np.reshape(dl, (-1, 1))
        return dlp.reshape(shape)

    def _batched(self, log_probs: np.ndarray) -> np.ndarray:
        check_prediction(self, log_probs)
        if log_probs.ndim not in (2, 3) or log_probs.size == 0:
            raise RuntimeError(f"{self}: log_probs must be (T, N, C) or (T, C), not empty, got {log_probs.shape}.")
        if not 0 <= self.blank < log_probs.shape[-1]:
            raise RuntimeError(f"{self}: blank must be in [0, {log_probs.shape[-1]}), one of the classes.")
        return log_probs if log_probs.ndim == 3 else log_probs[:, np.newaxis]

    def _lengths(self, name: str, lengths: np.ndarray, lp: np.ndarray) -> np.ndarray:
        steps, batch, _ = lp.shape
        if lengths.dtype.kind not in "iu" or lengths.size != batch:
            raise RuntimeError(
                f"{self}: {name} must be {batch} integers, one for each sequence, "
                f"got {lengths.dtype}{list(lengths.shape)}."
            )
        most = steps if name == "input_lengths" else np.inf
        if lengths.min() < 0 or lengths.max() > most:
            raise RuntimeError(
                f"{self}: {name} must be in [0, {most}], got from {lengths.min()} to {lengths.max()}. "
                "log_probs has the time in its first dimension."
            )
        return lengths.reshape(-1).astype(np.int64)

    def _classes(self, lp: np.ndarray, targets: np.ndarray, S: np.ndarray) -> np.ndarray:
        """The class of each position, (N, 2 max S + 1): blanks at even ones, labels at odd ones, blanks after 2S."""
        longest = int(S.max())
        concatenated, padded = targets.shape == (S.sum(),), targets.ndim == 2 and len(targets) == len(S)
        if not (concatenated or (padded and targets.shape[1] >= longest)):
            raise RuntimeError(
                f"{self}: targets must be ({len(S)}, {longest} or more), padded, or ({S.sum()},), concatenated; "
                f"got {targets.shape}. target_lengths says how many of its labels each sequence has."
            )
        if targets.dtype.kind not in "iu" and targets.size:
            raise RuntimeError(f"{self}: targets must be integers, got {targets.dtype}. Use .astype(np.int64).")
        used = np.arange(longest) < S[:, np.newaxis]
        labels = targets if concatenated else targets[:, :longest][used]
        check_labels(self, labels, lp.shape[2], RuntimeError)
        classes = np.full((len(S), 2 * longest + 1), self.blank)
        classes[:, 1::2][used] = labels
        return classes

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, blank={self.blank}, zero_infinity={self.zero_infinity}"


def _three_in_a_row(v: np.ndarray) -> np.ndarray:
    """Views of v[..., s], v[..., s + 1] and v[..., s + 2] for every s: (3, ..., positions)."""
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(v, 3, axis=-1), -1, 0)


def _log_sum(terms: np.ndarray, counts: np.ndarray | bool) -> np.ndarray:
    """The logarithm of Σ exp(term) over the first axis of the terms that count; -inf if none counts."""
    terms = np.where(counts, terms, -np.inf)
    largest = np.maximum.reduce(terms, axis=0, initial=LEAST)
    terms -= largest
    np.exp(terms, out=terms)
    total = np.add.reduce(terms, axis=0)
    np.log(total, out=total)
    total += largest
    return total
