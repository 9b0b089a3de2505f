"""PromptReps: the specification's proofs on a fake model, and on a random tiny Llama."""

import math

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.language import GivesNextStates, NextStates
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import is_allowed
from anyrank.index.build import build
from anyrank.llm import promptreps
from anyrank.llm.promptreps import PromptReps, content_words, of_name, term_weights, unit, word_spans
from anyrank.papers.promptreps import retriever
from anyrank.retrieve.stages import VectorSearch
from anyrank.testing.llm import flat


class Letters:
    """A model whose tokens are letters; its states and logits at a prompt's end count the letters of the quoted text,
    and of what it wrote so far."""

    alphabet = "abcdefghijklmnopqrstuvwxyz 0123"

    def __init__(self, answer=('x"',), ends=False):
        self.answer, self.ends, self.prompts = answer, ends, []

    def next_states(self, prompts, read, *, max_tokens=1, stop=""):
        self.prompts += prompts
        for i, p in enumerate(prompts):
            text = flat(p).split('"')[1].lower()
            parts = []
            for n, token in enumerate(self.answer[:max_tokens]):
                if stop and stop in token and n:
                    break
                counts = np.array([text.count(c) - 1.0 + n for c in self.alphabet], dtype=np.float32)
                parts.append((counts[:8] + 1, counts, token))
                if stop and stop in token:
                    break
            states, logits, tokens = zip(*parts)
            read(i, NextStates(np.stack(states), np.stack(logits), tokens))
        return Usage(calls=len(prompts))

    def token_ids(self, texts):
        return [[self.alphabet.index(c) for c in t if c in self.alphabet] for t in texts]

    def token_text(self, ids):
        return "".join(self.alphabet[i] for i in ids)


def test_weights_are_the_formula():
    logits = np.array([-3.0, 0.0, 0.5, 2.0, 7.0], dtype=np.float32)
    assert term_weights(logits, range(5)) == {i: round(100 * math.log(1 + logits[i])) for i in (2, 3, 4)}
    assert term_weights(np.array([21.6], dtype=np.float32), [0]) == {0: 312}  # the fox of the authors' example


def test_a_text_keeps_its_128_heaviest_pieces_and_one_without_words_the_vocabularys_ten():
    logits = np.arange(1, 301, dtype=np.float32)
    assert set(term_weights(logits, range(200))) == set(range(72, 200))
    assert set(term_weights(logits, ())) == set(range(290, 300))


def test_expansion_adds_the_heaviest_pieces_outside_the_text():
    logits = np.array([5, 4, 3, 2, 1], dtype=np.float32)
    outside = np.array([True, True, False, True, True])
    assert set(term_weights(logits, [0], outside, 2)) == {0, 1, 3}
    model = PromptReps(Letters(), "sparse", expand=3)
    (row,) = [model.encode(["zebra zebra fox fox the"]).vectors.row(0)]
    assert {model.model.alphabet[i] for i in row} == set("zebrafox")  # t and h occur once: a logit of 0
    assert model._plain.sum() == 26  # begins with a to z: neither the space nor digits


def test_words_are_lower_case_without_stop_words_and_signs():
    assert content_words("It's THE fox; of 12 foxes, not the Fox!") == ["s", "fox", "12", "foxes"]


def test_own_pieces_alone_have_weights():
    row = PromptReps(Letters(), "sparse").encode(["The banana and the cab"]).vectors.row(0)
    assert {Letters.alphabet[i] for i in row} <= set("bananacab")
    assert row[0] == round(100 * math.log(1 + "the banana and the cab".count("a") - 1))


@pytest.mark.parametrize("kind", ["dense", "sparse", "tokens"])
def test_empty_texts_and_no_texts(kind):
    model = PromptReps(Letters(), kind)
    assert len(model.encode([]).vectors) == 0
    assert len(model.encode(["", "!?", None]).vectors) == 3


def test_pooling_is_the_mean_of_states_and_the_largest_logits():
    one, many = Letters(), Letters(answer=("x", "y", " z", '"'))
    first = PromptReps(one, "dense").vectors(["abc"], ("dense", "sparse"))[0]
    pooled = PromptReps(many, "dense", generate=10, words=3).vectors(["abc"], ("dense", "sparse"))[0]
    states = np.array([["abc".count(c) + n for c in Letters.alphabet[:8]] for n in range(3)], dtype=np.float32)
    np.testing.assert_allclose(first["dense"].dense()[0], unit(states[:1])[0], rtol=1e-6)
    np.testing.assert_allclose(pooled["dense"].dense()[0], unit(states.mean(0)), rtol=1e-6)
    assert first["sparse"].row(0) == {}  # each letter once: logits of 0
    assert pooled["sparse"].row(0) == dict.fromkeys(range(3), round(100 * math.log(3)))
    assert "3 words" in flat(many.prompts[0])
    assert "single word" in flat(one.prompts[0])


def test_tokens_are_a_state_a_position_or_a_word():
    model = Letters(answer=("x", "y", " z", '"'))
    positions = PromptReps(model, "tokens", generate=10).encode(["abc"]).vectors
    words = PromptReps(model, "tokens", generate=10, group="word").encode(["abc"]).vectors
    assert np.diff(positions.indptr).tolist() == [3]
    np.testing.assert_allclose(words.states[0], positions.states[:2].mean(0), rtol=1e-6)
    np.testing.assert_allclose(words.states[1], positions.states[2], rtol=1e-6)
    assert list(word_spans([" a"])) == [(0, 1)]
    # max over the document's positions for each of the query's, summed
    query = positions.take([0])
    assert positions.near(query)[0] == pytest.approx((positions.states @ positions.states.T).max(1).sum(), rel=1e-6)


def test_long_texts_are_cut_before_the_prompt_and_counted():
    model = Letters()
    encoded = PromptReps(model, max_length=4).encode(["abcdefgh", "abc"])
    assert encoded.usage.truncated == 1
    assert [flat(p).split('"')[1] for p in model.prompts] == ["abcd", "abc"]


def test_queries_and_passages_are_named_so():
    model = Letters()
    PromptReps(model).encode(["a"], query=True)
    PromptReps(model).encode(["a"])
    assert ['Query: "a"' in flat(p) for p in model.prompts] == [True, False]
    assert all(flat(p).endswith('The word is: "') for p in model.prompts)


def test_the_inverted_index_gives_the_dot_product_of_the_weights(tmp_path):
    texts = ["cats purr", "dogs bark at cats", "a sphinx of black quartz", "zebra", "the"]
    model = PromptReps(Letters(), "sparse")
    collection = build([Candidate(f"d{i}", t) for i, t in enumerate(texts)], tmp_path / "index")
    collection.encode(model, "letters")
    ranking = VectorSearch(collection.vectors("letters"), model, collection, 10)(Query("q", "black cats"))
    dense = model.encode(texts).vectors.filled() @ model.encode(["black cats"], query=True).vectors.filled()[0]
    expected = {f"d{i}": float(s) for i, s in enumerate(dense) if s}
    assert len(expected) > 1
    assert {c.id: c.score for c in ranking} == expected
    assert all(float(s).is_integer() for s in expected.values())


def test_fusion_by_hand():
    from anyrank.core.stage import Each

    def run(scores):
        return Each(lambda r: Ranking(r.query, tuple(Candidate(i, None, s) for i, s in scores.items())))

    dense, sparse = {"a": 0.9, "b": 0.5, "c": 0.1}, {"c": 300.0, "d": 200.0, "a": 100.0}
    fused = retriever(run(dense), run(sparse))(Query("q", "x"))
    assert {c.id: pytest.approx(c.score) for c in fused} == {"a": 0.5, "c": 0.5, "b": 0.25, "d": 0.25}
    assert retriever(run(dense), run(sparse), 1.0)(Query("q", "x")).ids[0] == "a"


def test_names_state_settings():
    model = of_name("promptreps-tokens:m#generate=10&words=3&group=word", Letters())
    assert (model.kind, model.generate, model.words, model.group) == ("tokens", 10, 3, "word")
    assert model.name == "promptreps-tokens:m#generate=10&words=3&group=word"
    for name, message in (
        ("promptreps-dense:m#depth=3", "no setting 'depth': known are generate"),
        ("promptreps-dense:m#words=two", "words='two': expected a whole number"),
        ("promptreps-dense:m#words=0", "words=0: expected at least 1"),
        ("promptreps-tokens:m#group=all", "group='all': choose position or word"),
    ):
        with pytest.raises(InputError, match=message):
            of_name(name, Letters())
    with pytest.raises(InputError, match=r"needs a decoder-only language model.*not object"):
        of_name("promptreps-dense:m", object())
    assert is_allowed("promptreps-dense:owner/m#words=2", ["owner/*"])
    assert not is_allowed("promptreps-dense:other/m", ["owner/*"])


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from anyrank.testing import tiny

    return tiny.llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def hf(llama):
    from anyrank.backends.hf.language_model import HF

    return HF.load(llama, dtype="float32", device="cpu")


TEXTS = ["the river", "", "which city of the river is relevant " * 3, "number 12"]


@pytest.mark.parametrize("generate", [0, 4])
def test_a_row_does_not_depend_on_its_batch(hf, generate):
    assert isinstance(hf, GivesNextStates)
    model = PromptReps(hf, generate=generate)
    together, _ = model.vectors(TEXTS)
    for i, text in enumerate(TEXTS):
        alone, _ = model.vectors([text])
        np.testing.assert_allclose(alone["dense"].dense()[0], together["dense"].dense()[i], atol=1e-5)
        np.testing.assert_allclose(alone["tokens"].states, together["tokens"].take([i]).states, atol=1e-5)
        assert alone["sparse"].row(0) == pytest.approx(together["sparse"].row(i), abs=1)
    np.testing.assert_allclose(np.linalg.norm(together["dense"].dense(), axis=1), 1, rtol=1e-5)


def test_states_and_logits_are_transformers_own_whatever_the_padding(hf):
    import torch

    (turns,) = [promptreps.prompt("the river")]
    ids = hf.tokenizer(hf.render(turns), add_special_tokens=False)["input_ids"]
    pad, real = [hf.tokenizer.pad_token_id] * 7, len(ids)
    mask = torch.tensor([[1] * real + [0] * 7])
    out = hf._loaded[0](input_ids=torch.tensor([ids + pad]), attention_mask=mask, output_hidden_states=True)
    seen = []
    hf.next_states([turns, promptreps.prompt("x " * 40)], lambda i, read: seen.append((i, read)))
    read = dict(seen)[0]
    np.testing.assert_allclose(read.states[0], out.hidden_states[-1][0, real - 1].numpy(), atol=1e-5)
    np.testing.assert_allclose(read.logits[0], out.logits[0, real - 1].numpy(), atol=1e-4)


def test_generated_positions_are_those_of_the_greedy_text(hf):
    import torch

    turns, seen = promptreps.prompt("which city"), []
    usage = hf.next_states([turns] * 2, lambda i, read: seen.append(read), max_tokens=5, stop="\0")
    assert usage.calls == 2
    first, second = seen
    ids = hf.tokenizer(hf.render(turns), add_special_tokens=False)["input_ids"]
    for position, token in enumerate(first.tokens):
        out = hf._loaded[0](input_ids=torch.tensor([ids]), output_hidden_states=True)
        np.testing.assert_allclose(first.logits[position], out.logits[0, -1].numpy(), atol=1e-4)
        np.testing.assert_allclose(second.states[position], out.hidden_states[-1][0, -1].numpy(), atol=1e-4)
        ids.append(int(first.logits[position].argmax()))
        assert token == hf.token_text(ids[-1:])
    stop = next(t for t in first.tokens if t.isascii()).strip()
    hf.next_states([turns], lambda i, read: seen.append(read), max_tokens=5, stop=stop)
    end = next(i for i, token in enumerate(first.tokens) if stop in token)
    assert len(first.tokens) > 1
    assert len(seen[2].tokens) == max(end, 1)


def test_use_by_name(llama, tmp_path):
    from anyrank.hub.open import open_model
    from anyrank.pipeline.context import Settings
    from anyrank.pipeline.explain import explain
    from anyrank.pipeline.parser import parse
    from anyrank.pipeline.text import text

    names = [f"promptreps-{kind}:{llama}" for kind in ("dense", "sparse")]
    collection = build([Candidate(f"d{i}", t) for i, t in enumerate(TEXTS)], tmp_path / "index")
    from anyrank.store.vector_names import stored

    for name in names:
        collection.encode(open_model(name), stored(name))
    stage = parse(f'promptreps("{llama}", depth=5) % 2', Settings(collection))
    assert text(stage) == f'promptreps("{llama}", depth=5) % 2'
    found = stage(Query("q", "the river"))
    assert len(found) == 2
    assert "d1" not in found.ids  # no content
    reranked = parse(f'bm25 >> promptreps("{llama}")', Settings(collection))(Query("q", "the river"))
    assert sorted(reranked.ids) == ["d0", "d2"]
    assert len(parse(f'search("{names[0]}")', Settings(collection))(Query("q", "x"))) == 3
    with pytest.raises(InputError, match=r"holds no vectors of 'promptreps-dense:.*words=2'.*--encode"):
        parse(f'search("{names[0]}#words=2")', Settings(collection))
    assert [need.there for need in explain(f'promptreps("{llama}")')[0].needs][:2] == [True, True]
