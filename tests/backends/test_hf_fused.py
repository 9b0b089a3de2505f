"""Fusion in decoder on a small random T5: what several sources say together."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from anyrank.backends.hf.language_model import HF
from anyrank.core.errors import ModelError
from anyrank.core.types import Query, Ranking
from anyrank.llm.cache import Cached
from anyrank.papers import load
from anyrank.testing.tiny import llama, t5

SOURCES = (
    "query river passage the rhine",
    "query river passage a longer one about lakes and the sea",
    "query river passage no",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return HF.load(t5(tmp_path_factory.mktemp("t5")), dtype="float32", device="cpu", batch_tokens=24)


def test_one_source_is_answered_as_a_prompt(model):
    (fused,) = model.generate_fused([SOURCES[:1]], max_tokens=8)
    (plain,) = model.generate([SOURCES[0]], max_tokens=8)
    assert (fused.text, fused.usage) == (plain.text, plain.usage)


def test_the_decoder_reads_the_sources_one_after_another_without_padding(model):
    """Against the model's own generation from states that were encoded one by one."""
    from transformers.modeling_outputs import BaseModelOutput

    lm, tok = model._loaded
    with torch.no_grad():
        rows = [tok(s, return_tensors="pt")["input_ids"] for s in SOURCES]
        states = torch.cat([lm.get_encoder()(input_ids=r).last_hidden_state for r in rows], 1)
        own = lm.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=torch.ones(states.shape[:2]),
            max_new_tokens=8,
            do_sample=False,
            num_beams=1,
        )
    said = model.generate_fused([SOURCES[:1], SOURCES], max_tokens=8)[1]
    assert said.text == tok.decode(own[0], skip_special_tokens=True)
    assert said.usage.prompt_tokens == states.shape[1]


def test_attention_is_weighted_by_the_length_of_the_values_and_leaves_out_the_query(model):
    """The sum over heads of |weight * value|, token by token, without the tokens that all sources begin with."""
    lm, tok = model._loaded
    (said,) = model.attention_fused([SOURCES], max_tokens=1)
    heads, kept = lm.config.num_heads, {}
    for i, block in enumerate(lm.decoder.block):
        block.layer[1].EncDecAttention.v.register_forward_hook(lambda m, x, y, i=i: kept.__setitem__(i, y))
    with torch.no_grad():
        rows = [tok(s, return_tensors="pt")["input_ids"] for s in SOURCES]
        states = torch.cat([lm.get_encoder()(input_ids=r).last_hidden_state for r in rows], 1)
        before = lm.config._attn_implementation
        lm.set_attn_implementation("eager")
        out = lm.decoder(input_ids=torch.tensor([[0]]), encoder_hidden_states=states, output_attentions=True)
        lm.set_attn_implementation(before)
    paid = torch.zeros(states.shape[1])
    for i, weights in enumerate(out.cross_attentions):
        value = kept[i][0].reshape(-1, heads, lm.config.d_kv)
        paid += (weights[0, :, 0, :, None] * value.transpose(0, 1)).norm(dim=-1).sum(0)
    shared, at, expected = 0, 0, []
    while len({int(r[0, shared]) for r in rows}) == 1:
        shared += 1
    assert shared >= 3
    for r in rows:
        expected.append(float(paid[at + shared : at + r.shape[1]].sum()))
        at += r.shape[1]
    assert said.values == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_no_source_has_a_place(model):
    """The decoder knows no order of the sources: they may stand in any."""
    (said,) = model.attention_fused([SOURCES])
    (turned,) = model.attention_fused([SOURCES[::-1]])
    assert said.values == pytest.approx(turned.values[::-1], rel=1e-4, abs=1e-6)
    assert model.attention_fused([()])[0].values == ()
    assert model.generate_fused([()], max_tokens=3)[0].text == ""


@pytest.mark.parametrize("read", ["order", "attention"])
def test_lit5_ranks_and_its_answers_are_kept(model, tmp_path, read):
    before = Ranking.of(Query("q", "river"), [f"text {w} of the river" for w in ("one", "two", "more", "no", "a")])
    store = Cached(model, tmp_path / "a.db")
    first, again = (load("lit5").build(store, read=read, size=3, stride=2)(before) for _ in range(2))
    assert sorted(first.ids) == sorted(before.ids)
    assert first.ids == again.ids
    assert first.cost.usage.calls == again.cost.usage.calls + again.cost.usage.cached == 2
    if read == "attention":  # what random weights write may be empty, and no empty answer is kept
        assert (first.status, again.cost.usage.cached) == ("ok", 2)


def test_a_decoder_cannot_fuse(tmp_path):
    model = HF.load(llama(tmp_path), dtype="float32", device="cpu")
    with pytest.raises(ModelError, match="needs an encoder-decoder"):
        model.generate_fused([SOURCES], max_tokens=3)
