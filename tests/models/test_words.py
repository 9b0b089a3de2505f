"""Models of words: hand-computed pieces, tables of vectors, and scores that padding, order and batches don't move."""

import gzip
import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import BertTokenizerFast

from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Candidate
from anyrank.models import kinds, model_class
from anyrank.models.parts import ragged
from anyrank.models.parts.interaction import cosines, even_shares, k_max, kernel_sums, masked_softmax
from anyrank.models.parts.spatial_gru import SpatialGRU
from anyrank.models.parts.trigrams import Trigrams
from anyrank.models.parts.word_vectors import vectors_of, word_tokenizer
from anyrank.models.parts.words import Side, WordModel
from anyrank.testing.check_model import candidates_of
from anyrank.train.losses import hinge

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of"]
KINDS = sorted(k for k in kinds() if issubclass(model_class(k), WordModel))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


@pytest.fixture(scope="module")
def models(tokenizer):
    torch.manual_seed(3)
    return {kind: model_class(kind)(tokenizer, width=8, max_length=16, query_length=6).eval() for kind in KINDS}


def scored(model, queries, groups):
    with torch.no_grad():
        return model(**model.features(queries, groups))


def side(tokenizer, *texts):
    """Texts as a side without vectors, padded to the longest."""
    rows = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
    width = max(map(len, rows))
    ids = torch.tensor([[*r, *[0] * (width - len(r))] for r in rows])
    real = torch.tensor([[1.0] * len(r) + [0.0] * (width - len(r)) for r in rows])
    return Side(ids, real, torch.zeros(*ids.shape, 1))


texts = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    queries=st.lists(texts, min_size=1, max_size=3),
    data=st.data(),
    chunk=st.sampled_from([1, 12, 2048]),
    side=st.sampled_from(["left", "right"]),
)
def test_padding_batches_and_order_move_no_score(kind, models, queries, data, chunk, side):
    model = models[kind]
    groups = candidates_of([data.draw(st.lists(texts, min_size=1, max_size=4)) for _ in queries])
    alone = [[scored(model, [q], [[c]]).item() for c in g] for q, g in zip(queries, groups)]
    orders = [data.draw(st.permutations(range(len(g)))) for g in groups]
    before, ragged.CHUNK, model.tokenizer.padding_side = ragged.CHUNK, chunk, side
    try:
        together = scored(model, queries, [[g[i] for i in order] for g, order in zip(groups, orders)])
    finally:
        ragged.CHUNK, model.tokenizer.padding_side = before, "right"
    for row, wanted, order in zip(together.tolist(), alone, orders):
        assert row[: len(order)] == pytest.approx([wanted[i] for i in order], abs=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_that_learns_has_a_gradient(kind, tokenizer):
    torch.manual_seed(0)
    several = {"passage": 2} if kind == "hint" else {}  # so that its LSTM has states before the last
    model = model_class(kind)(tokenizer, width=8, max_length=16, query_length=6, **several).train()
    groups = candidates_of([["lift of wing lift", "heat flow plate", "shock wing layer of"]] * 4)
    queries = ["lift of wing", "heat", "wing lift", "of shock layer"]
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    hinge(model(**model.features(queries, groups)), labels, torch.ones(4, 3, dtype=torch.bool)).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    # the bias of a last linear layer shifts all scores alike, and a softmax forgets an offset
    assert [n for n in without if not n.endswith("bias")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_is_that_of_the_score(kind, tokenizer):
    """The gradient of the score along a random direction against the difference of two scores, in double precision."""
    torch.manual_seed(1)
    model = model_class(kind)(tokenizer, width=8, max_length=16, query_length=6).double().eval()
    features = model.features(["lift of wing"], candidates_of([["wing lift heat of", "drag"]]))
    parameters = [p for p in model.parameters() if p.requires_grad]
    directions = [torch.randn_like(p) for p in parameters]

    @torch.no_grad()
    def moved(step):
        for p, d in zip(parameters, directions):
            p += step * d
        return double(model, features).sum().item()

    gradients = torch.autograd.grad(double(model, features).sum(), parameters, allow_unused=True)
    slope = sum((g * d).sum().item() for g, d in zip(gradients, directions) if g is not None)
    step = 1e-7
    assert slope == pytest.approx((moved(step) - moved(-2 * step)) / (2 * step), rel=1e-3, abs=1e-4)


def double(model, features):
    """Scores in double precision: `filled` gathers them in single precision, so the pairs are scored one by one."""
    query = model.side(features["queries"])
    return torch.cat(
        [
            model.score(Side(query.ids.expand(len(c["rows"]), -1), query.real.expand(len(c["rows"]), -1),
                             query.vectors.expand(len(c["rows"]), -1, -1)), model.side(c))
            for c in features["chunks"]
        ]
    )  # fmt: skip


def test_histograms_by_hand(tokenizer):
    model = model_class("drmm")(tokenizer, width=8, bins=5)
    matrix, real = torch.tensor([[[1.0, 0.99, -1.0, 0.0, 1.0]]]), torch.tensor([[1.0, 1, 1, 1, 0]])
    # bins of 5: floor((c + 1) / 2 * 4): the last holds 1 alone, .99 is in the one before; the fifth word is padding
    assert model.counts(matrix, real)[0, 0].tolist() == pytest.approx(
        [math.log(2), 0, math.log(2), math.log(2), math.log(2)]
    )
    model.histogram = "nh"
    assert model.counts(matrix, real)[0, 0].tolist() == pytest.approx([0.25, 0, 0.25, 0.25, 0.25])
    model.histogram = "ch"
    assert model.counts(matrix, real)[0, 0].tolist() == [1, 0, 1, 1, 1]
    with pytest.raises(InputError, match="histogram='lhc': expected lch, nh or ch"):
        model_class("drmm")(tokenizer, histogram="lhc")
    with pytest.raises(InputError, match="gate='df': expected idf or vector"):
        model_class("drmm")(tokenizer, gate="df")


def test_sums_of_bins_by_hand(tokenizer):
    model = model_class("anmm")(tokenizer, width=8, bins=3)
    sums = model.sums(torch.tensor([[[1.0, 0.4, 0.3, -0.2, 0.9]]]), torch.tensor([[1.0, 1, 1, 1, 0]]))
    assert sums[0, 0].tolist() == pytest.approx([-0.2, 0.7, 1.0])


def test_shared_pieces_by_hand():
    assert k_max(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([[1.0, 1.0, 0.0]]), 2).tolist() == [[3.0, 1.0]]
    assert kernel_sums(torch.tensor([[[0.0, 0.1]]]), torch.ones(1, 2), [0.0], [0.1]).item() == pytest.approx(
        1 + math.exp(-0.5)
    )
    assert masked_softmax(torch.tensor([[0.0, 0.0, 9.0]]), torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [
        [0.5, 0.5, 0.0]
    ]
    assert masked_softmax(torch.tensor([[1.0]]), torch.tensor([[0.0]])).tolist() == [[0.0]]
    assert cosines(torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[6.0, 8.0], [0.0, 0.0]]])).tolist() == [[[1.0, 0.0]]]
    shares = even_shares(torch.tensor([[1.0, 1.0, 1.0]]), 2)  # the middle word is in both halves
    assert shares[0].tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    assert even_shares(torch.tensor([[1.0, 0.0]]), 3)[0].tolist() == [[1.0, 0.0]] * 3  # a range takes what there is
    assert even_shares(torch.zeros(1, 2), 2).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_the_spatial_gru_is_the_recursion_cell_by_cell():
    torch.manual_seed(0)
    gru, matrix = SpatialGRU(3, 4), torch.randn(2, 3, 4, 3)
    rows, columns = torch.tensor([3, 2]), torch.tensor([2, 4])
    for pair in range(2):
        zero, states = torch.zeros(4), {}
        for i in range(rows[pair]):
            for j in range(columns[pair]):
                near = [states.get(p, zero) for p in ((i, j - 1), (i - 1, j), (i - 1, j - 1))]
                states[i, j] = gru.step(matrix[pair, i, j], torch.cat(near))
        last = states[int(rows[pair]) - 1, int(columns[pair]) - 1]
        assert torch.allclose(gru(matrix, rows, columns)[pair], last, atol=1e-6)
    assert gru(matrix, torch.tensor([0, 1]), torch.tensor([2, 0])).tolist() == [[0.0] * 4] * 2


def test_trigrams_are_counted(tokenizer):
    made = Trigrams(tokenizer, 2)
    ids = tokenizer("wing of", add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        made.weight.copy_(torch.ones_like(made.weight))
    assert made(ids).tolist() == [[[4.0, 4.0], [2.0, 2.0]]]  # #wi win ing ng#; #of of#
    assert made(torch.tensor([[0]])).tolist() == [[[0.0, 0.0]]]  # padding has none
    shared = {n: set(made.rows[made.offsets[i] : made.offsets[i + 1]].tolist()) for n, i in tokenizer.vocab.items()}
    assert len(shared["wing"] & shared["lift"]) == 0
    assert len(shared["plate"]) == 5


def test_exact_matches_of_duet_and_occurrences_of_deeprank(tokenizer):
    query, text = side(tokenizer, "lift wing"), side(tokenizer, "wing of wing wing lift")
    at, occurs = model_class("deeprank")(tokenizer, width=8, places=2).occurrences(query, text)
    assert (at * occurs).tolist() == [[[4, 0], [0, 2]]]
    assert occurs.tolist() == [[[1, 0], [1, 1]]]
    duet = model_class("duet")(tokenizer, width=8, max_length=16, query_length=6).eval()
    shuffled = side(tokenizer, "lift wing wing wing of")
    with torch.no_grad():
        same = duet.exact(query, text) == duet.exact(query, shuffled)
        unknown = duet.exact(query, side(tokenizer, "heat")), duet.exact(query, side(tokenizer, "drag plate"))
    assert not same.any()  # places matter
    assert torch.equal(*unknown)  # other words don't


def test_rows_are_shuffled_in_training_alone(tokenizer):
    torch.manual_seed(0)
    model = model_class("co_pacrr")(tokenizer, width=8, query_length=6)
    features = model.features(["lift of wing"], candidates_of([["wing lift heat of", "drag"]]))
    with torch.no_grad():
        assert len({tuple(model.train()(**features)[0].tolist()) for _ in range(6)}) > 1
        assert len({tuple(model.eval()(**features)[0].tolist()) for _ in range(3)}) == 1


def test_words_are_counted_once(tokenizer):
    model = model_class("drmm")(tokenizer, width=8)
    model.count(["wing wing", "wing of", "wing of"])  # a text that comes twice counts once
    wing, of, heat = tokenizer.convert_tokens_to_ids(["wing", "of", "heat"])
    assert model.idf[[wing, of, heat]].tolist() == pytest.approx([0.0, math.log(3 / 2), math.log(3)])
    model.count(["heat"])
    assert model.idf[heat].item() == pytest.approx(math.log(3))
    model_class("knrm")(tokenizer, width=8).count(["heat"])  # has no statistics


def test_a_file_of_vectors_is_a_start(tmp_path):
    lines = ["3 2", "Wing 1 0", "lift 0 1", "new york 0.5 0.5", "lift 9 9"]
    plain, packed = tmp_path / "v.vec", tmp_path / "v.txt.gz"
    plain.write_text("\n".join(lines) + "\n")
    packed.write_bytes(gzip.compress("\n".join(lines[1:]).encode()))
    for file in (plain, packed):
        tokenizer, table = vectors_of(file)
        ids = tokenizer("Wing, lift wing", add_special_tokens=False)["input_ids"]
        assert table[ids].tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]  # with capitals: cased
    model = model_class("knrm").from_folder(plain, max_length=40)
    assert (model.width, model.max_length) == (2, 40)
    model.save(tmp_path / "m")
    again = model_class("knrm").from_folder(tmp_path / "m")
    groups = candidates_of([["Wing lift", "other"]])
    assert torch.equal(scored(again.eval(), ["lift"], groups), scored(model.eval(), ["lift"], groups))
    (tmp_path / "bad.txt").write_text("a 1 2\nb 1\n")
    with pytest.raises(InputError, match=r"bad\.txt:2: "):
        vectors_of(tmp_path / "bad.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match=r"empty\.txt"):
        vectors_of(tmp_path / "empty.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="no table of word pieces"):
        vectors_of(tmp_path / "folder")
    assert word_tokenizer({"[PAD]": 0, "[UNK]": 1, "wing": 2})("WING")["input_ids"] == [2]


def test_a_transformers_table_is_a_start(tmp_path, tokenizer):
    from transformers import BertConfig, BertModel

    body = BertModel(BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                intermediate_size=8))  # fmt: skip
    body.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = model_class("conv_knrm").from_folder(tmp_path, filters=4)
    assert torch.equal(model.words.weight, body.embeddings.word_embeddings.weight[: len(tokenizer)])
    assert model.filters == 4


def test_options_are_saved_and_stay(tmp_path, tokenizer):
    model = model_class("co_pacrr")(tokenizer, width=8, query_length=6, window=2, top=3, frozen=True)
    model.save(tmp_path / "m")
    again = model_class("co_pacrr").from_folder(tmp_path / "m")
    assert (again.window, again.top, again.shuffle, again.frozen) == (2, 3, True, True)
    assert not again.words.weight.requires_grad
    with pytest.raises(InputError, match="its options stay as they are"):
        model_class("co_pacrr").from_folder(tmp_path / "m", top=2)
    assert json.loads((tmp_path / "m" / "anyrank.json").read_text())["kind"] == "co_pacrr"


def test_a_model_of_fixed_places_reads_shorter_texts_but_no_longer_ones(tmp_path, tokenizer):
    model = model_class("duet")(tokenizer, width=8, max_length=6, query_length=4)
    model.save(tmp_path / "m")
    short, long = (model_class("duet").from_folder(tmp_path / "m", max_length=n) for n in (2, 99))
    texts = [[Candidate("1", "wing of lift heat")]]
    assert scored(short.eval(), ["wing"], texts).item() == pytest.approx(
        scored(model.eval(), ["wing"], [[Candidate("1", "wing of")]]).item()
    )
    assert (short.truncated(["wing"], texts), long.truncated(["wing"], texts)) == ([1], [0])
    assert long.max_length == 6


def test_kernels_learn_synonyms_that_exact_matches_miss(tmp_path):
    """Words of near vectors: a trained KNRM puts the synonym first, where no word is shared."""
    near = "\n".join(f"{a}{i} {x:.3f} {y:.3f}" for i, (x, y) in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)])
                     for a, x, y in (("a", x, y), ("b", x + 0.1, y + 0.1)))  # fmt: skip
    (tmp_path / "v.txt").write_text(near + "\n")
    torch.manual_seed(0)
    model = model_class("knrm").from_folder(tmp_path / "v.txt", frozen=True)
    queries = ["a0", "a1", "a2", "a3"]
    groups = candidates_of([["b0", "b1", "b2", "b3"]] * 4)
    labels, mask = torch.eye(4), torch.ones(4, 4, dtype=torch.bool)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.3)
    train, test = slice(0, 3), slice(3, 4)
    for _ in range(60):
        loss = hinge(model(**model.features(queries[train], groups[train])), labels[train], mask[train])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert scored(model, queries[test], groups[test]).argmax().item() == 3
