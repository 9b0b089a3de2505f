"""Answers are read without loss, and every repair is counted."""

import gzip
import json
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyrank.llm.labels import Labels
from anyrank.llm.parsing import _FORMS, _WHOLE, read_best, read_order

LETTERS, NAMED, PASSAGE = Labels("letters"), Labels("numbers", "PASSAGE", ""), Labels("letters", "Passage ", "")


def recorded(path):
    """The {"prompt", "response"} objects of a file of recorded answers, which stand one after another."""
    text, decoder, out = gzip.decompress(path.read_bytes()).decode(), json.JSONDecoder(), []
    at = text.index("{")
    while 0 <= at < len(text):
        one, at = decoder.raw_decode(text, at)
        out.append(one)
        at = text.find("{", at)
    return out


@pytest.mark.parametrize(
    ("answer", "n", "labels", "order", "repairs"),
    [
        ("[2] > [1] > [3]", 3, Labels(), [1, 0, 2], {}),
        ("[2]>[1]>[3]\n", 3, Labels(), [1, 0, 2], {}),
        ("[C] > [a] > [B]", 3, LETTERS, [2, 0, 1], {}),
        ("[PASSAGE2, PASSAGE3, PASSAGE1]", 3, NAMED, [1, 2, 0], {}),
        ("1. [2] > [1]", 2, Labels(), [1, 0], {"preamble": 1}),
        ("[2] > [1] I hope this helps [2]", 2, Labels(), [1, 0], {"other wording": 1}),
        ("[2], [1]", 2, Labels(), [1, 0], {"other wording": 1}),
        ("2 > 1 > 3", 3, Labels(), [1, 0, 2], {"no brackets": 1}),
        ("[2, 1, 3]", 3, Labels(), [1, 0, 2], {"no brackets": 1}),
        ("1. [3]\n2. [1]\n3. [2]", 3, Labels(), [2, 0, 1], {"preamble": 1, "other wording": 1}),
        ("[3] is off topic. So: [2] > [1]", 3, Labels(), [1, 0], {"preamble": 1, "missing": 1}),
        ("[2] > [2] > [7]", 3, Labels(), [1], {"repeat": 1, "out of range": 1, "missing": 2}),
        ("[９] > [٢] > [①]", 2, Labels(), [1, 0], {"out of range": 1}),
        ("20 passages are provided.", 20, Labels(), [], {"unreadable": 1}),
        ("", 3, Labels(), [], {"empty": 1}),
        ("  \n", 3, Labels(), [], {"empty": 1}),
        ("<think>[1] > [2]", 3, Labels(), [], {"unended think": 1}),
        ("<think>[1] > [2]</think>[2] > [1]", 2, Labels(), [1, 0], {}),
        ("[123456789012345678901234567890]", 2, Labels(), [], {"unreadable": 1}),
    ],
)
def test_orders(answer, n, labels, order, repairs):
    reading = read_order(answer, n, labels)
    assert (list(reading.order), dict(reading.repairs)) == (order, repairs)


@pytest.mark.parametrize(
    ("answer", "labels", "tagged", "best", "repairs"),
    [
        ("[2]", Labels(), False, 1, {}),
        ("[B]", LETTERS, False, 1, {}),
        ("B", LETTERS, False, 1, {"no brackets": 1}),
        ("Passage B", PASSAGE, False, 1, {}),
        ("B", PASSAGE, False, 1, {"no brackets": 1}),
        ("The best answer is B", LETTERS, False, 1, {"preamble": 1, "no brackets": 1}),
        ("[2] > [1]", Labels(), False, 1, {"several answers": 1}),
        ("Of [1] and [2] it is [2].", Labels(), False, 1, {"preamble": 1, "other wording": 1, "several answers": 1}),
        ("<think>[1]?</think> <answer>[2]</answer>", Labels(), True, 1, {}),
        ("<think>[1]?</think> <answer>[2]", Labels(), True, 1, {}),
        ("<answer>[1]</answer> no: <answer>[2]</answer>", Labels(), True, 1, {}),
        ("<think>[1]?</think> [2]", Labels(), True, 1, {"no answer tag": 1}),
        ("<think>[1]? [2]?", Labels(), True, None, {"unended think": 1}),
        ("[9]", Labels(), False, None, {"out of range": 1}),
        ("neither", Labels(), False, None, {"unreadable": 1}),
        ("I think a passage is best", LETTERS, False, None, {"unreadable": 1}),
    ],
)
def test_the_best(answer, labels, tagged, best, repairs):
    reading = read_best(answer, 3, labels, tagged=tagged)
    assert (reading.order[0] if reading.order else None, dict(reading.repairs)) == (best, repairs)


@pytest.mark.parametrize(
    "answer",
    [
        "[3] > [1] > [2]\n\nBecause passages [1], [2], [3] are all relevant.",
        "[1], [2] and [3] are all relevant.\n\n[3] > [1] > [2]",
        "[3], [1], [2]\n\nSince [1], [2], [3] matter",
        "[1]: 5\n[2]: 1\n[3]: 9",
        "1: 5\n2: 1\n3: 9",
        "Passage 1: 0.5\nPassage 2: -1\nPassage 3: 0.9",
        "| [1] | 5 |\n| [2] | 1 |\n| [3] | 9 |",
        *(form.example for form in _FORMS if form.repair == "another form"),
        *(form.example for form in _WHOLE if form.gap),
        "3 || 1 || 2",
        "Ranking: 3 | 1 | 2",
        "The order is 3/1/2.",
        "[3|1|2]",
        "3 - 1 - 2",
        "[3]|[1]|[2]",
        "[[3],[1],[2]]",
        "[[3, 1], [2]]",
        "[['3'], ['1'], ['2']]",
        '{"ranking": [["3", "1"], ["2"]]}',
        "Here they are: [[3], [1], [2]]",
        "[[3]] > [[1]] > [[2]]",
        "【3】>【1】>【2】",
        "[Passage 3] > [Passage 1] > [Passage 2]",
        r"\[3\] > \[1\] > \[2\]",
        "[3] ≻ [1] ≻ [2]",
        "[2] < [1] < [3]",
        "1. Passage 3\n2. Passage 1\n3. Passage 2",
        "Rank 1: [3]\nRank 2: [1]\nRank 3: [2]",
        "- 3\n- 1\n- 2",
        "ranking:\n  - 3\n  - 1\n  - 2",
        "- id: 3\n- id: 1\n- id: 2",
        "**3** > **1** > **2**",
        '{"ranking": [3, 1, 2]}',
        '{"ranking": ["[3]", "[1]", "[2]"]}',
        "{'ranking': ['3', '1', '2']}",
        'Sure:\n```json\n[{"id": 3}, {"id": 1}, {"id": 2}]\n```',
        '[{"id": 1, "rank": 2}, {"id": 2, "rank": 3}, {"id": 3, "rank": 1}]',
        '{"results": [{"passage": "[1]", "score": 5}, {"passage": "[2]", "score": 1}, {"passage": "[3]", "score": 9}]}',
        '{"1": 5, "2": 1, "3": 9}',
        '{"ranks": {"1": 2, "2": 3, "3": 1}}',
        "[3] > [1] > [2]\n\nNote: the original order was [1] > [2] > [3].",
        "[3], [1], and [2]",
        "3, 1 and 2",
        "3 >> 1 >> 2",
        "3 ≥ 1 ≥ 2",
        "3，1，2",
        "3 1 2",
        r"3 \succ 1 \succ 2",
        "[2] ≤ [1] ≤ [3]",
        "【3】【1】【2】",
        "《3》>《1》>《2》",
        "[#3] > [#1] > [#2]",
        "Passage-3 > Passage-1 > Passage-2",
        "段落3 > 段落1 > 段落2",
        "Dokument 3 > Dokument 1 > Dokument 2",
        "| Rank | Passage |\n|---|---|\n| 1 | 3 |\n| 2 | 1 |\n| 3 | 2 |",
        "[1]: 5, [2]: 1, [3]: 9",
        "[1] (5/10)\n[2] (1/10)\n[3] (9/10)",
        "[1] score: 5, [2] score: 1, [3] score: 9",
        "Ranks: [1]: 2, [2]: 3, [3]: 1",
        "[3] > [1] > [2]. Scores: [1]: 2, [2]: 9",
        '[{"id": 1, "score": "5"}, {"id": 2, "score": "1"}, {"id": 3, "score": "9"}]',
        '[{"pid": 3}, {"pid": 1}, {"pid": 2}]',
        '{"id": 1, "score": 0.5}\n{"id": 2, "score": 0.1}\n{"id": 3, "score": 0.9}',
    ],
)
def test_orders_in_forms_that_nobody_asked_for(answer):
    reading = read_order(answer, 3)
    assert reading.order == (2, 0, 1)
    assert reading.repairs


@pytest.mark.parametrize("labels", [LETTERS, PASSAGE])
@pytest.mark.parametrize(
    "answer",
    ["CAB", "[CAB]", "**CAB**", "Answer: CAB", "The ranking is CAB.", "C|A|B", "C/A/B", "C-A-B", '[["C","A"],["B"]]',
     "[['C'], ['A'], ['B']]", "[[C, A], [B]]", "[[C],[A],[B]]"],
)  # fmt: skip
def test_letters_in_forms_that_nobody_asked_for(answer, labels):
    reading = read_order(answer, 3, labels)
    assert reading.order == (2, 0, 1)
    assert reading.repairs
    assert read_best(answer, 3, labels).order == (2,)


@pytest.mark.parametrize("answer", ["3 | 1 | 2", "Ranking: 3/1/2", "[3]|[1]|[2]", "[3] [1] [2]", "[[3], [1], [2]]"])
def test_the_best_of_an_order_is_its_first(answer):
    assert read_best(answer, 3).order == (2,)


@pytest.mark.parametrize("answer", ["CA", "CABBAGE", "BAC is right", "CAD", "CAA", "cab"])
def test_words_are_no_letters_run_together(answer):
    assert read_order(answer, 3, LETTERS).order == ()


@pytest.mark.parametrize(
    "answer",
    [
        "[1]: 2\n[2]: 3\n[3]: 1",
        '{"1": 2, "2": 3, "3": 1}',
        '{"note": "none"}',
        "{" * 2000,
        "[1]: not relevant\n[2]: relevant\n[3]: very relevant",
        "I give it 7/10.",
        "vitamins B12, B6 and B1",
        "[[1, 5], [2, 9], [3, 7]]",
        "3/1",
        "2-1-2",
        "[[]]",
        "[[" * 2000,
        "passages 1 and 2",
    ],
)
def test_what_may_be_ranks_or_scores_is_not_guessed(answer):
    assert read_order(answer, 3).order == ()


@pytest.mark.parametrize(
    "answer",
    [
        "Passage [3] is most relevant. Passages [1] and [2] are not.",
        "Passage 3 is most relevant. Passages 1 and 2 are not.",
        "[3] is better than [1] and [2].",
        "Unlike [1], [3] answers it.",
        "Not [1] but [3].",
        "[1] is good, but [3] is better.",
        "I choose [3] over [2].",
        "Passages [1] and [2] are off topic. [3] answers the query.",
        "[3]. It covers the topic while [1] only mentions it.",
        "The answer is **3**",
        r"\boxed{3}",
        '{"best": 3}',
        "(3)",
        "The best is 3.",
        "The answer is [3], not [1].",
        "[1] is less relevant than [3]. [2] is irrelevant.",
        "Passage 3 would be my choice, though passage 1 is good",
        "I'd go with [3]. [1] is about cars.",
        '{"most_relevant": "Passage 3", "reason": "it says [1]"}',
    ],
)
def test_the_best_in_sentences_and_other_forms(answer):
    reading = read_best(answer, 3)
    assert reading.order == (2,)
    assert reading.repairs


def test_own_patterns():
    own = {"valid": r"^ranks: \d+( \d+)*$", "extract": r"\b(\d+)\b"}
    assert read_order("ranks: 2 1", 2, **own).repairs == {}
    assert read_order("ranks: 2 1", 2, **own).order == (1, 0)
    assert read_order("so 2 and 1", 2, **own).repairs == {"other wording": 1}


pieces = st.sampled_from(
    [
        "[1]",
        "[2]",
        "[9]",
        " > ",
        "1",
        "A",
        "[B]",
        "PASSAGE2",
        "\n",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "x ",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    text=st.one_of(st.text(max_size=60), st.lists(pieces, max_size=30).map("".join)),
    n=st.integers(1, 30),
    labels=st.sampled_from([Labels(), LETTERS, NAMED, PASSAGE, Labels("padded")]),
    tagged=st.booleans(),
)
def test_any_text_gives_distinct_places(text, n, labels, tagged):
    for read in (read_order, read_best):
        reading = read(text, n, labels, tagged=tagged)
        assert len(set(reading.order)) == len(reading.order)
        assert set(reading.order) <= set(range(n))
        assert all(count > 0 for count in reading.repairs.values())
        assert reading.order or reading.repairs
    assert len(read_best(text, n, labels, tagged=tagged).order) <= 1


@pytest.mark.parametrize("piece", ["[", "1\n", "\n", " ", "[1] > ", "<answer>", "<think>", "A, ", "PASSAGE", ". ", "9"])
def test_hundred_kilobytes_are_read_in_one_go(piece):
    text = "1" + piece * (100_000 // len(piece)) + "x"
    for labels in (Labels(), LETTERS, NAMED):
        for read in (read_order, read_best):
            assert set(read(text, 20, labels, tagged=True).order) <= set(range(20))


FILES = "llm-listwise/prompts_and_responses"


@pytest.mark.parametrize(
    ("model", "clean", "kinds"),
    [
        ("BM25.output_v2_aug_vicuna_7b", 387, {}),
        ("SPLADE_P_P_ENSEMBLE_DISTIL.output_v2_aug_vicuna_7b", 387, {}),
        ("BM25.vicuna-7b", 6, {"preamble": 378, "missing": 19, "other wording": 19, "repeat": 2, "unreadable": 3}),
        ("BM25.vicuna-13b", 0, {"unreadable": 384, "preamble": 3, "other wording": 2, "missing": 2}),
    ],
)
def test_recorded_answers(data, model, clean, kinds):
    (path,) = (data / FILES).glob(f"{model}*")
    readings = []
    for one in recorded(path):
        n = int(re.search(r"(\d+) passages", one["prompt"])[1])
        readings.append(read_order(one["response"], n))
    assert len(readings) == 387
    assert sum(not r.repairs for r in readings) == clean
    assert Counter(kind for r in readings for kind in r.repairs) == kinds
