"""Trainings of models that weigh terms, and ANCE's negatives, on a toy of 60 documents: recall rises."""

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from anyrank.core.errors import InputError  # noqa: E402
from anyrank.core.types import Candidate  # noqa: E402
from anyrank.models import model_class  # noqa: E402
from anyrank.models.base import OwnLoss  # noqa: E402
from anyrank.train.group import Group  # noqa: E402
from anyrank.train.recipe import Export, Loss, Model, Optimiser, Recipe  # noqa: E402
from anyrank.train.refresh import Refreshed  # noqa: E402
from anyrank.train.run import train  # noqa: E402
from anyrank.train.setup import build, setup_of  # noqa: E402

TOPICS = [c + d for c in "bcdfgh" for d in "aeioux"][:30]
NOISE = ["lift", "drag", "wing", "flow", "heat", "plate"]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def collection():
    """60 documents: each states its topic after "of", and names another one elsewhere. A query is noise and a topic."""
    rng = random.Random(3)
    docs, queries = [], []
    for i in range(60):
        topic, other = TOPICS[i // 2], TOPICS[(i // 2 + 1 + rng.randrange(28)) % 30]
        words = [*rng.sample(NOISE, 3), other, other]
        rng.shuffle(words)
        docs.append(Candidate(f"d{i}", " ".join([*words, "of", topic])))
    for i, topic in enumerate(TOPICS):
        queries.append((f"{rng.choice(NOISE)} {topic}", {f"d{2 * i}", f"d{2 * i + 1}"}))
    return docs, queries


def recall(model, docs, queries, k=2):
    """The mean share of a query's relevant documents among its best k of all."""
    from anyrank.train.validation import scores

    groups = [Group(q, tuple(docs), (0.0,) * len(docs)) for q, _ in queries]
    hits = 0
    for row, (_, relevant) in zip(scores(model, groups), queries):
        best = sorted(range(len(docs)), key=lambda i: -row[i])[:k]
        hits += len({docs[i].id for i in best} & relevant)
    return hits / (k * len(queries))


def groups_of(docs, queries, negatives=6):
    rng = random.Random(0)
    out = []
    for q, relevant in queries:
        for good in sorted(relevant):
            rest = rng.sample([d for d in docs if d.id not in relevant], negatives)
            members = [next(d for d in docs if d.id == good), *rest]
            out.append(Group(q, tuple(members), (1.0, *[0.0] * negatives), f"{q}-{good}"))
    return out


def recipe(kind, words, out, losses, epochs=4, **options):
    return Recipe(
        out=str(out),
        model=Model(kind=kind, shape=SHAPE, tokenizer=str(words), max_length=32, options=options),
        losses=losses,
        optimiser=Optimiser(rate=3e-3, batch=6, epochs=epochs, bf16=False),
        export=Export(int8=False),
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [("unicoil", {}), ("deepimpact", {"dropout": 0.0}), ("deepct", {}), ("coil", {"dim": 8, "whole": 8})],
)
def test_training_raises_the_recall(kind, options, words, tmp_path):
    docs, queries = collection()
    losses = () if kind == "deepct" else (Loss(name="infonce"),)
    settings = recipe(kind, words, tmp_path, losses, **options)
    torch.manual_seed(0)
    model = build(settings.model)
    before = recall(model, docs, queries)
    done = train(settings, train=groups_of(docs, queries), model=model)
    assert recall(done.model, docs, queries) > before + 0.2


def test_a_models_own_loss_is_asked_for_by_no_losses(words, tmp_path):
    docs, queries = collection()
    groups = groups_of(docs, queries)
    assert issubclass(model_class("deepct"), OwnLoss)
    assert setup_of(recipe("deepct", words, tmp_path, ()), groups).losses == "deepct's own"
    assert setup_of(recipe("deepct", words, tmp_path, (Loss(name="ranknet"),)), groups).losses == "1 ranknet"
    with pytest.raises(InputError, match="losses: there is none"):
        setup_of(recipe("unicoil", words, tmp_path, ()), groups)


def test_negatives_are_those_that_the_model_confuses_at_each_epoch(words, tmp_path):
    docs, queries = collection()
    settings = recipe("bi", words, tmp_path, (Loss(name="infonce"),), epochs=2, pooling="mean", similarity="dot")
    torch.manual_seed(0)
    model = build(settings.model)
    draw = Refreshed(model, docs, negatives=2, depth=5)
    (group, *_) = groups_of(docs, queries)
    first = draw(group, 0)
    assert (first.labels, first.candidates[0]) == ((1.0, 0.0, 0.0), group.candidates[0])
    with torch.no_grad():
        vectors = model.eval().encode([d.content for d in docs])
        near = (vectors @ model.encode([group.query], query=True)[0]).argsort(descending=True).tolist()
    allowed = [docs[i].id for i in near[:5]]
    assert {c.id for c in first.candidates[1:]} <= set(allowed) - {group.candidates[0].id}
    assert draw(group, 0) == first
    # new weights count from the next epoch on
    torch.nn.init.normal_(model.body.embeddings.word_embeddings.weight, std=1.0)
    old = draw._vectors
    draw(group, 0)
    assert draw._vectors is old
    draw(group, 1)
    assert draw._vectors is not old
    before = recall(model, docs, queries)
    done = train(settings, train=groups_of(docs, queries), model=model, draw=Refreshed(model, docs))
    assert recall(done.model, docs, queries) > before
    with pytest.raises(InputError, match="no document beside the relevant ones"):
        Refreshed(model, [group.candidates[0]])(group, 0)
