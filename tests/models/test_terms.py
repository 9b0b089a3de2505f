"""Models that weigh terms (uniCOIL, DeepImpact, DeepCT, COIL): the papers' formulas, their vectors, and search."""

import numpy as np
import pytest
import torch

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.judges.similarity import Similarity
from anyrank.models import model_class
from anyrank.models.coil import COIL
from anyrank.models.deepct import DeepCT
from anyrank.models.deepimpact import DeepImpact
from anyrank.models.parts.terms import NONE, WORDS, whole
from anyrank.models.unicoil import UniCOIL
from anyrank.testing import check_encoder
from anyrank.testing.check_model import candidates_of
from anyrank.vectors import Sparse

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "lift",
    "drag",
    "wing",
    "##s",
    "##let",
    "flow",
    "heat",
    "of",
    ".",
]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
         "initializer_range": 0.4}  # fmt: skip
KINDS = ("unicoil", "deepimpact", "deepct", "coil")
DOCS = ["lift of wings. lift", "drag of heat flow", "flow", "wing wing lift heat", "winglet drag drag.", ""]
QUERIES = ["wing lift lift", "winglets of heat", "drag"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import BertTokenizerFast

    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def made(kind, tokenizer, **options):
    """A model with a head that tells texts apart."""
    torch.manual_seed(1)
    options = ({"dim": 4, "whole": 6} if kind == "coil" else {}) | options
    model = model_class(kind).from_config(SHAPE, tokenizer, max_length=24, **options).eval().requires_grad_(False)
    for name, values in model.named_parameters():
        if not name.startswith("body."):
            torch.nn.init.normal_(values, std=0.5)
    return model


def table(model, queries, docs):
    """The scores of all documents for each query by the model's own forward."""
    groups = candidates_of([docs] * len(queries))
    return model(**model.features(queries, groups)).numpy()


def states_of(model, text):
    """The states [tokens, width] of a text alone."""
    return model.body(**model.tokenizer(text, return_tensors="pt")).last_hidden_state[0]


def test_terms_are_pieces_or_words(tokenizer):
    (chunk,) = made("unicoil", tokenizer).inputs(["wings of lift. wings"])
    assert chunk["terms"].tolist() == [[NONE, 7, 8, 12, 5, 13, 7, 8, NONE]]
    model = made("deepimpact", tokenizer)
    (chunk,) = model.inputs(["wings of lift. wings winglet"])
    wings, winglet = chunk["terms"][0, 1].item(), chunk["terms"][0, 8].item()
    # once a word, by its first piece; marks are none; a word of several pieces is behind the vocabulary
    assert chunk["terms"].tolist() == [[NONE, wings, NONE, 12, 5, NONE, NONE, NONE, winglet, NONE, NONE]]
    assert len({wings, winglet}) == 2
    assert all(len(PIECES) <= n < len(PIECES) + WORDS for n in (wings, winglet))
    assert wings == len(PIECES) + 261791  # the same in every index, for good
    assert model.vocabulary == len(PIECES) + WORDS


def test_unicoil_is_the_papers_sum(tokenizer):
    model = made("unicoil", tokenizer)
    states = {
        t: model.body(**tokenizer(t, return_tensors="pt")).last_hidden_state[0]
        for t in ("lift wing lift", "wing lift lift heat")
    }
    q, d = (model.weigh(s).relu()[:, 0].tolist() for s in states.values())
    expected = q[1] * max(d[2], d[3]) + q[2] * d[1] + q[3] * max(d[2], d[3])
    assert expected > 0
    assert table(model, ["lift wing lift"], ["wing lift lift heat"])[0, 0] == pytest.approx(expected, rel=1e-5)


def test_deepimpact_adds_the_impacts_of_shared_words(tokenizer):
    model = made("deepimpact", tokenizer)
    impact = model.impact(states_of(model, "wings lift lift"))[:, 0].tolist()
    scores = table(model, ["lift wings wings", "wing", "wings"], ["wings lift lift"])[:, 0]
    assert scores.tolist() == pytest.approx([impact[1] + impact[3], 0.0, impact[1]], rel=1e-5)
    assert model.options()["dropout"] == 0.1


def test_coil_without_equal_pieces_is_the_whole_texts_product(tokenizer):
    model = made("coil", tokenizer)
    states = [
        model.body(**tokenizer(t, return_tensors="pt")).last_hidden_state[0, 0] for t in ("lift heat", "drag flow")
    ]
    expected = float(model.whole(states[0]) @ model.whole(states[1]))
    assert table(model, ["lift heat"], ["drag flow"])[0, 0] == pytest.approx(expected, rel=1e-4)
    # without the whole text's vector: dimension 1 and all pieces different is 0
    model = made("coil", tokenizer, dim=1, whole=0)
    assert table(model, ["lift heat"], ["drag flow"])[0, 0] == 0


def test_coil_of_one_number_is_unicoil(tokenizer):
    unicoil, coil = made("unicoil", tokenizer), made("coil", tokenizer, dim=1, whole=0)
    coil.body = unicoil.body
    coil.token.weight.data = unicoil.weigh.weight.data.abs()
    unicoil.weigh.weight.data = coil.token.weight.data
    # weights above 0, where uniCOIL's relu does nothing
    coil.token.bias.data[:] = unicoil.weigh.bias.data[:] = 50.0
    assert np.allclose(table(unicoil, QUERIES, DOCS), table(coil, QUERIES, DOCS), rtol=1e-6)
    assert table(coil, QUERIES, DOCS).any()


@pytest.mark.parametrize("kind", KINDS)
def test_search_gives_the_scores_of_the_model_exactly(kind, tokenizer, tmp_path):
    model = made(kind, tokenizer)
    model.save(tmp_path / "m")
    encoder = open_model(tmp_path / "m")
    check_encoder(encoder, DOCS, tolerance=1e-5)
    collection = build((Candidate(f"d{i}", text) for i, text in enumerate(DOCS)), tmp_path / "index")
    collection.encode(encoder, "m", shard=2)
    queries, docs = encoder.encode(QUERIES, query=True).vectors, encoder.encode(DOCS).vectors
    scores, matches = table(model, QUERIES, DOCS), collection.vectors("m").search(queries, 10)
    for q, row in enumerate(matches):
        if isinstance(docs, Sparse):  # impact search is the dense dot product
            dense = queries.filled()[q] @ docs.filled().T
            assert dict(row) == pytest.approx({f"d{i}": s for i, s in enumerate(dense) if s}, rel=1e-6)
        assert {i: s for i, s in row if s} == pytest.approx(
            {f"d{i}": s for i, s in enumerate(scores[q][:5]) if s}, rel=1e-4
        )
    groups = [(Query("q", q), [Candidate(f"d{i}", t) for i, t in enumerate(DOCS[:5])]) for q in QUERIES]
    for judgement, row in zip(Similarity(encoder)(groups), scores):
        assert judgement.scores == pytest.approx(row[:5].tolist(), rel=1e-4, abs=1e-6)


def test_weights_in_eight_bits(tokenizer, tmp_path):
    model = made("unicoil", tokenizer, bits=8, most=5.0)
    model.save(tmp_path)
    plain, stored = open_model(tmp_path, bits=0), open_model(tmp_path)
    for query in (False, True):
        full, small = plain.encode(DOCS, query=query).vectors, stored.encode(DOCS, query=query).vectors
        assert np.array_equal(small.filled(), np.minimum(np.rint(full.filled() * (256 / 5)), 256))
    up = made("deepimpact", tokenizer, bits=8, most=2.0)
    (chunk,) = up.inputs(["lift wing"])
    impacts = dict(zip([5, 7], up.document(chunk)[1][0, 1:3, 0].tolist()))
    assert up.vectors(chunk).row(0) == {t: min(np.ceil(np.float32(v) * 128), 256) for t, v in impacts.items() if v > 0}
    assert up.vectors(chunk, query=True).row(0) == {5: 1.0, 7: 1.0}  # a query's words count once, whatever the bits
    with pytest.raises(InputError, match=r"bits=12, most=5.0: expected 0 \(none\) to 11 bits"):
        made("unicoil", tokenizer, bits=12)
    # whole numbers of 11 bits and less are exact in half precision
    values = whole(Sparse.of([{i: i / 50 for i in range(1, 200)}], 200), 11, 4.0).values
    assert np.array_equal(values.astype(np.float16), values)


def test_deepct_learns_the_share_of_queries_with_a_word(tokenizer):
    model = made("deepct", tokenizer)
    features = model.features(["lift wings", "lift"], candidates_of([["wings of lift.", "drag"], ["wings of lift."]]))
    loss = model.loss(features, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    (chunk,) = model.inputs(["wings of lift."])
    wings, of, lift = model.document(chunk)[1][0, chunk["terms"][0] != NONE, 0].tolist()
    each = [(wings - 1) ** 2, of**2, (lift - 1) ** 2, wings**2, of**2, (lift - 1) ** 2]
    assert float(loss) == pytest.approx(sum(each) / 6, rel=1e-5)
    # of both queries together, least where the weights are the recall: 1/2, 0, 1
    gradient = [2 * (wings - 0.5), 2 * of, 2 * (lift - 1)]
    assert sum(each) == pytest.approx(sum(g * g / 2 for g in gradient) + 0.5, rel=1e-5)
    assert float(model.loss(features, torch.zeros(2, 2))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_head_counts_shared_terms(kind, tokenizer):
    torch.manual_seed(0)
    model = model_class(kind).from_config(SHAPE, tokenizer, max_length=24).eval().requires_grad_(False)
    if kind != "coil":
        scores = table(model, ["lift heat of"], ["lift heat wing", "lift", "drag"])[0]
        assert scores[0] > scores[1] > scores[2] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_in_batch_scores_are_of_every_query_with_every_text(kind, tokenizer):
    model = made(kind, tokenizer, in_batch=True)
    groups = [DOCS[:3], DOCS[3:5]]
    features = model.features(QUERIES[:2], candidates_of(groups))
    narrow, apart = model(**features), table(model, QUERIES[:2], DOCS[:5])
    model.train()
    for part in model.modules():  # no dropout, so that both passes are alike
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    wide = model(**features)
    assert wide.shape == (2, 6)
    assert narrow.shape == (2, 3)
    assert wide[:, :5].numpy() == pytest.approx(apart, rel=1e-4, abs=1e-5)
    assert not wide[:, 5].any()  # the column of a text that there isn't
    assert "in_batch" not in model.options()  # how a model is trained isn't part of it


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_of_single_precision_under_autocast(kind, in_batch, tokenizer):
    model = made(kind, tokenizer, in_batch=in_batch)
    features = model.features(QUERIES[:1], candidates_of([DOCS[:5]]))
    (chunk,) = features["chunks"]
    with torch.autocast("cpu", torch.bfloat16):
        query, document = model.query(features["queries"]), model.document(chunk)
        model.training = in_batch  # the model's own parts stay without dropout
        scores = model(**features)[0, chunk["rows"]]
    expected = model.compare(*(x[[0] * len(chunk["rows"])] for x in query), *document)
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_sizes_that_no_coil_has(tokenizer):
    with pytest.raises(InputError, match="dim=0, whole=0: expected 1 or more a piece"):
        made("coil", tokenizer, dim=0, whole=0)


def test_kinds_are_in_the_package():
    assert [model_class(kind) for kind in KINDS] == [UniCOIL, DeepImpact, DeepCT, COIL]
