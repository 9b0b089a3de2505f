"""Bounds of what servers send, alone and together; keys."""

import json
import threading

import pytest

from anyrank.backends import http
from anyrank.backends.keys import read_key
from anyrank.backends.openai import OpenAI, Patience
from anyrank.core.errors import InputError
from anyrank.testing.wire import Raw, wire

QUICK = Patience(timeout=5.0, retries=0, pause=0.01)


def test_answers_under_way_are_bounded_together(monkeypatch):
    """Eight answers of 300,000 bytes each, none too large alone, where a million may be read at once."""
    monkeypatch.setattr(http, "UNDER_WAY", 1_000_000)
    text = {"choices": [{"text": "fine"}], "filler": "x" * 300_000}
    every = threading.Barrier(8, timeout=10)

    def answer(path, body, headers):
        every.wait()
        return Raw(body=json.dumps(text).encode(), pieces=20, pause=0.02)

    with wire(answer) as url:
        answers = OpenAI("m", url, patience=QUICK, concurrency=8).generate(["x"] * 8, max_tokens=1)
    failed = [a.error for a in answers if a.finish == "error"]
    assert failed
    assert all("being read at once" in error for error in failed)
    assert http._under_way.bytes == 0
    with wire(lambda *_: text) as url:
        assert OpenAI("m", url, patience=QUICK, concurrency=1).generate(["x"], max_tokens=1)[0].text == "fine"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_without_end_is_read_to_its_bound_alone(status, monkeypatch):
    monkeypatch.setattr(http, "LARGEST", 100_000)
    most = []
    add = http._under_way.add
    monkeypatch.setattr(http._under_way, "add", lambda n: (add(n), most.append(http._under_way.bytes)))
    with wire(lambda *_: Raw(status, b'{"choices": "' + b"x" * 30_000_000)) as url:
        (answer,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=1)
    assert answer.finish == "error"
    assert len(answer.error) < 400
    assert max(most) < 1_000_000
    assert http._under_way.bytes == 0


@pytest.mark.parametrize("body", [b"[" + b"[]," * 200_000 + b"[]]", b'{"choices": [' + b"{}," * 200_000 + b"{}]}"])
def test_an_answer_of_many_small_values_is_not_unpacked(body):
    with wire(lambda *_: Raw(body=body)) as url:
        (answer,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=1)
    assert "not JSON" in answer.error


def test_half_a_surrogate_pair_is_replaced():
    body = b'{"choices": [{"text": "a \\ud83d\\ude00 b \\uD800"}]}'
    with wire(lambda *_: Raw(body=body)) as url:
        (answer,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=9)
    assert answer.text == "a \U0001f600 b ?"


def test_a_text_far_longer_than_its_tokens_can_be_is_cut():
    with wire(lambda *_: {"choices": [{"text": "x" * 1_000_000}]}) as url:
        (answer,) = OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=10)
    assert len(answer.text) == 640 + 4096


def test_an_answer_is_asked_for_unpacked():
    """Its bytes are counted and read as they come, so that a small packed answer can't hold a large one."""
    asked = []

    def answer(path, body, headers):
        asked.append({name.lower(): value for name, value in headers.items()}["accept-encoding"])
        return {"choices": [{"text": "fine"}]}

    with wire(answer) as url:
        OpenAI("m", url, patience=QUICK).generate(["x"], max_tokens=1)
    assert asked == ["identity"]


NO_KEYS = {
    "two words": b"wolf wolf",
    "two lines": b"wolf\nwolf",
    "a tab": b"wolf\twolf",
    "a vertical tab": b"wolf\x0bwolf",
    "two lines of windows": b"wolf\r\nwolf",
    "a letter of latin-1": "wölf-wolf".encode("latin-1"),
    "a letter of unicode": "wölf-wolf".encode(),
    "a space of no width": "wolf\u200bwolf".encode(),
    "binary": b"\x00\x01wolf",
    "bytes of no text": b"wolf" + bytes(range(200, 256)),
    "too long": b"wolf" * 2000,
}


@pytest.mark.parametrize("kind", NO_KEYS)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_what_is_no_key_is_refused_without_quoting_it(kind, where, tmp_path, monkeypatch):
    key = NO_KEYS[kind]
    (tmp_path / "key").write_bytes(key)
    if where == "environment":
        if b"\0" in key or len(key) > 4096:
            pytest.skip("no environment holds it")
        monkeypatch.setenv("SOME_KEY", key.decode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="must hold only the key") as error:
        read_key(*(([], str(tmp_path / "key")) if where == "file" else (["SOME_KEY"],)))
    assert "wolf" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("key", [b"sk-1", b" sk-1\n", b"\xef\xbb\xbfsk-1\r\n"])
def test_white_space_around_a_key_is_no_part_of_it(key, tmp_path):
    (tmp_path / "key").write_bytes(key)
    assert read_key(file=str(tmp_path / "key")) == "sk-1"


def test_an_empty_key_is_said_to_be_empty(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("\n")
    with pytest.raises(InputError, match="is empty"):
        read_key(file=str(tmp_path / "key"))
    monkeypatch.setenv("SECOND_KEY", "sk-2")
    assert read_key(["FIRST_KEY", "SECOND_KEY"]) == "sk-2"
    with pytest.raises(InputError, match=r"FIRST_KEY \(or THIRD_KEY\) must hold the key"):
        read_key(["FIRST_KEY", "THIRD_KEY"])
