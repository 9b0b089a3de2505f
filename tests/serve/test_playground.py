"""The playground's requests: lanes, explanations, values of queries, judging, and what a page may not do."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from anyrank.core.stage import Cut, Each
from anyrank.core.types import Query, Ranking
from anyrank.index.build import build
from anyrank.io.corpus import read_documents
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import PipelineError, parse
from anyrank.serve.app import Server
from anyrank.serve.keys import Keyring, new_key
from anyrank.serve.playground.assets import assets
from anyrank.serve.playground.lanes import Lane
from anyrank.serve.playground.playground import Playground
from anyrank.serve.playground.stages import check_allowed
from anyrank.serve.service import Service

TEXTS = ["a wing stalls in the air", "a market stall", "wing wing wing", "heat of plates"]
OWN = {"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1"}


def client_of(service, keys=None, **options):
    server = Server(service, keys or Keyring(), body=200_000, playground=Playground(service, **options))
    return TestClient(server.app(), headers=OWN)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("play")
    (folder / "c.jsonl").write_text(
        "".join(json.dumps({"_id": f"d{n}", "text": t}) + "\n" for n, t in enumerate(TEXTS))
    )
    return build(read_documents(folder / "c.jsonl"), folder / "my.index")


@pytest.fixture(scope="module")
def client(collection, words):
    queries = [Query("1", "wing"), Query("2", "stall market"), Query("3", "heat")]
    qrels = {"1": {"d2": 3, "d0": 1}, "2": {"d1": 3}}
    return client_of(Service({"words": words}, "bm25", collection), queries=queries, qrels=qrels)


def ask(client, name, status=200, **body):
    response = client.post(f"/play/{name}", json=body)
    assert response.status_code == status, response.text
    return response.json()


def test_the_page_is_served_with_a_policy_that_lets_in_nothing_else(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<(script|style)\b[^>]*>[^<]|\son\w+=|\sstyle=|https?://", page.text)
    for name in re.findall(r'(?:src|href)="(play/[\w.]+)"', page.text):
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/play/../app.py").status_code == 404
    assert client.get("/play/info").headers["content-security-policy"] == "default-src 'none'"


def test_modules_import_only_files_that_are_there():
    scripts = {n: c.decode() for n, (c, _) in assets().items() if n.endswith(".js")}
    for name, code in scripts.items():
        for other in re.findall(r'from "\./([\w.]+)"', code):
            assert other in scripts, f"{name} imports {other}"
        assert "innerHTML" not in code or name == "preact.js"  # texts of documents never become markup
        assert "eval(" not in code


def test_pasted_documents_are_ranked_by_each_pipeline(client):
    answer = ask(client, "run", query="wing stalls", documents=TEXTS, pipelines=["words", "words"], k=2)
    first, second = answer["lanes"]
    assert [r["id"] for r in first["results"]] == ["0", "2"]
    assert first["count"] == 4
    assert first["usage"]["calls"] == 4
    assert [s["name"] for s in first["steps"]] == ["given", "Rerank"]
    assert first["paths"]["0"] == [[1, 0.0], [1, 2.0]]
    assert second["results"] == first["results"]
    assert answer["texts"]["2"]["text"] == "wing wing wing"


def test_pasted_documents_are_searched_by_an_index_of_their_own(client):
    documents = [{"id": f"x{n}", "title": "Of", "text": t} for n, t in enumerate(TEXTS)]
    answer = ask(client, "run", query="wing", documents=documents, pipelines=["bm25 % 1", "bm25"])
    cut, whole = answer["lanes"]
    assert [r["id"] for r in cut["results"]] == ["x2"]
    assert {r["id"] for r in whole["results"]} == {"x0", "x2"}
    assert cut["missing"] == {"x0": "not found by bm25 % 1"}
    assert answer["texts"]["x0"]["text"].startswith("Of\na wing")


def test_an_index_is_searched_and_errors_are_pointed_at(client):
    answer = ask(client, "run", query="wing", pipelines=["bm25", "bm25 % 1 >> cut(1)", "bm25 >> nix"])
    good, cut, wrong = answer["lanes"]
    assert [r["id"] for r in good["results"]] == ["d2", "d0"]
    assert cut["missing"]["d0"] == "not found by bm25 % 1"
    assert wrong["error"].startswith("this server runs its own and shipped stages only: 'nix'")
    assert (wrong["start"], wrong["end"]) == (8, 11)


def test_what_a_step_cut_is_named():
    lane = Lane.of(Each(lambda r: r) >> Cut(2) >> Cut(1), Ranking.of("q", TEXTS))
    assert [lane.lost(i) for i in "0123"] == ["", "cut by % 1", "cut by % 2", "cut by % 2"]
    assert lane.path("1") == [(1 + 1, 3.0), (2, 3.0), (2, 3.0), None]
    assert lane.lost("x") == "not found by given"


def test_a_lane_is_the_whole_pipelines_result(collection):
    stage = parse("(bm25 % 3 + bm25 % 2) % 2", Settings(collection))
    assert Lane.of(stage, Ranking(Query("q", "wing"))).ranking.ids == stage("wing").ids


def test_an_unchanged_lane_is_not_run_again(client, monkeypatch):
    ask(client, "run", query="plates", documents=TEXTS, pipelines=["words"])
    monkeypatch.setattr(Lane, "of", lambda *_: pytest.fail("run again"))
    ask(client, "run", query="plates", documents=TEXTS, pipelines=["words"], k=1)


def test_a_score_is_explained_and_compared(client):
    answer = ask(client, "explain", query="wing", pipeline="bm25", ids=["d2", "d0"])
    own, difference = answer["document"], answer["difference"]
    assert sum(p["contribution"] for p in own["parts"]) == pytest.approx(own["score"])
    assert sum(p["difference"] for p in difference["parts"]) == pytest.approx(difference["score"])
    assert ask(client, "explain", query="wing", pipeline="bm25", ids=["d2", "d3"])["difference"] is None


def test_values_of_queries_and_their_comparison(client):
    rows = ask(client, "values", pipelines=["bm25", "bm25 % 1"], ids=["1", "2", "3"])["rows"]
    assert [r["runs"][0] for r in rows] == [["d2", "d0"], ["d1", "d0"], ["d3"]]
    assert rows[0]["values"][0] == pytest.approx(1)
    assert rows[0]["values"][1] < 1
    assert rows[2]["values"] == [None, None]  # not judged
    verdict = ask(client, "compare", a=[0.1, 0.2, 0.3], b=[0.2, 0.2, 0.1])
    assert (verdict["wins"], verdict["ties"], verdict["losses"]) == (1, 1, 1)
    assert verdict["low"] <= verdict["mean"] <= verdict["high"]


RUNS = {
    "run 1": {f"q{n}": [f"good{n}", f"both{n}"] for n in range(20)},
    "run 2": {f"q{n}": [f"bad{n}", f"both{n}"] for n in range(20)},
}


def test_judging_until_it_is_decided_and_back(client):
    labels = []
    while True:
        state = ask(client, "judge", runs=RUNS, labels=labels)
        assert state["judged"] == len(labels)
        if state["next"] is None:
            break
        assert "differences" not in state  # pipelines stay hidden
        labels.append(3 if state["next"]["document"].startswith("good") else 0)
    (d,) = state["differences"]
    assert d["verdict"] == "run 1"
    assert d["low"] > 0
    assert len(labels) < state["pool"] == 40
    back = ask(client, "judge", runs=RUNS, labels=labels[:5])
    assert back["next"]["document"] == state["labels"][5][1]
    shown = ask(client, "judge", runs=RUNS, labels=labels[:5], reveal=True)
    assert shown["differences"][0]["verdict"] == ""


def test_a_document_of_the_index_is_judged_with_its_texts(client):
    runs = {"run 1": {"1": ["d0"]}, "run 2": {"1": ["d2"]}}
    item = ask(client, "judge", runs=runs, labels=[])["next"]
    assert item["question"] == "wing"
    assert item["text"] in TEXTS


HOSTILE = [
    "<script>alert(1)</script>",
    "\u202eesrever \u200b\u200d\u0000\x1b[31m",
    "\ud800 lone",
    "x" * 100_000,
    '"><img src=x onerror=alert(1)>',
]


def test_hostile_texts_come_back_as_they_are(client):
    body = json.dumps({"query": HOSTILE[1], "documents": HOSTILE, "pipelines": ["words"]})
    response = client.post("/play/run", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    texts = response.json()["texts"]
    assert texts["0"]["text"] == HOSTILE[0]
    assert texts["3"] == {"text": "x" * 4000, "length": 100_000}


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("run", {"query": "x", "pipelines": ["words"] * 5}, "1 to 4 texts"),
        ("run", {"query": "x", "pipelines": "words"}, "1 to 4 texts"),
        ("run", {"query": "", "pipelines": ["words"]}, "query is empty"),
        ("run", {"query": "x", "pipelines": ["words"], "documents": []}, "expected a list of texts"),
        ("run", {"query": "x", "pipelines": ["words"], "documents": [{"image": "/etc/passwd"}]}, "document 1"),
        ("run", {"query": "x", "pipelines": ["words"], "documents": [{"id": 1, "text": "a"}] * 2}, "two documents"),
        ("run", {"query": "x", "pipelines": ["words"], "documents": ["a"] * 10_001}, "10,001 documents"),
        ("explain", {"query": "x", "pipeline": "words", "ids": []}, "one document or two"),
        ("values", {"pipelines": ["bm25"], "ids": ["nix"]}, "ids of the queries"),
        ("values", {"pipelines": ["bm25"], "ids": ["1"] * 33}, "at most 32"),
        ("values", {"pipelines": ["bm25"], "ids": ["1"], "qrels": {"1": 3}}, "grades by query"),
        ("compare", {"a": [1], "b": []}, "1 and 0 values"),
        ("compare", {"a": ["1"], "b": [1]}, "a: expected a list of numbers"),
        ("compare", {"a": [10**400], "b": [1]}, "a: expected a list of numbers"),
        ("judge", {"labels": [], "runs": {}, "seed": -1}, "seed is -1: expected 0"),
        ("judge", {"runs": RUNS, "labels": [9]}, "whole numbers from 0 to 3"),
        ("judge", {"runs": {"a": {}}, "labels": []}, "2 to 8 runs"),
        ("judge", {"runs": {"a": {"q": [1]}, "b": {}}, "labels": []}, "lists of ids"),
        ("judge", {"runs": {"a": {"q": ["x"]}, "b": {}}, "labels": [1, 1]}, "2 labels for 1 documents"),
        ("judge", {"runs": {"a": {"q": ["x"]}, "b": {"q": ["x"]}}, "labels": []}, "nothing to judge"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(client, name, body, message):
    response = client.post(f"/play/{name}", json=body)
    assert response.status_code in (400, 413, 422)
    assert message in response.json()["message"]


@pytest.mark.parametrize(
    "text",
    ['model("/etc/passwd")', 'rankgpt("openai:x@http://10.0.0.1")', "rankgpt", 'bm25 >> keep("x")', "__import__"],
)
def test_a_page_of_a_server_runs_nothing_that_opens_something(client, text):
    (lane,) = ask(client, "run", query="x", documents=["a"], pipelines=[text])["lanes"]
    assert "this server runs" in lane["error"]
    with pytest.raises(PipelineError):
        check_allowed(text, ())


@pytest.mark.parametrize("space", ["\n", "\r\n", "\x0b", "\xa0", "\u2028", " \t\n "])
def test_no_space_of_any_kind_hides_a_stage_from_the_look_at_what_is_allowed(client, space):
    text = f'bm25{space}>> model("/etc/passwd")'
    (lane,) = ask(client, "run", query="x", pipelines=[text])["lanes"]
    assert "without quoted names only" in lane["error"] or "'model' isn't one" in lane["error"]


def test_the_readers_own_page_runs_any_pipeline(collection):
    free = client_of(Service({"mini": parse("mini", starts=False)}, "bm25", collection), free=True)
    (lane,) = ask(free, "run", query="wing", pipelines=['bm25 >> keep("x")'])["lanes"]
    assert [r["id"] for r in lane["results"]] == ["d2", "d0"]
    assert free.get("/play/info").json()["free"]


def test_without_an_index_documents_are_needed(words):
    bare = client_of(Service({"words": words}))
    (lane,) = ask(bare, "run", query="x", pipelines=["words"])["lanes"]
    assert lane["error"] == "no index is served here: paste documents"
    assert bare.get("/play/info").json()["index"] is None


def test_keys_and_hosts_guard_the_page_as_the_rest(words, tmp_path):
    key = new_key(tmp_path / "keys.txt", "ann", 0, 0)
    guarded = client_of(Service({"words": words}), Keyring(tmp_path / "keys.txt"))
    assert guarded.get("/").status_code == 200  # the page asks for the key; its files hold nothing
    assert guarded.get("/play/info").status_code == 401
    assert guarded.post("/play/run", json={}).status_code == 401
    assert guarded.get("/play/info", headers={"Authorization": f"Bearer {key.split()[-1]}"}).status_code == 200
    open_ = client_of(Service({"words": words}))
    assert open_.get("/", headers={"Host": "evil.example"}).status_code == 403
    for mode, status in (("navigate", 200), ("no-cors", 403), ("cors", 403)):
        sent = {"Host": OWN["Host"], "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert TestClient(open_.app, headers=sent).get("/").status_code == status
    strange = {**OWN, "Origin": "https://evil.example"}
    assert open_.post("/play/run", json={}, headers=strange).status_code == 403


def test_a_server_without_the_page(words):
    server = Server(Service({"words": words}))
    client = TestClient(server.app(), headers=OWN)
    assert client.get("/").status_code == 405
    assert client.post("/play/run", json={}).status_code == 404


def test_notice_names_what_is_vendored():
    notice = (Path(__file__).parents[2] / "NOTICE").read_text()
    assert "preact" in notice
    assert "htm" in notice
