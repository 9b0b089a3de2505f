"""Teachers' labels: scores of any stage, ensembles, complete listwise orders, and the 1 to 4 builder."""

import json
import logging
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from anyrank.core.errors import InputError
from anyrank.core.fusion import Combine, zscore
from anyrank.core.groupings import Sliding
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Each, Fuse
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.testing import Counting, Oracle, Scripted, toy
from anyrank.train.group import Group
from anyrank.train.listwise_labels import MultiPass, labels
from anyrank.train.permutations import write_permutations
from anyrank.train.pointwise_samples import cut, one_to_four
from anyrank.train.teachers import distilled, ensemble, labelled, ranking_of, taught
from anyrank.train.triples import read_triples

LENGTH = Rerank(Scripted(lambda q, members: [float(len(c.content)) for c in members]))
VOWELS = Rerank(Scripted(lambda q, members: [float(sum(x in "aeiou" for x in c.content)) for c in members]))
BROKEN = Rerank(Scripted(lambda q, members: [1 / 0]))
GROUP = Group.from_texts("why?", ("aaa", "bbbbb", "a"), (1.0, 0.0, 0.0), "7", ("x", "y", "z"), (0.5, 0.9, 0.1))


def test_a_groups_texts_are_labelled_in_their_order():
    (one,) = labelled([GROUP], LENGTH)
    assert one == Group.from_texts(
        "why?", GROUP.texts, (3.0, 5.0, 1.0), "7", GROUP.ids, GROUP.priors, grades=GROUP.labels
    )
    (again,) = labelled([one], VOWELS)
    assert (again.labels, again.grades) == ((3.0, 0.0, 1.0), GROUP.labels)  # a teacher's labels are no grades
    (bare,) = labelled([Group.from_texts("why?", ("ab", "b"), (0.0, 0.0))], VOWELS)
    assert (bare.labels, bare.ids, bare.id) == ((1.0, 0.0), (), "")


def test_a_teacher_of_two_parts_sums_their_z_scores():
    (one,) = labelled([GROUP], LENGTH + VOWELS)
    parts = [zscore({"x": 3, "y": 5, "z": 1}), zscore({"x": 3, "y": 0, "z": 1})]
    assert one.labels == pytest.approx([sum(p[i] for p in parts) for i in "xyz"])
    (mean,) = labelled([GROUP], Fuse((0.5 * LENGTH, 0.5 * VOWELS), Combine(normalise="none")))
    assert mean.labels == (3.0, 2.5, 1.0)


def found(ranking):
    texts = {"a": ["aaa", "b", "oo"], "b": ["iiii", "x"]}.get(ranking.query.id, [])
    return Ranking(ranking.query, tuple(Candidate(t, t, 9.0 - i) for i, t in enumerate(texts)))


def test_candidates_by_one_stage_and_labels_by_another(caplog):
    queries = [Query("a", "first"), Query("none", "second"), Query("b", "third")]
    with caplog.at_level(logging.WARNING):
        one, two = distilled(queries, Each(found), LENGTH, size=2)
    assert one == Group.from_texts(
        "first", ("aaa", "b", "oo"), (3.0, 1.0, 2.0), "a", ("aaa", "b", "oo"), (9.0, 8.0, 7.0)
    )
    assert (two.id, two.labels) == ("b", (4.0, 1.0))
    assert "query none is left out: no candidates" in caplog.text


def test_what_a_teacher_did_not_judge_whole_gets_no_labels(caplog):
    no_number = Rerank(Scripted(lambda q, members: [math.nan if c.content == "b" else 1.0 for c in members]))
    late = Rerank(LENGTH.judge, max_calls=2)
    with caplog.at_level(logging.WARNING):
        for teacher in (BROKEN, no_number, late):
            assert [g.id for g in distilled([Query("a"), Query("b")], Each(found), teacher)] in ([], ["b"])
            assert [g.id for g in distilled([Query("a")], Each(found), teacher)] == []
        assert list(labelled([GROUP], BROKEN)) == []
    assert "ZeroDivisionError" in caplog.text
    assert "max_calls=2" in caplog.text


def test_a_teacher_must_keep_the_candidates():
    with pytest.raises(InputError, match="the teacher dropped 'z' of query '7': leave cut-offs out of it"):
        list(labelled([GROUP], LENGTH % 2))
    without_text = Ranking(Query("q"), (Candidate("x"),))
    with pytest.raises(InputError, match="candidate 'x' of query 'q' has no text"):
        taught(without_text, without_text)


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=6), st.integers(2, 4))
def test_an_ensemble_of_one_teacher_many_times_keeps_its_order(scores, times):
    group = Group.from_texts("q", tuple(map(str, range(len(scores)))), tuple(scores))
    mean = ensemble([group] * times, Combine(normalise="none"), [1 / times] * times)
    assert mean.labels == pytest.approx(group.labels)
    both = ensemble([group] * times).labels
    assert all((a < b) <= (x <= y) for a, x in zip(scores, both) for b, y in zip(scores, both))


def test_teachers_of_different_texts_are_no_ensemble():
    with pytest.raises(InputError, match="the teachers labelled different texts"):
        ensemble([GROUP, Group.from_texts("why?", ("aaa",), (1.0,), "7", ("x",))])


def test_a_group_as_a_ranking():
    assert [(c.id, c.content, c.score) for c in ranking_of(GROUP)] == list(zip("xyz", GROUP.texts, GROUP.priors))
    assert ranking_of(Group.from_texts("q", ("a", "b"), (0.0, 0.0))).scores == [2.0, 1.0]


# complete listwise labels


def test_nine_passes_and_45_windows_sort_a_hundred(tmp_path):
    before, truth = toy(100, seed=4)
    judge = Counting(Oracle(truth))
    after = labels(judge)(before)
    assert after.ids == sorted(truth, key=lambda i: -truth[i])
    assert judge.groups == after.cost.usage.calls == 45
    path = tmp_path / "orders.jsonl"
    unjudged, _ = toy(5, query="r")
    assert write_permutations(path, [before, unjudged], [after, BROKEN(unjudged)]) == 1
    (row,) = map(json.loads, path.read_text().splitlines())
    assert (row["qid"], row["initial_list"], row["final_list"]) == ("q", before.ids, after.ids)


def test_what_one_pass_and_nine_whole_passes_reach():
    """The figures of full ranking's windows: one pass gets the ten best of a shuffled hundred right and leaves 1,300
    pairs wrong; nine passes over the whole list take 81 windows, where fixing the best takes 45."""
    shuffled = list(range(100))
    random.Random(0).shuffle(shuffled)
    before = Ranking(Query("q"), tuple(Candidate(str(i), "a text", 100.0 - n) for n, i in enumerate(shuffled)))
    truth = {str(i): -float(i) for i in shuffled}
    one = Rerank(Oracle(truth), Sliding(20, 10))(before)
    order = [int(i) for i in one.ids]
    assert (order[:10], one.cost.usage.calls) == (list(range(10)), 9)
    assert sum(a > b for i, a in enumerate(order) for b in order[i + 1 :]) == 1300
    nine = Rerank(Oracle(truth), Sliding(20, 10, passes=9))(before)
    assert nine.cost.usage.calls == 81
    assert labels(Oracle(truth))(before).ids == nine.ids == [str(i) for i in range(100)]


@given(st.integers(0, 60), st.integers(2, 12), st.data())
def test_complete_labels_for_any_window(n, size, draw):
    stride = draw.draw(st.integers(1, size - 1))
    before, truth = toy(n, seed=n)
    after = Rerank(Oracle(truth), MultiPass(size, stride))(before)
    assert after.ids == sorted(truth, key=lambda i: -truth[i])


# one to four


class Characters:
    """A tokenizer of characters, in transformers' manner."""

    def encode(self, text, *, add_special_tokens=True):
        return [0] * add_special_tokens + [ord(c) for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def triples(tmp_path, human, other, lines=12):
    path = tmp_path / "triples.tsv"
    path.write_text("".join(f"q{i}\tp{i}\tn{i}\n" for i in range(lines)))
    queries = {f"q{i}": f"question {i}" for i in range(lines)}
    return [list(read_triples(path, queries, collection)) for collection in (human, other)]


def test_every_fifth_triple_gives_its_positive(tmp_path):
    human = {f"{kind}{i}": f"human {kind}{i}" for kind in "pn" for i in range(12)}
    other = {i: text.replace("human", "machine") for i, text in human.items()}
    ours, theirs = (list(one_to_four(t)) for t in triples(tmp_path, human, other))
    assert [g.labels for g in ours] == [(1.0 if i % 5 == 0 else 0.0,) for i in range(12)]
    assert [g.ids for g in ours] == [(f"{'n' if i % 5 else 'p'}{i}",) for i in range(12)]
    assert [g.query for g in ours] == [g.query for g in theirs]
    assert [g.texts[0].replace("human", "machine") for g in ours] == [g.texts[0] for g in theirs]
    assert {g.texts[0].split()[0] for g in theirs} == {"machine"}


def test_queries_and_documents_are_cut_by_a_tokenizer():
    long = [Group.from_texts("q" * 100, ("p" * 400, "n" * 300), (1.0, 0.0))] * 2
    one, two = one_to_four(long, Characters())
    assert (len(one.query), len(one.texts[0]), len(two.texts[0])) == (70, 350, 300)
    words = Tokenizer(models.WordLevel({"the": 0, "wing": 1, "lifts": 2}, unk_token="the"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    assert (cut("The  wing", 2, words), cut("the wing lifts", 2, words)) == ("The  wing", "the wing")


def test_the_builder_takes_pairs_only():
    for bad in (Group.from_texts("q", ("a",), (1.0,)), Group.from_texts("q", ("a", "b"), (0.0, 1.0))):
        with pytest.raises(InputError, match="expected two texts, a positive and then a negative"):
            list(one_to_four([bad]))
