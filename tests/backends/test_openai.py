import asyncio
import contextlib
import json
import logging
import math
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

import anyrank as ar
from anyrank.backends.openai import OpenAI, Patience
from anyrank.core.errors import InputError, MissingExtra, ModelError
from anyrank.core.language import Generates, ScoresNext, ScoresText, Turn
from anyrank.core.trace import UNREACHABLE
from anyrank.papers import load
from anyrank.testing import toy
from anyrank.testing.wire import Raw, wire

QUICK = Patience(timeout=0.25, retries=2, pause=0.01)
TALK = (Turn("user", "hello"),)
KEY = "sk-very-secret-0123"


def good(path, body, headers=None):
    """An echoing server: texts are the prompt in capitals; the top tokens are fixed."""
    chat = path == "/chat/completions"
    text = body["messages"][-1]["content"] if chat else body["prompt"]
    choice = {"index": 0, "finish_reason": "stop"}
    choice |= {"message": {"role": "assistant", "content": text.upper()}} if chat else {"text": text.upper()}
    top = {"A": -0.5, "B": -1.5, "1": -2.0} if not text.endswith("1") else {"2": -0.25, "1": -3.0}
    if body.get("echo"):
        starts = list(range(0, len(text), 2))
        choice["logprobs"] = {"text_offset": starts, "token_logprobs": [None, *[-1.0] * (len(starts) - 1)]}
    elif body.get("logprobs") and chat:
        choice["logprobs"] = {"content": [{"top_logprobs": [{"token": t, "logprob": v} for t, v in top.items()]}]}
    elif body.get("logprobs"):
        choice["logprobs"] = {"top_logprobs": [top]}
    return {"choices": [choice], "usage": {"prompt_tokens": len(text), "completion_tokens": 3}}


FAULTS = {
    "hangs": Raw(body=b"{}", pause=30.0),
    "drips": Raw(body=json.dumps(good("/completions", {"prompt": "x" * 200})).encode(), pieces=200, pause=0.1),
    "500": Raw(500, b'{"error": {"message": "on fire"}}'),
    "429": Raw(429, b"slow down", {"Retry-After": "0.02"}),
    "half a body": Raw(body=b'{"choices": [', length=4000),
    "invalid JSON": Raw(body=b'{"choices": [}'),
    "wrong content type": Raw(body=b"<html>log in</html>", headers={"Content-Type": "text/html"}),
    "not an object": Raw(body=b"[1, 2]"),
    "no choices": Raw(body=b'{"id": "1"}'),
    "choices of nothing": Raw(body=b'{"choices": [null]}'),
    "text of another kind": Raw(body=b'{"choices": [{"message": 5, "text": 7}]}'),
    "error in place of an answer": Raw(body=b'{"error": "overloaded"}'),
    "401": Raw(401, b'{"error": {"message": "wrong key sk-very-secret-0123"}}'),
    "404": Raw(404, b'{"error": {"message": "no such model"}}'),
    "nested without end": Raw(body=b"[" * 100_000),
}


def test_it_offers_its_verbs():
    for verb in (Generates, ScoresNext, ScoresText):
        assert isinstance(OpenAI("m"), verb)


def test_plain_prompts_and_conversations_are_completed_in_order():
    requests = []

    def answer(path, body, headers):
        requests.append((path, body))
        return good(path, body)

    prompts = ["one", TALK, "three"] * 5
    with wire(answer) as url:
        result = OpenAI("m", url, concurrency=4, extra={"top_p": 0.5}).generate(
            prompts, max_tokens=7, stop=["L"], temperature=0.3, seed=5
        )
    assert [c.text for c in result] == ["ONE", "HE", "THREE"] * 5
    assert {c.finish for c in result} == {"stop"}
    assert result[0].usage.prompt_tokens == 3
    assert result[0].usage.completion_tokens == 3
    assert {p for p, _ in requests} == {"/completions", "/chat/completions"}
    common = {"model": "m", "max_tokens": 7, "temperature": 0.3, "seed": 5, "stop": ["L"], "top_p": 0.5}
    assert all(common.items() <= body.items() for _, body in requests)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_its_own_prompt_only_and_ends_in_time(fault):
    def answer(path, body, headers):
        return FAULTS[fault] if body["prompt"] == "bad" else good(path, body)

    start = time.monotonic()
    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        result = model.generate(["fine", "bad", "also"], max_tokens=5)
        scores = model.next_token_logprobs(["fine", "bad"], [["A", "B"]] * 2)
        (likely,) = model.loglikelihood(["bad"], [""])
    assert time.monotonic() - start < 10
    assert [c.text for c in result] == ["FINE", "", "ALSO"]
    assert [c.finish for c in result] == ["stop", "error", "stop"]
    assert result[1].error
    assert not result[0].error
    assert scores[0].values == (-0.5, -1.5)
    assert all(map(math.isnan, scores[1].values))
    assert sum(n for kind, n in scores[1].usage.repairs.items() if kind != UNREACHABLE) == 2
    assert likely.values == (0.0,)


def test_the_error_says_what_was_met():
    words = {
        "500": "on fire",
        "429": "429",
        "hangs": "within 0.2 s",
        "drips": "within 0.2 s",
        "404": "no such model",
        "half a body": "without sending complete message body",
        "invalid JSON": "not JSON",
        "wrong content type": "text/html",
    }
    for fault, word in words.items():

        def answer(path, body, headers, fault=fault):
            return FAULTS[fault] if body["prompt"] == "x" else good(path, body)

        with wire(answer) as url:
            model = OpenAI("m", url, patience=Patience(0.25, 0, 0.01))
            result, _ = model.generate(["x", "fine"], max_tokens=5)
            scored, _ = model.next_token_logprobs(["x", "fine"], [["A", "B"]] * 2)
        assert word in result.error, (fault, result.error)
        assert word in scored.error, (fault, scored.error)


@pytest.mark.parametrize("fault", ["401", "404"])
def test_a_server_that_refuses_everything_is_named_once(fault):
    with wire(lambda *_: FAULTS[fault]) as url:
        model = OpenAI("m", url, patience=QUICK)
        with pytest.raises(ModelError, match=f"refuses .HTTP {fault}"):
            model.generate(["x", "y"], max_tokens=5)
        with pytest.raises(ModelError, match=f"refuses .HTTP {fault}"):
            model.loglikelihood(["x"], ["y"])


@pytest.mark.parametrize("end", ["/chat/completions", "/completions", "/completions/", "/chat/completions?a=1"])
def test_the_path_of_a_request_is_no_part_of_the_address(end):
    paths = []

    def answer(path, body, headers):
        paths.append(path)
        return good(path.split("?")[0], body)

    with wire(answer) as url:
        OpenAI("m", url + end).generate([TALK, "x"], max_tokens=5)
        query = end.partition("?")[1] + end.partition("?")[2]
        assert sorted(paths) == [f"/chat/completions{query}", f"/completions{query}"]
    assert OpenAI("m", "http://x/v1" + end).base_url == "http://x/v1" + query


def test_a_refused_system_turn_becomes_part_of_the_first_user_turn():
    seen = []

    def answer(path, body, headers):
        roles = [m["role"] for m in body["messages"]]
        seen.append(roles)
        if "system" in roles:
            return Raw(400, b'{"error": {"message": "System role not supported"}}')
        return good(path, body)

    talk = (Turn("system", "be short"), Turn("user", "hello"))
    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        assert model.generate([talk], max_tokens=5)[0].text == "BE SHORT\n\nHELLO"
        assert model.next_token_logprobs([talk], [["A", "B"]])[0].values == (-0.5, -1.5)
    assert seen == [["system", "user"], ["user"], ["user"]]


def test_another_refusal_of_a_conversation_is_not_asked_again():
    seen = []

    def answer(path, body, headers):
        seen.append(body)
        return Raw(400, b'{"error": {"message": "too long"}}')

    with wire(answer) as url:
        talk = (Turn("system", "be short"), Turn("user", "hello"))
        (result,) = OpenAI("m", url, patience=QUICK).generate([talk], max_tokens=5)
    assert result.error == "HTTP 400: too long"
    assert len(seen) == 1


@pytest.mark.parametrize("says", ["top_logprobs must be at most {most}", "max allowed logprobs: {most}", "logprobs!"])
@pytest.mark.parametrize("prompt", ["x", TALK])
def test_a_server_that_reports_fewer_tokens_is_asked_for_fewer(says, prompt):
    seen, most = [], 5

    def answer(path, body, headers):
        top = body["logprobs"] if "prompt" in body else body["top_logprobs"]
        seen.append(top)
        if top > most:
            return Raw(400, json.dumps({"error": {"message": says.format(most=most)}}).encode())
        return good(path, body)

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        for _ in range(2):
            assert model.next_token_logprobs([prompt], [["A", "B"]])[0].values == (-0.5, -1.5)
    assert seen == [20, 5, 5]


def test_a_server_that_refuses_any_number_of_tokens_is_given_up():
    refusal = Raw(400, b'{"error": {"message": "logprobs are not supported"}}')
    with wire(lambda path, body, headers: refusal if body["prompt"] == "x" else good(path, body)) as url:
        model = OpenAI("m", url, patience=QUICK)
        result, other = model.next_token_logprobs(["x", "fine"], [["A", "B"]] * 2)
    assert result.error == "HTTP 400: logprobs are not supported"
    assert other.values[0] == -0.5


def test_an_error_of_a_missing_path_shows_it():
    with wire(lambda path, body, headers: FAULTS["404"] if "messages" in body else good(path, body)) as url:
        result, _ = OpenAI("m", f"{url}").generate([TALK, "x"], max_tokens=5)
    assert result.error == "HTTP 404: no such model (POST /v1/chat/completions)"


def test_a_prompt_refused_alone_costs_itself_once_others_were_answered():
    """A filter in front of a server refuses single prompts by 403."""

    def answer(path, body, headers):
        if body["prompt"] == "bad":
            return Raw(403, b"no") if not body.get("logprobs") else {"choices": [{"text": "x"}]}
        return good(path, body)

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        assert model.generate(["fine"], max_tokens=5)[0].finish == "stop"
        assert model.generate(["bad"], max_tokens=5)[0].error == "HTTP 403: no"
        assert model.next_token_logprobs(["fine"], [["A"]])[0].values == (-0.5,)
        assert math.isnan(model.next_token_logprobs(["bad"], [["A"]])[0].values[0])
        with pytest.raises(ModelError, match="refuses"):
            OpenAI("m", url, patience=QUICK).generate(["bad"], max_tokens=5)


@pytest.mark.parametrize("value", ["1" + "0" * 400, '"x"', "null"])
def test_a_log_probability_that_is_no_float_costs_its_own_prompt(value):
    top = f'{{"choices": [{{"text": "A", "logprobs": {{"top_logprobs": [{{"A": {value}}}]}}}}]}}'
    echo = f'{{"choices": [{{"logprobs": {{"text_offset": [0, 1], "token_logprobs": [null, {value}]}}}}]}}'

    def answer(path, body, headers):
        text = body["prompt"]
        return Raw(body=(echo if body.get("echo") else top).encode()) if text.startswith("b") else good(path, body)

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        fine, bad = model.next_token_logprobs(["fine", "b"], [["A"]] * 2)
        assert (fine.values, math.isnan(bad.values[0])) == ((-0.5,), True)
        fine, bad = model.loglikelihood(["fine", "b"], ["abcd", "c"])
        assert (math.isfinite(fine.values[0]), math.isnan(bad.values[0])) == (True, True)


def test_the_query_part_of_an_address_is_kept():
    paths = []

    def answer(path, body, headers):
        paths.append(path)
        return good(path.split("?")[0], body)

    with wire(answer) as url:
        OpenAI("m", f"{url}/?api-version=3", patience=QUICK).generate(["x"], max_tokens=5)
    assert paths[0].endswith("/completions?api-version=3")


def test_a_passing_fault_is_tried_again_and_a_lasting_refusal_is_not():
    seen = []

    def answer(path, body, headers):
        seen.append(body["prompt"])
        if body["prompt"] == "refused":
            return Raw(400, b'{"error": {"message": "too long"}}')
        return Raw(503, b"busy") if seen.count(body["prompt"]) < 3 else good(path, body)

    with wire(answer) as url:
        result = OpenAI("m", url, patience=QUICK).generate(["x", "refused"], max_tokens=5)
    assert result[0].text == "X"
    assert seen.count("x") == 3
    assert seen.count("refused") == 1
    assert result[1].error == "HTTP 400: too long"


def test_retry_after_is_waited_for_or_given_up():
    times = []

    def answer(path, body, headers):
        times.append(time.monotonic())
        return Raw(429, b"", {"Retry-After": "0.3"}) if len(times) == 1 else good(path, body)

    with wire(answer) as url:
        (result,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=5)
    assert result.text == "X"
    assert times[1] - times[0] >= 0.3
    with wire(lambda *_: Raw(429, b"", {"Retry-After": "3600"})) as url:
        (result,) = OpenAI("m", url, patience=QUICK, deadline=5).generate(["x"], max_tokens=5)
    assert "no time left to wait 3600.0 s" in result.error


def test_the_deadline_ends_the_whole_batch():
    start = time.monotonic()
    with wire(lambda *_: FAULTS["hangs"]) as url:
        model = OpenAI("m", url, patience=Patience(0.3, 50, 0.01), deadline=0.8, concurrency=2)
        result = model.generate(["x"] * 12, max_tokens=5)
    assert time.monotonic() - start < 4
    assert {c.finish for c in result} == {"error"}
    assert any("deadline" in c.error for c in result)


def test_an_interrupt_waits_for_no_request():
    """Eight slow requests under way and more to come: the process is gone at once, not after their time."""
    code = "import signal, sys; from anyrank.backends.openai import OpenAI as M; "
    code += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job in the background is born deaf to it
    code += "M('m', sys.argv[1]).generate('x' * 20, max_tokens=1)"
    requests = []

    def slow(path, body, headers):
        requests.append(body)
        return FAULTS["hangs"]

    with (
        wire(slow) as url,
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            while len(requests) < 8:
                time.sleep(0.02)
                assert process.poll() is None
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, result = process.communicate(timeout=20)
        finally:
            process.kill()
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in result
    assert len(requests) == 8


def test_an_error_of_ours_in_one_prompt_ends_the_others_requests():
    with wire(lambda *a: FAULTS["hangs"]) as url:
        began = time.monotonic()
        with pytest.raises(InputError, match="prefill="):
            OpenAI("m", url).generate(["x", (*TALK, Turn("assistant", "["))], max_tokens=1)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("method", ["first", "monot5", "duot5", "upr"])
@pytest.mark.parametrize(
    ("fault", "why"), [("500", "3 tries failed; the last error: HTTP 500: on fire"), ("no choices", "without choices")]
)
def test_the_trace_says_why_probabilities_are_missing(method, fault, why):
    ranking, _ = toy(2)
    with wire(lambda *a: FAULTS[fault]) as url:
        after = load(method).build(OpenAI("m", url, patience=QUICK, prefill="server"))(ranking)
    assert (after.ids, after.status) == (ranking.ids, "fallback")
    assert why in after.cost.notes[0]
    assert after.cost.usage.repairs["no answer"] >= 1


@pytest.mark.parametrize("method", ["first", "monot5", "prorank"])
def test_the_trace_says_that_no_label_is_among_the_reported_tokens(method):
    ranking, _ = toy(3)
    other = {"choices": [{"text": "x", "logprobs": {"top_logprobs": [{"z": -0.1}]}}]}
    talk = {"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "z", "logprob": -0.1}]}]}}]}
    with wire(lambda path, *a: talk if "chat" in path else other) as url:
        after = load(method).build(OpenAI("m", url, prefill="server"))(ranking)
    assert (after.ids, after.status) == (ranking.ids, "fallback")
    note = "none of the options is among the likeliest next tokens"
    assert after.cost.notes == (f"{note}; token counts are estimated: the server states none",)


def test_connections_are_kept_open_between_requests(monkeypatch):
    """16 prompts and the second tokens of 8 of them, two at a time: two connections."""
    monkeypatch.setattr(BaseHTTPRequestHandler, "protocol_version", "HTTP/1.1")
    connections = []

    def setup(self):
        connections.append(self.client_address)
        super(BaseHTTPRequestHandler, self).setup()

    monkeypatch.setattr(BaseHTTPRequestHandler, "setup", setup, raising=False)
    with wire(good) as url:
        model = OpenAI("m", url, concurrency=2)
        assert len(model.next_token_logprobs(["q"] * 8, [["12"]] * 8)) == 8
    assert len(connections) == 2


def test_it_may_be_called_where_an_event_loop_runs():
    """As in a notebook."""

    async def cell():
        return OpenAI("m", url).generate(["x"], max_tokens=1)

    with wire(good) as url:
        assert asyncio.run(cell())[0].text == "X"


HEADERS = {
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 0123456789\r\n" * 100_000,
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "a length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    "packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{x",
    "moved": b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("fault", HEADERS)
@pytest.mark.parametrize("drip", [False, True])
def test_faults_below_the_body_end_in_time(fault, drip):
    """Sent at once, or a byte at a time: no library's own limit of a single read helps against that."""
    over = threading.Event()

    class Handler(StreamRequestHandler):
        def handle(self):
            self.connection.recv(1 << 16)
            with contextlib.suppress(OSError):
                for i in range(len(HEADERS[fault])) if drip else [slice(None)]:
                    self.wfile.write(HEADERS[fault][i : i + 1] if drip else HEADERS[fault])
                    if over.wait(0.02 if drip else 0):
                        return

    start = time.monotonic()
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            (answer,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=5)
        finally:
            over.set()
            server.shutdown()
            thread.join()
    assert time.monotonic() - start < 10
    assert answer.finish == "error"
    assert answer.error


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'anyrank\[openai\]'"):
        OpenAI("m", "http://127.0.0.1:9/v1").generate(["x"], max_tokens=1)


def test_a_key_is_never_cut_in_two_by_a_short_error(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    for before in range(200 - len(KEY), 200):
        text = "x" * before + KEY
        for body in (json.dumps({"error": {"message": text}}), text):
            with wire(lambda *_, body=body: Raw(400, body.encode())) as url:
                (answer,) = OpenAI("m", url, key_env="SOME_KEY").generate(["x"], max_tokens=1)
            assert answer.error.startswith("HTTP 400: xxx")
            assert "sk-" not in answer.error


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY} x", "sk-é", b"\xff\xfesk-very-secret"])
def test_a_key_that_no_header_can_carry_is_not_quoted(tmp_path, key):
    (tmp_path / "key").write_bytes(key if isinstance(key, bytes) else key.encode())
    with pytest.raises(InputError, match="must hold only the key, in one line") as error:
        OpenAI("m", key_file=str(tmp_path / "key")).generate(["x"], max_tokens=1)
    assert "sk-" not in str(error.value)


def test_refused_forms_of_a_request_are_calls_too():
    requests = []

    def answer(path, body, headers=None):
        requests.append(path)
        for name in ("temperature", "seed"):
            if name in body:
                return Raw(400, f"{name} is not supported".encode())
        return good(path, body) if len(requests) < 5 else Raw(400, b"no")

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        first, second = (model.generate(["x"], max_tokens=5)[0] for _ in range(2))
        assert (first.usage.calls, second.usage.calls, len(requests)) == (3, 1, 4)
        (third,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=5)
    assert third.finish == "error"
    assert third.usage.calls == len(requests) - 4 > 1


def test_no_server_at_all():
    (result,) = OpenAI("m", "http://127.0.0.1:9/v1", patience=QUICK).generate(["x"], max_tokens=5)
    assert "ConnectionRefused" in result.error
    assert result.finish == "error"


def test_options_by_the_top_tokens():
    with wire(good) as url:
        model = OpenAI("m", url)
        (result,) = model.next_token_logprobs(["q"], [["A", "12", "Z", "B", "", "1", "13"]])
    assert result.values == (-0.5, -2.25, -math.inf, -1.5, 0.0, -2.0, -math.inf)
    assert result.usage.repairs == {"outside the top": 2}
    assert result.usage.calls == 2


def test_options_of_several_tokens_in_a_conversation_need_a_known_continuation():
    bodies = []

    def answer(path, body, headers):
        bodies.append(body)
        return good(path, body)

    with wire(answer) as url:
        (result,) = OpenAI("m", url).next_token_logprobs([TALK], [["A", "12"]])
        assert result.values[0] == -0.5
        assert math.isnan(result.values[1])
        assert result.usage.repairs == {"option of several tokens": 1}
        (result,) = OpenAI("m", url, prefill="vllm").next_token_logprobs([TALK], [["A", "12"]])
        assert result.values == (-0.5, -2.25)
        assert bodies[-1]["messages"][-1] == {"role": "assistant", "content": "1"}
        assert bodies[-1]["continue_final_message"] is True
        with pytest.raises(InputError, match="prefill="):
            OpenAI("m", url).generate([(*TALK, Turn("assistant", "["))], max_tokens=1)


def test_a_server_without_logprobs_is_named():
    def answer(path, body, headers):
        return {"choices": [{"text": "x", "finish_reason": "stop"}]}

    with wire(answer) as url:
        with pytest.raises(ModelError, match="reports no log-probabilities"):
            OpenAI("m", url).next_token_logprobs(["x"], [["A"]])
        with pytest.raises(ModelError, match="reports no log-probabilities"):
            OpenAI("m", url).loglikelihood(["x"], ["A"])


def test_loglikelihood_by_echo_counts_tokens_that_span_the_border():
    with wire(good) as url:
        model = OpenAI("m", url)
        assert model.loglikelihood(["abcd"], ["efgh"])[0].values == (-2.0,)
        spanning = model.loglikelihood(["abc"], ["defgh"])[0]
        assert (spanning.values, spanning.tokens) == ((-3.0,), (3,))
        with pytest.raises(InputError, match="plain prompts only"):
            model.loglikelihood([TALK], ["x"])


def test_the_key_goes_to_the_server_and_nowhere_else(monkeypatch, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    def answer(path, body, headers):
        seen.append(headers.get("Authorization"))
        return Raw(500 if len(seen) == 1 else 400, f"bad key {KEY}".encode())

    monkeypatch.setenv("SOME_KEY", KEY)
    (tmp_path / "key").write_text(KEY + "\n")
    with wire(answer) as url:
        for where in ({"key_env": "SOME_KEY"}, {"key_file": str(tmp_path / "key")}, {}):
            model = OpenAI("m", url, patience=QUICK, **where)
            (result,) = model.generate(["x"], max_tokens=1)
            assert (KEY in result.error) is (where == {})
            assert KEY not in repr(model)
    assert seen == [*[f"Bearer {KEY}"] * 3, None]
    assert "bad key ***" in caplog.text
    assert KEY not in caplog.text
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        OpenAI("m", key_env="NO_SUCH_KEY").generate(["x"], max_tokens=1)
    with pytest.raises(InputError, match="can't be read"):
        OpenAI("m", key_file=str(tmp_path / "absent")).generate(["x"], max_tokens=1)


@pytest.mark.parametrize("url", ["ftp://x/v1", "http://user:pw@host/v1", "localhost:8000"])
def test_addresses_that_cannot_be(url):
    with pytest.raises(InputError) as error:
        OpenAI("m", url)
    assert "pw" not in str(error.value)


def test_the_drivers_deadline_reaches_the_server():
    start = time.monotonic()
    with wire(lambda *_: FAULTS["hangs"]) as url:
        model = OpenAI("m", url, patience=Patience(10.0, 4, 0.01))
        stage = replace(load("rankgpt").build(model), max_seconds=0.5)
        after = stage(toy(40)[0])
    assert time.monotonic() - start < 5
    assert after.status == "fallback"


@pytest.mark.parametrize(
    ("stated", "counts", "mended"),
    [
        *[(stated, (13, 13), 2) for stated in (-1_000_000, 10**30, 0, True, "9", 9.5, [1], {}, math.inf, math.nan)],
        (7, (7, 7), 0),
        (None, (13, 13), 0),
    ],
)
def test_counts_of_tokens_are_bounded_by_what_was_sent(stated, counts, mended):
    def answer(path, body, headers):
        return good(path, body) | {"usage": {"prompt_tokens": stated, "completion_tokens": stated}}

    with wire(answer) as url:
        usage = OpenAI("m", url).generate(["x" * 50], max_tokens=9)[0].usage
    assert usage.repairs.get("token count", 0) == mended
    assert counts == (usage.prompt_tokens, usage.completion_tokens)


def test_counts_by_other_names_are_read():
    def answer(path, body, headers):
        return {"choices": good(path, body)["choices"], "usage": {"input_tokens": 17, "output_tokens": 5}}

    with wire(answer) as url:
        usage = OpenAI("m", url).generate(["x" * 50], max_tokens=9)[0].usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (17, 5)


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": "many"}, {"usage": {"prompt_tokens": 1}}])
def test_counts_that_a_server_leaves_out_are_estimated_and_noted(usage):
    def answer(path, body, headers):
        return {"choices": good(path, body)["choices"], **usage}

    with wire(answer) as url:
        (completion,) = OpenAI("m", url).generate(["x" * 4000], max_tokens=9)
        (scored,) = OpenAI("m", url).next_token_logprobs(["x" * 4000], [["A"]])
    assert completion.usage.prompt_tokens == scored.usage.prompt_tokens == 1000
    assert completion.usage.completion_tokens == 1000
    assert completion.note.startswith("token counts are estimated")
    assert scored.note.startswith("token counts are estimated")


def test_estimated_counts_still_spend_a_budget_of_tokens():
    def answer(path, body, headers):
        choice = {"message": {"content": "[1] > [2]"}}
        return {"choices": [choice], "usage": {"prompt_tokens": 0, "completion_tokens": -5}}

    with wire(answer) as url:
        stage = load("rankgpt").build(OpenAI("m", url, prefill="server"), size=4, stride=2)
        after = replace(stage, max_tokens=300, chunk=1)(toy(20)[0])
    assert "budget spent: max_tokens=300" in after.cost.notes
    assert after.cost.usage.calls < 4


def test_a_key_that_a_server_repeats_is_in_no_answer(monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    for written in (KEY, "".join(f"\\u{ord(c):04x}" for c in KEY), KEY.replace("s", "\\u0073")):
        body = Raw(body=f'{{"choices": [{{"text": "your key is {written}"}}]}}'.encode())
        with wire(lambda *_, body=body: body) as url:
            (answer,) = OpenAI("m", url, key_env="SOME_KEY").generate(["x"], max_tokens=1)
        assert answer.text == "your key is ***"


MESSAGES = {
    "null": {"content": None, "reasoning_content": "Let me see"},
    "empty": {"content": "", "reasoning": "Let me see"},
    "white space": {"content": " \n", "reasoning_content": "Let me see"},
    "parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see"}]}]},
    "tag": {"content": "<think>Let me see [2]"},
    "other tag": {"content": "[THINK]Let me see [2]"},
    "channel": {"content": "<|channel|>analysis<|message|>Let me see"},
    "no content": {"thinking": "Let me see"},
    "details": {"content": None, "reasoning_details": [{"type": "reasoning.text", "text": "Let me see"}]},
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_model_that_only_reasons_is_said_to_need_more_room(kind):
    rooms = []

    def answer(path, body, headers):
        rooms.append(body["max_tokens"])
        usage = {"prompt_tokens": 200, "completion_tokens": body["max_tokens"]}
        return {"choices": [{"message": MESSAGES[kind], "finish_reason": "length"}], "usage": usage}

    with wire(answer) as url:
        after = load("rankgpt").build(OpenAI("m", url, prefill="server"))(toy(3)[0])
    (note,) = after.cost.notes
    assert rooms == [34, 8192]
    assert after.cost.usage.completion_tokens == 34 + 8192
    assert "the model w" in note  # wrote only its reasoning, was still thinking
    assert "cut at 8192 tokens" in note
    assert "#max_tokens=" in note
    assert after.status == "fallback"


def test_a_model_seen_to_think_gets_more_room_from_then_on():
    rooms = []

    def answer(path, body, headers):
        rooms.append(body["max_tokens"])
        message = {"content": "[2] > [1]", "reasoning_content": "Let me see"}
        if body["max_tokens"] < 3000:
            return {"choices": [{"message": {**message, "content": None}, "finish_reason": "length"}]}
        return {"choices": [{"message": message, "finish_reason": "stop"}]}

    with wire(answer) as url:
        stage = load("rankgpt").build(OpenAI("m", url, prefill="server"))
        assert stage(toy(2)[0]).ids == ["d1", "d0"] or stage(toy(2)[0]).status == "ok"
        assert rooms[:2] == [28, 8192]
        rooms.clear()
        assert stage(toy(2)[0]).status == "ok"
        assert rooms == [8192]


def test_more_room_than_the_server_has_is_taken_back():
    rooms = []

    def answer(path, body, headers):
        rooms.append(body["max_tokens"])
        if body["max_tokens"] > 4000:
            return Raw(400, b'{"error": {"message": "max_tokens=8192 and 300 input tokens exceed the context length"}}')
        if body["max_tokens"] < 1000:
            return {"choices": [{"message": {"content": None, "reasoning": "so"}, "finish_reason": "length"}]}
        return {"choices": [{"message": {"content": "[2] > [1]"}, "finish_reason": "stop"}]}

    with wire(answer) as url:
        stage = load("rankgpt").build(OpenAI("m", url, prefill="server"))
        for _ in range(2):
            assert stage(toy(2)[0]).status == "ok"
    assert rooms == [28, 8192, 2048, 2048]


@pytest.mark.parametrize("settings", ["max_tokens=700", "max_completion_tokens=700"])
def test_the_room_for_an_answer_is_set_by_an_address_or_by_a_stage(settings):
    rooms = []

    def answer(path, body, headers):
        rooms.append(body.get("max_tokens") or body.get("max_completion_tokens"))
        return {"choices": [{"message": {"content": None, "reasoning": "so"}, "finish_reason": "length"}]}

    with wire(answer) as url:
        ar.pipeline(f'rankgpt("openai:m@{url}#prefill=server&{settings}")')(toy(2)[0])
        ar.pipeline(f'rankgpt("openai:m@{url}#prefill=server", answer_tokens=9000)')(toy(2)[0])
    assert rooms == [700, 9000]
    with pytest.raises(InputError, match="generates no answers"):
        ar.pipeline(f'upr("openai:m@{url}", answer_tokens=9)')


def test_no_prompts_no_requests():
    model = OpenAI("m", "http://127.0.0.1:9/v1")
    assert model.generate([], max_tokens=1) == model.next_token_logprobs([], []) == model.loglikelihood([], []) == []
