"""Generative retrievers: exact where they should be, trained on a toy, saved, and honest about the index."""

import json
import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertTokenizerFast, T5Config, T5Model

from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import declare, open_model
from anyrank.index.build import build
from anyrank.index.collection import Collection
from anyrank.models.bi import BiEncoder
from anyrank.models.generative.atomic import AtomicMemory
from anyrank.models.generative.folder import load, save
from anyrank.pipeline.explain import explain
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.text import text
from anyrank.retrieve.generative import GenerativeSearch
from anyrank.retrieve.rewritten import with_rewritten
from anyrank.store.vector_names import stored
from anyrank.train.generative import train, untrained
from anyrank.train.generative_plan import Plan, examples, first_sentence, pseudo_queries

WORDS = [f"w{i}" for i in range(60)]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
SHAPE |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DSI = Plan("sequence", ids="numbers", layers=1, max_length=16)
NCI = Plan("sequence", ids="clusters", branching=4, leaf=5, prefix_aware=True, layers=1, max_length=16)
OVER_DENSE = Plan(rows="vectors", max_length=16)
VANILLA = Plan(rows="random", max_length=16)
PLANS = {"over_dense": OVER_DENSE, "vanilla": VANILLA, "dsi": DSI, "nci": NCI}


def documents(n):
    draw = random.Random(1)
    return [
        Candidate(f"d{i}", {"title": " ".join(draw.sample(WORDS, 3)), "text": " ".join(draw.choices(WORDS, k=10))},
                  meta={"part": i % 4})
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    torch.manual_seed(0)
    model = BiEncoder.from_config(SHAPE, BertTokenizerFast(vocab=str(folder / "vocab.txt")), max_length=16)
    model.save(folder / "model")
    return str(folder / "model")


@pytest.fixture(scope="module")
def shared(tmp_path_factory, encoder):
    return indexed(tmp_path_factory.mktemp("shared") / "i", encoder)


def indexed(path, encoder, n=120):
    collection = build(documents(n), path)
    collection = Collection.open(path) if collection is None else collection
    collection.encode(open_model(encoder), stored(encoder))
    return collection


@pytest.fixture(scope="module")
def small(tmp_path_factory, encoder):
    return indexed(tmp_path_factory.mktemp("small") / "i", encoder, 30)


QUERIES = ["w1 w2 w3", "w9", "w10 w20 w30 w40 w50", ""]


def test_over_dense_untrained_ranks_exactly_as_the_dense_retriever(shared, encoder):
    trained = untrained(OVER_DENSE, shared, encoder)
    vectors = open_model(encoder).encode(QUERIES, query=True).vectors
    expected = shared.vectors(stored(encoder)).search(vectors, 120)
    results, _ = trained.search(QUERIES, 120, 1, np.ones(120, dtype=bool))
    rows = trained.rows
    for result, matches in zip(results, expected):
        assert [rows[d] for d, _ in result] == matches.rows.tolist()
        assert [s for _, s in result] == pytest.approx(matches.scores.tolist(), abs=1e-5)


@pytest.mark.parametrize("name", ["over_dense", "vanilla"])
def test_atomic_search_equals_exhaustive_scoring_by_softmax(shared, encoder, name):
    memory = untrained(PLANS[name], shared, encoder).memory
    allowed = np.arange(120) % 3 > 0
    (result,), _ = memory.search(QUERIES[:1], 10, 1, allowed)
    with torch.inference_mode():
        logs = torch.stack([-memory.loss(torch.tensor([d]), **memory.inputs(QUERIES[:1])) for d in range(120)])
    assert torch.logsumexp(logs, 0).item() == pytest.approx(0, abs=1e-4)
    expected = [d for d in logs.argsort(descending=True).tolist() if allowed[d]][:10]
    assert [d for d, _ in result] == expected


@pytest.mark.parametrize("plan", [DSI, NCI, replace(NCI, prefix_aware=False)], ids=["dsi", "nci", "plain"])
def test_a_beam_of_all_documents_equals_exhaustive_scoring(shared, encoder, plan):
    memory = untrained(plan, shared, encoder).memory.eval()
    if plan.prefix_aware:  # which begins as the plain decoder
        torch.nn.init.normal_(memory.gate.weight, std=0.5)
    allowed = np.ones(120, dtype=bool)
    results, usage = memory.search(QUERIES, 120, 120, allowed)
    scores = memory.scores(QUERIES)
    for result, row in zip(results, scores):
        assert sorted(d for d, _ in result) == list(range(120))
        assert [s for _, s in result] == pytest.approx([row[d].item() for d, _ in result], abs=1e-4)
    assert usage[0].calls == 1
    assert usage[0].prompt_tokens == 5
    assert usage[0].completion_tokens > 120  # at least an end for each
    with torch.inference_mode():
        loss = memory.loss(torch.tensor([3, 7]), **memory.inputs(QUERIES[:2]))
    assert loss.item() == pytest.approx(-(scores[0, 3] + scores[1, 7]).item() / 2, abs=1e-4)
    alone, _ = memory.search(QUERIES[:1], 5, 120, allowed)
    assert [d for d, _ in alone[0]] == [d for d, _ in results[0][:5]]  # neither batch nor k changes a result


def hits(trained, pairs):
    results, _ = trained.search([t for t, _ in pairs], 1, 20, np.ones(len(trained.rows), dtype=bool))
    return sum(result[0][0] == number for result, (_, number) in zip(results, pairs)) / len(pairs)


@pytest.mark.parametrize("name", PLANS)
def test_training_raises_the_hits_and_a_saved_model_is_the_same(small, encoder, name, tmp_path):
    plan = replace(PLANS[name], document_passes=1, query_passes=40, rate=2e-3, fresh_rate=3e-3, ngrams=1, batch=16)
    pairs = [(d.content["title"], i) for i, d in enumerate(documents(30))]
    before = hits(untrained(plan, small, encoder), pairs)
    trained = train(plan, small, encoder, tmp_path / "m")
    after = hits(trained, pairs)
    assert after > max(1.5 * before, 0.5), (before, after)
    again, allowed = load(tmp_path / "m", "again"), np.ones(30, dtype=bool)
    assert again.search(QUERIES, 10, 20, allowed) == trained.search(QUERIES, 10, 20, allowed)
    assert again.rows.tolist() == trained.rows.tolist()
    assert not (tmp_path / "m" / "checkpoints").exists()
    with pytest.raises(InputError, match="holds a trained model: give --overwrite"):
        train(plan, small, encoder, tmp_path / "m")


def test_a_stopped_training_goes_on_to_the_same_model(small, encoder, tmp_path, monkeypatch):
    plan = replace(VANILLA, document_passes=1, query_passes=1, ngrams=1, batch=16, rate=1e-3)
    whole = train(plan, small, encoder, tmp_path / "whole")
    calls, loss = [], AtomicMemory.loss

    def stopping(self, targets, **inputs):
        calls.append(targets)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return loss(self, targets, **inputs)

    monkeypatch.setattr(AtomicMemory, "loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(plan, small, encoder, tmp_path / "m")
    assert not (tmp_path / "m" / "anyrank.json").exists()
    resumed = train(plan, small, encoder, tmp_path / "m", resume=True)
    steps = json.loads((tmp_path / "m" / "generative.json").read_text())["steps"]
    assert len(calls) - 6 < steps  # not from the start
    assert torch.equal(resumed.memory.rows, whole.memory.rows)


@pytest.mark.parametrize("name", ["over_dense", "nci"])
def test_changes_of_the_index_are_respected_and_reported(encoder, name, tmp_path):
    collection = indexed(tmp_path / "i", encoder, 60)
    save(untrained(PLANS[name], collection, encoder), tmp_path / "m")
    search = f'generative("{tmp_path / "m"}")'
    stage = parse(f"{search} % 100", Settings(collection))
    assert parse(text(stage), Settings(collection)) == stage
    assert text(stage) == f"{search} % 100"
    (whole,) = stage.run(["w1 w2"])
    assert sorted(whole.ids) == sorted(f"d{i}" for i in range(60))
    assert whole.trace[-1].usage.calls == 1
    assert whole.cost.notes == ()
    assert whole.candidates[0].content["title"]
    # a filter never leaves fewer than k where so many pass, also with a narrow beam
    narrow = parse(f'generative("{tmp_path / "m"}", beam=1) % 15', Settings(collection, {"part": 2}))
    (filtered,) = narrow.run(["w1 w2"])
    assert len(filtered) == 15
    assert {c.meta["part"] for c in filtered} == {2}
    # deleted and replaced documents, and new ones
    collection.delete(["d0", "d1"])
    collection.update([Candidate("d2", "changed"), Candidate("new", "w1 w2")])
    (after,) = stage.run(["w1 w2"])
    assert sorted(after.ids) == sorted(f"d{i}" for i in range(3, 60))
    assert after.cost.notes[0].startswith("2 documents of the index are unknown to")
    assert parse(f"{search} % 3", Settings(collection, ignore_self=True)).run([Query("d5", "w1")])[0].ids != []
    assert stage.batch([]) == []
    # a rewriter's text is searched in place of the query's own
    changed, plain = stage.run([with_rewritten(Query("1", "w1 w2"), "w9"), Query("2", "w9")])
    assert changed.ids == plain.ids
    assert changed.query.content == "w1 w2"


def test_a_wrong_index_and_a_wrong_model_are_refused_with_the_cure(shared, encoder, tmp_path):
    other = indexed(tmp_path / "other", encoder, 10)
    save(untrained(VANILLA, other, encoder), tmp_path / "m")
    with pytest.raises(
        InputError, match=r"knows the documents of .*other, not those of this index: .*generative train"
    ):
        parse(f'generative("{tmp_path / "m"}")', Settings(shared))
    with pytest.raises(InputError, match="generative needs the index"):
        parse(f'generative("{tmp_path / "m"}")')
    with pytest.raises(InputError, match="is no generative retriever: train one with"):
        parse(f'generative("{encoder}")', Settings(shared))
    with pytest.raises(InputError, match="k=0"):
        GenerativeSearch(load(tmp_path / "m"), other, 0)
    for wrong in ("bm25 % 5 >> model", "search"):
        with pytest.raises(InputError, match="is a generative retriever: use it as generative"):
            parse(f'{wrong}("{tmp_path / "m"}")', Settings(other))
    assert "use it as generative" in declare(tmp_path / "m").described
    (tmp_path / "m" / "documents.npy").unlink()
    with pytest.raises(ModelError, match="train it again with"):
        load(tmp_path / "m")
    gone = (
        rf"there is no folder runs/none: train a model in it with `anyrank generative train {shared.path} -o runs/none`"
    )
    with pytest.raises(InputError, match=gone):
        parse('generative("runs/none")', Settings(shared))
    (step,) = explain('generative("runs/none") % 5', shared)
    assert step.after == 5
    assert [(need.there, bool(re.search(gone, need.state))) for need in step.needs] == [(False, True)]


def test_vectors_that_are_missing_are_named_with_the_command(shared, encoder, tmp_path):
    plain = build(documents(5), tmp_path / "plain")
    plain = Collection.open(tmp_path / "plain") if plain is None else plain
    with pytest.raises(InputError, match=r"holds no vectors of .*: add them with `anyrank index .* --encode"):
        untrained(OVER_DENSE, plain, encoder)
    assert len(untrained(VANILLA, plain, encoder).rows) == 5


def test_a_t5_brings_its_decoder_along(shared, encoder, tmp_path):
    from transformers import AutoTokenizer

    shape = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 65}
    torch.manual_seed(0)
    T5Model(T5Config(**shape, decoder_start_token_id=0)).save_pretrained(tmp_path / "t5")
    AutoTokenizer.from_pretrained(encoder).save_pretrained(tmp_path / "t5")
    trained = untrained(DSI, shared, str(tmp_path / "t5"))
    source = T5Model.from_pretrained(tmp_path / "t5")
    name = "block.0.layer.1.EncDecAttention.q.weight"
    assert torch.equal(trained.memory.decoder.state_dict()[name], source.decoder.state_dict()[name])
    save(trained, tmp_path / "m")
    allowed = np.ones(120, dtype=bool)
    again = load(tmp_path / "m")
    trained.memory.eval()
    assert again.search(QUERIES, 10, 10, allowed) == trained.search(QUERIES, 10, 10, allowed)


def test_examples_are_the_documents_texts_and_then_queries():
    contents = [{"title": "On wings", "text": "Wings make lift. They make drag."}, "A plain text of words. More."]
    plan = Plan(document_passes=1, query_passes=1, ngrams=2)
    first = examples(plan, contents)
    assert first == examples(plan, contents)
    assert sorted(first[-3:]) == [("A plain text of words.", 1), ("On wings", 0), ("Wings make lift.", 0)]
    assert len(first) == (1 + 1 + 2) + (1 + 2) + 3
    words = set("On wings Wings make lift. They drag. A plain text of words. More.".split())  # noqa: SIM905
    assert all(set(text.split()) <= words for text, _ in first)
    assert examples(plan, contents, [("what lifts?", 0)])[-1] == ("what lifts?", 0)
    mixed = examples(replace(plan, mixed=True), contents)
    assert sorted(mixed) == sorted(first)
    assert mixed != first
    assert pseudo_queries({"title": "", "text": "x y"}) == ["x y"]
    assert len(first_sentence("a " * 100).split()) == 30


def test_rankings_keep_their_query_and_limits(shared, encoder):
    stage = GenerativeSearch(untrained(VANILLA, shared, encoder), shared, 5)
    ranking = Ranking(Query("q7", "w1"))
    assert stage(ranking).query is ranking.query
    assert len(stage.limit(2)(ranking)) == 2
