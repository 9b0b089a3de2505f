"""A recorded run, replayed: RankVicuna's answers on TREC DL19 through our windows and our reader."""

import gzip
import json
import re
from collections import defaultdict
from dataclasses import replace

import ir_measures
import pytest

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.llm.templates import LISTWISE
from anyrank.papers import rankgpt
from anyrank.testing import ScriptedModel

RUNS = {  # recorded answers, the first stage they reranked, the run they gave, its nDCG@10
    "BM25.output_v2_aug_vicuna_7b": ("BM25", "rankvicuna.2023-09-12T210749.732545", 0.6682),
    "SPLADE_P_P_ENSEMBLE_DISTIL.output_v2_aug_vicuna_7b": (
        "SPLADE_P_P_ENSEMBLE_DISTIL", "rankvicuna.2023-09-13T163620.039367", 0.7459,
    ),
}  # fmt: skip


def unzipped(path):
    return gzip.decompress(path.read_bytes()).decode()


def passages(prompt):
    """The texts of a recorded prompt's passages, cut by its word limit."""
    body = prompt[: prompt.rindex("\nSearch Query:")]
    return [p.split("\n")[0] for p in re.split(r"\n\[\d+\] ", body)[1:]]


def words(text):
    return re.sub(r"\W+", " ", text).split()[:15]


def same(a, b):
    """Whether two texts begin alike; the recorded ones had their broken encoding mended."""
    a, b = (set(re.findall(r"[A-Za-z]{4,}", t)[:40]) for t in (a, b))
    return len(a & b) >= 0.6 * min(len(a), len(b))


@pytest.mark.parametrize("name", RUNS)
def test_the_replay_gives_the_recorded_run_again(data, name):
    stage, run, figure = RUNS[name]
    base = data / "dl-candidates"
    (path,) = (data / "llm-listwise/prompts_and_responses").glob(f"{name}*")
    text, decoder, answers = unzipped(path), json.JSONDecoder(), defaultdict(list)
    at = text.find("{")
    while at >= 0:
        one, at = decoder.raw_decode(text, at)
        answers[re.search(r"search query: (.*)\.\n", one["prompt"])[1].strip()].append(one)
        at = text.find("{", at)
    assert {len(a) for a in answers.values()} == {9}
    queries = dict(line.rstrip("\n").split("\t") for line in (base / "dl19.queries.tsv").read_text().splitlines())
    texts = {}
    for line in unzipped(base / "dl19.passages.jsonl.gz").strip().split("\n"):
        row = json.loads(line)
        texts[row["_id"]] = row["text"]
    lists = defaultdict(list)
    for line in (base / f"runs/dl19.{stage}.top100.trec").read_text().splitlines():
        qid, _, docid, _, score, _ = line.split()
        lists[qid].append(Candidate(docid, texts[docid], float(score)))
    rankings = [Ranking(Query(q, queries[q]), tuple(c)) for q, c in lists.items()]

    def answer(prompt):
        shown = prompt[-1].content
        query = re.search(r"The search query is: (.*)\n", shown)[1].strip()
        one = answers[next(q for q in answers if words(q) == words(query))].pop(0)
        ours = [p.split("\n")[0] for p in re.split(r"\n\[\d+\] ", shown)[1:]]
        theirs = passages(one["prompt"])
        assert sum(map(same, ours, theirs)) == 20, "another window than the recorded one"
        return one["response"]

    model = ScriptedModel(answer)
    after = replace(rankgpt.build(model, template=LISTWISE), strict=True).batch(rankings)
    assert len(model.log) == 9 * 43
    recorded = defaultdict(list)
    for line in unzipped(data / f"llm-listwise/runs/dl19.{stage}.{run}.trec.gz").splitlines():
        qid, _, docid, *_ = line.split()
        recorded[qid].append(docid)
    assert {r.query.id: r.ids for r in after} == dict(recorded)
    assert all(r.status == "ok" for r in after)
    qrels = list(ir_measures.read_trec_qrels(str(base / "qrels/dl19-passage.qrels")))
    scored = [ir_measures.ScoredDoc(r.query.id, c.id, c.score) for r in after for c in r]
    (value,) = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, scored).values()
    assert value == pytest.approx(figure, abs=5e-5)
