"""Learned sparse vectors and ColBERT: by the papers' formulas, the same at any batch, saved and loaded exactly."""

import json

import pytest
import torch

from anyrank.core.errors import InputError, ModelError
from anyrank.models.base import Model
from anyrank.models.colbert import ColBERT
from anyrank.models.cross import CrossEncoder
from anyrank.models.parts import ragged
from anyrank.models.parts.model_folder import Dense, ModelFolder
from anyrank.models.parts.reading import Reading
from anyrank.models.sparse import Sparse
from anyrank.testing import tiny
from anyrank.testing.check_model import candidates_of

QUERIES = ["the river", "yes"]
GROUPS = candidates_of([["city.", "number of passage answer yes no " * 3, ""], ["the answer"]])
READING = {
    "query_marker": "[unused0]", "document_marker": "[unused1]", "query_length": 8, "document_length": 20, "expand": 8,
    "skip": ["."],
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny.pair_tokenizer(tmp_path_factory.mktemp("words"))


def made(kind, tokenizer, **options):
    torch.manual_seed(1)
    if kind is ColBERT:
        options = READING | {"dim": 8} | options
    return kind.from_config(tiny.shape("bert"), tokenizer, max_length=24, **options).eval()


KINDS = [(Sparse, {}), (Sparse, {"pooling": "sum", "activation": "log1p_relu"}), (ColBERT, {}),
         (ColBERT, {"attend": True, "wide": True, "skip_queries": True, "similarity": "meanmaxsim"})]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_scores_do_not_depend_on_the_batch(kind, options, tokenizer, monkeypatch, tmp_path):
    model = made(kind, tokenizer, **options)
    assert isinstance(model, Model)
    with torch.no_grad():
        scores = model(**model.features(QUERIES, GROUPS))
        assert scores.shape == (2, 3)
        assert scores[1, 1:].tolist() == [0.0, 0.0]
        alone = [float(model(**model.features([q], [[c]]))[0, 0]) for q, g in zip(QUERIES, GROUPS) for c in g]
        assert [*scores[0].tolist(), float(scores[1, 0])] == pytest.approx(alone, rel=1e-5)
        monkeypatch.setattr(ragged, "CHUNK", 1)
        many = model.features(QUERIES, GROUPS)
        assert len(many["chunks"]) == 4
        assert torch.allclose(model(**many), scores, rtol=1e-5)
    model.save(tmp_path)
    again = kind.from_folder(tmp_path).eval()
    with torch.no_grad():
        assert torch.equal(again(**again.features(QUERIES, GROUPS)), model(**model.features(QUERIES, GROUPS)))
    assert (again.max_length, again.kind) == (model.max_length, model.kind)


def test_sparse_weights_are_the_papers(tokenizer):
    model = made(Sparse, tokenizer)
    with torch.no_grad():
        inputs = tokenizer("the river", return_tensors="pt")
        logits = model.body(**inputs).logits[0]
        weights = model.encode(["the river", "a much longer text than that one"])[0]
        assert torch.allclose(weights, torch.log1p(logits.relu()).amax(0), atol=1e-5)
        query, text = model.encode(["yes"], query=True)[0], model.encode(["the city"])[0]
        score = model(**model.features(["yes"], candidates_of([["the city"]])))
        assert float(score) == pytest.approx(float(query @ text), rel=1e-5)


def test_colbert_is_the_papers_sum(tokenizer):
    model = made(ColBERT, tokenizer)
    with torch.no_grad():
        (query,), (text,) = model.encode(["the river"], query=True), model.encode(["city. yes"])
        assert query.norm(dim=1).tolist() == pytest.approx([1.0] * 8, abs=1e-5)  # filled up to 8 tokens
        wanted = (query @ text.T).amax(1).sum()
        score = model(**model.features(["the river"], candidates_of([["city. yes"]])))
        assert float(score) == pytest.approx(float(wanted), rel=1e-5)
    (chunk,) = model.inputs(["the river"], query=True)
    ids = chunk["input_ids"][0].tolist()
    assert ids[1] == tokenizer.convert_tokens_to_ids("[unused0]")
    assert ids[-1] == tokenizer.mask_token_id
    assert chunk["attention_mask"][0, -1] == 0
    assert chunk["counted"][0].tolist() == [1] * 8
    (chunk,) = model.inputs(["."])
    assert chunk["counted"][0].tolist() == [1, 1, 0, 1]  # the full stop doesn't count


@pytest.mark.parametrize("kind", [Sparse, ColBERT])
def test_cut_texts_are_counted(kind, tokenizer):
    model = made(kind, tokenizer)
    long = "yes " * 100
    assert model.truncated(["yes", long], candidates_of([[long, "no", long], ["no"]])) == [2, 1]


def test_a_prefix_is_read_with_its_text(tokenizer, tmp_path):
    model = made(Sparse, tokenizer, query_prefix="yes ", document_prefix="no ")
    plain = made(Sparse, tokenizer)
    with torch.no_grad():
        assert torch.equal(model.encode(["a"], query=True), plain.encode(["yes a"]))
        assert torch.equal(model.encode(["a"]), plain.encode(["no a"]))
    model.save(tmp_path)
    assert Sparse.from_folder(tmp_path).prefixes == ("no ", "yes ")


def test_any_encoder_is_a_start(tmp_path):
    torch.manual_seed(3)
    model = ColBERT.from_folder(tiny.encoder(tmp_path, "distilbert"), dim=12, query_marker="[unused0]", max_length=16)
    assert model.projection[0].linear.weight.shape == (12, 32)
    assert (model.reading.query_length, model.reading.document_length, model.max_length) == (16, 16, 16)


def test_choices_that_there_are_not(tokenizer, tmp_path):
    with pytest.raises(InputError, match="pooling='mean': choose max or sum"):
        made(Sparse, tokenizer, pooling="mean")
    with pytest.raises(InputError, match="similarity='dot': choose maxsim or meanmaxsim"):
        made(ColBERT, tokenizer, similarity="dot")
    with pytest.raises(InputError, match="query_length=2: at least 3 tokens"):
        Reading(query_length=2)
    with pytest.raises(ModelError, match=r"the marker '\[Q\]' isn't one token of this tokenizer"):
        made(ColBERT, tokenizer, query_marker="[Q]").features(QUERIES, GROUPS)
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.CNN", "path": ""}]))
    with pytest.raises(ModelError, match="the module CNN isn't supported"):
        ModelFolder.of(tmp_path)


def test_layers_are_read_as_they_were_saved(tmp_path):
    torch.manual_seed(0)
    layer = Dense(4, 3, bias=True, activation=torch.nn.Tanh(), residual=True)
    layer.save(tmp_path, "token_embeddings")
    again, x = Dense.of(tmp_path), torch.randn(2, 5, 4)
    assert torch.equal(again(x), layer(x))
    assert torch.equal(layer(x), torch.tanh(layer.linear(x)) + layer.residual(x))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"activation_function": "os.system"}))
    with pytest.raises(ModelError, match=r"the activation os\.system isn't one of torch\.nn"):
        Dense.of(tmp_path)


def test_heads_of_two_outputs(tokenizer, tmp_path):
    torch.manual_seed(1)
    model = CrossEncoder.from_config(tiny.shape("roberta"), tokenizer, max_length=24, labels=2).eval()
    with torch.no_grad():
        logits = model.body(**tokenizer("yes", "the city", return_tensors="pt")).logits[0]
        score = model(**model.features(["yes"], candidates_of([["the city"]])))
        assert float(score) == pytest.approx(float(logits[1] - logits[0]), abs=1e-5)
    model.save(tmp_path)
    assert CrossEncoder.from_folder(tmp_path).body.config.num_labels == 2
    with pytest.raises(InputError, match=r"labels=1: the head of .* has 2 outputs"):
        CrossEncoder.from_folder(tmp_path, labels=1)
