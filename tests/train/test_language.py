"""Listwise training of language models: prompts, targets, losses, and a toy list learnt by heart."""

import json
import math
from dataclasses import replace

import pytest
import torch

from anyrank.backends.hf.language_model import HF
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query
from anyrank.llm.first_token import FirstToken
from anyrank.llm.generation import Generated
from anyrank.testing.tiny import CHAT, llama
from anyrank.train.group import Group
from anyrank.train.language_model import LanguageObjective, Listwise, separator
from anyrank.train.losses import LOSSES, language_loss, ranknet_weighted, unlikelihood
from anyrank.train.losses.language import IGNORED
from anyrank.train.recipe import Check, Language, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.setup import rank_loss

GROUPS = [
    Group.from_texts("river", ("the city", "a river", "number one"), (1.0, 2.0, 0.0), "q1"),
    Group.from_texts("city", ("the river", "no", "yes", "a city"), (2.0, 0.0, 1.0, 3.0), "q2"),
]


def longer(folder, **options):
    """A tiny Llama with a context of 512."""
    llama(folder, **options)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 512}))
    return str(folder)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return longer(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return longer(tmp_path_factory.mktemp("plain"), chat="")


def recipe(start, folder=".", **language):
    return Recipe(
        out=str(folder),
        model=Model(kind="language", start=start, max_length=512),
        language=Language(**language),
        optimiser=Optimiser(batch=2, steps=100, rate=5e-3, warmup=0.0, bf16=False, decay=0.0),
        seed=1,
        check=Check(every=100),
    )


@pytest.mark.parametrize("chat", [CHAT, ""])
def test_a_row_is_the_judges_prompt_and_the_order(chat, start, plain):
    lists = Listwise.load(recipe(start if chat else plain))
    row = lists.row(GROUPS[1])
    assert lists.tokenizer.decode(row.answer) == "D] > [A] > [C] > [B]</s>"
    members = [Candidate(str(i), t) for i, t in enumerate(GROUPS[1].texts)]
    asked = lists.template.render(Query("q2", "city"), members)
    assert lists.tokenizer.decode(row.prompt) == HF(start if chat else plain).render(asked.prompt)
    assert [lists.tokenizer.decode([i]) for i in row.labels] == ["A", "B", "C", "D"]


def test_numbers_and_no_end(start):
    lists = Listwise.load(recipe(start, labels="numbers", objective="language", end=False))
    row = lists.row(GROUPS[0])
    assert lists.tokenizer.decode(row.answer) == "[2] > [1] > [3]"
    assert row.labels == ()  # "[1" is more than one token
    with pytest.raises(InputError, match="3 labels in numbers are not one token each"):
        Listwise.load(recipe(start, labels="numbers")).row(GROUPS[0])
    with pytest.raises(InputError, match="it needs labels of one token"):
        lists.scores(GROUPS)


def test_what_does_not_fit_is_named(start):
    lists = replace(Listwise.load(recipe(start)), max_length=40)
    with pytest.raises(InputError, match=r"query 'q1': \d+ tokens > max_length=40: give fewer texts"):
        lists.row(GROUPS[0])


def test_scores_are_the_judges(start):
    lists = Listwise.load(recipe(start))
    judge = FirstToken(HF(start, dtype="float32"), lists.template)
    for group, scores in zip(GROUPS, lists.scores(GROUPS)):
        members = [Candidate(str(i), t) for i, t in enumerate(group.texts)]
        (said,) = judge([(Query(group.id, group.query), members)])
        shift = said.scores[0] - scores[0]
        assert said.scores == pytest.approx([s + shift for s in scores], abs=1e-4)


def test_losses_by_hand(start):
    lists = Listwise.load(recipe(start))
    batch = lists.collate(GROUPS)
    lists.model.eval()
    total, count, ranks = 0.0, 0, []
    with torch.no_grad():
        for group in GROUPS:
            row = lists.row(group)
            logits = lists.model(torch.tensor([row.prompt + row.answer])).logits[0].float()
            at = len(row.prompt) - 1
            logs = logits.log_softmax(-1)
            total -= sum(float(logs[at + i, t]) for i, t in enumerate(row.answer))
            count += len(row.answer)
            gold = torch.tensor([group.labels])
            ranks.append(float(ranknet_weighted(logits[at, list(row.labels)][None], gold)))
        assert (batch["answer"] != IGNORED).sum() == count
        found = {
            kind: float(
                LanguageObjective(replace(lists.spec, objective=kind), rank_loss(lists.spec))(lists.model, batch, 0.0)
            )
            for kind in ("language", "rank", "combined")
        }
    assert found["language"] == pytest.approx(total / count, rel=1e-4)
    assert found["rank"] == pytest.approx((3 * ranks[0] + 6 * ranks[1]) / 9, rel=1e-4)  # over all pairs
    assert found["combined"] == pytest.approx(found["language"] + 10 * found["rank"], rel=1e-5)


def test_importance_weighs_the_first_ranks(start):
    lists = Listwise.load(recipe(start, objective="language", importance=True))
    mark = separator(lists.tokenizer, "letters")
    batch = lists.collate(GROUPS[:1])
    with torch.no_grad():
        found = float(LanguageObjective(lists.spec, rank_loss(lists.spec), mark)(lists.model.eval(), batch, 0.0))
        row = lists.row(GROUPS[0])
        logs = lists.model(torch.tensor([row.prompt + row.answer])).logits[0].float().log_softmax(-1)
    rank, total = 1, 0.0
    for i, token in enumerate(row.answer):
        rank += token == mark
        weight = 1.0 if token == mark else 1 + 1 / math.log2(rank + 1)
        total -= weight * float(logs[len(row.prompt) - 1 + i, token])
    assert rank == 3
    assert found == pytest.approx(total / len(row.answer), rel=1e-4)


def test_the_prompt_is_no_target(start):
    batch = Listwise.load(recipe(start)).collate(GROUPS)
    assert batch["answer"].shape[1] < batch["input_ids"].shape[1]
    assert batch["input_ids"][:, -1].tolist() == [2, 2]  # both answers end together
    assert batch["attention_mask"][0, 0] == 0  # the shorter one is padded on the left


@pytest.mark.parametrize(
    "how",
    [
        {"objective": "language"},
        {"objective": "rank", "rank_loss": "listnet"},
        {"objective": "combined", "neftune": 5.0},
        {"objective": "combined", "lora": 4},
    ],
    ids=lambda how: "-".join(map(str, how.values())),
)
def test_a_toy_list_is_learnt(how, start, tmp_path):
    made = recipe(start, tmp_path, **how)
    if "lora" in how:
        made = replace(made, optimiser=replace(made.optimiser, rate=3e-2))
    done = train(made, train=GROUPS, valid=GROUPS)
    assert (tmp_path / "adapter").is_dir() == ("lora" in how)
    backend, template = HF(str(tmp_path), dtype="float32"), done.model.template
    group = (Query("q2", "city"), [Candidate(str(i), t) for i, t in enumerate(GROUPS[1].texts)])
    if how["objective"] != "rank":
        (said,) = Generated(backend, template)([group])
        assert list(said.scores) == [3.0, 1.0, 2.0, 4.0]
    if how["objective"] != "language":  # which trains the first label to be the best, not the order of the others
        assert done.effect.mean("after", "nDCG@10") == 1.0
        (first,) = FirstToken(backend, template)([group])
        assert sorted(range(4), key=lambda i: -first.scores[i]) == [3, 0, 2, 1]


def test_a_query_is_unlearnt_under_a_passage_that_does_not_answer_it(start):
    """The Python way to ``unlikelihood``, which no recipe has."""
    lists = Listwise.load(recipe(start))
    right, wrong = ("a city yes", "the river no")
    words = {name: lists.tokenizer(name, add_special_tokens=False)["input_ids"] for name in (right, wrong, " city")}

    def read(passage):
        """The logits that predict the query after a passage, and the query's tokens."""
        ids = torch.tensor([words[passage] + words[" city"]])
        n = len(words[" city"])
        return lists.model(ids).logits[:, -n - 1 : -1], ids[:, -n:]

    def likely(passage):
        with torch.no_grad():
            return -float(language_loss(*read(passage)))

    step = torch.optim.AdamW(lists.model.parameters(), lr=5e-3)
    for _ in range(40):
        step.zero_grad()
        (language_loss(*read(right)) + unlikelihood(*read(wrong))).backward()
        step.step()
    assert likely(right) > math.log(0.8)
    assert likely(wrong) < math.log(0.2)


def test_a_rank_loss_has_firsts_mean_over_all_pairs_and_its_options():
    s, y = torch.tensor([[0.2, 1.4, 0.0], [0.1, -0.7, 0.9]]), torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[True, True, False], [True] * 3])
    ranknet = LOSSES["ranknet_weighted"]
    usual = rank_loss(Language())(s, y, mask)
    assert float(usual) == pytest.approx(float(ranknet(s, y, mask, mean="pair")))
    stated = rank_loss(Language(rank_options={"mean": "group"}))(s, y, mask)
    assert float(stated) == pytest.approx(float(ranknet(s, y, mask)))
    assert float(usual) != pytest.approx(float(stated))
    assert rank_loss(Language(rank_loss="listnet"))(s, y, mask) == LOSSES["listnet"](s, y, mask)  # it has no pairs
    with pytest.raises(InputError, match="ranknet_weighted has no option 'k'"):
        rank_loss(Language(rank_options={"k": 3}))
