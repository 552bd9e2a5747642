"""A model that runs here: the questions that its run asks, its own answers, and the truth with U of these inputs."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from parity_tests.comparer.case import Case
from parity_tests.comparer.comparison import as_arrays, given_of, label_of, threads_for
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.jumps import JUMP, largest, on_grid
from parity_tests.comparer.kinks import LARGEST, RANDOM
from parity_tests.comparer.losses import loss_for
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.own import layer_truth
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.report import Report
from parity_tests.comparer.side import LOSS, ROOT, generators_kept, random_numbers_drawn
from parity_tests.comparer.sides import build, side_of
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.trace import Call, Recorder, kind_of
from parity_tests.comparer.trial import Trial
from parity_tests.comparer.truth import truth_of, widen
from parity_tests.comparer.values import NO_ARRAY, Numbers, floats, is_float
from parity_tests.recordings import between
from parity_tests.recordings.query import Query
from parity_tests.rule import DRAWS
from parity_tests.vectors.vector import file_name


@dataclass
class Judged:
    """What a model gives to one question, `rough`, in float64, `exact`, and its own error `u` over the draws, in ulp.

    A number without a float64 truth is `rough` in both.
    """

    rough: MutableMapping[str, np.ndarray]
    exact: MutableMapping[str, np.ndarray]
    u: dict[str, float]


class Live:
    """A model with what it is called with. Between `opened` and its end, all generators and the model are as before."""

    def __init__(self, parts: Any, inputs: Any, seed: int = 0) -> None:
        """`parts` is a model, a function that makes one, or a dict of model, and loss, target."""
        parts = parts if isinstance(parts, dict) else {"model": parts}
        if "model" not in parts:
            raise CompareError("record: the function returned a dict without 'model'.")
        self.given, self.seed, self.optimizer = given_of(inputs), seed, parts.get("optimizer")
        with generators_kept():
            model = build(parts["model"], seed, False)
            try:
                self.side = side_of(model, self.given, loss_for(parts.get("loss"), model, 1))
            except (TypeError, ValueError) as error:
                raise CompareError(str(error)) from None
        self.label = label_of(self.side)
        pairing = Pairing(self.side, self.side)
        report = Report(self.label, self.label, seed)
        self.case = Case(self.side, self.side, pairing, self.given, as_arrays(parts.get("target")), report, seed)

    @contextmanager
    def opened(self) -> Iterator[Live]:
        """Its float64 twin is made of the parameters that it has now."""
        with generators_kept(), threads_for(self.side), ExitStack() as stack:
            before = self.side.snapshot()
            stack.callback(lambda: self.side.restore(before))
            self.case.make_twin()
            self.case.remember()
            yield self

    # --- questions ----------------------------------------------------------------------------------------------------

    def modes(self, mode: str) -> tuple[str, ...]:
        if self.side.fixed_mode() or mode == "eval":
            return ("eval",)
        return ("train",) if mode == "train" else ("train", "eval")

    def watched(self, mode: str) -> Recorder:
        """One run, in which every call is recorded."""
        trace = Recorder(self.side)
        self.case.training = mode == "train"
        try:
            self.case.run(self.side, mode == "train", trace)
        except Exception as error:
            raise CompareError(f"record: the model failed: {told(error)}.") from error
        return trace

    def queries(self, mode: str, code: bool = False) -> list[Query]:
        """Every call of every layer in order, the same where slopes jump, with `code` that between them; the whole."""
        trace = self.watched(mode)
        found: list[Query] = []
        for call in trace.calls.values():
            if call.key[0] != ROOT:
                found.append(self._query(mode, len(found) + 1, call))
        kind = kind_of(self.side, ROOT)
        whole = Query(f"{mode}-model", ROOT, 0, mode, kind, *self.given, None, self.case.target)
        more = between.queries(self.case, mode, trace, self.seed) if code else ()
        return [*found, *self._kinks(found), *more, whole]

    def _query(self, mode: str, place: int, call: Call) -> Query:
        layer, number = call.key
        dys = call.cotangents() if self.case.backward and (call.dys or not call.dxs) else None
        name = file_name(f"{mode}-{place:03d}-{layer}" + (f"-call{number + 1}" if number else ""))[:150]
        inside = [key[0] for key in call.parents if key[0] != ROOT]
        about = {"inside": inside, "without_gradient": [i for i in range(len(call.inputs())) if i not in call.dxs]}
        kind = kind_of(self.side, layer)
        return Query(name, layer, number, mode, kind, call.args, call.kwargs, dys, about=about)

    def _kinks(self, queries: list[Query]) -> Iterator[Query]:
        """Layers without parameters of their own, once each, on exact zeros, small integers and equal values."""
        seen: set[str] = set()
        holders = {name for query in queries for name in query.about["inside"]}
        for q in queries:
            inputs, held = floats((q.args, q.kwargs)), any(n.startswith(f"{q.layer}.") for n in self.side.state())
            if q.layer in seen | holders or held or not inputs or q.dys is None or q.kind in RANDOM:
                continue
            if not all(isinstance(x, np.ndarray) for x in inputs) or sum(x.size for x in inputs) > LARGEST:
                continue
            seen.add(q.layer)
            rng = np.random.default_rng([self.seed, len(seen)])
            args, kwargs = q.args, q.kwargs
            if q.layer == LOSS:
                args = (on_grid(args[0], rng, [self.seed]), *args[1:])
            else:
                args, kwargs = map_nest(partial(on_grid, rng=rng, places=[self.seed]), (args, kwargs))
            yield Query(f"{q.name}-kinks", q.layer, q.number, q.mode, q.kind, args, kwargs, q.dys, None, True, q.about)

    # --- answers ------------------------------------------------------------------------------------------------------

    def ask(self, query: Query) -> Numbers:
        """What the model gives, under a comparison's names."""
        self.case.training = query.training
        if query.stands:
            return between.ask(self.case, self.side, query)
        if query.layer == ROOT:
            return self.case.run(self.side, query.training, wanted=set(self.side.trainable()))
        numbers = self.side.local(query.layer, query.args, query.kwargs, query.dys, query.training, self.seed)
        return _with_gradients(query, numbers)

    def draws_random_numbers(self, query: Query) -> bool:
        """Whether an answer draws from the generators."""
        self.ask(query)
        return random_numbers_drawn(self.seed)

    def judged(self, query: Query) -> Judged:
        """The truth and U of one question, by the rule; U over all draws."""
        self.case.training = query.training
        if query.stands:
            found = Judged(*between.judged(self.case, query))
            return _certain(found) if query.kinks else found
        if query.layer == ROOT:
            truth = truth_of(self.case, query.training)
            widen(self.case, query.training, truth)
            return Judged(truth.rough, truth.exact, truth.u)
        call = Call((query.layer, query.number), ())
        given = query.args, query.kwargs, query.dys
        rough = self.ask(query)
        exact, u = layer_truth(Trial(self.case, query.training, Recorder(self.side), []), call, given, rough,
                               self.seed, DRAWS)  # fmt: skip
        found = Judged(rough, {what: exact[what] for what in rough}, u)
        return _certain(found) if query.kinks else found


def _with_gradients(query: Query, numbers: Numbers) -> Numbers:
    """Without the gradients of inputs that the model does not ask for."""
    unasked = {int(i) for i in query.about.get("without_gradient", ())}
    return {w: v for w, v in numbers.items() if not (w.startswith("grad input") and int(w[10:] or 0) in unasked)}


def _certain(found: Judged) -> Judged:
    """At kinks: what float32 and float64 give alike. A rounding may have put the others beyond a kink."""

    def alike(what: str) -> bool:
        rough, exact = found.rough[what], found.exact[what]
        if not is_float(rough):
            return True
        with np.errstate(all="ignore"):
            return bool((np.abs(rough.astype(np.float64) - exact) <= JUMP * max(largest(exact), 1e-30)).all())

    names = [what for what in found.rough if alike(what)]
    parts: list[dict[str, Any]] = [
        {what: numbers[what] for what in names if what in numbers} for numbers in (found.rough, found.exact, found.u)
    ]
    return Judged(*parts)


def stored(side: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers by name, as they are kept in files: of bfloat16 as tensors."""
    state = side.state()
    if isinstance(side, TorchSide):
        tensors = dict(side.all_parameters())
        buffers: dict[str, Any] = dict(side.layers.named_buffers())
    else:
        own = set(side.parameter_names())
        tensors, buffers = ({n: v for n, v in state.items() if (n in own) == chosen} for chosen in (True, False))

    def plain(x: Any) -> Any:
        return x.detach().cpu() if getattr(x, "dtype", None) in NO_ARRAY else as_arrays(x)

    return {n: plain(v) for n, v in tensors.items()}, {n: plain(v) for n, v in buffers.items()}
