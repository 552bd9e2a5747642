"""compare, measured by mutation: a small fixed sample, and the measure itself measured."""

import itertools
from functools import cache, partial
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from parity_tests.tests import mutants
from parity_tests.tests.mutants import __main__ as measure
from parity_tests.tests.mutants import changes, rewrites, steps, summary, variants
from parity_tests.tests.mutants.networks import NETWORKS
from parity_tests.tests.mutants.oracle import Verdict
from parity_tests.tests.mutants.trial import KINDS, chosen, judge, oracle, trial, verdict_of

SMALL = ("tied_autoencoder", "bag_classifier", "numpy_objects")


@cache
def results():
    """What the last run of all of them found."""
    return summary.read(Path(str(resources.files(mutants).joinpath("results.json"))))


@cache
def first(network, kind, says):
    return next((v, t) for v, t in chosen(network, kind) if t.says == says)


def again(kind, network):
    """The quickest comparison of a network in the last run, made once more."""
    asked = {"mutant": "different", "rewrite": "equal"}[kind]
    recorded = [r for r in results() if r.kind == kind and r.truth == asked and r.name.startswith(f"{network}:")]
    result = min((r for r in recorded if not r.failure), key=lambda r: r.seconds)
    variant = next((v for v in variants.variants(network, KINDS[kind]) if v.name == result.name), None)
    assert variant is not None, f"the rules no longer make {result.name}: run make mutants"
    return trial(kind, variant, Verdict(result.truth, result.ratio, result.what))


@pytest.mark.parametrize("network", NETWORKS)
def test_a_mutant_parts(network):
    assert again("mutant", network).failure == ""


@pytest.mark.parametrize("network", NETWORKS[1::2])
def test_a_rewrite_is_not_accused(network):
    assert again("rewrite", network).failure == ""


@pytest.mark.parametrize(
    "name", ["steps:Adam:betas=(0.81, 0.999)", "steps:SGD:nesterov=True", "loss:KLDivLoss:reduction=sum"]
)
def test_an_optimizer_or_loss_with_another_option_parts(name):
    assert steps.trial("mutant", next(c for c in steps.mutants() if c.name == name)).failure == ""


@pytest.mark.parametrize("name", ["steps:Adam:HandAdam", "steps:SGD:{'foreach': True}", "loss:SmoothL1Loss:smooth"])
def test_an_optimizer_or_loss_by_hand_is_not_accused(name):
    assert steps.trial("rewrite", next(c for c in steps.rewrites() if c.name == name)).failure == ""


def test_the_last_run_of_all_of_them_missed_nothing_and_accused_nobody():
    counts = summary.counts(results())
    assert {key: counts[key] for key in ("missed", "accused", "refused", "traceback")} == dict.fromkeys(
        ("missed", "accused", "refused", "traceback"), 0
    )
    assert sum(r.kind == "mutant" and r.truth in ("different", "raises", "structure") for r in results()) >= 600
    assert sum(r.kind == "rewrite" and r.truth == "equal" for r in results()) >= 300
    assert sum(r.truth == "undecided" for r in results()) <= 0.05 * len(results())
    assert counts["place right"] >= 0.95
    assert {r.name.partition(":")[0] for r in results()} == {*NETWORKS, "steps", "loss"}


# --- the measure itself -----------------------------------------------------------------------------------------------


def test_the_file_holds_every_comparison_that_was_counted(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure, "tqdm", partial(measure.tqdm, miniters=10**9))  # a bar whose count lags behind
    file = tmp_path / "results.json"
    with pytest.raises(typer.Exit):
        measure.main(sample=1, json_file=file, network=["tied_autoencoder"], processes=1)
    assert capsys.readouterr().out.startswith(summary.text(summary.read(file)))


def always(verdict, where="nowhere"):
    """A comparer that looks at nothing."""
    finding = SimpleNamespace(where=where, phase="forward", what="output")
    return lambda *args, **kwargs: SimpleNamespace(verdict=lambda: verdict, first_divergence=finding)


@pytest.mark.parametrize("network", SMALL)
def test_a_comparer_that_always_agrees_is_caught(network):
    assert trial("mutant", *first(network, "mutant", "different"), always("PARITY")).failure == "missed"


@pytest.mark.parametrize("network", SMALL)
def test_a_comparer_that_always_accuses_is_caught(network):
    assert trial("rewrite", *first(network, "rewrite", "equal"), always("DIVERGENCE")).failure == "accused"
    assert trial("mutant", *first(network, "mutant", "different"), always("DIVERGENCE")).failure == "misplaced"


def test_a_comparer_that_gives_up_is_caught():
    refused = trial("mutant", *first("tied_autoencoder", "mutant", "different"), always("COULD NOT COMPARE"))
    assert refused.failure == "refused"
    assert trial("rewrite", *first("tied_autoencoder", "rewrite", "equal"), always("NOTHING")).failure == "refused"


def test_a_comparer_that_raises_is_caught():
    def broken(*args, **kwargs):
        raise KeyError("grad weight")

    result = trial("mutant", *first("tied_autoencoder", "mutant", "different"), broken)
    assert result.failure == "traceback"
    assert "KeyError" in result.note
    assert verdict_of(lambda: broken())[0] == "TRACEBACK"


def test_steps_are_caught_too():
    mutant = next(c for c in steps.mutants() if c.name.startswith("steps:Adam:lr"))
    assert steps.trial("mutant", mutant, always("PARITY")).failure == "missed"
    rewrite = next(c for c in steps.rewrites() if c.name == "steps:Adam:HandAdam")
    assert steps.trial("rewrite", rewrite, always("DIVERGENCE")).failure == "accused"


# --- the oracle -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", SMALL)
def test_the_unchanged_network_is_equal(network):
    verdict = oracle(network).judge(variants.build(network))
    assert verdict.says == "equal"
    assert verdict.ratio < 0.5


@pytest.mark.parametrize(
    ("old", "new", "says", "what"),
    [
        ("torch.sigmoid(self.encoder2(h))", "torch.sigmoid(self.encoder2(h) + 1e-3)", "different", "grad"),
        ("self.decode(code)", "self.decode(code.detach())", "different", "grad"),
        ("self.seen += 1", "self.seen += 2", "different", "state seen"),
        ("self.seen += 1", "self.seen = self.seen + 1.0", "equal", ""),
        ("h = torch.tanh(self.encoder1(x))", "h = torch.tanh(self.encoder1(x)).double()", "raises", ""),
        ("self.decode(code)", "self.decode(code) * (1 + 1e-9)", "equal", ""),
        ("nn.Linear(hidden, code)", "nn.Linear(hidden, code + 1)", "structure", ""),
        (".sum(dim=1).mean()", ".sum(dim=1).mean() * (1 + 1e-5)", "different", ""),
    ],
)
def test_the_oracle_says_what_a_change_is(old, new, says, what):
    text = variants.source("tied_autoencoder")
    assert old in text
    verdict = judge(variants.Variant("tied_autoencoder", "", "", "", text.replace(old, new)))
    assert verdict.says == says, verdict
    assert verdict.what.startswith(what)


def test_a_gradient_of_rounding_alone_is_judged_at_the_scale_of_the_largest():
    """The bias before a BatchNorm has a gradient of zero but for rounding, whatever the order of sums."""
    text = variants.source("ctc_recognizer")
    changed = text.replace("self.norm(self.conv(x))", "self.norm(self.conv(x.flip(0)).flip(0))")
    assert changed != text
    assert judge(variants.Variant("ctc_recognizer", "", "", "", changed)).says == "equal"


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [changes.RULES, rewrites.RULES], ids=["changes", "rewrites"])
def test_the_same_variants_each_time_and_none_twice(rules):
    names = [[v.text for v in itertools.islice(variants.variants("vae", rules), 60)] for _ in range(2)]
    assert names[0] == names[1]
    assert len(set(names[0])) == 60


def test_a_variant_accepts_the_layer_that_it_changes_and_the_one_that_holds_the_code():
    model = variants.build("gpt", reference=True)
    inside = variants.Variant("gpt", "", "", "", "", ("MLP",), ("c_fc",))
    assert inside.accepts("h.1.mlp", model)
    assert inside.accepts("h.0.mlp.c_fc", model)
    assert not inside.accepts("h.0.mlp.c_proj", model)
    assert not inside.accepts("h.0", model)
    assert not inside.accepts("", model)
    made = variants.Variant("gpt", "", "", "", "", ("GPT",), ("h",), below=True)
    assert made.accepts("h.0.attn.c_attn", model)
    assert not made.accepts("ln_f", model)
