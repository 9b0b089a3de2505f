"""What single papers fix: counts of calls, costs, exports."""

import json
import random
import re

import pytest

from anyrank.core.errors import InputError
from anyrank.core.groupings import Heap
from anyrank.core.types import Ranking
from anyrank.papers import distillation, fullrank, load, prp, setwise
from anyrank.testing import Counting, HostileModel, Oracle, OracleModel, ScriptedModel, toy
from anyrank.testing.llm import TEXT_FAULTS, flat

IDS = [str(i) for i in range(99, -1, -1)]  # the best first
TRUTH = {i: float(i) for i in IDS}
MIXED = list(range(100))
random.Random(1).shuffle(MIXED)


def ranked(order):
    return Ranking.of("q", [f"text of {i}" for i in order], [str(i) for i in order])


ORDERS = {"best": list(range(99, -1, -1)), "worst": list(range(100)), "mixed": MIXED}


@pytest.mark.parametrize(
    ("name", "options", "best", "worst", "mixed"),
    [
        ("rank_r1", {"shuffle": False}, 19, 25, 23),
        ("rank_r1", {}, 19, 25, 23),
        ("rank_r1", {"votes": 2}, 38, 50, 46),
        ("rank_r1", {"k": 1}, 6, 7, 7),
        ("setwise", {"children": 19}, 19, 25, 23),
        ("setwise", {}, 69, 83, 83),
        ("setwise", {"children": 2}, 102, 147, 142),
        ("setwise", {"mode": "likelihood"}, 69, 83, 83),
        ("setwise", {"sort": "bubble", "children": 19}, None, 54, None),
    ],
)
def test_calls_of_heap_and_bubble_sort(name, options, best, worst, mixed):
    """Reference counts for n = 100 on sorted, reversed and one shuffled input."""
    for which, calls in (("best", best), ("worst", worst), ("mixed", mixed)):
        after = load(name).build(OracleModel(TRUTH), **options)(ranked(ORDERS[which]))
        assert after.ids[: options.get("k", 10)] == IDS[: options.get("k", 10)]
        assert calls in (None, after.cost.usage.calls), which


def test_twenty_documents_and_one_wanted_take_one_call():
    after = load("rank_r1").build(OracleModel(TRUTH), k=1)(ranked(random.Random(3).sample(range(20), 20)))
    assert (after.ids[0], after.cost.usage.calls) == ("19", 1)


def test_bubble_sort_asks_about_no_empty_window():
    """The reference asks five to eight times about nothing on sorted input."""
    sizes = []

    def script(prompt):
        sizes.append(flat(prompt).count("text of"))
        return OracleModel(TRUTH).generate([prompt], max_tokens=1)[0]

    setwise.build(ScriptedModel(script), sort="bubble", children=3)(ranked(ORDERS["best"]))
    assert min(sizes) >= 2


@pytest.mark.parametrize(
    ("sort", "pairs"), [("allpair", 4950), ("sliding", 945), ("heap", 272)]
)  # fmt: skip
def test_costs_of_pairwise_prompting(sort, pairs):
    """Two calls a pair; heap sort's pairs depend on the input (272 on the reference's)."""
    after = prp.build(OracleModel(TRUTH), sort=sort)(ranked(ORDERS["mixed"]))
    assert after.ids[:10] == IDS[:10]
    calls = after.cost.usage.calls
    assert calls == 2 * pairs if sort != "heap" else abs(calls - 2 * pairs) <= 0.1 * 2 * pairs
    if sort != "heap":
        assert prp.COSTS[sort](100).calls == calls
    one = prp.build(OracleModel(TRUTH), k=1)(ranked(ORDERS["mixed"]))
    assert (one.cost.usage.calls, one.ids[0]) == (2 * 99, "99")


@pytest.mark.parametrize("sort", ["allpair", "sliding", "heap"])
def test_always_a_is_a_tie_and_ties_keep_the_order(sort):
    ranking = ranked(ORDERS["mixed"][:30])
    after = prp.build(ScriptedModel(lambda p: "Passage A"), sort=sort)(ranking)
    assert after.ids == ranking.ids
    with pytest.raises(InputError, match="sort='merge'"):
        prp.build(ScriptedModel(str), sort="merge")


def inversions(ids):
    order = [int(i) for i in ids]
    return sum(a < b for i, a in enumerate(order) for b in order[i + 1 :])


def test_labels_for_full_ranking_take_nine_passes_and_45_calls():
    judge = Counting(Oracle(TRUTH))
    whole = fullrank.labels(judge)(ranked(ORDERS["worst"]))
    assert (judge.groups, whole.ids) == (45, IDS)
    judge = Counting(Oracle(TRUTH))
    assert fullrank.labels(judge)(ranked(ORDERS["mixed"])).ids == IDS
    assert judge.groups == 45
    one = load("rankgpt").build(OracleModel(TRUTH))(ranked(ORDERS["mixed"]))
    assert one.ids[:10] == IDS[:10]
    assert inversions(one.ids) > 500  # one ordinary pass is right only at the top
    with pytest.raises(InputError, match="stride=20"):
        fullrank.MultiPass(20, 20)


def test_full_ranking_is_one_call_that_sorts_everything():
    after = fullrank.build(OracleModel(TRUTH))(ranked(ORDERS["mixed"]))
    assert (after.ids, after.cost.usage.calls) == (IDS, 1)


def test_icr_is_two_calls_for_any_number():
    for n in (10, 60):
        ranking, truth = toy(n)
        after = load("icr").build(OracleModel(truth))(ranking)
        assert (after.cost.usage.calls, after.cost.usage.completion_tokens) == (2, 0)
        assert after.ids == sorted(truth, key=lambda i: -truth[i])


def test_icr_shows_the_first_stages_best_last():
    model = OracleModel(TRUTH)
    load("icr").build(model)(ranked(range(5)))
    text = flat(model.log[0])
    assert text.index("text of 4") < text.index("text of 0")  # place 0 is the first stage's best


def test_first_needs_one_token_where_generation_needs_many():
    ranking, truth = toy(20)
    first, written = (load(m).build(OracleModel(truth))(ranking) for m in ("first", "rankgpt"))
    assert first.ids == written.ids
    assert first.cost.usage.completion_tokens < written.cost.usage.completion_tokens


def test_insertrank_without_its_scores_is_a_listwise_prompt():
    from anyrank.llm.templates import LISTWISE, WITH_SCORES

    ranking, _ = toy(4)
    plain, scored = (flat(t.render(ranking.query, list(ranking)).prompt) for t in (LISTWISE, WITH_SCORES))
    assert "BM25 score of [2]: 3.000" in scored
    assert "BM25" not in plain
    assert scored.count("text of") == plain.count("text of") == 4


def test_distillation_examples(tmp_path):
    made = [toy(n, query=f"q{n}") for n in (30, 8, 1)]
    truth = {k: v for _, t in made for k, v in t.items()}
    before = [r for r, _ in made]
    after = distillation.build(OracleModel(truth)).batch(before)
    path = tmp_path / "train.jsonl"
    assert distillation.export(path, before, after, shuffle=5) == 2
    for line, ranking in zip(path.read_text().splitlines(), before, strict=False):
        row = json.loads(line)
        ids = [c["docid"] for c in row["candidates"]]
        assert row["qid"] == ranking.query.id
        assert sorted(ids) == sorted(ranking.ids[:20])
        assert ids != ranking.ids[: len(ids)]
        best = [ids[i - 1] for i in row["permutation"]]
        assert best == [i for i in after[before.index(ranking)].ids if i in ids]
        assert row["target"] == " > ".join(f"[{i}]" for i in row["permutation"])
        assert row["prompt"][-1]["role"] == "user"
    useless = distillation.build(ScriptedModel(lambda p: "no")).batch(before)
    assert distillation.export(path, before, useless) == 0
    assert path.read_text() == ""


def test_the_trace_is_ok_only_where_every_answer_was_clean():
    """Checked against a reader of its own: labels of all documents once, in the asked-for form, after any thinking."""
    clean = dirty = 0
    for seed in range(300):
        said = []
        model = HostileModel(seed, [f for f in TEXT_FAULTS if f != "raise"])

        def answer(prompt, model=model, said=said):
            said.extend(model.generate([prompt], max_tokens=9))
            return said[-1]

        ranking, _ = toy(random.Random(seed).choice([2, 5, 21]), seed)
        after = load("rankgpt").build(ScriptedModel(answer))(ranking)
        sizes = [20, 11] if len(ranking) == 21 else [len(ranking)]  # the windows
        good = [
            re.fullmatch(r"\[\d+\]( > \[\d+\])*", text := s.text.split("</think>")[-1].strip()) is not None
            and sorted(map(int, re.findall(r"\d+", text))) == list(range(1, size + 1))
            for s, size in zip(said, sizes, strict=True)
        ]
        assert (after.status == "ok") == all(good), (seed, [s.text[:80] for s in said])
        clean, dirty = clean + all(good), dirty + (not all(good))
    assert min(clean, dirty) > 10


def unreadable_after(calls):
    """A model that knows the best, and writes nonsense from some call on."""
    oracle, count = OracleModel(TRUTH), [0]

    def answer(prompt):
        count[0] += 1
        if count[0] > calls:
            return "no idea"
        return oracle.generate([prompt], max_tokens=9)[0].text

    return ScriptedModel(answer)


def test_after_an_unreadable_answer_a_heap_goes_by_the_input_or_keeps_the_parent():
    """The default lets the best of the first stage win, ``ties='parent'`` is the reference's rule."""
    order = [3, 1, 2, 0]  # a heap of one family whose parent is d3; after a swap its parent isn't the input's first
    ranking = ranked(order)
    first, parent = (list(Heap(3, 2, ties=ties)(4).send(None)) for ties in ("input", "parent"))
    assert first == parent == [[0, 1, 2, 3]]
    for ties, best in (("input", 0), ("parent", 2)):
        plan = Heap(3, 2, ties=ties)(4)
        next(plan)
        # candidate 2 is the best and becomes the parent; then the last leaf, 3, takes its place and sinks
        group = plan.send([[0.0, 0.0, 1.0, 0.0]])
        assert group == [[3, 1, 0]]
        with pytest.raises(StopIteration) as end:
            plan.send([[-float("inf")] * 3])
        assert end.value.value == ([2, 0] if ties == "input" else [2, 3])
        del best
    after = setwise.build(unreadable_after(1), k=2, ties="parent")(ranking)
    assert after.status == "partial"
    with pytest.raises(InputError, match="ties='last'"):
        setwise.build(OracleModel(TRUTH), ties="last")


def test_a_contradiction_keeps_the_parent_where_it_is_asked_to():
    ties = [[0.0, 0.0]]
    for rule, top in (("input", [1, 0]), ("parent", [1, 2])):
        plan = Heap(2, 2, pairs=True, ties=rule)(3)
        assert next(plan) == [[0, 1]]
        assert plan.send([[0.0, 1.0]]) == [[1, 2]]  # candidate 1 leads
        group = plan.send(ties)  # and stays: it stands before 2 in the input, and is the parent
        assert group == [[2, 0]]
        with pytest.raises(StopIteration) as end:
            plan.send(ties)
        assert end.value.value == top
    for sort in ("heap", "sliding", "allpair"):
        after = prp.build(OracleModel(TRUTH), sort=sort, ties="parent", k=3)(ranked(range(8)))
        assert after.ids[:3] == ["7", "6", "5"]


@pytest.mark.parametrize("name", ["setwise", "prp", "rankgpt"])
def test_cards_say_where_a_method_differs_from_its_reference(name):
    card = load(name).CARD
    assert card.differences
    assert all(f"differs: {difference}" in str(card) for difference in card.differences)
