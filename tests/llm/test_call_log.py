"""The log of calls, and what a cache says of answers that it gives again."""

import json
import sqlite3
import threading
import zlib

import pytest
from click import BadParameter
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.language import Turn
from anyrank.core.trace import Usage
from anyrank.llm.cache import Cached
from anyrank.llm.call_log import CallLog, Logged
from anyrank.testing import OracleModel, ScriptedModel, toy
from anyrank.testing.wire import wire

KEY = "sk-very-secret-0123"
LISTS = [
    {"qid": "a", "query": "capital of France", "documents": ["Lyon is large", "Paris is the capital", "Rome"]},
    {"qid": "b", "query": "a river", "documents": ["the Rhine", "a hill"]},
]


def answer(path, body, headers):
    text = "[2] > [1]" + (" > [3]" if "[3]" in json.dumps(body["messages"]) else "")
    usage = {"prompt_tokens": 100, "completion_tokens": 9}
    return {"choices": [{"message": {"content": text}}], "usage": usage}


@pytest.fixture
def lists(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    path = tmp_path / "lists.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in LISTS))
    return path


def rerank(*args):
    result = CliRunner().invoke(cli, ["rerank", *map(str, args)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


def test_every_call_is_logged_with_prompt_settings_answer_and_cost(lists, tmp_path):
    log = tmp_path / "calls.jsonl"
    log.write_text('{"model": "older", "seconds": 1.0}\n')
    with wire(answer) as url:
        model = f"openai:m@{url}#prefill=server&key_env=SOME_KEY"
        rerank(lists, "--method", "rankgpt", "--model", model, "--log", log)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert [c["method"] for c in calls] == ["generate", "generate"]
    assert {c["answer"]["text"] for c in calls} == {"[2] > [1] > [3]", "[2] > [1]"}
    for c in calls:
        assert c["model"] == model
        assert {turn["role"] for turn in c["prompt"]} <= {"system", "user", "assistant"}
        assert "passage" in json.dumps(c["prompt"])
        assert c["settings"]["temperature"] == 0
        assert c["settings"]["max_tokens"] > 0
        assert (c["calls"], c["prompt_tokens"], c["completion_tokens"], c["cached"]) == (1, 100, 9, 0)
        assert c["seconds"] > 0
    assert KEY not in log.read_text()


def test_a_replay_says_what_the_answers_first_cost(lists, tmp_path):
    log = tmp_path / "calls.jsonl"
    with wire(answer) as url:
        args = [lists, "--method", "rankgpt", "--model", f"openai:m@{url}#prefill=server", "--cache", tmp_path / "a.db"]
        first, again = rerank(*args, "--log", log), rerank(*args, "--log", log)
    before, after = (json.loads(r.stdout.splitlines()[0]) for r in (first, again))
    assert before["ranking"] == after["ranking"]
    assert (before["cost"]["calls"], before["cost"]["prompt_tokens"], before["cost"]["cached"]) == (1, 100, 0)
    assert (after["cost"]["calls"], after["cost"]["prompt_tokens"], after["cost"]["cached"]) == (0, 0, 1)
    assert (after["cost"]["cached_prompt_tokens"], after["cost"]["cached_completion_tokens"]) == (100, 9)
    assert "from the cache" not in first.stderr
    assert (
        "2 answers came from the cache and first cost 200 prompt and 18 completion tokens; now 0 calls" in again.stderr
    )
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(c["calls"], c["cached"], c["cached_prompt_tokens"]) for c in calls] == [(0, 1, 100)] * 2


def test_equal_runs_write_equal_bytes(lists, tmp_path):
    with wire(answer) as url:
        args = [lists, "--method", "rankgpt", "--model", f"openai:m@{url}#prefill=server"]
        assert rerank(*args).stdout == rerank(*args).stdout
        assert "seconds" not in rerank(*args).stdout
        assert json.loads(rerank(*args, "--times").stdout.splitlines()[0])["cost"]["seconds"] > 0
    assert rerank(lists, "-p", "mini >> tiny").stdout == rerank(lists, "-p", "mini >> tiny").stdout


def test_equal_searches_write_equal_bytes(tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "1", "text": "wing lift"}\n{"_id": "2", "text": "wing flutter"}\n')
    runner = CliRunner()
    assert runner.invoke(cli, ["index", str(corpus), "-o", str(tmp_path / "ix")]).exit_code == 0
    search = ["search", str(tmp_path / "ix"), "wing", "--json", "-p", "bm25 >> mini"]
    first, again = (runner.invoke(cli, search).stdout for _ in range(2))
    assert first == again != ""
    assert "seconds" in runner.invoke(cli, [*search, "--times"]).stdout


def test_a_reranker_on_a_server_is_logged_too(lists, tmp_path):
    def scores(path, body, headers):
        rows = [{"index": i, "relevance_score": 1 / (1 + len(t))} for i, t in enumerate(body["documents"])]
        return {"results": rows, "usage": {"total_tokens": 40}}

    log = tmp_path / "calls.jsonl"
    with wire(scores) as url:
        result = rerank(lists, "--model", f"rerank:m@{url}#key_env=SOME_KEY", "--log", log)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(c["calls"] for c in calls) == 2
    assert sum(c["prompt_tokens"] for c in calls) == 80
    assert {(c["query"], *c["candidates"]) for c in calls} >= {("a river", "0"), ("capital of France", "2")}
    assert json.loads(result.stdout.splitlines()[0])["cost"]["prompt_tokens"] == 40
    assert KEY not in log.read_text()


def test_a_log_that_cannot_be_written_is_said_at_once(lists, tmp_path):
    with pytest.raises(BadParameter, match=r"there is no folder .*/no: make it first"):
        rerank(lists, "--log", tmp_path / "no" / "calls.jsonl")
    with pytest.raises(InputError, match="the log can't be written"):
        CallLog(tmp_path / "no" / "calls.jsonl")


def test_a_log_may_be_continued_and_written_by_threads(tmp_path):
    log = CallLog(tmp_path / "calls.jsonl")
    log.write([{"a": 1}])
    log = CallLog(tmp_path / "calls.jsonl", append=True)
    threads = [threading.Thread(target=lambda: [log.write([{"b": "x" * 5000}]) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert len(records) == 161
    assert records[0] == {"a": 1}


def test_every_method_of_a_backend_is_logged(tmp_path):
    ranking, truth = toy(3)
    model = Logged(OracleModel(truth), CallLog(tmp_path / "calls.jsonl"), "oracle")
    prompts = [f"[{i}] {c.content}\n---\n" for i, c in enumerate(ranking)]
    plain = OracleModel(truth)
    assert model.generate(prompts, max_tokens=9) == plain.generate(prompts, max_tokens=9)
    model.next_token_logprobs(prompts, [("yes", "no")] * 3)
    model.loglikelihood(prompts, ["q"] * 3)
    model.attention(prompts, ["---"] * 3)
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    methods = ["generate", "next_token_logprobs", "loglikelihood", "attention"]
    assert [c["method"] for c in calls] == [m for m in methods for _ in range(3)]
    assert calls[3]["arguments"] == [["yes", "no"]]
    assert len(calls[3]["answer"]["values"]) == 2
    assert calls[0]["prompt"] == prompts[0]


def test_the_cache_holds_prompt_model_and_tokens(tmp_path):
    class Priced(ScriptedModel):
        def generate(self, prompts, **settings):
            return [type(a)(a.text, Usage(1, 70, 5)) for a in super().generate(prompts, **settings)]

    path = tmp_path / "a.db"
    cached = Cached(Priced(lambda p: "fine"), path, model="priced")
    talk = (Turn("user", "hello"),)
    first, twin = cached.generate([talk, talk], max_tokens=5)
    (again,) = cached.generate([talk], max_tokens=5)
    assert first.usage == Usage(1, 70, 5)
    assert twin.usage == again.usage == Usage(cached=1, cached_prompt_tokens=70, cached_completion_tokens=5)
    assert again.usage.tokens == 0
    with sqlite3.connect(path) as db:
        model, method, prompt, settings, *tokens, seconds = db.execute(
            "SELECT model, method, prompt, settings, prompt_tokens, completion_tokens, seconds FROM calls"
        ).fetchone()
    assert (model, method, tokens) == ("priced", "generate", [70, 5])
    assert json.loads(zlib.decompress(prompt)) == [[["user", "hello"]]]
    assert json.loads(settings)["max_tokens"] == 5
    assert seconds >= 0


def test_a_cache_of_an_earlier_version_is_still_read(tmp_path):
    path = tmp_path / "a.db"
    model = ScriptedModel(lambda p: "fine")
    Cached(model, path, model="m").generate(["x"], max_tokens=5)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE calls")
    (again,) = Cached(model, path, model="m").generate(["x"], max_tokens=5)
    assert (again.text, again.usage) == ("fine", Usage(cached=1))
    assert len(model.log) == 1
