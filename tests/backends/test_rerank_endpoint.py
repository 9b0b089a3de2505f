"""The endpoints of hosted rerankers and of servers of one's own, imitated, as judges."""

import json
import math
from dataclasses import replace
from itertools import count

import pytest

import anyrank as ar
from anyrank.backends import rerank_endpoint
from anyrank.backends.http import Patience
from anyrank.backends.rerank_endpoint import DIALECTS, RerankEndpoint, open_address
from anyrank.core.errors import InputError, ModelError
from anyrank.core.limits import Limits
from anyrank.core.rerank import Rerank
from anyrank.core.trace import UNREACHABLE
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.hub.open import is_allowed, open_model
from anyrank.testing.wire import Raw, wire

QUICK = Patience(timeout=0.3, retries=1, pause=0.01)
KEY = "sk-very-secret-0123"
TEXTS = ["Lyon is a large city.", "Paris is the capital of France.", "Rome is in Italy."]


def relevance(text):
    """Falls with the first number in a text, or is fixed for the three cities."""
    digits = "".join(c for c in text if c.isdigit())
    return 1.0 / (1 + int(digits)) if digits else {"L": 0.5, "P": 0.9, "R": 0.1}.get(text[:1], 0.2)


def rows(texts, score="relevance_score", **more):
    scored = [{"index": i, score: relevance(t), **{k: f(t) for k, f in more.items()}} for i, t in enumerate(texts)]
    return sorted(scored, key=lambda row: -row[score])


def cohere(path, body, headers):
    assert path == "/v2/rerank"
    assert body.keys() == {"model", "query", "documents", "top_n"}
    units = {"billed_units": {"search_units": 1.0}, "api_version": {"version": "2"}}
    return {"id": "x", "results": rows(body["documents"]), "meta": units}


def jina(path, body, headers):
    assert path in ("/rerank", "/v1/rerank")
    return {"model": "m", "usage": {"total_tokens": 40}, "results": rows(body["documents"])}


def voyage(path, body, headers):
    assert body["top_k"] == len(body["documents"])
    assert body["truncation"] is True
    return {"object": "list", "data": rows(body["documents"]), "model": "m", "usage": {"total_tokens": 40}}


def mixedbread(path, body, headers):
    assert path == "/reranking"
    data = rows(body["input"], "score", object=lambda t: "rank_result")
    return {"usage": {"prompt_tokens": 30, "total_tokens": 40}, "model": "m", "data": data, "object": "list"}


def pinecone(path, body, headers):
    assert headers["Api-Key"] == KEY
    assert "X-Pinecone-API-Version" in headers or "X-pinecone-api-version" in {h.capitalize() for h in headers}
    assert body["rank_fields"] == ["text"]
    assert [d["id"] for d in body["documents"]] == [str(i) for i in range(len(body["documents"]))]
    return {"model": "m", "data": rows([d["text"] for d in body["documents"]], "score"), "usage": {"rerank_units": 1}}


def tei(path, body, headers):
    if path != "/rerank":
        return Raw(404, b"")
    if "texts" not in body:
        return Raw(422, b"Failed to deserialize the JSON body into the target type: missing field `texts` at line 1")
    if len(body["texts"]) > 4:
        error = f"batch size {len(body['texts'])} > maximum allowed batch size 4"
        return Raw(413, json.dumps({"error": error, "error_type": "Validation"}).encode())
    if any(len(t.split()) > 50 for t in body["texts"]) and not body.get("truncate"):
        error = "Input validation error: `inputs` must have less than 50 tokens. Given: 60"
        return Raw(413, json.dumps({"error": error, "error_type": "Validation"}).encode())
    return Raw(body=json.dumps(rows(body["texts"], "score")).encode())


def vllm(path, body, headers):
    results = rows(body["documents"], document=lambda t: {"text": t, "multi_modal": None})
    return {"id": "x", "model": "m", "usage": {"prompt_tokens": 40, "total_tokens": 40}, "results": results}


def infinity(path, body, headers):
    if path != "/rerank":
        return Raw(404, b'{"detail": "Not Found"}')
    usage = {"prompt_tokens": 200, "total_tokens": 40}
    results = rows(body["documents"], document=str)
    return {"object": "rerank", "results": results, "model": body["model"], "usage": usage, "id": "x", "created": 1}


SERVERS = {
    "cohere": cohere,
    "jina": jina,
    "voyage": voyage,
    "mixedbread": mixedbread,
    "pinecone": pinecone,
    "tei": tei,
    "vllm": vllm,
    "infinity": infinity,
}


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)


def answering(make):
    """A wire's answer that also takes paths outside of /v1."""
    return lambda path, body, headers: make(path, body, headers)


@pytest.mark.parametrize("address", ["host", "full"])
@pytest.mark.parametrize("name", SERVERS)
def test_every_dialect_is_spoken(name, address, key):
    seen = []

    def answer(path, body, headers):
        seen.append(headers)
        return SERVERS[name](path, body, headers)

    with wire(answer) as url:
        host = url.removesuffix("/v1")
        where = host if address == "host" else host + DIALECTS[name].paths[0]
        result = ar.rerank("capital of France", TEXTS, model=f"{name}:m@{where}#key_env=SOME_KEY")
    assert result.ids == ["1", "0", "2"]
    assert result.scores == [0.9, 0.5, 0.1]
    assert result.status == "ok"
    assert result.cost.usage.calls == 1
    assert result.cost.usage.prompt_tokens > 0
    assert all(KEY in headers.get("Authorization", headers.get("Api-Key", "")) for headers in seen)


@pytest.mark.parametrize("name", ["jina", "tei", "vllm", "infinity"])
def test_a_server_of_unknown_dialect_is_named_by_its_address_alone(name):
    requests = []

    def answer(path, body, headers):
        requests.append(path)
        if name == "infinity":
            body.setdefault("model", "default")
        return SERVERS[name](path, body, headers)

    with wire(answer) as url:
        host = url.removesuffix("/v1")
        for _ in range(2):
            assert ar.rerank("capital of France", TEXTS, model=host).ids == ["1", "0", "2"]
        assert ar.rerank("capital of France", TEXTS, model=f"rerank:m@{url}").ids == ["1", "0", "2"]
    assert len(requests) <= 7  # what is learned is learned once


@pytest.mark.parametrize(
    "make",
    [
        lambda scores: {"scores": scores},
        lambda scores: Raw(body=json.dumps(scores).encode()),
        lambda scores: {"output": {"results": [{"index": i, "relevance_score": s} for i, s in enumerate(scores)]}},
        lambda scores: {"output": scores},
        lambda scores: {"results": [{"index": float(i), "score": s} for i, s in enumerate(scores)]},
    ],
)
def test_answers_in_other_forms_are_read(make):
    with wire(lambda path, body, headers: make([relevance(t) for t in body["documents"]])) as url:
        assert ar.rerank("q", TEXTS, model=url).ids == ["1", "0", "2"]


@pytest.mark.parametrize(
    ("results", "note"),
    [
        ([{"document_index": i, "score": 0.5} for i in range(3)], "no whole number as index: their fields are"),
        ([{"index": i, "logit": 0.5} for i in range(3)], "no result has a number as relevance_score or score"),
        ([{"index": i + 1, "score": 0.5} for i in range(3)], "indices run from 1 to 3: expected 0 to 2"),
    ],
)
def test_an_answer_that_is_not_read_says_what_it_holds(results, note):
    with wire(lambda path, body, headers: {"results": results}) as url:
        ranking = ar.rerank("q", TEXTS, model=url)
    assert (ranking.status, ranking.ids) == ("fallback", ["0", "1", "2"])
    assert note in ranking.cost.notes[0]


def test_billed_units_are_noted_and_tokens_estimated():
    with wire(cohere) as url:
        result = ar.rerank("q", TEXTS, model=f"cohere:m@{url.removesuffix('/v1')}")
    assert result.cost.notes == ("token counts are estimated: the server states none; billed: 1 search unit",)


@pytest.mark.parametrize("stated", [-1, 0, 10**30, "9", True, [1], math.nan, math.inf, 9.5, {}])
def test_a_count_of_tokens_that_cannot_be_is_estimated(stated):
    def answer(path, body, headers):
        return {"results": rows(body["documents"]), "usage": {"total_tokens": stated},
                "meta": {"billed_units": {"search_units": stated}}}  # fmt: skip

    with wire(answer) as url:
        result = ar.rerank("q", ["x" * 4000, "y"], model=url)
    usage = result.cost.usage
    assert 900 < usage.prompt_tokens < 1200
    assert usage.repairs["token count"] == 1
    assert ("billed units" in usage.repairs) is (stated not in (0, 9.5))


def test_all_documents_of_a_query_go_into_one_request():
    sizes = []

    def answer(path, body, headers):
        sizes.append((body["query"], len(body["documents"])))
        return jina(path, body, headers)

    stage = Rerank(RerankEndpoint("m", "", "cohere"))
    with wire(answer) as url:
        stage = replace(stage, judge=RerankEndpoint("m", url))
        results = stage.batch([Ranking.of(f"query {n}", [f"text {i}" for i in range(n)]) for n in (30, 5, 1)])
    assert sorted(sizes) == [("query 1", 1), ("query 30", 30), ("query 5", 5)]
    assert [r.ids for r in results] == [[str(i) for i in range(n)] for n in (30, 5, 1)]
    assert [r.cost.usage.calls for r in results] == [1, 1, 1]


def test_a_servers_bound_of_documents_is_learned():
    sizes = []

    def answer(path, body, headers):
        sizes.append(len(body.get("texts", ())))
        return tei(path, body, headers)

    texts = [f"text {i}" for i in range(10)]
    with wire(answer) as url:
        judge = open_model(f"tei:{url.removesuffix('/v1')}#concurrency=1")
        first = Rerank(judge)(Ranking.of("q", texts))
        assert sizes == [10, 4, 4, 2]
        sizes.clear()
        again = Rerank(judge)(Ranking.of("q", texts))
        assert sizes == [3, 3, 4]
    assert first.ids == again.ids == [str(i) for i in range(10)]
    assert first.status == "ok"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, ""),
        (413, "Payload Too Large"),
        (400, "too many documents: at most 8"),
        (422, "The maximum number of documents is 8"),
        (400, "documents exceeds the limit of 8"),
    ],
)
def test_bounds_of_documents_in_other_words(status, message):
    def answer(path, body, headers):
        if len(body["documents"]) > 8:
            return Raw(status, json.dumps({"message": message}).encode())
        return jina(path, body, headers)

    with wire(answer) as url:
        result = ar.rerank("q", [f"text {i}" for i in range(30)], model=url)
    assert result.ids == [str(i) for i in range(30)]
    assert result.status == "ok"


def test_every_request_is_counted_the_refused_ones_too():
    requests = []

    def answer(path, body, headers):
        requests.append(path)
        if path == "/v1/rerank":
            return Raw(404, b"no such path")
        return tei(path, body, headers)

    with wire(answer) as url:
        for model in (f"tei:{url.removesuffix('/v1')}", f"rerank:m@{url.removesuffix('/v1')}"):
            del requests[:]
            result = ar.rerank("q", [f"text {i}" for i in range(10)], model=model)
            assert result.status == "ok"
            assert result.cost.usage.calls == len(requests) > 3


def test_requests_that_are_all_refused_are_counted():
    requests = []

    def answer(path, body, headers):
        requests.append(path)
        return Raw(400, b'{"message": "unknown field return_documents"}')

    with wire(answer) as url:
        judge = RerankEndpoint("m", url, dialect="jina", patience=QUICK)
        result = Rerank(judge)(Ranking.of("q", ["text 1", "text 2"]))
    assert result.status == "fallback"
    assert result.cost.usage.calls == len(requests) > 1


def test_a_text_too_long_for_a_server_is_cut_by_it_and_that_is_said():
    with wire(tei) as url:
        model = f"tei:{url.removesuffix('/v1')}"
        result = ar.rerank("q", ["text 1 " + "word " * 60, "text 2"], model=model)
        whole = ar.rerank("q", ["text 1", "text 2"], model=model)
    assert result.ids == ["0", "1"]
    assert "the server cut texts to its model's length" in result.cost.notes[0]
    assert (result.cost.usage.truncated, whole.cost.usage.truncated) == (1, 0)


def test_a_model_that_a_server_lacks_is_named_by_its_error():
    def answer(path, body, headers):
        return Raw(404, b'{"message": "no model m here"}' if path == "/rerank" else b'{"detail": "Not Found"}')

    with wire(answer) as url, pytest.raises(ModelError, match="no model m here"):
        ar.rerank("q", TEXTS, model=f"rerank:m@{url.removesuffix('/v1')}")


def test_a_server_that_cannot_be_reached_is_said_to_be_so():
    with wire(lambda *_: FAULTS["hangs"]) as url:
        (judgement,) = RerankEndpoint("m", url, patience=Patience(0.2, 0, 0.01))(
            [(Query("q", "q"), [Candidate("0", "a")])]
        )
    assert judgement.usage.repairs == {"no answer": 1, UNREACHABLE: 1}


ANSWERS = {
    "repeated": ([(0, 0.9), (0, 0.1), (1, 0.5), (2, 0.4)], ["0", "1", "2"], {"repeated index": 1}),
    "out of range": ([(0, 0.1), (7, 0.9), (-1, 0.9), (1, 0.5), (2, 0.4)], ["1", "2", "0"], {"index out of range": 2}),
    "missing": ([(2, 0.5)], ["2", "0", "1"], {"no answer": 2}),
    "no number": ([(0, None), (1, "0.9"), (2, 0.5)], ["2", "0", "1"], {"no answer": 2}),
    "not finite": ([(0, math.nan), (1, math.inf), (2, -math.inf)], ["0", "1", "2"], {"no answer": 3}),
    "too large": ([(0, 10**400), (1, 0.4), (2, 0.5)], ["2", "1", "0"], {"no answer": 1}),
    "true": ([(True, 0.9), (0, 0.3), (1, True), (2, 0.5)], ["2", "0", "1"], {"index out of range": 1, "no answer": 1}),
    "index as text": ([("0", 0.9), (1, 0.4), (2, 0.5)], ["2", "1", "0"], {"index out of range": 1, "no answer": 1}),
    "nothing": ([], ["0", "1", "2"], {"no answer": 3}),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_comes_out_is_a_permutation_whatever_the_server_answers(kind):
    listed, ids, repairs = ANSWERS[kind]

    def answer(path, body, headers):
        return {"results": [{"index": i, "relevance_score": s} for i, s in listed], "usage": {"total_tokens": 40}}

    with wire(answer) as url:
        result = ar.rerank("q", TEXTS, model=url)
    assert result.ids == ids
    assert result.cost.usage.repairs == repairs
    assert result.status == (
        "repaired" if "no answer" not in repairs else "partial" if repairs["no answer"] < 3 else "fallback"
    )


FAULTS = {
    "hangs": Raw(pause=30.0),
    "500": Raw(500, b'{"detail": "on fire"}'),
    "no JSON": Raw(body=b"<html>"),
    "a text": Raw(body=b'"fine"'),
    "no results": Raw(body=b'{"id": "x"}'),
    "results of another kind": Raw(body=b'{"results": {"0": 0.5}}'),
    "rows of another kind": Raw(body=b'{"results": [1, null, "x"]}'),
    "an error": Raw(body=b'{"error": "overloaded", "error_type": "Overloaded"}'),
    "refuses all": Raw(400, b'{"message": "no"}'),
    "too large": Raw(413, b""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_leaves_the_order(fault):
    requests = []

    def answer(path, body, headers):
        requests.append(path)
        return FAULTS[fault]

    with wire(answer) as url:
        result = Rerank(RerankEndpoint("m", url, patience=QUICK))(Ranking.of("q", [f"text {i}" for i in range(40)]))
    assert result.ids == [str(i) for i in range(40)]
    assert result.status == "fallback"
    assert result.cost.notes[0]
    assert len(requests) < 12


def test_a_deadline_reaches_the_server():
    with wire(lambda *_: FAULTS["hangs"]) as url:
        judge = RerankEndpoint("m", url, patience=Patience(20.0, 4, 0.1))
        ranking = Ranking.of("q", TEXTS).under(Limits.within(0.4))
        result = Rerank(judge)(ranking)
    assert result.status == "fallback"
    assert result.cost.seconds < 5


def test_one_query_that_fails_costs_itself_alone():
    def answer(path, body, headers):
        return Raw(500, b"") if body["query"] == "bad" else jina(path, body, headers)

    with wire(answer) as url:
        judge = RerankEndpoint("m", url, patience=QUICK)
        fine, bad = Rerank(judge).batch([Ranking.of("fine", TEXTS), Ranking.of("bad", TEXTS)])
    assert (fine.status, fine.ids) == ("ok", ["1", "0", "2"])
    assert (bad.status, bad.ids) == ("fallback", ["0", "1", "2"])


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_server_that_refuses_the_key_or_model_is_named(status, key):
    with (
        wire(lambda *_: Raw(status, f'{{"message": "invalid key {KEY}"}}'.encode())) as url,
        pytest.raises(ModelError, match=f"the server refuses .HTTP {status}") as error,
    ):
        ar.rerank("q", TEXTS, model=f"cohere:m@{url}#key_env=SOME_KEY")
    assert KEY not in str(error.value)


def test_an_empty_text_is_not_sent_and_comes_last():
    sent = []

    def answer(path, body, headers):
        sent.append(body["documents"])
        return jina(path, body, headers)

    with wire(answer) as url:
        result = ar.rerank("q", ["", TEXTS[0], "  ", TEXTS[1]], model=url)
        nothing = ar.rerank("q", ["", " "], model=url)
    assert sent[0] == [TEXTS[0], TEXTS[1]]
    assert result.ids == ["3", "1", "0", "2"]
    assert result.cost.notes == ("2 of 4 candidates have no content: they come last",)
    with wire(answer) as url:
        (alone,) = RerankEndpoint("m", url)([(Query("q", "q"), [Candidate("0", " "), Candidate("1", TEXTS[0])])])
    assert alone.scores == [-math.inf, 0.5]
    assert alone.note == "an empty text was not sent, and comes last"
    assert nothing.ids == ["0", "1"]


def test_a_field_that_the_server_refuses_is_left_out():
    sent = []

    def answer(path, body, headers):
        sent.append(body)
        if "top_n" in body:
            return Raw(422, b'{"detail": [{"loc": ["body", "top_n"], "msg": "Extra inputs are not permitted"}]}')
        return jina(path, body, headers)

    with wire(answer) as url:
        for _ in range(2):
            result = ar.rerank("q", TEXTS, model=f"{url}#timeout=4")
            assert result.cost.notes == ("sent without top_n: the server refuses it",)
    assert ["top_n" in body for body in sent] == [True, False, False]


def test_settings_of_an_address_are_fields_of_the_request_too():
    sent = []

    def answer(path, body, headers):
        sent.append(body)
        return jina(path, body, headers)

    with wire(answer) as url:
        name = f"jina:m@{url}#max_tokens_per_doc=100&extra.foo=bar&batch=2&return_documents=none"
        with pytest.raises(InputError, match="return_documents"):
            open_model(name)
        result = ar.rerank("q", TEXTS, model=name.replace("&return_documents=none", "&extra.return_documents=none"))
    assert result.ids == ["1", "0", "2"]
    assert all(body["max_tokens_per_doc"] == 100 and body["foo"] == "bar" for body in sent)
    assert all("return_documents" not in body for body in sent)
    assert sorted(len(body["documents"]) for body in sent) == [1, 2]


def test_a_hosted_reranker_needs_its_key(monkeypatch):
    for name in ("COHERE_API_KEY", "CO_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"COHERE_API_KEY \(or CO_API_KEY\) must hold the key"):
        ar.rerank("q", TEXTS, model="cohere:rerank-v3.5")
    monkeypatch.setenv("CO_API_KEY", "two\nlines")
    with pytest.raises(InputError, match="CO_API_KEY must hold only the key") as error:
        ar.rerank("q", TEXTS, model="cohere:rerank-v3.5")
    assert "lines" not in str(error.value)


def test_the_key_of_a_hosted_service_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    seen = []

    def answer(path, body, headers):
        seen.append(headers)
        return cohere(path, body, headers)

    with wire(answer) as url:
        ar.rerank("q", TEXTS, model=f"cohere:m@{url.removesuffix('/v1')}")
    assert "Authorization" not in seen[0]
    for name, dialect in DIALECTS.items():
        assert dialect.hosted.startswith("https://") or not dialect.hosted, name
        assert bool(dialect.hosted) is bool(dialect.keys), name


@pytest.mark.parametrize(
    "name", ["cohere:", "tei:", "rerank:m", "vllm:m", "cohere:@http://x", "jina:m@ftp://x", "tei:x", "http://u:pw@host",
             "rerank:m@http://x#colour=red", "rerank:m@http://x#batch=0", "voyage:m#timeout=soon"]
)  # fmt: skip
def test_addresses_that_cannot_be(name):
    with pytest.raises(InputError) as error:
        open_model(name)
    assert "pw" not in str(error.value)


def test_a_reranker_is_allowed_by_its_name_alone():
    assert is_allowed("cohere:rerank-v3.5", ["cohere:*"])
    assert not is_allowed("http://10.0.0.1/", ["cohere:*", "BAAI/*"])
    with pytest.raises(InputError, match="not allowed"):
        open_model("http://10.0.0.1", allow=["minilm"])
    with pytest.raises(InputError, match="takes no runtime"):
        open_model("cohere:m", runtime="hf")


def test_a_reranker_is_no_language_model():
    with wire(jina) as url, pytest.raises(InputError, match="a judge, no language model"):
        ar.pipeline(f'rankgpt("rerank:m@{url}")')


def test_a_reranker_in_a_pipeline_and_under_a_budget():
    calls = count()

    def answer(path, body, headers):
        next(calls)
        return jina(path, body, headers)

    with wire(answer) as url:
        stage = ar.pipeline(f'model("rerank:m@{url}", depth=2, max_calls=3) + prior')
        result = stage(
            Ranking(Query("q", "capital"), tuple(Candidate(str(i), t, 3.0 - i) for i, t in enumerate(TEXTS)))
        )
    assert sorted(result.ids) == ["0", "1", "2"]
    assert next(calls) <= 3


def test_images_are_refused_by_name():
    with pytest.raises(InputError, match="candidate '0' holds an image"):
        ar.rerank("q", [{"image": "cat.png"}], model="http://127.0.0.1:9")


def test_the_dialects_and_names_agree():
    from anyrank.hub.open import SERVERS as NAMES

    assert set(NAMES) == set(DIALECTS)
    assert open_address("rerank", "m@http://x/v1")._addresses()[0] == "http://x/v1/rerank"
    assert open_address("rerank", "m@http://x/api/v1/rerank/")._addresses() == ["http://x/api/v1/rerank"]
    assert open_address("rerank", "m@http://x/?key=1")._addresses()[0] == "http://x/v1/rerank?key=1"
    assert rerank_endpoint.RerankEndpoint("m", "", "cohere")._addresses() == ["https://api.cohere.com/v2/rerank"]
