"""What all models share: groups in, scores [B, n] out, the same whatever they are batched with, saved and loaded."""

import copy

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.core.errors import InputError, ModelError
from anyrank.models.bi import BiEncoder
from anyrank.models.cross import CrossEncoder
from anyrank.models.knrm import KNRM
from anyrank.models.late import LateInteraction
from anyrank.models.parts import ragged
from anyrank.testing.check_model import candidates_of

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of"]
QUERIES = ["lift of wing", "heat"]
TEXTS = [["wing", "lift lift drag plate of flow heat wing layer", ""], ["heat shock"]]
GROUPS = candidates_of(TEXTS)
KINDS = ["cross", "bi", "bi-cls-dot", "late", "knrm"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def made(kind, tokenizer, length=16):
    torch.manual_seed(1)
    if kind == "knrm":
        return KNRM.from_config({"width": 8}, tokenizer, max_length=length).eval()
    if kind == "cross":
        return CrossEncoder.from_config(SHAPE, tokenizer, max_length=length).eval()
    if kind == "late":
        return weighing(LateInteraction.from_config(SHAPE, tokenizer, max_length=length, scales=(3.0, 1.0, 2.0))).eval()
    options = {"pooling": "cls", "similarity": "dot"} if kind == "bi-cls-dot" else {}
    return BiEncoder.from_config(SHAPE, tokenizer, max_length=length, **options).eval()


def weighing(model):
    """With token weights that differ."""
    torch.nn.init.normal_(model.weigh.weight)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_scores_do_not_depend_on_the_batch(kind, tokenizer, monkeypatch):
    model = made(kind, tokenizer)
    with torch.no_grad():
        scores = model(**model.features(QUERIES, GROUPS))
        assert scores.shape == (2, 3)
        assert scores[1, 1:].tolist() == [0.0, 0.0]
        assert len(set(scores[0].tolist())) == 3
        alone = [
            float(model(**model.features([q], candidates_of([[t]])))[0, 0]) for q, ts in zip(QUERIES, TEXTS) for t in ts
        ]
        assert scores[model.features(QUERIES, GROUPS)["mask"]].tolist() == pytest.approx(alone, abs=1e-5)
        monkeypatch.setattr(ragged, "CHUNK", 1)
        many = model.features(QUERIES, GROUPS)
        assert len(many["chunks"]) == 4
        assert torch.allclose(model(**many), scores, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_the_same(kind, tokenizer, tmp_path):
    model = made(kind, tokenizer, length=300)
    model.save(tmp_path)
    again = type(model).from_folder(tmp_path).eval()
    assert again.max_length == 300
    with torch.no_grad():
        features = model.features(QUERIES, GROUPS)
        assert torch.equal(model(**features), again(**again.features(QUERIES, GROUPS)))


def test_poolings_that_there_are_not(tokenizer, tmp_path):
    with pytest.raises(InputError, match="pooling='best': choose mean or cls or max or last"):
        BiEncoder.from_config(SHAPE, tokenizer, pooling="best")
    with pytest.raises(InputError, match="similarity='cos': choose cosine or dot"):
        BiEncoder.from_config(SHAPE, tokenizer, similarity="cos")
    made("bi", tokenizer).save(tmp_path)
    config = tmp_path / "1_Pooling" / "config.json"
    config.write_text('{"pooling_mode_mean_tokens": false, "pooling_mode_weightedmean_tokens": true}')
    with pytest.raises(
        ModelError, match="pooling weightedmean_tokens isn't supported: expected one of cls, mean, max, last"
    ):
        BiEncoder.from_folder(tmp_path)
    assert BiEncoder.from_folder(tmp_path, pooling="cls").pooling == "cls"


@pytest.mark.parametrize("kind", KINDS[:4])
def test_no_model_is_longer_than_its_positions(kind, tokenizer):
    assert made(kind, tokenizer, length=512).max_length == 512
    with pytest.raises(InputError, match="max_length=513: this model reads 512 tokens at most"):
        made(kind, tokenizer, length=513)


def test_positions_that_start_after_the_paddings_own(tokenizer):
    shape = SHAPE | {"model_type": "roberta", "max_position_embeddings": 34, "pad_token_id": 1}
    assert CrossEncoder.from_config(shape, tokenizer, max_length=32).max_length == 32
    with pytest.raises(InputError, match="reads 32 tokens at most"):
        CrossEncoder.from_config(shape, tokenizer, max_length=33)


def test_texts_are_cut(tokenizer):
    model = made("cross", tokenizer, length=10)
    (chunk,) = model.features(["lift of wing"], candidates_of([["heat " * 50]]))["chunks"]
    assert chunk["input_ids"].shape == (1, 10)
    assert tokenizer.decode(chunk["input_ids"][0]) == "[CLS] lift of wing [SEP] heat heat heat heat [SEP]"


def test_a_head_keeps_single_precision_under_autocast(tokenizer):
    model = made("cross", tokenizer)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = model(**model.features(QUERIES, GROUPS))[0]
    assert (scores != scores.bfloat16().float()).any()


def test_a_copy_of_a_model_reads_its_own_head(tokenizer):
    model = made("cross", tokenizer)
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.body.classifier.bias += 1
        features = model.features(["heat"], candidates_of([["heat shock"]]))
        assert float(other(**features)) == pytest.approx(float(model(**features)) + 1)


def test_in_batch_scores_are_of_every_query_with_every_text(tokenizer):
    model = made("bi", tokenizer)
    model.in_batch = True
    features = model.features(QUERIES, GROUPS)
    with torch.no_grad():
        narrow = model(**features)
        wide = model.train()(**features)
        model.body.eval()
        wide = model(**features)
    assert wide.shape == (2, 6)
    assert torch.allclose(wide[0, :3], narrow[0], atol=1e-5)
    assert torch.allclose(wide[1, 3], narrow[1, 0], atol=1e-5)
    assert wide[:, 4:].abs().max() == 0  # the places of texts that there aren't


def test_in_batch_scores_are_of_single_precision_under_autocast(tokenizer):
    model = made("bi", tokenizer)
    features = model.features(QUERIES, GROUPS)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        narrow = model(**features)
        model.in_batch = model.training = True  # its body stays without dropout
        wide = model(**features)
    assert wide[0, :3].tolist() == pytest.approx(narrow[0].tolist(), rel=1e-5)


def test_saved_cross_encoders_are_sentence_transformers(tokenizer, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    model = made("cross", tokenizer)
    model.save(tmp_path)
    theirs = st.CrossEncoder(str(tmp_path), device="cpu").predict([(QUERIES[0], t) for t in TEXTS[0]])
    with torch.no_grad():
        assert theirs.tolist() == pytest.approx(model(**model.features(QUERIES, GROUPS))[0].tolist(), abs=1e-5)


@pytest.mark.parametrize("kind", ["bi", "bi-cls-dot"])
def test_saved_bi_encoders_are_sentence_transformers(kind, tokenizer, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    model = made(kind, tokenizer)
    model.save(tmp_path)
    theirs = st.SentenceTransformer(str(tmp_path), device="cpu")
    with torch.no_grad():
        mine = model.embed(ragged.chunks(tokenizer, TEXTS[0], None, 16))
    assert theirs.max_seq_length == 16
    assert torch.allclose(torch.tensor(theirs.encode(TEXTS[0])), mine, atol=1e-5)
    assert theirs.similarity_fn_name == model.similarity


def test_late_interaction_is_what_the_formula_says(tokenizer):
    model = made("late", tokenizer)
    with torch.no_grad():
        q, _ = model.embed(ragged.chunks(tokenizer, ["lift of wing"], None, 16)[0])
        d, _ = model.embed(ragged.chunks(tokenizer, ["wing drag"], None, 16)[0])
        near = torch.nn.functional.cosine_similarity(q[0][:, None], d[0][None], dim=-1).amax(1)
        weights = model.weigh(q[0])[:, 0].softmax(0)
        whole = torch.cosine_similarity(q[0].mean(0), d[0].mean(0), dim=0)
        wanted = 3 * (weights * near).sum() + near.mean() + 2 * whole
        assert float(model(**model.features(["lift of wing"], candidates_of([["wing drag"]])))) == pytest.approx(
            float(wanted), 1e-5
        )


def test_rare_tokens_weigh_more(tokenizer):
    model = LateInteraction.from_config(SHAPE, tokenizer, max_length=16)
    texts = ["of lift of drag", "of wing", "of flow of heat", "of plate", "of shock layer"] * 4
    queries = ["of shock", "layer of", "of of drag", "heat of wing"] * 4
    first = model.weigh_by_rarity(queries, texts)
    direction = model.weigh.weight.clone()
    assert 0.5 < first <= 1
    assert model.weigh_by_rarity(queries, texts) == pytest.approx(first)
    assert torch.equal(model.weigh.weight, direction)
    assert model.training
    q, _ = model.eval().embed(model.features(["of shock"], candidates_of([[""]]))["queries"])
    weights = model.weigh(q[0])[:, 0]
    assert weights[2] > weights[1]
    with pytest.raises(InputError, match="needs queries and texts"):
        model.weigh_by_rarity([], texts)


@pytest.mark.parametrize("scales", [[1, 2], ["a", 1, 2], []])
def test_scales_are_three_numbers(scales, tokenizer):
    with pytest.raises(InputError, match="expected three numbers"):
        LateInteraction.from_config(SHAPE, tokenizer, scales=scales)
