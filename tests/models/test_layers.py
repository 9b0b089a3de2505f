"""CEDR, TK, PreTTR and Pyramid-ERNIE: what they read in which layer, against numbers computed by hand."""

import math

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.core.errors import InputError
from anyrank.models import model_class
from anyrank.models.cedr import Histograms, Kernels, TopGrams, log_counts
from anyrank.models.parts.interaction import LEAST, kernel_centres
from anyrank.models.parts.words import Side
from anyrank.models.pyramid import attention_cost
from anyrank.models.tk import OFFSET, TK, sinusoids
from anyrank.testing.check_model import candidates_of

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of", "."]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
         "initializer_range": 0.4}  # fmt: skip
TEXTS = ["wing heat lift", "drag of the plate flow heat wing layer shock", "flow"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def made(kind, tokenizer, max_length=40, **options):
    torch.manual_seed(3)
    return model_class(kind).from_config(SHAPE, tokenizer, max_length=max_length, **options).eval()


def scored(model, query, texts):
    return model(**model.features([query], candidates_of([texts])))[0]


# CEDR


def test_the_cls_of_a_long_text_is_the_mean_over_its_parts_and_of_one_part_plain(tokenizer):
    model = made("cedr", tokenizer, head="drmm")
    seen = []
    model.read.register_forward_hook(lambda module, inputs, out: seen.append(inputs))
    scored(model, "lift", ["wing heat"])
    states = model.body(**tokenizer("lift", "wing heat", return_tensors="pt")).last_hidden_state
    assert torch.allclose(seen[0][3], states[:, 0], atol=1e-5)
    narrow = made("cedr", tokenizer, max_length=8, head="drmm")
    narrow.read.register_forward_hook(lambda module, inputs, out: seen.append(inputs))
    scored(narrow, "lift", ["wing heat lift drag flow plate"])  # room for 4 words: two parts of 3
    parts = [narrow.body(**tokenizer("lift", p, return_tensors="pt")).last_hidden_state
             for p in ("wing heat lift", "drag flow plate")]  # fmt: skip
    matrix, query, text, cls = seen[-1]
    assert torch.allclose(cls[0], torch.stack([p[0, 0] for p in parts]).mean(0), atol=1e-5)
    assert matrix.shape == (1, 4, narrow.query_length, 6)  # embeddings and three layers
    assert (query.sum().item(), text.tolist()) == (1.0, [[1.0] * 6])
    last = [torch.cosine_similarity(p[0, 1], p[0, 3 + i], 0).item() for p in parts for i in range(3)]
    assert matrix[0, 3, 0].tolist() == pytest.approx(last, abs=1e-5)
    assert matrix[0, :, 1:].abs().sum() == 0


def test_the_heads_of_cedr_by_hand():
    matrix = torch.tensor([[[1.0, 0.3, 0.0], [0.5, -0.2, 0.0]], [[0.1, 0.9, 0.0], [0.0, 0.4, 0.0]]])[None]
    query, text, cls = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[2.0, 3.0]])
    mu, sigma = kernel_centres(11)
    wanted = [math.log(sum(math.exp(-0.5 * ((c - m) / s) ** 2) for c in row) + 1e-6)
              for row in ((1.0, 0.3), (0.1, 0.9)) for m, s in zip(mu, sigma)]  # fmt: skip
    kernels = Kernels(2, 2, 2)
    total = kernels.out.bias + kernels.out.weight[0] @ torch.tensor([*wanted, 2.0, 3.0])
    assert kernels(matrix, query, text, cls).item() == pytest.approx(total.item(), abs=1e-4)
    counts = log_counts(matrix, text[:, None, None], 11)
    assert counts.exp().sum(-1).round().tolist() == [[[2.0, 2.0], [2.0, 2.0]]]
    assert counts[0, 0, 0, 10].exp().round().item() == 1  # the exact match alone in the last bin
    histograms = Histograms(2, 2, 2)
    own = histograms.out(torch.cat([counts[0, :, 0].flatten(), cls[0]]))
    assert histograms(matrix, query, text, cls).item() == pytest.approx(own.item(), abs=1e-5)
    grams = TopGrams(2, 2, 2, grams=1)
    single = grams.layers[0]
    each = torch.relu(torch.einsum("fv,vqd->fqd", single.weight[:, :, 0, 0], matrix[0]) + single.bias[:, None, None])
    top = each.amax(0)[0, :2].sort(descending=True).values
    own = grams.out(torch.cat([top, torch.zeros(2), cls[0]]))
    assert grams(matrix, query, text, cls).item() == pytest.approx(own.item(), abs=1e-5)


# TK


def test_tks_kernels_are_knrms_sums_with_a_learned_scale(tokenizer):
    torch.manual_seed(0)
    model = TK(tokenizer, width=8).eval()
    matrix = torch.tensor([[[1.0, 0.3, 0.7], [0.5, -0.2, 0.7]]])
    query, text = torch.ones(1, 2), torch.tensor([[1.0, 1.0, 0.0]])
    mu, _ = kernel_centres(11)
    wanted = [
        sum(math.log(max(0.01 * sum(math.exp(-((c - m) ** 2) / 0.02) for c in row[:2]), LEAST))
            for row in matrix[0].tolist())
        for m in mu
    ]  # fmt: skip
    assert model.pooled(matrix, query, text)[0].tolist() == pytest.approx(wanted, abs=1e-4)
    # the unscaled sums are those of KNRM's kernels of the same width
    model.scale.fill_(1.0)
    knrm = model_class("knrm")(tokenizer, width=8)
    same = knrm.kernels(matrix, text)[:, :, 1:].sum(1)
    assert model.pooled(matrix, query, text)[0, 1:].tolist() == pytest.approx(same[0].tolist(), abs=1e-3)
    assert model.out.bias is None
    assert model.out.weight.abs().max() <= 0.014


def test_tk_mixes_words_with_their_context(tokenizer):
    torch.manual_seed(0)
    model = TK(tokenizer, width=8).eval()
    ids = torch.tensor([[5, 6, 0]])
    real = torch.tensor([[1.0, 1.0, 0.0]])
    side = Side(ids, real, model.words(ids) * real[..., None])
    model.mixture.fill_(1.0)
    assert torch.allclose(model.contextual(side, 0), side.vectors)
    model.mixture.fill_(0.25)
    states = model.context(side.vectors[:, :2] + sinusoids(2, 8, OFFSET))
    assert torch.allclose(model.contextual(side, OFFSET)[:, :2], 0.25 * side.vectors[:, :2] + 0.75 * states, atol=1e-5)
    assert model.contextual(side, 0)[:, 2].abs().sum() == 0
    assert not torch.allclose(model.contextual(side, 0), model.contextual(side, OFFSET), atol=1e-3)
    assert sinusoids(3, 8)[2].tolist() == pytest.approx(sinusoids(1, 8, 2)[0].tolist())
    with pytest.raises(InputError, match="heads=3: must divide"):
        TK(tokenizer, width=8, heads=3)


# PreTTR


def test_prettr_at_join_0_is_a_joint_encoder_over_the_same_positions(tokenizer):
    model = made("prettr", tokenizer, join=0, query_length=12, masks=2)
    query = [2, *tokenizer("lift of", add_special_tokens=False)["input_ids"], 4, 4, 3]
    text = [*tokenizer("wing heat", add_special_tokens=False)["input_ids"], 3]
    positions = [*range(6), *range(12, 15)]
    inputs = {"input_ids": [query + text], "position_ids": [positions], "token_type_ids": [[0] * 6 + [1] * 3]}
    states = model.body(**{k: torch.tensor(v) for k, v in inputs.items()}).last_hidden_state
    wanted = model.out(states[:, 0])[0, 0].item()
    assert scored(model, "lift of", ["wing heat"])[0].item() == pytest.approx(wanted, abs=1e-5)
    split = made("prettr", tokenizer, join=2, query_length=12, masks=2)
    assert abs(scored(split, "lift of", ["wing heat"])[0].item() - wanted) > 1e-3


@pytest.mark.parametrize("join", [0, 1, 2])
def test_stored_states_of_documents_give_the_same_scores(join, tokenizer):
    model = made("prettr", tokenizer, join=join, query_length=12, masks=3)
    stored = model.document_states(TEXTS)
    assert [len(s) for s in stored] == [len(tokenizer(t)["input_ids"]) - 1 for t in TEXTS]
    for query in ("lift of wing", "heat"):
        assert torch.allclose(model.score_states(query, stored), scored(model, query, TEXTS), atol=1e-5)


def test_below_the_join_documents_do_not_see_the_query(tokenizer):
    model = made("prettr", tokenizer, join=2, query_length=12, masks=0)
    states = []
    for query in ("lift of wing", "heat"):
        (chunk,) = model.features([query], candidates_of([["wing heat"]]))["chunks"]
        states.append(model.low(chunk)[0][chunk["part"][0] == 1])
    assert torch.allclose(states[0], states[1], atol=1e-6)
    assert torch.allclose(states[0], model.document_states(["wing heat"])[0], atol=1e-5)


def test_joins_and_encoders_that_do_not_fit(tokenizer):
    with pytest.raises(InputError, match="join=3: expected 0 to 2"):
        made("prettr", tokenizer, join=3)
    with pytest.raises(InputError, match=r"prettr reads encoders of bert, .*not mpnet"):
        model_class("prettr").from_config({**SHAPE, "model_type": "mpnet"}, tokenizer, max_length=24)


# Pyramid-ERNIE

DOCUMENT = {"title": "wing lift", "text": "heat of plate. lift of wing. drag flow. shock layer. wing heat flow."}


def test_the_summary_changes_no_state_of_query_and_title_below_the_join(tokenizer):
    model = made("pyramid", tokenizer, join=2, head_length=16)
    states, joint = [], []
    for text in ("heat of plate.", "drag flow shock."):
        (chunk,) = model.features(["lift"], candidates_of([[{"title": "wing lift", "text": text}]]))["chunks"]
        low = model.low(chunk)
        states.append(low[0][chunk["part"][0] == 0])
        joint.append(model.high(low, chunk["attention_mask"]).item())
    assert torch.allclose(states[0], states[1], atol=1e-6)
    assert abs(joint[0] - joint[1]) > 1e-3
    whole = tokenizer("lift", "wing lift", return_tensors="pt")
    below = model.body(**whole, output_hidden_states=True).hidden_states[2][0]
    assert torch.allclose(states[0], below, atol=1e-5)


def test_the_summary_is_of_the_sentences_that_the_query_needs(tokenizer):
    model = made("pyramid", tokenizer, sentences=2)
    assert model.summary("lift heat", DOCUMENT["text"]) == "heat of plate. lift of wing."
    assert model.summary("shock", DOCUMENT["text"]).startswith("shock layer.")
    model.count(["heat", "heat lift", "heat"])  # heat is in all texts: it weighs nothing
    assert model.importance[tokenizer.convert_tokens_to_ids("heat")].item() == 0
    assert model.summary("lift heat", DOCUMENT["text"]).startswith("lift of wing.")
    before = model.importance.clone()
    model.count(["drag"])
    assert torch.equal(model.importance, before)
    assert model.truncated(["lift"], candidates_of([[DOCUMENT, "wing. heat."]])) == [1]


def test_a_title_is_read_with_the_query(tokenizer):
    model = made("pyramid", tokenizer)
    row = model.read(["heat"], [DOCUMENT])[0][0]
    first = tokenizer("heat", "wing lift")
    assert row["input_ids"][: len(first["input_ids"])] == first["input_ids"]
    assert row["token_type_ids"][: len(first["input_ids"])] == first["token_type_ids"]
    assert row["position_ids"][row["part"].index(1)] == 0


def test_the_cost_of_attention_is_the_formula():
    assert attention_cost(9, 3, 32, 224) == 9 * (32**2 + 224**2) + 3 * 256**2
    assert attention_cost(0, 12, 32, 224) == 12 * 256**2
    assert attention_cost(6, 6, 100, 100) < attention_cost(0, 12, 100, 100)
