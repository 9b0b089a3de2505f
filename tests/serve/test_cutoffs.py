"""A served pipeline that holds a cut-off answers with what is left, and says what was cut."""

import asyncio

import numpy as np

from anyrank.core.types import Candidate, Query, Ranking
from anyrank.cutoffs.calibration import Calibration
from anyrank.pipeline.describe import described
from anyrank.pipeline.parser import parse
from anyrank.serve.dialects import answer, read_rerank
from anyrank.serve.service import Service

TEXTS = ["Paris is the capital of France.", "Lyon is large.", "soup needs salt"]


def test_what_a_cut_off_drops_is_in_the_answer(serving, tmp_path):
    from anyrank.serve.app import Server

    stage = parse("tiny >= 22", starts=False)
    with serving(Server(Service({"cut": stage}))) as client:
        status, body, _ = client("/v2/rerank", {"query": "capital of France", "documents": TEXTS})
        assert status == 200
        assert [row["index"] for row in body["results"]] == [0]
        assert sorted(body["anyrank"]["cut"]) == [1, 2]
        assert body["meta"]["warnings"] == ["2 of 3 candidates were cut, below the score 22"]
        _, rows, headers = client("/rerank", {"query": "capital of France", "texts": TEXTS})
        assert len(rows) == 1
        assert "2 of 3 candidates were cut" in headers["x-anyrank-warnings"]
        _, body, _ = client("/v1/rank", {"query": "capital of France", "documents": ["soup", "salt"]})
        assert body["results"] == []
        assert "nothing relevant: all 2 candidates were cut" in body["notes"][0]


def test_a_calibrated_cut_off_is_served(tmp_path):
    draw = np.random.default_rng(0)
    rankings, qrels = [], {}
    for q in range(40):
        relevant = draw.random(5) < 0.4
        scores = np.sort(draw.normal(size=5) + 15 + 10 * relevant)[::-1]
        best = scores > 20
        rankings.append(Ranking(Query(str(q)), tuple(Candidate(str(i), "", float(s)) for i, s in enumerate(scores))))
        qrels[str(q)] = {str(i): 1 for i in range(5) if best[i]}
    file = tmp_path / "cut.json"
    Calibration.of(rankings, qrels, *described(parse("tiny", starts=False))).save(file)
    service = Service({"p": parse(f'tiny >> keep(recall=0.9, file="{file}")', starts=False)})
    request = read_rerank({"query": "capital of France", "documents": TEXTS})
    outcome = asyncio.run(service.rerank(request))
    assert 0 in [i for i, _ in outcome.rows]
    assert len(outcome.rows) + len(outcome.cut) == 3
    assert "calibrated on" in answer(request, outcome)["meta"]["warnings"][0]
