"""What a server serves, without HTTP: requests answered together stay apart, and pay for themselves."""

import asyncio
from dataclasses import dataclass

import pytest

from anyrank.core.rerank import Rerank
from anyrank.core.types import Judgement
from anyrank.serve.dialects import read_rerank
from anyrank.serve.embeddings import EmbedRequest
from anyrank.serve.service import Service


@dataclass(frozen=True)
class Fussy:
    def __call__(self, groups):
        if any("bad" in c.content for _, candidates in groups for c in candidates):
            raise ValueError("secret of the first client")
        return [Judgement([float(len(c.content)) for c in candidates]) for _, candidates in groups]


def together(service, *bodies):
    async def main():
        return await asyncio.gather(*(service.rerank(read_rerank(b)) for b in bodies))

    return asyncio.run(main())


def test_one_clients_many_failing_documents_do_not_spoil_anothers_answer():
    bad, good = together(
        Service({"fussy": Rerank(Fussy())}),
        {"query": "q", "documents": ["bad"] * 200},
        {"query": "q", "documents": ["a", "abc"]},
    )
    assert bad.status == "fallback"
    assert (good.status, good.notes) == ("ok", ())
    assert [i for i, _ in good.rows] == [1, 0]


def test_texts_embedded_together_are_paid_for_by_those_who_sent_them():
    service = Service({}, embed="minilm")
    requests = EmbedRequest(("a dog barks",)), EmbedRequest(("a cat meows loudly", "tax law"))

    async def main(*asked):
        return [e.usage for _, e in await asyncio.gather(*(service.vectors(r) for r in asked))]

    alone = [asyncio.run(main(r))[0] for r in requests]
    one, two = asyncio.run(main(*requests))
    assert (one.calls, two.calls) == (1, 2)
    assert one.prompt_tokens + two.prompt_tokens == sum(u.prompt_tokens for u in alone)
    assert abs(one.prompt_tokens - alone[0].prompt_tokens) <= 3


def test_a_models_name_that_no_path_can_have_is_only_not_served():
    service = Service({"fussy": Rerank(Fussy())}, allow=("BAAI/*",))
    for name in ("x" * 100_000, "ä" * 200, "~nobody-here/x"):
        (outcome,) = together(service, {"query": "q", "documents": ["a"], "model": name})
        assert "is not served here" in outcome.notes[0]


@pytest.mark.parametrize("model", ["fussy", "unknown"])
def test_a_pipelines_name_is_no_encoders(model):
    name, _ = asyncio.run(Service({"fussy": Rerank(Fussy())}).vectors(EmbedRequest(("a",), model)))
    assert name == "minilm"


def test_a_large_request_that_is_judged_in_part_says_partial():
    (outcome,) = together(
        Service({"fussy": Rerank(Fussy())}), {"query": "q", "documents": ["a"] * 256 + ["bad"] * 256 + ["ab"]}
    )
    assert outcome.status == "partial"
    assert outcome.rows[0][0] == 512
    assert {i for i, _ in outcome.rows[-256:]} == set(range(256, 512))
