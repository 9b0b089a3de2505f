"""Readers and writers of training data: what they read, and what they say of what they can't."""

import gzip
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.content import Image
from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.io.corpus import read_queries
from anyrank.io.dataset import Dataset
from anyrank.train.group import Group
from anyrank.train.groups import group_from_dict, group_to_dict, read_groups, write_groups
from anyrank.train.judgements import judged, training_part
from anyrank.train.permutations import read_permutations, write_permutations
from anyrank.train.triples import contents, merged, read_teacher_scores, read_triples

QUERIES = contents([Query("q1", "why lift?"), Query("q2", "what drag?")])
DOCUMENTS = contents([Candidate(f"d{i}", f"text {i}") for i in range(1, 4)])
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def written(tmp_path, text, name="f"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def jsonl(tmp_path, *records):
    return written(tmp_path, "".join(json.dumps(r) + "\n" for r in records), "f.jsonl")


def fault(read):
    with pytest.raises(InputError) as caught:
        list(read)
    return str(caught.value)


# groups


@given(st.lists(st.tuples(st.text(max_size=9), FINITE, FINITE), min_size=1, max_size=5, unique_by=lambda r: r[0]))
def test_a_group_comes_back_as_it_was(rows):
    texts, labels, priors = map(tuple, zip(*rows))
    for group in (
        Group.from_texts("why?", texts, labels),
        Group.from_texts("why?", texts, labels, "7", tuple(map(str, range(len(rows)))), priors),
    ):
        assert group_from_dict(json.loads(json.dumps(group_to_dict(group)))) == group


def test_groups_of_a_file_are_queries_too(tmp_path):
    groups = [
        Group.from_texts("why?", ("so", "no"), (2.5, -1.0), "a", ("x", "y"), (9.0, 8.0)),
        Group.from_texts("what?", ("it",), (1.0,), "b"),
    ]
    path = tmp_path / "g.jsonl.gz"
    write_groups(path, groups)
    assert list(read_groups(path)) == groups
    assert [(q.id, q.content) for q in read_queries(path)] == [("a", "why?"), ("b", "what?")]


def test_positives_and_negatives_with_a_teachers_scores(tmp_path):
    plain = {"query": "q", "pos": ["a", "b"], "neg": ["c"]}
    path = jsonl(tmp_path, plain, {**plain, "pos_scores": [3, 2.5], "neg_scores": [-1]}, {"query": "q", "pos": ["a"]})
    assert [g.labels for g in read_groups(path)] == [(1.0, 1.0, 0.0), (3.0, 2.5, -1.0), (1.0,)]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"query": "q"}, "expected the fields texts and labels, or pos and neg; found query"),
        ({"query": " ", "pos": ["a"]}, "the query is empty"),
        ({"pos": ["a"]}, "no query"),
        ({"query": "q", "pos": []}, "pos is empty"),
        ({"query": "q", "pos": ["a"], "neg": [3]}, r"neg[0] is int: expected a text"),
        ({"query": "q", "pos": ["a"], "neg": "b"}, "neg is str: expected a list"),
        ({"query": "q", "pos": ["a"], "neg": ["b"], "pos_scores": [1.0]}, "neg_scores is missing: expected a list"),
        (
            {"query": "q", "pos": ["a"], "neg": ["b"], "pos_scores": [1, 2], "neg_scores": [1]},
            "2 pos_scores for 1 texts",
        ),
        ({"query": "q", "texts": ["a"], "labels": ["1"]}, "labels[0] is '1': expected a finite number"),
        ({"query": "q", "texts": ["a"]}, "labels is missing: expected a list"),
        ({"query": "q", "texts": ["a", "b"], "labels": [1.0]}, "2 texts but 1 labels"),
    ],
)
def test_groups_name_the_line_and_the_fault(tmp_path, record, says):
    path = jsonl(tmp_path, {"query": "q", "pos": ["a"]}, record)
    said = fault(read_groups(path))
    assert said.startswith(f"{path}:2: ")
    assert says in said


def test_an_empty_file_of_groups(tmp_path):
    assert "the file is empty: expected groups" in fault(read_groups(written(tmp_path, "\n")))


@pytest.mark.parametrize("name", ["msmarco.jsonl", "nq.jsonl.gz", "reranker_normal.jsonl"])
def test_published_examples_are_read(data, name):
    path = data / "reranker-train-examples" / name
    taught, plain = list(read_groups(path)), list(read_groups(path, scores=False))
    assert len(taught) == 10
    assert all(len(g.texts) > 20 and 50 < min(g.labels) < max(g.labels) < 120 for g in taught)
    assert [g.texts for g in plain] == [g.texts for g in taught]
    assert all(g.labels[0] == 1.0 and g.labels[-1] == 0.0 and set(g.labels) == {0.0, 1.0} for g in plain)


# triples and teacher scores


def test_triples_of_texts_and_of_ids(tmp_path):
    assert list(read_triples(written(tmp_path, "why?\tso\tno\n\nwhat?\tit\tnay"))) == [
        Group.from_texts("why?", ("so", "no"), (1.0, 0.0)),
        Group.from_texts("what?", ("it", "nay"), (1.0, 0.0)),
    ]
    (one,) = read_triples(written(tmp_path, "q1\td2\td3\r\n"), QUERIES, DOCUMENTS)
    assert one == Group.from_texts("why lift?", ("text 2", "text 3"), (1.0, 0.0), "q1", ("d2", "d3"))


def test_teacher_scores(tmp_path):
    path = written(tmp_path, "5.8997\t2.2803\tq1\td1\td2\n-1e-3\t7\tq2\td3\td1\n")
    assert [(g.labels, g.id, g.ids) for g in read_teacher_scores(path, QUERIES, DOCUMENTS)] == [
        ((5.8997, 2.2803), "q1", ("d1", "d2")),
        ((-0.001, 7.0), "q2", ("d3", "d1")),
    ]
    (texts,) = read_teacher_scores(written(tmp_path, "1\t0\twhy?\tso\tno\n"))
    assert texts == Group.from_texts("why?", ("so", "no"), (1.0, 0.0), grades=(1.0, 0.0))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "1\t0\tq1\td1",
            "expected 5 tab-separated columns (positive score, negative score, query, positive, negative), f",
        ),
        ("1\tnan\tq1\td1\td2", "expected a finite number as score, found 'nan'"),
        ("one\t0\tq1\td1\td2", "expected a finite number as score, found 'one'"),
        ("1\t0\tq9\td1\td2", "unknown query id 'q9'"),
        ("1\t0\tq1\td1\td9", "unknown document id 'd9'"),
        ("1\t0\tq1\t\td2", "the positive is empty"),
    ],
)
def test_teacher_scores_name_the_line_and_the_fault(tmp_path, line, says):
    path = written(tmp_path, "1\t0\tq1\td1\td2\n" + line + "\n")
    said = fault(read_teacher_scores(path, QUERIES, DOCUMENTS))
    assert said.startswith(f"{path}:2: ")
    assert says in said


def test_triples_are_read_one_at_a_time(tmp_path):
    stream = read_triples(written(tmp_path, "why?\tso\tno\nbroken\n"))
    assert next(stream).query == "why?"
    with pytest.raises(InputError, match=r":2: expected 3"):
        next(stream)


def test_half_a_lookup_and_an_empty_file(tmp_path):
    assert "need both queries and documents" in fault(read_triples(written(tmp_path, "q1\td1\td2\n"), QUERIES))
    assert "the file is empty: expected lines of query, positive, negative" in fault(
        read_triples(written(tmp_path, ""))
    )


def test_neighbouring_triples_of_a_query_become_one_group(tmp_path):
    path = written(tmp_path, "3\t1\tq1\td1\td2\n3\t2\tq1\td1\td3\n5\t4\tq2\td1\td2\n")
    one, two = merged(read_teacher_scores(path, QUERIES, DOCUMENTS))
    assert (one.ids, one.labels, one.texts) == (("d1", "d2", "d3"), (3.0, 1.0, 2.0), ("text 1", "text 2", "text 3"))
    assert (two.id, two.labels) == ("q2", (5.0, 4.0))
    seen_as_negative_first = [Group.from_texts("q", ("x",), (0.0,)), Group.from_texts("q", ("x",), (1.0,))]
    assert next(merged(seen_as_negative_first)).labels == (1.0,)


# permutations


FULL = {"qid": "q1", "initial_list": ["d1", "d2", "d3"], "final_list": ["d3", "d1", "d2"]}
SHOWN = {"qid": "q1", "query": "why?", "candidates": [{"docid": "a", "text": "A"}, {"docid": "b", "text": "B"}]}
PROMPT = (
    "I will give 3 passages, each named by []. Rank them by the search query: why is it so?.\n\n{}\nSearch Query: x."
)
LETTERS = PROMPT.format("[A] one\n[B] two [C] of them\nand more\n[C] three")
NUMBERS = PROMPT.format("[1] one\n[2] two [C] of them\nand more\n[3] three")


def chat(prompt, answer):
    turns = [("system", "You rank."), ("human", prompt), ("gpt", answer)]
    return {"conversations": [{"from": who, "value": text} for who, text in turns]}


def test_orders_become_labels(tmp_path):
    (full,) = read_permutations(jsonl(tmp_path, FULL), QUERIES, DOCUMENTS)
    assert full == Group.from_texts(
        "why lift?", ("text 1", "text 2", "text 3"), (2.0, 1.0, 3.0), "q1", ("d1", "d2", "d3")
    )
    for more in ({"permutation": [2, 1]}, {"target": "[2] > [1]"}):
        (shown,) = read_permutations(jsonl(tmp_path, {**SHOWN, **more}))
        assert shown == Group.from_texts("why?", ("A", "B"), (1.0, 2.0), "q1", ("a", "b"))
    for record in (
        chat(LETTERS, "[C] > [A] > [B]"),
        chat(NUMBERS, "[3] > [1] > [2]"),
        {"prompt": NUMBERS, "response": "[3] > [1] > [2]"},
    ):
        (talk,) = read_permutations(jsonl(tmp_path, record))
        assert talk == Group.from_texts("why is it so?", ("one", "two [C] of them\nand more", "three"), (2.0, 1.0, 3.0))


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({**FULL, "final_list": ["d3", "d1"]}, "no permutation of the 3 documents shown: number 2 is missing"),
        ({**FULL, "final_list": ["d3", "d1", "d1"]}, "number 2 is missing"),
        ({**FULL, "final_list": ["d3", "d1", "d2", "d1"]}, "it holds 4 numbers"),
        ({**FULL, "final_list": ["d3", "d1", "d9"]}, "final_list holds 'd9', which is not in initial_list"),
        ({**FULL, "initial_list": ["d1", "d1", "d2"]}, "initial_list holds an id twice"),
        ({**FULL, "qid": "q9"}, "unknown query id 'q9'"),
        ({**SHOWN, "permutation": [0, 1]}, "no permutation"),
        ({**SHOWN, "target": "[2] > [2]"}, "has faults: repeat (1), missing (1)"),
        (SHOWN, "no order: expected permutation"),
        (chat(NUMBERS, "I can't."), "has faults: unreadable (1)"),
        (chat("Rank!", "[A] > [B]"), "the prompt has no line with 'search query:'"),
        (chat(NUMBERS, "[A] > [B]"), "the prompt holds no passages: expected lines that begin with [A], [B], …"),
        ({"prompt": "x"}, "expected one of: initial_list and final_list"),
    ],
)
def test_orders_that_are_none(tmp_path, record, says):
    path = jsonl(tmp_path, FULL, record)
    said = fault(read_permutations(path, QUERIES, DOCUMENTS))
    assert said.startswith(f"{path}:2: ")
    assert says in said


def test_mending_appends_what_an_order_leaves_out_as_shown(tmp_path):
    cut = {**FULL, "final_list": ["d3", "d3", "d9"]}
    path = jsonl(tmp_path, cut, chat(LETTERS, "Sure: [B] > [B]"))
    full, talk = read_permutations(path, QUERIES, DOCUMENTS, mend=True)
    assert (full.labels, talk.labels) == ((2.0, 1.0, 3.0), (2.0, 3.0, 1.0))


def test_permutations_need_texts_for_ids(tmp_path):
    assert "this file holds ids: give queries and documents" in fault(read_permutations(jsonl(tmp_path, FULL)))


def test_written_orders_are_read_again(tmp_path):
    before = Ranking(Query("q1", "why lift?"), tuple(Candidate(i, t) for i, t in DOCUMENTS.items()))
    path = tmp_path / "orders.jsonl"
    assert write_permutations(path, [before], [before.scored([2.0, 1.0, 3.0])]) == 1
    assert json.loads(path.read_text()) == FULL
    (group,) = read_permutations(path, QUERIES, DOCUMENTS)
    assert group.labels == (2.0, 1.0, 3.0)


def test_recorded_answers_of_a_reranker_are_read(data, tmp_path):
    (path,) = (data / "llm-listwise/prompts_and_responses").glob("BM25.output_v2_aug_vicuna_7b*")
    text, decoder, records = gzip.decompress(path.read_bytes()).decode(), json.JSONDecoder(), []
    at = text.find("{")
    while at >= 0:
        one, at = decoder.raw_decode(text, at)
        records.append(one)
        at = text.find("{", at)
    groups = list(read_permutations(jsonl(tmp_path, *records), mend=True))
    assert len(groups) == 43 * 9
    assert len({g.query for g in groups}) == 43
    assert all(sorted(g.labels) == [float(i) for i in range(1, 21)] for g in groups)


# judged collections


RUN = [
    Ranking(Query("q1", "why lift?"), (Candidate("d2", "text 2", 5.0), Candidate("d3", "text 3", 4.0))),
    Ranking(Query("q2", "what drag?"), (Candidate("d1", "text 1", 3.0),)),
]


def test_judged_documents_that_a_run_lacks_follow_it(caplog):
    qrels = {"q1": {"d1": 2, "d3": 1, "gone": 1}, "q2": {"d1": 0}}
    (group,) = judged(RUN, qrels, DOCUMENTS)
    assert group == Group.from_texts(
        "why lift?", ("text 2", "text 3", "text 1"), (0.0, 1.0, 2.0), "q1", ("d2", "d3", "d1"), (5.0, 4.0, 4.0)
    )
    assert "1 queries have no relevant document" in caplog.text


def test_a_part_of_a_collection():
    groups = list(training_part(Dataset.open("demo"), "test"))
    qrels = Dataset.open("demo").qrels()
    assert {g.id for g in groups} == {q for q, grades in qrels.items() if max(grades.values()) > 0}
    one = groups[0]
    assert (set(one.ids), one.priors) == (set(qrels[one.id]), ())
    assert all(label == max(qrels[one.id][i], 0) for i, label in zip(one.ids, one.labels))


def test_train_qrels_of_a_beir_folder(data):
    scifact = Dataset.open(data / "scifact")
    groups = list(training_part(scifact, "train"))
    assert len(groups) == 809
    assert sum(len(g.texts) for g in groups) == sum(map(len, scifact.qrels("train").values()))


def test_contents_of_other_kinds_are_written_as_json(tmp_path):
    group = Group.from_texts({"title": "Why", "text": "lift?"}, [{"text": "so"}, ("a", "part"), "no"], [2.0, 1.0, 0.0])
    write_groups(tmp_path / "groups.jsonl", [group])
    assert list(read_groups(tmp_path / "groups.jsonl")) == [group]
    assert group.texts == ("so", "a part", "no")
    with pytest.raises(InputError, match="query 'why': a content of type Image can't be written as JSON"):
        write_groups(tmp_path / "bad.jsonl", [Group.from_texts("why", [Image("cat.jpg")], [1.0])])


def test_groups_know_their_candidates():
    group = Group.from_texts("why", ["so", "no"], [1.0, 0.0])
    assert (group.ids, [c.id for c in group.named()], group.size) == ((), ["0", "1"], 4)
    assert group.take([1]).candidates == (Candidate("", "no"),)
    for bad in ({"labels": [1.0]}, {"labels": [1.0, 0.0], "ids": ["a"]}, {"labels": [1.0, 0.0], "priors": [1.0]}):
        with pytest.raises(InputError, match="query 'why': 2 texts but 1"):
            Group.from_texts("why", ["so", "no"], **bad)


def test_a_teachers_scores_keep_the_judgements_beside_them(tmp_path):
    (tmp_path / "t.tsv").write_text("2.5\t7.5\twhy?\tso\tno\n9\t1\twhy?\tso\tnay\n")
    pairs = list(read_teacher_scores(tmp_path / "t.tsv"))
    assert [(g.labels, g.grades) for g in pairs] == [((2.5, 7.5), (1.0, 0.0)), ((9.0, 1.0), (1.0, 0.0))]
    (whole,) = merged(pairs)
    assert (whole.texts, whole.labels, whole.grades) == (("so", "no", "nay"), (9.0, 7.5, 1.0), (1.0, 0.0, 0.0))
    line = {"query": "why?", "pos": ["so"], "neg": ["no"], "pos_scores": [2], "neg_scores": [3]}
    flag = group_from_dict(line)
    assert (flag.labels, flag.grades) == ((2.0, 3.0), (1.0, 0.0))
    assert group_from_dict(line, scores=False).grades == ()
    assert group_from_dict(group_to_dict(whole)) == whole
    assert whole.take([2, 0]).grades == (0.0, 1.0)
    with pytest.raises(InputError, match="2 texts but 1 grades"):
        group_from_dict({"query": "q", "texts": ["a", "b"], "labels": [1, 0], "grades": [1]})


def test_a_batch_has_the_grades_and_a_loss_that_asks_gets_them():
    torch = pytest.importorskip("torch")
    from anyrank.train.batches import Collate
    from anyrank.train.losses import margin_mse
    from anyrank.train.objective import Objective

    class Model:
        def features(self, queries, candidates):
            sizes = torch.tensor([len(c) for c in candidates])
            return {"mask": torch.arange(int(sizes.max())) < sizes[:, None]}

        def __call__(self, mask):
            return torch.tensor([[1.0, 3.0, 0.0], [2.0, 1.0, 0.0]])[:, : mask.shape[1]]

    taught = Group.from_texts("q", ("a", "b", "c"), (5.0, 9.0, 4.0), grades=(1.0, 0.0, 0.0))
    plain = Group.from_texts("r", ("d", "e"), (2.0, 0.0))
    batch = Collate(Model())([taught, plain])
    assert batch["grades"].tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    objective = Objective(((1.0, margin_mse),))
    expected = [
        float(margin_mse(torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([taught.labels]), grades=g))
        for g in (batch["grades"][:1], None)
    ]
    second = (1.0 - 2.0) ** 2
    assert float(objective(Model(), batch, 0.0)) == pytest.approx((expected[0] + second) / 2)
    bare = Collate(Model())([replace(taught, grades=()), plain])
    assert float(objective(Model(), bare, 0.0)) == pytest.approx((expected[1] + second) / 2)
    weighed = replace(objective, weigh=lambda groups, epoch: [0.5, 2.0], by_group=True)
    assert float(weighed(Model(), batch, 0.0)) == pytest.approx((0.5 * expected[0] + 2 * second) / 2)
