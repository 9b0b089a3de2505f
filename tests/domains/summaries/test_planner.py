"""The planner points at rising positions and learns plans; the abstractor learns to follow them."""

import random

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, T5ForConditionalGeneration

from anyrank.core.errors import InputError
from anyrank.domains.summaries.abstractor import Abstractor, Planned, smoothed_unlikelihood
from anyrank.domains.summaries.brio import Joint, setup
from anyrank.domains.summaries.edus import by_model
from anyrank.domains.summaries.planner import Example, Planner
from anyrank.domains.summaries.plans import soft_labels
from anyrank.models.likelihood import Likelihood
from anyrank.testing.tiny import llama, t5
from anyrank.train.group import Group
from anyrank.train.losses import brio, language_loss
from anyrank.train.recipe import Export, Model, Optimiser, Recipe
from anyrank.train.run import train


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return t5(tmp_path_factory.mktemp("t5"))


def planner(start):
    torch.manual_seed(0)
    return Planner(AutoModelForSeq2SeqLM.from_pretrained(start), AutoTokenizer.from_pretrained(start), 200)


def news(rng):
    """An article of five EDUs, of which those about the river are what its summary says."""
    salient = sorted(rng.sample(range(5), 2))
    edus = [f"{'the river' if i in salient else 'a number'} of {rng.choice(['which', 'yes', 'no'])}" for i in range(5)]
    return Example(edus, salient, soft_labels(edus, [edus[i] for i in salient]))


def test_plans_rise_and_are_distinct(start):
    model = planner(start).eval()
    edus = [f"passage {i}" for i in range(6)]
    beams = model.plans(edus, width=8, least=2, most=4)
    assert len(beams) == 8
    assert len({b.symbols for b in beams}) == 8
    for beam in beams:
        assert list(beam.symbols) == sorted(set(beam.symbols))
        assert 2 <= len(beam.symbols) <= 4
    # probabilities after a prefix: those passed have none, the others add up to 1
    values = model.pointers(model.read(edus), [[1, 3]])[0].exp()
    assert values[2, :4].max() < 1e-6
    assert float(values[2].sum().detach()) == pytest.approx(1, abs=1e-5)
    assert [len(b.symbols) for b in model.plans(["passage"], width=2)] == [1]
    with pytest.raises(InputError, match="without EDUs"):
        model.plans([])
    with pytest.raises(InputError, match="the first EDU is longer than max_length=200"):
        model.plans(["number " * 300])
    assert len(model.read(["number " * 60] * 9)) < 11  # EDUs beyond what it reads are left out


def test_the_planner_learns_which_edus_a_summary_says(start):
    rng, model = random.Random(0), planner(start)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(80):
        loss = model.loss([news(rng) for _ in range(4)])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    model.eval()
    test = [news(rng) for _ in range(20)]
    assert sum(list(model.plans(e.edus, 4, least=1)[0].symbols) == list(e.plan) for e in test) >= 16


def test_unlikelihood_by_hand():
    logits, tokens = torch.tensor([[[0.0, 0.0, 1.0], [3.0, 0.0, 0.0]]]), torch.tensor([[2, -100]])
    p = logits[0, 0].softmax(0)
    against = -(1 - p).log()
    wanted = 0.9 * against[2] + 0.1 * against.mean()
    assert float(smoothed_unlikelihood(logits, tokens)) == pytest.approx(float(wanted), abs=1e-6)
    sure = torch.tensor([[[100.0, 0.0]]])
    assert torch.isfinite(smoothed_unlikelihood(sure, torch.tensor([[0]])))


def test_the_abstractor_learns_to_follow_its_plan(start):
    config = AutoConfig.from_pretrained(start)
    config.initializer_factor = 1.0  # small weights, so that attention can learn
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(config).eval()
    abstractor = Abstractor(model, AutoTokenizer.from_pretrained(start), 64, 12)
    model.get_input_embeddings().weight.data[-2:].normal_()  # marks that differ from the start
    edus = ["the river", "a number"]
    examples = [Planned(edus, "river", [0], [1]), Planned(edus, "number", [1], [0])]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    before = float(abstractor.loss(examples).detach())
    for _ in range(80):
        loss = abstractor.loss(examples)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.6 * before
    assert abstractor.write(edus, [[0], [1]]) == ["river", "number"]
    several = abstractor.diverse(" ".join(edus), 4, penalty=2.0)
    assert len(set(several)) == len(several) > 1


def test_the_joint_loss_is_the_sum_of_its_parts(tmp_path):
    model = Likelihood.from_folder(llama(tmp_path / "start", chat=""), max_length=120).eval()
    groups = [Group.from_texts("which", ["the city", "a river"], [0.2, 0.9], "a"),
              Group.from_texts("passage", ["yes", "no", "number"], [0.5, 0.1, 0.4], "b")]  # fmt: skip
    made = setup(model, Joint(rank_weight=3.0, mle_weight=0.5, margin=0.1))
    batch = made.collate(groups)
    with torch.no_grad():
        loss = made.objective(model, batch, 0.0)
        values = model(**batch["features"])
        rank = brio(values, batch["labels"], batch["features"]["mask"], margin=0.1)
        best = [Group.from_texts("which", ["a river"], [1.0]), Group.from_texts("passage", ["yes"], [1.0])]
        parts = [(model.logits(c), c["labels"]) for g in best for c in made.collate([g])["features"]["chunks"]]
        counts = [int((labels != -100).sum()) for _, labels in parts]
        each = [float(language_loss(*part, smoothing=0.1)) for part in parts]
    written = sum(n * x for n, x in zip(counts, each)) / sum(counts)
    assert float(loss) == pytest.approx(3 * float(rank) + 0.5 * written, abs=1e-4)
    recipe = Recipe(
        out=str(tmp_path / "out"),
        model=Model(kind="likelihood", start="given"),
        optimiser=Optimiser(rate=1e-3, steps=2, bf16=False),
        export=Export(int8=False),
    )
    assert train(recipe, train=groups, setup=made).folder.joinpath("anyrank.json").is_file()


def test_a_segmenter_of_token_labels(tmp_path):
    from transformers import BertConfig, BertForTokenClassification

    from anyrank.testing.tiny import pair_tokenizer

    tokenizer = pair_tokenizer(tmp_path)
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=66, num_labels=2,
                        id2label={0: "I", 1: "B-EDU"})  # fmt: skip
    model = BertForTokenClassification(config)
    torch.nn.init.zeros_(model.classifier.weight)
    model.classifier.bias.data = torch.tensor([0.0, 1.0])
    model.save_pretrained(tmp_path)
    assert by_model(str(tmp_path))(["the river city", ""]) == [["the", "river", "city"], []]
    with pytest.raises(InputError, match="no label that begins with 'X', only I, B-EDU"):
        by_model(str(tmp_path), begins="X")
