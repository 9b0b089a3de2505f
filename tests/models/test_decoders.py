"""Models over a causal language model: verdicts, PromptReps, and embeddings under instructions."""

import numpy as np
import pytest
import torch

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import open_model
from anyrank.llm.promptreps import content_words
from anyrank.models import model_class
from anyrank.models.instructed import Instructed
from anyrank.models.promptreps import PromptReps, contrast, own_weights
from anyrank.models.verdict import Verdict
from anyrank.papers import load
from anyrank.testing.check_model import candidates_of, check_model
from anyrank.testing.tiny import llama
from anyrank.train.examples import with_examples
from anyrank.train.group import Group
from anyrank.train.judge import ModelJudge
from anyrank.train.losses import infonce
from anyrank.train.recipe import Check, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train

LENGTH = {"verdict": 250, "promptreps": 120, "instructed": 250}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return llama(tmp_path_factory.mktemp("llama"), chat="")


def made(kind, start, **options):
    return model_class(kind).from_folder(start, max_length=LENGTH[kind], **options).eval()


@pytest.mark.parametrize("kind", LENGTH)
def test_they_keep_the_contract_of_models(kind, start, tmp_path):
    check_model(made(kind, start), tmp_path / "m", by_name=lambda f: ModelJudge(model_class(kind).from_folder(f)))
    opened = open_model(str(tmp_path / "m"))
    assert callable(opened) if kind != "instructed" else opened.encode(["a"]).vectors.shape == (1, 32)


@pytest.mark.parametrize("kind", LENGTH)
def test_an_adapter_changes_nothing_at_first_learns_and_is_merged(kind, start, tmp_path):
    groups = candidates_of([["the river", "a city"], ["number one"]])
    plain, adapted = made(kind, start), made(kind, start, lora=2)
    features = plain.features(["the river", "one"], groups)
    with torch.no_grad():
        assert torch.allclose(plain(**features), adapted(**features), atol=1e-5)
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert 0 < trained < sum(p.numel() for p in adapted.parameters()) / 4
    for name, p in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    adapted.save(tmp_path)
    again = model_class(kind).from_folder(tmp_path).eval()
    with torch.no_grad():
        assert not torch.allclose(plain(**features), adapted(**features), atol=1e-3)
        assert torch.allclose(again(**features), adapted(**features), atol=1e-3)


def test_a_verdict_is_the_difference_of_two_logits(start, tmp_path):
    """By hand from transformers' model; the same by the judge of ProRank on the saved folder; and alone as in a batch
    padded on the left."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = made("verdict", start)
    texts = ["the river", "a passage about the city and the number of the river " * 2]
    with torch.no_grad():
        (scores,) = model(**model.features(["river"], candidates_of([texts]))).tolist()
    tokenizer, plain = AutoTokenizer.from_pretrained(start), AutoModelForCausalLM.from_pretrained(start)
    for text, score in zip(texts, scores):
        ids = torch.tensor([model._pair("river", text).ids])
        with torch.no_grad():
            logits = plain(ids).logits[0, -1]
        one, zero = (tokenizer(a, add_special_tokens=False)["input_ids"][0] for a in "10")
        assert score == pytest.approx(float(logits[one] - logits[zero]), abs=1e-5)
    model.save(tmp_path)
    ranking = Ranking(Query("q", "river"), tuple(Candidate(str(i), t) for i, t in enumerate(texts)))
    after = load("prorank").build(open_model(f"hf:{tmp_path}", dtype="float32"))(ranking)
    assert {c.id: c.score for c in after} == pytest.approx(dict(zip("01", scores)), abs=1e-3)


def test_answers_of_several_tokens_are_refused(start):
    with pytest.raises(InputError, match="aren't one token each"):
        made("verdict", start, yes="relevant indeed").features(["a"], candidates_of([["b"]]))
    with pytest.raises(InputError, match=r"max_length=20: the prompt alone has \d+ tokens"):
        Verdict.from_folder(start, max_length=20)


def test_promptreps_in_training_are_the_encoders_vectors(start, tmp_path):
    model = made("promptreps", start)
    texts = ["the river and the city", "number", "of the in"]
    model.save(tmp_path)
    with torch.no_grad():
        dense, sparse = model.represent(model.inputs(texts))
    theirs = open_model(f"promptreps-dense:hf:{tmp_path}", dtype="float32").encode(texts).vectors
    assert np.allclose(dense.numpy(), theirs.array, atol=1e-4)
    rows = open_model(f"promptreps-sparse:hf:{tmp_path}", dtype="float32").encode(texts).vectors
    eye = model.tokenizer
    for i, text in enumerate(texts):
        own = {p for w in content_words(text) for p in eye(w, add_special_tokens=False)["input_ids"]}
        weighed = {int(j): round(100 * float(sparse[i, j])) for j in sparse[i].nonzero().flatten()}
        assert not own or set(weighed) <= own
        row = rows.take([i])
        found = dict(zip(row.indices.tolist(), row.values.tolist()))
        assert {j: w for j, w in weighed.items() if w} == pytest.approx(found, abs=1.01)


def test_own_weights_and_contrast():
    logits = torch.arange(20.0)[None] - 3
    bare = own_weights(logits, torch.tensor([[-1]]))
    assert bare[0].nonzero().flatten().tolist() == [*range(10, 20)]  # the ten heaviest of all
    assert own_weights(logits, torch.tensor([[0, 5, -1]]))[0].nonzero().flatten().tolist() == [5]
    scores, labels = torch.randn(1, 5), torch.tensor([[1.0, 0, 1, 0, 0]])
    counted = torch.ones(1, 5, dtype=torch.bool)
    assert float(contrast(scores, labels > 0, counted)) == pytest.approx(float(infonce(scores, labels)), abs=1e-6)
    assert float(contrast(scores, torch.zeros(1, 5, dtype=torch.bool), counted)) == 0


def test_an_instructed_query(start, tmp_path):
    """Zero examples are the plain instruction; right padding changes nothing; examples that don't fit are left out;
    documents have no instruction."""
    model = made("instructed", start)
    plain, _ = model.query_ids("the river")
    assert plain == [*model.start, *model._ids(f"Instruct: {model.instruction}\nQuery: the river"), model.end]
    assert model.document_ids("the river")[0] == [*model.start, *model._ids("the river"), model.end]
    shots = [("a city", "about the city"), ("number", "one")]
    some, all_ = model.query_ids("the river", shots[:1])[0], model.query_ids("the river", shots)[0]
    assert len(plain) < len(some) <= len(all_)
    assert some[len(some) - len(plain) + len(model.start) :] == plain[len(model.start) :]
    tight = Instructed.from_folder(start, max_length=len(some), lora=0)
    assert tight.query_ids("the river", shots)[0] == some
    with torch.no_grad():
        alone = model.encode(["the river"])
        padded = model.encode(["the river", "a passage about the city and the number of the river " * 3])
    assert torch.allclose(alone[0], padded[0], atol=1e-5)
    symmetric = made("instructed", start, symmetric=True, shots=shots)
    assert symmetric.document_ids("x")[0] == symmetric.query_ids("x")[0]
    symmetric.save(tmp_path)
    again = Instructed.from_folder(tmp_path)
    assert (again.shots, again.symmetric, again.max_length) == (shots, True, 250)
    with pytest.raises(InputError, match="the instruction alone is longer"):
        Instructed.from_folder(start, max_length=10)


def test_examples_are_other_pairs_of_the_batch_and_only_in_training(start):
    groups = [Group.from_texts(f"q{i % 4}", (f"no {i}", f"yes {i}"), (0.0, 1.0)) for i in range(6)]
    made_ = with_examples(groups, 3, seed=1)
    assert made_ == with_examples(groups, 3, seed=1) != with_examples(groups, 3, seed=2)
    for group in made_:
        assert all(q != group.query["text"] and t.startswith("yes") for q, t in group.query["examples"])
    assert {len(g.query["examples"]) for g in with_examples(groups * 4, 3)} == {0, 1, 2, 3}
    from anyrank.train.batches import Collate

    model = made("instructed", start, examples=3)

    def tokens():
        return sum(int(c["attention_mask"].sum()) for c in Collate(model)(groups)["features"]["queries"])

    plain = tokens()
    model.train()
    assert plain < tokens()


@pytest.mark.parametrize(
    ("name", "options"),
    [("prorank", {"stage": 2, "loss": "infonce"}), ("lg_anna", {"margin": "none"}), ("promptreps", {})],
)
def test_the_papers_recipes_learn_a_toy(name, options, start, tmp_path):
    words = ["river", "city", "number", "passage"]
    groups = [Group.from_texts(w, (f"the {w}", *(f"the {x}" for x in words if x != w)), (1.0, 0, 0, 0)) for w in words]
    recipe = load(name).recipe(str(tmp_path), (), start=start, **options)
    small = {k: 4 if k == "lora" else v for k, v in recipe.model.options.items()} | (
        {} if name == "prorank" else {"temperature": 0.05}
    )
    done = train(
        Recipe(
            out=str(tmp_path),
            model=Model(kind=recipe.model.kind, start=start, max_length=LENGTH[recipe.model.kind], options=small),
            losses=recipe.losses,
            optimiser=Optimiser(batch=4, steps=40, rate=5e-3, bf16=False, warmup=0.0),
            check=Check(every=40),
            export=Export(int8=False),
        ),
        train=groups,
        valid=groups,
    )
    losses = [line["loss"] for line in done.log if "loss" in line]
    assert min(losses[-5:]) < 0.8 * losses[0], losses


def test_margins_leave_out_what_is_too_near():
    from anyrank.train.negatives import Draw

    group = Group.from_texts("q", tuple("pabc"), (1.0, 0, 0, 0), priors=(10.0, 9.7, 8.0, 2.0))
    assert Draw(negatives=3, relative=0.95)(group, 0).texts[1:] != ()
    assert set(Draw(negatives=3, relative=0.95)(group, 0).texts) == set("pbc")
    assert set(Draw(negatives=3, absolute=2.5)(group, 0).texts) == set("pc")
    assert set(Draw(negatives=3, adaptive=1.0)(group, 0).texts) == set("pc")  # deviation 3.2
    taught = Group.from_texts("q", ("p", "a"), (3.0, 1.0), priors=(10.0, 2.0), grades=(1.0, 0.0))
    assert Draw(negatives=1)(taught, 0).texts == ("p", "a")  # judgements, not the teacher's scores, say what is right


def test_losses_of_the_recipes():
    recipe = load("lg_anna").recipe("x", ("a",), loss="adaptive_margin", margin="adaptive")
    assert recipe.losses == (Loss(name="adaptive_margin", options={"scale": 0.2, "near": 0.1}),)
    assert recipe.data.draw.adaptive == 0.5
    assert PromptReps.kind == load("promptreps").recipe("x", ()).model.kind
