"""ANCE-PRF: a frozen encoder of documents, training groups of runs, and a toy where training raises recall."""

import random
from dataclasses import replace

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.papers.ance_prf import groups, joined, recipe, rewriter, separator_of
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text
from anyrank.retrieve.stages import VectorSearch
from anyrank.store.vector_names import stored
from anyrank.train.groups import read_groups, write_groups

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TOPICS = 12
WORDS = [f"{letter}{i}" for letter in "abcdefghijkl" for i in "xyz"]  # three words a topic


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """60 documents, five a topic, over a random encoder, and queries of one of the topic's words."""
    from transformers import BertTokenizerFast

    from anyrank.hub.open import open_model
    from anyrank.models.bi import BiEncoder

    folder = tmp_path_factory.mktemp("toy")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"))
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BiEncoder.from_config(shape, tokenizer, max_length=64, temperature=0.05).save(folder / "base")
    rng = random.Random(1)
    topics = [WORDS[3 * t : 3 * t + 3] for t in range(TOPICS)]
    docs = [
        Candidate(f"d{t}-{i}", " ".join(rng.choices(topics[t], k=2) + rng.choices(WORDS, k=3)))
        for t in range(TOPICS)
        for i in range(5)
    ]
    qrels = {f"q{n}": {f"d{n // 3}-{i}": 1 for i in range(5)} for n in range(3 * TOPICS)}
    queries = [Query(f"q{n}", WORDS[n]) for n in range(3 * TOPICS)]
    collection = build(docs, folder / "index")
    encoder = open_model(str(folder / "base"))
    collection.encode(encoder, stored(encoder.name))
    return folder, collection, encoder, queries, qrels


def recall(rankings, qrels, k=10):
    return np.mean([len(set(r.ids[:k]) & set(qrels[r.query.id])) / len(qrels[r.query.id]) for r in rankings])


def test_no_gradient_reaches_the_documents_and_only_the_queries_encoder_is_saved(toy, tmp_path):
    from anyrank.models.bi import BiEncoder

    folder, *_ = toy
    model = BiEncoder.from_folder(folder / "base", frozen_documents=True)
    before = {name: p.detach().clone() for name, p in model.documents.named_parameters()}
    members = [[Candidate("1", WORDS[0]), Candidate("2", WORDS[5])]]
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.train()
    for _ in range(2):
        optimiser.zero_grad()
        features = model.features([joined(WORDS[0], [WORDS[1]])], members)
        scores = model(**features)
        scores[0, 0].backward()
        assert all(p.grad is None and not p.requires_grad for p in model.documents.parameters())
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.body.parameters())
        optimiser.step()
    assert all(torch.equal(before[name], p) for name, p in model.documents.named_parameters())
    model.eval()
    plain = BiEncoder.from_folder(folder / "base").eval()
    assert torch.equal(model.encode([WORDS[0]]), plain.encode([WORDS[0]]))
    assert not torch.allclose(model.encode([WORDS[0]], query=True), plain.encode([WORDS[0]], query=True))
    model.save(tmp_path / "saved")
    saved = BiEncoder.from_folder(tmp_path / "saved").eval()
    assert torch.equal(saved.encode([WORDS[0]], query=True), model.encode([WORDS[0]], query=True))
    assert len(saved.state_dict()) == len(plain.state_dict())


def test_groups_hold_the_run_first_texts_and_negatives_of_their_own_query(toy):
    _, collection, encoder, queries, qrels = toy
    rankings = VectorSearch(collection.vectors(stored(encoder.name)), encoder, collection, 60).run(queries[:2])
    made = list(groups(rankings, qrels, collection, k=2, negatives=7))
    assert len(made) == 10
    for ranking, group in zip([r for r in rankings for _ in range(5)], made):
        assert group.query == joined(ranking.query.content, [c.content for c in ranking[:2]])
        assert group.labels == (1.0,) + (0.0,) * 7
        positive, *rest = group.ids
        assert positive in qrels[ranking.query.id]
        assert not set(rest) & set(qrels[ranking.query.id])
    assert made[0].ids[1:] != made[1].ids[1:]
    assert [g.ids for g in groups(rankings, qrels, collection, k=2, negatives=7)] == [g.ids for g in made]


def test_training_raises_recall_and_no_feedback_is_the_base_run(toy, tmp_path):
    from anyrank.train.run import train

    folder, collection, encoder, queries, qrels = toy
    search = VectorSearch(collection.vectors(stored(encoder.name)), encoder, collection, 60)
    write_groups(tmp_path / "g.jsonl", groups(search.run(queries), qrels, collection, negatives=30))
    assert len(list(read_groups(tmp_path / "g.jsonl"))) == 5 * len(queries)
    made = recipe(str(tmp_path / "prf"), (str(tmp_path / "g.jsonl"),), start=str(folder / "base"), negatives=7)
    made = replace(
        made,
        model=replace(made.model, max_length=64),
        optimiser=replace(made.optimiser, rate=5e-3, batch=20, steps=60, epochs=1, bf16=False),
    )
    trained = train(made).folder
    pipeline = f'model("{folder}/base") % 3 >> ance_prf("{trained}") >> model("{folder}/base")'
    stage = parse(pipeline, Settings(collection))
    assert parse(text(stage), Settings(collection)) == stage
    before, after = search.run(queries), stage.run(queries)
    assert recall(after, qrels) > recall(before, qrels) + 0.1
    assert after[0].trace[1].notes == ("read together with 3 texts",)
    bare = (rewriter(str(trained)) >> search).run(queries)
    assert [(r.ids, r.scores) for r in bare] == [(r.ids, r.scores) for r in before]
    assert separator_of(str(trained)) == "[SEP]"


def test_an_encoder_of_other_vectors_is_refused(toy, bag):
    folder, collection, *_ = toy
    collection.encode(bag, f"bag{bag.sparse}")
    search = VectorSearch(collection.vectors(f"bag{bag.sparse}"), bag, collection, 60)
    with pytest.raises(InputError, match=r"makes dense vectors of 32 dimensions, and bag (dense|sparse) ones of 1009"):
        (search % 3 >> rewriter(str(folder / "base")) >> search)(WORDS[0])
    with pytest.raises(InputError, match=r"tiny makes (no vectors|tokens)"):
        (search % 3 >> rewriter("tiny") >> search)(WORDS[0])


def test_the_separator_is_the_tokenizers(tmp_path):
    assert separator_of(str(tmp_path)) == separator_of("some/model") == "[SEP]"
    (tmp_path / "special_tokens_map.json").write_text('{"sep_token": {"content": "</s>"}}')
    assert separator_of(str(tmp_path)) == "</s>"
    note = rewriter(str(tmp_path))(Ranking.of("q", ["one", " ", "two"])).query.meta["vector_feedback"][0]
    assert note.content == "q </s> one </s> two"
