"""Servers that refuse a field of the request are asked without it."""

import json
import threading

import pytest

from anyrank.backends.http import NoAnswer
from anyrank.backends.openai import OpenAI, Patience, open_address
from anyrank.backends.refusals import Form, Learned, refused_field
from anyrank.core.errors import InputError
from anyrank.core.language import Turn
from anyrank.hub.open import open_model
from anyrank.papers import load
from anyrank.testing import toy
from anyrank.testing.wire import Raw, wire

QUICK = Patience(timeout=2.0, retries=1, pause=0.01)
TALK = (Turn("user", "hello"),)


def openai(field, message):
    return {"error": {"message": message, "type": "invalid_request_error", "param": field}}


REFUSALS = {
    "param": lambda f: openai(f, "Unsupported value"),
    "quoted": lambda f: openai(None, f"Unsupported parameter: '{f}' is not supported with this model."),
    "a default": lambda f: openai(
        None, f"Unsupported value: '{f}' does not support 0 with this model. Only the default"
    ),
    "loc": lambda f: {
        "detail": [{"type": "extra_forbidden", "loc": ["body", f], "msg": "Extra inputs are not permitted"}]
    },
    "vllm": lambda f: {"message": f"[{{'type': 'extra_forbidden', 'loc': ('body', '{f}'), 'msg': 'not permitted'}}]"},
    "words": lambda f: {"error": f"{f} is deprecated for this model"},
    "detail": lambda f: {"detail": f"Unknown field: {f}"},
    "backticks": lambda f: {"error": {"message": f"`{f}` must be strictly positive"}},
    "camel": lambda f: {"message": f"{f.title().replace('_', '')} can't be set"},
    "groq": lambda f: {"error": {"message": f"property '{f}' is unsupported, did you mean 'n'?"}},
    "nested": lambda f: {"object": "error", "message": {"detail": [{"loc": ["body", f], "msg": "Extra inputs"}]}},
    "a list": lambda f: [{"error": {"code": 400, "message": f'Invalid JSON payload received. Unknown name "{f}"'}}],
    "serde": lambda f: {"error": f"unknown field `{f}`, expected one of `model`, `messages`, `temperature`, `stop`"},
    "brackets": lambda f: {"message": f"Malformed input request: extraneous key [{f}] is not permitted"},
    "another language": lambda f: {"error": {"message": f"参数 {f} 不支持"}},
    "json path": lambda f: {"error": {"message": f"Unrecognized request argument supplied: $.{f}"}},
}
FIELDS = ["temperature", "seed", "stop", "top_p", "response_format", "chat_template_kwargs", "reasoning_effort"]


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("form", REFUSALS)
def test_a_refused_field_is_left_out_from_then_on(form, status):
    extra = {
        "top_p": 0.9,
        "response_format": {"type": "text"},
        "chat_template_kwargs": {"a": 1},
        "reasoning_effort": "low",
    }
    for field in FIELDS:
        bodies = []

        def answer(path, body, headers, bodies=bodies, field=field):
            bodies.append(body)
            if field in body:
                return Raw(status, json.dumps(REFUSALS[form](field)).encode())
            return {
                "choices": [{"message": {"content": "fine"}}],
                "usage": {"prompt_tokens": 2, "completion_tokens": 1},
            }

        with wire(answer) as url:
            model = OpenAI("m", url, extra=extra, patience=QUICK)
            for _ in range(2):
                (result,) = model.generate([TALK], max_tokens=5, stop=["x"])
                assert (result.text, result.error) == ("fine", ""), (field, result)
                assert f"without {field}" in result.note
        assert [field in body for body in bodies] == [True, False, False]


def test_several_refused_fields_are_left_out_one_after_another():
    def answer(path, body, headers):
        refused = next((f for f in ("seed", "temperature", "stop") if f in body), "")
        if refused:
            return Raw(400, json.dumps(openai(refused, "no")).encode())
        return {"choices": [{"message": {"content": "fine"}}]}

    with wire(answer) as url:
        (result,) = OpenAI("m", url, patience=QUICK).generate([TALK], max_tokens=5, stop=["x"])
    assert result.text == "fine"
    assert "sent without temperature, seed, stop: the server refuses it" in result.note


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this. Use 'max_completion_tokens' instead.",
            "",
        ),
        ("max_tokens is not supported", ""),
        ("Extra inputs are not permitted: max_tokens; did you mean max_new_tokens", "max_new_tokens"),
    ],
)
def test_the_number_of_new_tokens_goes_by_the_servers_name(message, name):
    name = name or "max_completion_tokens"
    bodies = []

    def answer(path, body, headers):
        bodies.append(body)
        if "max_tokens" in body:
            return Raw(400, json.dumps(openai(None, message)).encode())
        return {"choices": [{"message": {"content": "fine"}}]}

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        for _ in range(2):
            (result,) = model.generate([TALK], max_tokens=5)
            assert result.text == "fine"
            assert f"{name} for max_tokens" in result.note
    assert [body.get(name) for body in bodies] == [None, 5, 5]


@pytest.mark.parametrize(
    ("message", "asked", "sent"),
    [
        ("max_tokens must be at most 4,096", 9000, 4096),
        ("'max_tokens' is too large: 9000. This model supports at most 2048 completion tokens.", 9000, 2048),
        ("Invalid 'max_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead.", 5, 16),
    ],
)
def test_a_bound_of_new_tokens_is_kept(message, asked, sent):
    bodies = []

    def answer(path, body, headers):
        bodies.append(body["max_tokens"])
        if body["max_tokens"] != sent:
            return Raw(400, json.dumps(openai("max_tokens", message)).encode())
        return {"choices": [{"message": {"content": "fine"}}]}

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        for _ in range(2):
            assert model.generate([TALK], max_tokens=asked)[0].text == "fine"
    assert bodies == [asked, sent, sent]


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. You requested 5000. Please reduce the length of the "
        "messages or max_tokens.",
        "'max_tokens' is too large: 500. Your request has 4000 input tokens.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The response was filtered: please stop sending such prompts",
        "bad request",
        "",
    ],
)
def test_a_refusal_of_one_prompt_changes_no_request(message):
    bodies = []

    def answer(path, body, headers):
        bodies.append(body)
        if body["prompt"] == "bad":
            return Raw(400, json.dumps(openai(None, message)).encode())
        return {"choices": [{"text": "fine"}]}

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        fine, bad = model.generate(["fine", "bad"], max_tokens=500)
        assert model._learned.form == Form()
    assert (fine.text, bad.finish) == ("fine", "error")
    assert len(bodies) == 2


def test_a_field_is_given_up_only_if_the_server_then_answers():
    """An error that names a field by chance teaches nothing."""

    def answer(path, body, headers):
        return Raw(400, json.dumps(openai("temperature", "invalid")).encode())

    with wire(answer) as url:
        model = OpenAI("m", url, patience=QUICK)
        assert model.generate(["x"], max_tokens=5)[0].finish == "error"
        assert model._learned.form == Form()


def test_a_server_that_refuses_top_logprobs_still_gives_the_token_it_chose():
    def answer(path, body, headers):
        if "top_logprobs" in body:
            return Raw(422, json.dumps({"detail": [{"loc": ["body", "top_logprobs"], "msg": "Extra fields"}]}).encode())
        token = {"token": "A", "logprob": -0.5, "top_logprobs": []}
        return {"choices": [{"message": {"content": "A"}, "logprobs": {"content": [token]}}]}

    with wire(answer) as url:
        (result,) = OpenAI("m", url, patience=QUICK).next_token_logprobs([TALK], [["A", "B"]])
    assert result.values == (-0.5, float("-inf"))
    assert "without top_logprobs" in result.note


def test_a_server_that_refuses_a_begun_answer_is_asked_without_it():
    seen = []

    def answer(path, body, headers):
        roles = [m["role"] for m in body["messages"]]
        seen.append(roles[-1])
        if roles[-1] == "assistant":
            message = (
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )
            return Raw(400, json.dumps(openai(None, message)).encode())
        return {"choices": [{"message": {"content": "[2] > [1]"}}]}

    with wire(answer) as url:
        model = OpenAI("m", url, prefill="server", patience=QUICK)
        talk = (*TALK, Turn("assistant", "["))
        for _ in range(2):
            (result,) = model.generate([talk], max_tokens=9)
            assert result.text == "[2] > [1]"
            assert "without the answer's beginning" in result.note
        assert model.next_token_logprobs([talk], [["1", "2"]])[0].error  # would be of another position
    assert seen[:3] == ["assistant", "user", "user"]


def test_the_trace_says_once_what_a_server_refuses():
    requests = []

    def answer(path, body, headers):
        requests.append(body)
        if "temperature" in body:
            return Raw(400, json.dumps(openai("temperature", "Only the default (1) value is supported.")).encode())
        return {"choices": [{"message": {"content": "[2] > [1] > [3] > [4]"}}], "usage": {"prompt_tokens": 200,
                "completion_tokens": 9}}  # fmt: skip

    with wire(answer) as url:
        stage = load("rankgpt").build(OpenAI("m", url, prefill="server", patience=QUICK), size=4, stride=2)
        results = stage.batch([toy(8)[0], toy(8)[0]])
    assert {r.status for r in results} == {"ok"}
    for r in results:
        assert r.cost.notes == ("sent without temperature: the server refuses it",)
    assert sum("temperature" in body for body in requests) <= 2


def test_many_threads_learn_together():
    learned = Learned()

    def learn(i):
        for k in range(50):
            learned.learn(Form(frozenset({f"f{i}-{k}"}), most={"top": i * 50 + k}))

    threads = [threading.Thread(target=learn, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(learned.form.dropped) == 400
    assert learned.form.most == {"top": 0}


@pytest.mark.parametrize(
    "message", ["please stop asking", "the user is not known here", "no n in sight", "temper not ok"]
)
def test_words_of_prose_are_no_fields(message):
    assert refused_field(NoAnswer("", status=400, message=message), {"temperature": 0, "seed": 1}) == ""


SETTINGS = {
    "temperature=1": {"temperature": 1},
    "temperature=none&seed=none": {"temperature": None, "seed": None},
    "temperature=0.7&top_p=0.5": {"temperature": 0.7, "top_p": 0.5},
    "chat_template_kwargs.enable_thinking=false": {"chat_template_kwargs": {"enable_thinking": False}},
    'chat_template_kwargs={"enable_thinking":false}': {"chat_template_kwargs": {"enable_thinking": False}},
    "extra.foo=bar&extra.n=2": {"foo": "bar", "n": 2},
    'extra={"foo":{"b":[1,2]}}': {"foo": {"b": [1, 2]}},
    "reasoning_effort=low": {"reasoning_effort": "low"},
    "response_format.type=text": {"response_format": {"type": "text"}},
    "stop=%5B%22a%22%5D": {"stop": ["a"]},
    "max_tokens=none": {"max_tokens": None},
}


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_field_of_a_request_is_set_or_left_out_by_the_address(settings):
    bodies = []

    def answer(path, body, headers):
        bodies.append(body)
        return {"choices": [{"message": {"content": "fine"}}]}

    with wire(answer) as url:
        open_model(f"openai:m@{url}#{settings}").generate([TALK], max_tokens=5)
    for name, value in SETTINGS[settings].items():
        assert (name in bodies[0]) is (value is not None)
        assert bodies[0].get(name) == value


@pytest.mark.parametrize(
    "message",
    [
        "Only user and assistant roles are supported!",
        "Unknown role: system",
        "role 'system' is not allowed",
        [{"loc": ["body", "messages", 0, "role"], "msg": "unexpected value; permitted: 'user', 'assistant'"}],
    ],
)
def test_a_system_turn_that_is_refused_in_any_words_is_folded(message):
    bodies = []

    def answer(path, body, headers):
        bodies.append(body)
        if body["messages"][0]["role"] == "system":
            return Raw(400, json.dumps({"detail": message}).encode())
        return {"choices": [{"message": {"content": "fine"}}]}

    with wire(answer) as url:
        (result,) = OpenAI("m", url, patience=QUICK).generate([(Turn("system", "rank"), *TALK)], max_tokens=5)
    assert (result.text, len(bodies)) == ("fine", 2)


def test_an_error_beside_empty_choices_is_told():
    with wire(lambda path, body, headers: {"choices": None, "error": {"message": "no credits"}}) as url:
        (result,) = OpenAI("m", url, patience=QUICK).generate([TALK], max_tokens=5)
    assert "no credits" in result.error


def test_other_settings_of_an_address():
    model = open_address(
        "m@http://x/v1#top=5&timeout=3&retries=0&deadline=7.5&concurrency=2&max_tokens=900&prefill=server"
    )
    assert (model.top, model.deadline, model.concurrency, model.max_tokens) == (5, 7.5, 2, 900)
    assert (model.patience.timeout, model.patience.retries) == (3.0, 0)
    assert open_address("m@http://x/v1#max_completion_tokens=900").limit_field == "max_completion_tokens"
    with pytest.raises(InputError, match="did you mean 'prefill'"):
        open_address("m@http://x/v1#prefil=vllm")
    for wrong, why in {
        "top=none": "top=None",
        "top=0": "at least 1",
        "timeout=-1": "above 0",
        "timeout=NaN": "above 0",
        "deadline=Infinity": "above 0",
        "top=5&top=6": "given twice",
        "extra=5": "expected an object",
        "temperature": "name=value",
        "extra.a=1&extra.a.b=2": "given both",
        "colour=red": r"extra\.NAME=VALUE",
        "temperature=warm": "expected a number, or none",
        "temperature=": "expected a number, or none",
        "top_p=0,9": "expected a number, or none",
        "seed=true": "expected a number, or none",
    }.items():
        with pytest.raises(InputError, match=why):
            open_address(f"m@http://x/v1#{wrong}")
