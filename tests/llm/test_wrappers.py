"""Wrappers of backends: what is kept, asked again, counted, refused."""

import math
import os
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

from anyrank.core.errors import InputError
from anyrank.core.language import Attends, Completion, Embeds, Generates, LogProbs, ScoresNext, Turn
from anyrank.core.trace import Usage
from anyrank.hub.fingerprint import Fingerprinted
from anyrank.llm.cache import Cached
from anyrank.llm.capabilities import need, offers
from anyrank.llm.metering import Budget, Metered
from anyrank.llm.retry import Retry
from anyrank.papers import load, names
from anyrank.testing import HostileModel, OracleModel, ScriptedModel, toy

CHAT = (Turn("user", "say [1] > [2]"),)


def cached(backend, path, **more):
    return Cached(backend, path, **{"model": "m", **more})


def test_the_second_time_is_free(tmp_path):
    model = ScriptedModel(lambda p: f"answer to {p}")
    first, again, other = cached(model, tmp_path / "a.db").generate(["x", "x", "y"], max_tokens=5)
    assert (first.text, first.usage.calls, first.usage.cached) == ("answer to x", 1, 0)
    assert (again.text, again.usage.cached, again.usage.tokens) == ("answer to x", 1, 0)
    assert other.usage.calls == 1
    anew = cached(model, tmp_path / "a.db").generate(["y", CHAT], max_tokens=5)
    assert [a.usage.cached for a in anew] == [1, 0]
    assert len(model.log) == 3


@pytest.mark.parametrize("change", ["model", "revision", "settings", "verb", "options"])
def test_whatever_an_answer_depends_on_is_in_the_key(tmp_path, change):
    model, path = ScriptedModel(lambda p: [-1.0, -2.0]), tmp_path / "a.db"
    cached(model, path).next_token_logprobs(["x"], [("a", "b")])
    other = cached(model, path, **({change: "other"} if change in ("model", "revision") else {}))
    if change == "settings":
        cached(model, path).generate(["x"], max_tokens=5)
        cached(model, path).generate(["x"], max_tokens=5, temperature=0.5, seed=1)
        cached(model, path).generate(["x"], max_tokens=5, temperature=0.5, seed=2)
    elif change == "verb":
        cached(model, path).loglikelihood(["x"], ["a"])
    else:
        other.next_token_logprobs(["x"], [("a", "c") if change == "options" else ("a", "b")])
    assert len(model.log) == {"settings": 4}.get(change, 2)


def test_every_verb_comes_back_as_it_was(tmp_path):
    ranking, truth = toy(5)
    model = OracleModel(truth)
    store = cached(model, tmp_path / "a.db")
    prompts = [f"[{i}] {c.content} [1] > [2]\n---\n" for i, c in enumerate(ranking)]
    for ask in (
        lambda b: b.generate(prompts, max_tokens=9), lambda b: b.loglikelihood(prompts, ["q"] * 5),
        lambda b: b.next_token_logprobs(prompts, [("yes", "no")] * 5), lambda b: b.attention(prompts, ["---"] * 5),
        lambda b: b.next_token_logits(prompts, [("yes",)] * 5),
    ):  # fmt: skip
        plain, once, twice = ask(model), ask(store), ask(store)
        assert once == plain
        for a, b in zip(plain, twice, strict=True):
            tokens = {
                "cached_prompt_tokens": a.usage.prompt_tokens,
                "cached_completion_tokens": a.usage.completion_tokens,
            }
            assert b.usage == Usage(cached=1, **tokens)
            assert {**vars_of(a), "usage": 0} == {**vars_of(b), "usage": 0}


def vars_of(answer):
    return {name: getattr(answer, name) for name in type(answer).__dataclass_fields__}


def test_errors_and_unknown_probabilities_are_not_kept(tmp_path):
    model = ScriptedModel(lambda p: Completion("", Usage(1), "error", "no") if p == "x" else [math.nan])
    for _ in range(2):
        assert cached(model, tmp_path / "a.db").generate(["x"], max_tokens=1)[0].finish == "error"
        assert math.isnan(cached(model, tmp_path / "a.db").loglikelihood(["y"], ["z"])[0].values[0])
    assert len(model.log) == 4


def test_a_file_that_is_no_cache_is_named(tmp_path):
    (tmp_path / "a.db").write_text("not a database, but long enough to be read as one " * 50)
    with pytest.raises(InputError, match=r"a.db: the answer cache can't be used"):
        cached(ScriptedModel(str), tmp_path / "a.db").generate(["x"], max_tokens=1)
    with pytest.raises(InputError, match="name the model"):
        Cached(object(), tmp_path / "b.db")


FILL = """
import sys
from anyrank.llm.cache import Cached
from anyrank.testing import ScriptedModel

def fill(number):
    store = Cached(ScriptedModel(lambda p: f"answer to {p}"), sys.argv[1], model="m")
    for i in range(20):
        store.generate([f"{number}/{i}", f"shared/{i}"], max_tokens=5)
"""


def test_processes_and_threads_share_one_file(tmp_path):
    path = str(tmp_path / "a.db")
    command = [sys.executable, "-c", FILL + "fill(sys.argv[2])", path]
    workers = [subprocess.Popen([*command, str(i)]) for i in range(3)]
    space = {}
    exec(FILL.replace("sys.argv[1]", repr(path)), space)
    threads = [threading.Thread(target=space["fill"], args=(i,)) for i in (3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [w.wait() for w in workers] == [0] * 3
    db = sqlite3.connect(path)
    (rows,) = db.execute("SELECT count(*) FROM answers").fetchone()
    db.close()
    assert rows == 5 * 20 + 20


def test_a_whole_rerank_from_the_cache_costs_nothing(tmp_path):
    ranking, truth = toy(40)
    store = cached(OracleModel(truth), tmp_path / "a.db")
    once, twice = (load("first").build(store)(ranking) for _ in range(2))
    assert twice.ids == once.ids
    usage = once.cost.usage
    tokens = {"cached_prompt_tokens": usage.prompt_tokens, "cached_completion_tokens": usage.completion_tokens}
    assert twice.cost.usage == Usage(cached=usage.calls, **tokens)
    assert twice.status == "ok"


class Flaky(ScriptedModel):
    """Raises for its first batches, then answers some prompts with an error."""

    def generate(self, prompts, **settings):
        said = super().generate(prompts, **settings)
        if len(self.log) <= len(prompts):
            raise ConnectionError("reset")
        return said


def test_failures_are_asked_again_and_counted():
    waits = []
    tries = {"a": 0, "b": 0}

    def script(prompt):
        tries[prompt] += 1
        bad = prompt == "b" and tries["b"] < 4
        return Completion("", Usage(1), "error", "busy") if bad else "fine"

    a, b = Retry(Flaky(script), tries=5, wait=1.0, sleep=waits.append).generate(["a", "b"], max_tokens=1)
    assert (a.text, b.text) == ("fine", "fine")
    assert tries == {"a": 2, "b": 4}
    assert (a.usage.calls, b.usage.calls) == (2, 4)
    assert b.usage.repairs == {"asked again": 3}
    assert [0.5 <= w / full <= 1 for w, full in zip(waits, (1, 2, 4), strict=True)] == [True] * 3


def test_unknown_probabilities_with_a_reason_are_asked_again():
    tries = []

    class Busy(ScriptedModel):
        def next_token_logprobs(self, prompts, options):
            tries.append(list(prompts))
            bad = [p == "b" and len(tries) < 3 for p in prompts]
            return [LogProbs((math.nan,), error="busy") if b else LogProbs((-1.0,)) for b in bad]

    said = Retry(Busy(None), sleep=lambda s: None).next_token_logprobs(["a", "b"], [("x",), ("x",)])
    assert [s.values for s in said] == [(-1.0,), (-1.0,)]
    assert tries == [["a", "b"], ["b"], ["b"]]
    assert said[1].usage.calls == 3


def test_a_spent_budget_is_the_reason_that_the_trace_gives():
    ranking, truth = toy(30)
    for name in ("rankgpt", "first", "upr", "icr"):
        after = load(name).build(Budget(OracleModel(truth), max_calls=1))(ranking)
        assert "budget spent" in after.cost.notes, name


def save_model(folder, weights):
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize("change", ["weights", "same time", "one file", "template", "nothing", "a readme"])
def test_other_weights_at_the_same_path_are_another_model(tmp_path, change):
    """Two trainings saved one after the other in one folder."""
    folder = tmp_path / "model"
    save_model(folder, bytes(100_000))
    before = Fake(str(folder))
    Cached(before, tmp_path / "a.db").generate(["x"], max_tokens=1)
    if change in ("weights", "same time"):
        old = os.stat(folder / "model.safetensors")
        save_model(folder, bytes(50_000) + b"\x01" * 50_000)
        if change == "same time":  # as out of an archive that keeps or levels times
            os.utime(folder / "model.safetensors", ns=(old.st_atime_ns, old.st_mtime_ns))
    elif change == "one file":
        (folder / "model-2.safetensors").write_bytes(b"1")
    elif change == "template":
        (folder / "chat_template.jinja").write_text("{{ messages }}")
    elif change == "a readme":
        (folder / "README.md").write_text("a model")
    after = Fake(str(folder))
    (said,) = Cached(Retry(Metered(after)), tmp_path / "a.db", model="").generate(["x"], max_tokens=1)
    (said,) = Cached(after, tmp_path / "a.db").generate(["x"], max_tokens=1)
    assert said.usage.cached == int(change in ("nothing", "a readme"))
    assert len(said.text) == 1


@dataclass(frozen=True)
class Fake(Fingerprinted):
    """A local model of a folder."""

    path: str

    def generate(self, prompts, **settings):
        return [Completion("y") for _ in prompts]


def test_the_fingerprint_is_of_the_weights_that_were_there_first(tmp_path):
    """A model in memory stays itself when its file changes."""
    save_model(tmp_path, b"one")
    model = Fake(str(tmp_path))
    first = model.fingerprint
    save_model(tmp_path, b"two, longer")
    assert model.fingerprint == first != Fake(str(tmp_path)).fingerprint
    assert Fake("no/where").fingerprint == ""


def test_retries_end():
    dead = HostileModel(text_faults=("raise",))
    waits = []
    with pytest.raises(RuntimeError, match="fell over"):
        Retry(dead, tries=3, sleep=waits.append).generate(["x"], max_tokens=1)
    assert len(waits) == 2
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with pytest.raises(RuntimeError):
        Retry(dead, tries=10**6, deadline=30.0, sleep=sleep, clock=lambda: now[0]).generate(["x"], max_tokens=1)
    assert now[0] <= 30.0
    (said,) = Retry(HostileModel(text_faults=("error",)), tries=2, sleep=waits.append).generate(["x"], max_tokens=1)
    assert (said.finish, said.usage.calls) == ("error", 2)


def test_bad_input_is_not_asked_again():
    def script(prompt):
        raise InputError("too long")

    model = ScriptedModel(script)
    with pytest.raises(InputError, match="too long"):
        Retry(model, sleep=lambda s: None).generate(["x"], max_tokens=1)
    assert len(model.log) == 1


def test_the_meter_counts():
    ranking, truth = toy(30)
    meter = Metered(OracleModel(truth))
    after = load("rankgpt").build(meter)(ranking)
    assert meter.usage == after.cost.usage
    assert (meter.batches, meter.prompts) == (2, {"generate": 2})


@pytest.mark.parametrize(
    ("limit", "calls"), [({"max_calls": 3}, 3), ({"max_tokens": 1}, 1), ({"max_seconds": 1e-9, "chunk": 1}, 0)]
)
def test_a_spent_budget_leaves_valid_rankings_that_say_so(limit, calls):
    ranking, truth = toy(100)
    backend = Budget(OracleModel(truth), **limit)
    after = load("rankgpt").build(backend)(ranking)
    assert sorted(after.ids) == sorted(ranking.ids)
    assert after.cost.usage.calls == backend.spent.calls == (calls or after.cost.usage.calls)
    assert after.cost.usage.fallback == backend.refused == 9 - after.cost.usage.calls
    assert after.cost.usage.repairs == {"no answer": backend.refused, "budget spent": backend.refused}
    assert not after.trace[-1].failed
    assert after.status in ("partial", "fallback")
    with pytest.raises(InputError, match="must be more than 0"):
        Budget(OracleModel(truth), max_calls=0)


def test_a_wrapper_offers_what_it_wraps():
    class Writer:
        def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
            return [Completion("[1]")] * len(prompts)

    wrapped = Metered(Retry(Writer()))
    assert offers(wrapped, Generates)
    assert not offers(wrapped, ScoresNext)
    assert offers(Metered(OracleModel({})), Attends)
    assert not offers(Metered(OracleModel({})), Embeds)
    with pytest.raises(InputError, match="FirstToken needs"):
        need(wrapped, ScoresNext, "FirstToken")


@pytest.mark.parametrize("name", [n for n in names() if n not in ("monobert", "duobert", "duot5")])
def test_wrapped_backends_give_the_same_ranking(name, tmp_path):
    ranking, truth = toy(12)
    plain = load(name).build(OracleModel(truth))(ranking)
    wrapped = load(name).build(Metered(Retry(Budget(cached(OracleModel(truth), tmp_path / "a.db")))))(ranking)
    assert wrapped.ids == plain.ids
    assert wrapped.cost.usage.calls + wrapped.cost.usage.cached == plain.cost.usage.calls


def test_an_empty_answer_is_not_cached(tmp_path):
    class Backend(OracleModel):
        def generate(self, prompts, **settings):
            return [Completion(" ") for _ in prompts]

    backend = Cached(Backend({}), tmp_path / "a.db", model="m")
    for _ in range(2):
        assert backend.generate(["x"], max_tokens=1)[0].usage.calls == 1
