"""The int8 graph: runs in the base install, agrees with its original, and is refused where it doesn't."""

import json
import random

import pytest
import torch

from anyrank.backends.onnx.models import load
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.models.bi import BiEncoder
from anyrank.models.cross import CrossEncoder
from anyrank.models.knrm import KNRM
from anyrank.models.late import LateInteraction
from anyrank.models.sparse import Sparse
from anyrank.pipeline.parser import Settings, parse
from anyrank.testing import check_encoder, check_judge, tiny
from anyrank.train.export import by_hand, compared, export, export_folder, spearman
from anyrank.train.group import Group
from anyrank.train.recipe import Export, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import scores

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "initializer_range": 0.2}  # fmt: skip
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of"]


def groups(n=12):
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=rng.randint(1, 9))) for _ in range(n * 5)]
    return [Group.from_texts(texts[i * 5], tuple(texts[i * 5 + 1 : i * 5 + 5]), (1.0, 0.0, 0.0, 0.0)) for i in range(n)]


def made(kind, words, **options):
    torch.manual_seed(2)
    return kind.from_config(SHAPE, words, max_length=24, **options).eval()


@pytest.mark.parametrize("kind", [CrossEncoder, LateInteraction])
def test_the_graph_of_what_scores_pairs(kind, words, tmp_path):
    model = made(kind, words)
    if kind is LateInteraction:
        torch.nn.init.normal_(model.weigh.weight)
    model.save(tmp_path)
    done = export(model, tmp_path, groups(), Export(least=0.9))
    assert done.accepted
    assert done.path.stat().st_size == done.bytes
    group = groups()[3]
    ranking = Ranking(Query("q", group.query), tuple(Candidate(str(i), t) for i, t in enumerate(group.texts)))
    (mine,) = scores(model, [group])
    ranked = parse(f"model({str(tmp_path)!r})", Settings(), starts=False)(ranking)
    assert {c.id: c.score for c in ranked} == pytest.approx(
        {str(i): s for i, s in enumerate(mine)}, abs=1.5 * done.difference + 0.02
    )
    assert done.difference < 0.1 * (max(mine) - min(mine)) + 0.05


@pytest.mark.parametrize("options", [{}, {"pooling": "cls", "similarity": "dot"}])
def test_a_bi_encoders_graph(options, words, tmp_path):
    model = made(BiEncoder, words, **options)
    model.save(tmp_path)
    done = export(model, tmp_path, groups(), Export())
    assert 0.99 < done.agreement <= 1.0001
    vectors = load(tmp_path).encode(["lift of wing"]).vectors.array
    with torch.no_grad():
        mine = model.encode(["lift of wing"], query=True)
    assert torch.cosine_similarity(torch.tensor(vectors), mine).item() > 0.99
    assert torch.norm(torch.tensor(vectors)).item() == pytest.approx(mine.norm().item(), rel=0.02)


def test_a_graph_that_agrees_too_little_is_refused(words, tmp_path, caplog):
    how = Recipe(out=str(tmp_path / "out"), optimiser=Optimiser(steps=1), export=Export(least=1.0))
    done = train(how, train=groups(), model=made(CrossEncoder, words))
    assert not done.exported.accepted
    assert json.loads((tmp_path / "out" / "anyrank.json").read_text())["runtime"] == "torch"  # as it was saved
    assert not done.exported.path.exists()
    assert "is removed" in caplog.text
    assert "is required" in (tmp_path / "out" / "README.md").read_text()
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_groups_of_one_text_are_compared_together(words, tmp_path, monkeypatch):
    model = made(CrossEncoder, words)
    model.save(tmp_path)
    singles = [Group.from_texts(g.query, g.texts[:1], (1.0,)) for g in groups()]
    assert export(model, tmp_path, singles, Export(least=0.5)).accepted
    monkeypatch.setattr("anyrank.train.export.scores", lambda _, asked: [[float(i)] for i in range(len(asked))])
    assert compared(model, tmp_path, singles)[0] < 0.9


def test_models_without_a_graph(words, tmp_path):
    knrm = KNRM.from_config({"width": 8}, words)
    with pytest.raises(
        InputError, match="no int8 graph: models of kind knrm can't be exported, only cross, bi, late, sparse"
    ):
        export(knrm, tmp_path, groups(), Export())
    how = Recipe(out=str(tmp_path / "out"), optimiser=Optimiser(steps=1))
    assert train(how, train=groups(), model=knrm).exported is None


def test_what_is_written_by_hand(words):
    assert by_hand(made(CrossEncoder, words))
    assert not by_hand(CrossEncoder.from_config(SHAPE | {"hidden_act": "relu"}, words))
    assert not by_hand(made(BiEncoder, words, pooling="max"))
    assert not by_hand(made(Sparse, words, activation="log1p_relu"))


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert", "mpnet"])
@pytest.mark.parametrize("kind", [CrossEncoder, BiEncoder, LateInteraction, Sparse])
def test_any_encoder_has_a_graph(kind, family, tmp_path):
    if family != "roberta" and kind is not CrossEncoder:
        pytest.skip("one family for all kinds, and one kind for all families")
    tokenizer = tiny.pair_tokenizer(tmp_path)
    options = {"labels": 2} if kind is CrossEncoder else {"pooling": "last"} if kind is BiEncoder else {}
    torch.manual_seed(1)
    shape = tiny.shape(family) | ({"hidden_act": "relu"} if family == "bert" else {})
    model = kind.from_config(shape, tokenizer, max_length=64, **options).eval()
    assert not by_hand(model)
    model.save(tmp_path)
    done = export(model, tmp_path, groups(), Export(least=0.6))  # ranks of four texts of random scores
    assert done.accepted, done
    assert done.difference < 1
    stated = json.loads((tmp_path / "anyrank.json").read_text())
    assert stated["runtime"] == "onnx"
    # one scale a token: a text's score doesn't depend on what stands beside it
    ready = load(tmp_path)
    if kind in (BiEncoder, Sparse):
        check_encoder(ready, ["a", "lift of wing", "drag " * 20], tolerance=1e-5)
    else:
        check_judge(ready, [(Query("q", "lift"), [Candidate("1", "a"), Candidate("2", "drag " * 20)])] * 2, 1e-4)


def test_a_sparse_berts_graph_is_written_by_hand(words, tmp_path):
    torch.manual_seed(2)
    model = Sparse.from_config(SHAPE | {"vocab_size": 150}, words, max_length=24).eval()
    assert by_hand(model)
    model.save(tmp_path)
    assert export(model, tmp_path, groups(), Export(least=0.97)).accepted


def test_a_folder_is_exported_with_its_activation(tmp_path):
    tiny.encoder(tmp_path / "model", "distilbert", "cross")
    before = open_model(tmp_path / "model", runtime="torch")
    done = export_folder(str(tmp_path / "model"), tmp_path / "out", groups(), Export(least=0.9))
    assert done.accepted
    assert not list((tmp_path / "out").glob("*.safetensors"))
    pair = [(Query("q", "lift"), [Candidate("1", "the river"), Candidate("2", "yes no")])]
    mine, theirs = before(pair)[0].scores, open_model(tmp_path / "out")(pair)[0].scores
    assert all(0 < s < 1 for s in theirs)
    assert list(theirs) == pytest.approx(list(mine), abs=done.difference + 0.05)
    refused = export_folder(str(tmp_path / "model"), tmp_path / "none", groups(), Export(least=1.0))
    assert not refused.accepted
    assert not list((tmp_path / "none").rglob("*.onnx"))
    assert not (tmp_path / "none" / "anyrank.json").exists()


def test_spearman():
    from scipy.stats import spearmanr

    a, b = [3.0, 1.0, 2.0, 2.0, 9.0], [1.0, 2.0, 2.0, 5.0, 4.0]
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert spearman([1.0, 1.0], [2.0, 2.0]) == 1.0
    assert spearman([1.0, 1.0], [1.0, 2.0]) == 0.0
