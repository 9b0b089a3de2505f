"""Long documents by their passages: FirstP, MaxP, SumP, AvgP, Birch and PARADE against hand-computed aggregates."""

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.models import model_class
from anyrank.models.parts import ragged
from anyrank.models.parts.pairs import QUERY, TEXT, equal_parts, read_pairs
from anyrank.models.parts.passages import Windows, read_passages
from anyrank.testing.check_model import candidates_of
from anyrank.train.batches import Collate
from anyrank.train.group import Group
from anyrank.train.validation import scores

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of", "."]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "initializer_range": 0.4}  # fmt: skip
LONG = " ".join(WORDS[i % 7] if i % 10 else f"{WORDS[i % 7]} ." for i in range(60))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    return BertTokenizerFast(vocab=str(folder / "vocab.txt"))


def made(kind, tokenizer, max_length=40, **options):
    torch.manual_seed(3)
    return model_class(kind).from_config(SHAPE, tokenizer, max_length=max_length, **options).eval()


def scored(model, query, texts, **more):
    with torch.no_grad():
        return model(**model.features([query], candidates_of([texts]), **more))[0]


def each_passage(model, query, text):
    """The cross-encoder's scores of the passages of a text, each as a text of its own."""
    parts, _ = model.windows.texts(text)
    return scored(model.cross, query, parts)


@pytest.mark.parametrize("aggregate", ["first", "max", "sum", "mean", "top"])
def test_a_documents_score_is_the_aggregate_of_its_passages(aggregate, tokenizer):
    model = made("passages", tokenizer, aggregate=aggregate, window=20, stride=10, most=4)
    own = each_passage(model, "lift of wing", LONG)
    if aggregate == "top":
        model.weights.data.copy_(torch.tensor([0.5, 0.3, 0.2]))
    wanted = {
        "first": own[0],
        "max": own.max(),
        "sum": own.sum(),
        "mean": own.mean(),
        "top": (own.sort(descending=True).values[:3] * torch.tensor([0.5, 0.3, 0.2])).sum(),
    }[aggregate]
    assert len(own) == (1 if aggregate == "first" else 4)
    assert scored(model, "lift of wing", [LONG])[0] == pytest.approx(wanted.item(), abs=1e-5)


def test_one_window_is_a_cross_encoder_and_the_first_is_never_above_the_best(tokenizer):
    queries, texts = ["lift", "wing of heat"], [LONG, "wing", "drag flow " * 30]
    best, first = (made("passages", tokenizer, aggregate=a, window=20, stride=10) for a in ("max", "first"))
    for query in queries:
        assert (scored(first, query, texts) <= scored(best, query, texts) + 1e-6).all()
        whole = made("passages", tokenizer, aggregate="max", window=500, stride=500)
        assert torch.allclose(scored(whole, query, texts), scored(whole.cross, query, texts), atol=1e-5)


def test_birch_repeats_the_worst_sentence_and_adds_the_first_stage(tokenizer):
    options = {"aggregate": "top", "top": 3, "unit": "sentences", "window": 1, "stride": 1, "prior": 0.25}
    model = made("passages", tokenizer, **options)
    one, two = scored(model.cross, "lift", ["wing lift.", "heat."])
    model.weights.data.copy_(torch.tensor([0.6, 0.3, 0.1]))
    best, worst = max(one, two), min(one, two)
    candidates = [[Candidate("a", "wing lift. heat.", 8.0)]]
    with torch.no_grad():
        (score,) = model(**model.features(["lift"], candidates))[0]
    assert score.item() == pytest.approx(0.25 * 8 + 0.75 * (0.6 * best + 0.4 * worst).item(), abs=1e-5)
    # in training and validation the first stage's scores are the groups' priors
    group = Group.from_texts("lift", ["wing lift. heat."], [1.0], priors=[8.0])
    assert scores(model, [group])[0][0] == pytest.approx(score.item(), abs=1e-5)
    assert Collate(model)([group])["features"]["prior"].tolist() == [[8.0]]


def test_training_reads_the_first_passage_and_a_fixed_share_of_the_others(tokenizer):
    model = made("passages", tokenizer, window=5, stride=5, most=12, share=0.1).train()
    texts = [f"{LONG} {w}" for w in WORDS]
    queries = [f"lift {a} {b}" for a in WORDS[:6] for b in WORDS[:3]]
    counts = torch.cat([model.features([q], candidates_of([texts]))["counts"] for q in queries])
    assert counts.min() >= 1
    assert 0.07 < (counts - 1).float().mean().item() / 11 < 0.13
    again = model.features([queries[0]], candidates_of([texts[::-1]]))["counts"].flip(0)
    assert again.tolist() == counts[:10].tolist()  # neither order nor repetition changes the draw
    other = made("passages", tokenizer, window=5, stride=5, most=12, share=0.1, seed=1).train()
    assert torch.cat([other.features([q], candidates_of([texts]))["counts"] for q in queries]).ne(counts).any()
    assert model.eval().features([queries[0]], candidates_of([texts[:1]]))["counts"].tolist() == [12]
    none = made("passages", tokenizer, window=5, stride=5, share=0.0).train()
    assert none.features(["lift"], candidates_of([[LONG]]))["counts"].tolist() == [1]


@pytest.mark.parametrize(("kind", "options"), [("passages", {}), ("parade", {}), ("parade", {"aggregate": "cnn"}),
                                               ("cedr", {"text_length": 3000})])  # fmt: skip
def test_two_thousand_words_are_read_in_chunks_of_any_size(kind, options, tokenizer, monkeypatch):
    if kind != "cedr":
        options = {"window": 20, "stride": 20, "most": 100, **options}
    model = made(kind, tokenizer, **options)
    text = " ".join(WORDS[(i * i) % 9] for i in range(2000))
    seen = []
    for size in (80, 100_000):
        monkeypatch.setattr(ragged, "CHUNK", size)
        features = model.features(["lift of wing"], candidates_of([[text, "heat"]]))
        assert all(chunk["input_ids"].numel() <= size for chunk in features["chunks"])
        with torch.no_grad():
            seen.append(model(**features))
        assert model.truncated(["lift of wing"], candidates_of([[text]])) == [0]
    assert features["counts"].tolist()[0] > 50
    assert torch.allclose(seen[0], seen[1], atol=1e-4)


def test_what_is_not_read_is_counted(tokenizer):
    model = made("passages", tokenizer, window=20, stride=20, most=2)
    long_query = "lift " * 30
    counts = model.truncated(["lift", long_query, "lift"], candidates_of([["wing " * 40, "wing " * 41], ["wing"], []]))
    assert counts == [1, 1, 0]
    assert made("parade", tokenizer, window=38, stride=20).truncated(["lift"], candidates_of([["wing " * 38]])) == [1]


def test_windows_of_tokens(tokenizer):
    how = Windows(window=6, stride=4, most=3, unit="tokens")
    read = read_passages(tokenizer, ["lift"], ["wing " * 11], 24, how)
    sizes = [sum(s == TEXT for s in row["side"]) for row in read.rows]
    assert (sizes, read.counts, read.cut) == ([6, 6, 3], [3], [False])
    assert all(sum(s == QUERY for s in row["side"]) == 1 for row in read.rows)
    assert read_passages(tokenizer, ["lift"], ["wing " * 30], 24, how).cut == [True]
    # a window has no more tokens than the model has room for
    narrow = read_passages(tokenizer, ["lift"], ["wing " * 30], 8, Windows(20, 20, 0, "tokens"))
    assert {len(row["input_ids"]) for row in narrow.rows} <= {8, 6}
    assert not narrow.cut[0]


def test_pairs_are_those_of_the_tokenizer(tokenizer):
    (pair,) = read_pairs(tokenizer, ["lift of"], ["wing heat flow"], 24, 10)
    whole = tokenizer("lift of", "wing heat flow")
    assert {k: v for k, v in pair.rows[0].items() if k != "side"} == dict(whole)
    parts = read_pairs(tokenizer, ["lift of"], ["wing heat flow drag"], 8, 10, equal_parts)[0]
    texts = [[i for i, s in zip(row["input_ids"], row["side"]) if s == TEXT] for row in parts.rows]
    assert texts == [tokenizer("wing heat", add_special_tokens=False)["input_ids"],
                     tokenizer("flow drag", add_special_tokens=False)["input_ids"]]  # fmt: skip
    (short,) = read_pairs(tokenizer, ["lift " * 9], ["wing"], 10, 20)
    assert (sum(s == QUERY for s in short.rows[0]["side"]), short.cut) == (5, True)


@pytest.mark.parametrize("padded", [0, 3])
def test_parades_vectors_are_joined_as_the_paper_says(padded, tokenizer):
    torch.manual_seed(5)
    vectors = torch.randn(1, 3 + padded, 16)
    real = torch.arange(3 + padded)[None] < 3
    vectors[~real] = 0
    three = vectors[0, :3]
    best = made("parade", tokenizer, aggregate="max", most=8)
    attn = made("parade", tokenizer, aggregate="attn", most=8)
    cnn = made("parade", tokenizer, aggregate="cnn", most=8)
    over = made("parade", tokenizer, aggregate="transformer", most=8)
    with torch.no_grad():
        assert torch.allclose(best.joined(vectors, real)[0], three.amax(0))
        shares = (three @ attn.attend.weight[0]).softmax(0)
        assert torch.allclose(attn.joined(vectors, real)[0], shares @ three, atol=1e-6)
        states = torch.cat([three, torch.zeros(5, 16)])
        for layer in cnn.convolve:
            pairs = states.reshape(-1, 2, 16)
            a, b = layer.weight[..., 0], layer.weight[..., 1]
            states = torch.relu(pairs[:, 0] @ a.T + pairs[:, 1] @ b.T + layer.bias)
        assert len(cnn.convolve) == 3
        assert torch.allclose(cnn.joined(vectors, real), states, atol=1e-5)
        alone = torch.cat([over.first[None], three])[None] + over.positions.weight[:4]
        assert torch.allclose(over.joined(vectors, real), over.over(alone)[:, 0], atol=1e-5)
        assert not torch.allclose(
            over.joined(vectors[:, [1, 0, 2]], real[:, :3]), over.joined(vectors[:, :3], real[:, :3])
        )


def test_parade_max_of_one_passage_is_linear_of_cls(tokenizer):
    model = made("parade", tokenizer, aggregate="max")
    with torch.no_grad():
        states = model.body(**tokenizer("lift", "wing heat", return_tensors="pt")).last_hidden_state
        wanted = model.out(states[:, 0])[0, 0].item()
    assert scored(model, "lift", ["wing heat"])[0].item() == pytest.approx(wanted, abs=1e-5)


def test_gradients_reach_every_weight_that_is_used(tokenizer):
    heads = {"passages": ("aggregate", "top"), "parade": ("aggregate", "attn", "cnn", "transformer"),
             "cedr": ("head", "knrm", "pacrr", "drmm")}  # fmt: skip
    for kind, options in [(kind, {name: value}) for kind, (name, *values) in heads.items() for value in values]:
        model = made(kind, tokenizer, **options)
        model(**model.features(["lift of wing"], candidates_of([["wing heat lift", "drag"]]))).sum().backward()
        own = {n: p.grad for n, p in model.named_parameters() if not n.startswith(("body.", "cross."))}
        assert own
        assert [name for name, grad in own.items() if grad is None] == []


def test_options_that_make_no_sense(tokenizer):
    for kind, options, message in (
        ("passages", {"aggregate": "best"}, "aggregate='best': choose first, max"),
        ("passages", {"stride": 200}, "stride=200"),
        ("passages", {"unit": "lines"}, "unit='lines'"),
        ("passages", {"share": 2.0}, "share=2.0"),
        ("parade", {"aggregate": "mean"}, "aggregate='mean': choose max, attn"),
        ("parade", {"aggregate": "cnn", "most": 0}, "most=0: cnn needs a bound"),
        ("cedr", {"head": "duet"}, "head='duet': choose knrm"),
    ):
        with pytest.raises(InputError, match=message):
            made(kind, tokenizer, **options)


def test_the_first_stages_scores_count_in_a_pipeline(tokenizer, tmp_path):
    from anyrank.core.types import Query, Ranking
    from anyrank.pipeline.parser import Settings, parse

    model = made("passages", tokenizer, window=5, stride=5, prior=0.5)
    model.save(tmp_path / "m")
    candidates = (Candidate("a", "wing lift", 3.0), Candidate("b", LONG, 9.0))
    after = parse(f"model({str(tmp_path / 'm')!r})", Settings(), starts=False)(Ranking(Query("q", "lift"), candidates))
    with torch.no_grad():
        wanted = model(**model.features(["lift"], [candidates]))[0].tolist()
    assert {c.id: c.score for c in after} == pytest.approx(dict(zip("ab", wanted)), abs=1e-5)
    assert model_class("cross").from_folder(tmp_path / "m").body.config.num_labels == 1  # a cross-encoder for others
    again = model_class("passages").from_folder(tmp_path / "m", aggregate="first")
    assert (again.aggregate, again.prior, again.windows.most) == ("first", 0.5, 1)
