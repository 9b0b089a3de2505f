"""Every kind of model keeps the promises of `models.base.Model`, and the suite catches models that don't."""

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.core.errors import InputError
from anyrank.domains.peptides.corrupt import practice
from anyrank.domains.peptides.simulate import simulated
from anyrank.models import kinds, model_class
from anyrank.models.axial import Shape
from anyrank.models.parts.words import WordModel
from anyrank.testing.check_model import check_model
from anyrank.train.judge import ModelJudge

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of"]
SMALL = Shape(width=16, heads=2, ffn=32, layers=1, spectrum_layers=1, dropout=0.0, positions=24, peaks=20)
MASSES = [42.01057, 57.02146, 71.03711, 113.08406, 128.09496]
PEPTIDES = {
    "axial": lambda: model_class("axial")(SMALL),
    "next_residue": lambda: model_class("next_residue")(MASSES, SMALL),
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def made(kind, tokenizer):
    torch.manual_seed(1)
    if kind in PEPTIDES:
        return PEPTIDES[kind]()
    kinds = model_class(kind)
    return kinds.from_config({"width": 8} if issubclass(kinds, WordModel) else SHAPE, tokenizer, max_length=24)


def by_name(folder):
    import json

    stated = json.loads((folder / "anyrank.json").read_text())
    return ModelJudge(model_class(stated["kind"]).from_folder(folder))


DECODERS = {"verdict", "promptreps", "instructed", "likelihood"}
"""Kinds whose prompts need a tokenizer of their own: tests/models/test_decoders.py, test_likelihood.py."""


@pytest.mark.parametrize("kind", sorted(set(kinds()) - set(PEPTIDES) - DECODERS - {"image_text"}))
def test_models_of_texts_keep_the_contract(kind, tokenizer, tmp_path):
    check_model(made(kind, tokenizer), tmp_path / "m", by_name=by_name, titles=kind != "pyramid")


@pytest.mark.parametrize("kind", PEPTIDES)
def test_models_of_peptides_keep_the_contract(kind, tokenizer, tmp_path):
    rankings = practice(simulated(3, seed=4), 4)
    contents = [[c.content for c in ranking][: i + 1] for i, ranking in enumerate(rankings)]
    queries = [ranking.query.content for ranking in rankings]
    model = made(kind, tokenizer)
    check_model(model, tmp_path / "m", queries, contents, texts=False, sees_all=kind == "axial", by_name=by_name)
    assert model.truncated(queries, [[]] * 3) == [1, 1, 1]  # more than 20 peaks each


def test_a_saved_bi_encoder_keeps_its_temperature(tokenizer, tmp_path):
    model = model_class("bi").from_config(SHAPE, tokenizer, max_length=24, temperature=0.2)
    check_model(model, tmp_path / "m")
    assert model_class("bi").from_folder(tmp_path / "m").temperature == 0.2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"forward": lambda self, real, f: real(**f) + f["mask"].sum()}, "the score of padding"),
        ({"forward": lambda self, real, f: real(**f) * f["mask"].sum(1, keepdim=True)}, "other candidates"),
        ({"forward": lambda self, real, f: real(**f) * f["mask"].cumsum(1)}, "order of the candidates"),
        ({"forward": lambda self, real, f: real(**f) / 0}, "no number"),
        ({"truncated": lambda self, real, *a: [0] * len(a[0])}, "a cut text is not counted"),
    ],
)
def test_what_breaks_the_contract_is_named(broken, message, tokenizer, tmp_path, monkeypatch):
    model = made("knrm", tokenizer)
    torch.nn.init.ones_(model.out.weight)
    cls = type(model)
    for name, wrong in broken.items():
        real = getattr(model, name)
        if name == "forward":
            monkeypatch.setattr(cls, name, lambda self, _w=wrong, _r=real, **f: _w(self, _r, f))
        else:
            monkeypatch.setattr(cls, name, lambda self, *a, _w=wrong, _r=real: _w(self, _r, *a))
    with pytest.raises(AssertionError, match=message):
        check_model(model, tmp_path / "m")


def test_kinds_are_the_files():
    assert {"axial", "bi", "cross", "knrm", "late", "next_residue"} <= set(kinds())
    for kind in kinds():
        assert model_class(kind).kind == kind
    assert model_class("dense") is model_class("bi")  # as anyrank.json calls it
    for wrong in ("base", "parts", "crss"):
        with pytest.raises(InputError, match=f"no kind of model '{wrong}'.*known are anmm"):
            model_class(wrong)
