import math

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from anyrank.backends.hf.language_model import HF
from anyrank.core.errors import InputError, ModelError
from anyrank.core.language import Attends, Embeds, Generates, ScoresNext, ScoresText, Turn
from anyrank.llm.token_ids import fitted
from anyrank.testing.tiny import llama, t5

PROMPTS = [
    "the river",
    (Turn("user", "which passage of the city and the river number [1] is relevant"),),
    (Turn("system", "answer"), Turn("user", "query about number"), Turn("assistant", "[1")),
    "x",
]
OPTIONS = [[" yes", " no", " of the document"], ["A", "B", "12", "1", ""], ["]", "2]", "12]"], ["y" * 9, " true"]]
LIST = "query river " * 12 + "answer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder):
    return HF.load(folder, dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def t5_model(tmp_path_factory):
    return HF.load(t5(tmp_path_factory.mktemp("t5")), dtype="float32", device="cpu")


def other(model, **options):
    return HF(model.path, dtype="float32", device="cpu", **options)


def test_it_offers_every_verb(model):
    for verb in (Generates, ScoresNext, ScoresText, Attends, Embeds):
        assert isinstance(model, verb)


@pytest.mark.parametrize("kind", ["model", "t5_model"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_is_the_same_batched_as_alone(kind, temperature, request):
    model = request.getfixturevalue(kind)
    options = {"max_tokens": 12, "temperature": temperature, "seed": 3, "stop": ["ri"]}
    together = model.generate(PROMPTS, **options)
    assert together == [model.generate([p], **options)[0] for p in PROMPTS]
    assert all(c.usage.completion_tokens <= 12 and c.usage.prompt_tokens for c in together)


def test_greedy_text_is_transformers_own(model):
    import torch

    lm, tok = model._loaded
    for prompt in PROMPTS:
        ids = tok(model.render(prompt), return_tensors="pt", add_special_tokens=False)
        ids.pop("token_type_ids", None)
        with torch.inference_mode():
            whole = lm.generate(**ids, max_new_tokens=15, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert model.generate([prompt], max_tokens=15)[0].text == tok.decode(whole, skip_special_tokens=True)


def test_a_seed_fixes_the_draw(model):
    draws = [model.generate(["the"], max_tokens=20, temperature=1.5, seed=s)[0].text for s in (1, 2, 1)]
    assert draws[0] == draws[2] != draws[1]


def test_stop_texts_end_and_are_not_returned(model):
    whole = model.generate(["the river"], max_tokens=20)[0]
    stop = whole.text[4:7]
    short = model.generate(["the river"], max_tokens=20, stop=[stop])[0]
    assert short.finish == "stop"
    assert short.text == whole.text[: whole.text.index(stop)]
    assert short.usage.completion_tokens < whole.usage.completion_tokens


def by_hand(model, ids, target):
    """Sum of log-probabilities of ``target`` after ``ids``, one plain pass."""
    import torch

    with torch.inference_mode():
        logits = model._loaded[0](torch.tensor([[*ids, *target]])).logits[0].log_softmax(-1)
    return sum(float(logits[len(ids) - 1 + k, t]) for k, t in enumerate(target))


def test_options_count_whole(model):
    tok = model.tokenizer
    said = model.next_token_logprobs(PROMPTS, OPTIONS)
    for prompt, options, got in zip(PROMPTS, OPTIONS, said):
        ids = tok(model.render(prompt), add_special_tokens=False)["input_ids"]
        for option, value, n in zip(options, got.values, got.tokens):
            whole = tok(model.render(prompt) + option, add_special_tokens=False)["input_ids"]
            c = len(whole) - n
            assert whole[:c] == ids[:c]
            assert value == pytest.approx(by_hand(model, whole[:c], whole[c:]), abs=1e-4)
        assert got.values == pytest.approx(model.next_token_logprobs([prompt], [options])[0].values, abs=1e-4)
    assert said[1].values[-1] == 0.0  # nothing more always comes next
    assert all(v < 0 for v in said[0].values)


def test_merged_options_are_counted_from_one_boundary(model):
    """ "…document " and "about": the tokenizer spells " about" as one, so the space belongs to every option."""
    tok = model.tokenizer
    (said,) = model.next_token_logprobs(["query document "], [["about", "q"]])
    assert tok("query document about", add_special_tokens=False)["input_ids"][:-1] == tok("query document")["input_ids"]
    assert said.usage.prompt_tokens == len(tok("query document")["input_ids"])
    ids = tok("query document")["input_ids"]
    for option, value in zip(["about", "q"], said.values):
        whole = tok(f"query document {option}")["input_ids"]
        assert value == pytest.approx(by_hand(model, ids, whole[len(ids) :]), abs=1e-4)


def test_loglikelihood_is_the_sum_over_the_continuation(model):
    (said,) = model.loglikelihood(["the river"], [" of the city and 12"])
    (again,) = model.next_token_logprobs(["the river"], [[" of the city and 12"]])
    assert said.values == again.values
    assert said.tokens[0] > 3
    assert said.usage.prompt_tokens == again.usage.prompt_tokens + said.tokens[0]


def test_probabilities_of_all_tokens_sum_to_one(model):
    tok = model.tokenizer
    alphabet = [tok.decode([i]) for i in range(len(tok))]
    ids = [i for i, t in enumerate(alphabet) if tok("the" + t, add_special_tokens=False)["input_ids"][1:] == [i]]
    (said,) = model.next_token_logprobs(["the"], [[alphabet[i] for i in ids]])
    assert 0 < sum(map(math.exp, said.values)) <= 1 + 1e-5


def test_prefix_reuse_changes_nothing(model):
    plain = other(model, reuse=False, batch_tokens=1)
    prompts = [f"{LIST} {w}" for w in ("river", "city", "[1]", "[12] of", "no")] + ["the"]
    options = [["1", "12", "2", " yes", " query document"]] * 6
    for a, b in zip(model.next_token_logprobs(prompts, options), plain.next_token_logprobs(prompts, options)):
        assert a.values == pytest.approx(b.values, abs=1e-4)
        assert (a.tokens, a.usage) == (b.tokens, b.usage)
    assert model.generate(prompts, max_tokens=8) == plain.generate(prompts, max_tokens=8)
    assert np.allclose(model.hidden_states(prompts)[0], plain.hidden_states(prompts)[0], atol=1e-5)


def test_attention_is_that_of_full_passes(model):
    import torch

    prompts = [f"{LIST} [1] about {w}" for w in ("the river of the city", "no", "true")]
    said = model.attention(prompts, ["about"] * 3)
    lm, tok = model._loaded
    lm.set_attn_implementation("eager")
    for prompt, got in zip(prompts, said):
        enc = tok(prompt, return_offsets_mapping=True, add_special_tokens=False)
        first = next(i for i, (a, _) in enumerate(enc["offset_mapping"]) if a >= prompt.rindex("about") + 5)
        with torch.inference_mode():
            layers = lm(torch.tensor([enc["input_ids"]]), output_attentions=True).attentions
        paid = sum(w[0, :, first:].sum(0).mean(0) for w in layers)
        assert got.weights == pytest.approx(paid.tolist(), abs=1e-5)
        assert sum(got.weights) == pytest.approx(2 * 4, abs=1e-4)  # every token's attention sums to 1 a head a layer
        assert [got.text[a:b] for a, b in got.spans] == [prompt[a:b] for a, b in enc["offset_mapping"]]
    lm.set_attn_implementation("sdpa")
    assert [w.weights for w in said] == [pytest.approx(model.attention([p], ["about"])[0].weights) for p in prompts]


def test_attention_needs_its_mark(model):
    for mark in ("absent", "river"):
        with pytest.raises(InputError, match="no token follows the mark"):
            model.attention(["the river"], [mark])


def test_hidden_states_are_those_of_the_last_token(model):
    states, usage = model.hidden_states(PROMPTS)
    assert states.shape == (4, 32)
    assert usage.calls == 4
    for i, prompt in enumerate(PROMPTS):
        assert np.allclose(model.hidden_states([prompt])[0][0], states[i], atol=1e-5)
    assert not np.allclose(model.hidden_states(PROMPTS, layer=1)[0], states)
    assert model.hidden_states([])[0].shape == (0, 32)
    with pytest.raises(InputError, match="layers 0 to 2"):
        model.hidden_states(PROMPTS, layer=7)


def test_no_prompts_no_answers(model, t5_model):
    for m in (model, t5_model):
        assert m.generate([], max_tokens=1) == m.next_token_logprobs([], []) == m.loglikelihood([], []) == []
    assert model.attention([], []) == []


def test_a_prompt_too_long_is_never_cut_silently(model):
    long = "q " * 400
    with pytest.raises(InputError, match=r"prompt of \d+ tokens, but only 255 fit"):
        model.generate([long], max_tokens=4)
    for overflow in ("left", "middle"):
        cutting = other(model, overflow=overflow)
        (text,) = cutting.generate([long], max_tokens=6)
        assert (text.usage.truncated, text.usage.prompt_tokens) == (1, 250)
        (said,) = cutting.next_token_logprobs([long], [["12", " yes no"]])
        assert said.usage.truncated == 1
        (paid,) = cutting.attention([long + "mark the river"], ["mark"])
        assert paid.usage.truncated == 1
        assert len(paid.spans) == len(paid.weights) == 256
    assert fitted("abcde", 2, "left", "text") == [3, 4]


def test_a_text_that_reaches_the_end_of_the_context_says_length(model):
    (text,) = other(model, context=20).generate(["q q q q q q"], max_tokens=500)
    assert text.finish in ("length", "stop")
    assert text.usage.prompt_tokens + text.usage.completion_tokens <= 20


def test_conversations_without_a_template_and_templates_without_a_system_turn(tmp_path):
    plain = HF(llama(tmp_path / "plain", chat=""), dtype="float32")
    assert plain.render((Turn("user", "a"), Turn("assistant", "b"))) == "ab"
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    refusing += "{% for m in messages %}<{{ m['content'] }}>{% endfor %}"
    strict = HF(llama(tmp_path / "strict", chat=refusing), dtype="float32")
    assert strict.render((Turn("system", "s"), Turn("user", "u"))) == "<s\n\nu>"
    with pytest.raises(InputError, match="refuses"):
        strict.render((Turn("system", "s"), Turn("assistant", "u"), Turn("user", "u")))


def test_an_encoder_decoder_is_asked_at_its_decoder(t5_model):
    import torch

    prompts = ["query river document city relevant", (Turn("user", "number"), Turn("assistant", "passage"))]
    options = [[" true", " false", " no of"], [" [1]", " yes"]]
    lm, tok = t5_model._loaded
    for prompt, some, got in zip(prompts, options, t5_model.next_token_logprobs(prompts, options)):
        source = tok(prompt if isinstance(prompt, str) else "number", return_tensors="pt").input_ids
        start = [0] if isinstance(prompt, str) else [0, *tok("passage", add_special_tokens=False)["input_ids"]]
        assert source[0, -1] == 2
        for option, value in zip(some, got.values):
            target = tok(option, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logits = lm(source, decoder_input_ids=torch.tensor([[*start, *target]])).logits[0].log_softmax(-1)
            hand = sum(float(logits[len(start) - 1 + k, t]) for k, t in enumerate(target))
            assert value == pytest.approx(hand, abs=1e-4)
    with torch.inference_mode():
        own = lm.generate(tok(prompts[0], return_tensors="pt").input_ids, max_new_tokens=9, do_sample=False)[0, 1:]
    assert t5_model.generate(prompts[:1], max_tokens=9)[0].text == tok.decode(own, skip_special_tokens=True)
    assert t5_model.hidden_states(prompts)[0].shape == (2, 32)
    with pytest.raises(ModelError, match="encoder-decoder"):
        t5_model.attention(["the river"], ["the"])


def test_what_cannot_be_loaded_says_so(tmp_path):
    with pytest.raises(ModelError, match="the folder doesn't exist"):
        HF.load(tmp_path / "absent")
    with pytest.raises(ModelError, match="the file doesn't exist"):
        HF.load(tmp_path, gguf_file="absent.gguf")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="can't be loaded"):
        HF.load(tmp_path)
    with pytest.raises(InputError, match="dtype"):
        HF.load(llama(tmp_path / "l"), dtype="int3")


def test_pickled_weights_are_refused(tmp_path):
    import torch

    folder = llama(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="can't be loaded"):
        HF.load(folder)


def test_it_is_a_value(folder):
    assert HF(folder) == HF(folder) != HF(folder, reuse=False)
    assert eval(repr(HF(folder))) == HF(folder)


def test_raw_logits_of_an_encoder_decoder_differ_from_log_probabilities_by_one_constant(model, t5_model):
    letters = [c for c in "ABCxyz12" if len(t5_model.tokenizer(c, add_special_tokens=False)["input_ids"]) == 1]
    assert len(letters) > 1
    single = [letters, letters[::-1]]
    raw = t5_model.next_token_logits(["the river", "which passage"], single)
    log = t5_model.next_token_logprobs(["the river", "which passage"], single)
    gaps = [[r - p for r, p in zip(a.values, b.values)] for a, b in zip(raw, log)]
    for g in gaps:
        assert g == pytest.approx([g[0]] * len(g), abs=1e-4)
        assert abs(g[0]) > 1e-3
    with pytest.raises(ModelError, match="one token"):
        t5_model.next_token_logits(["the river"], [("query river of the document",)])
    with pytest.raises(ModelError, match="encoder-decoders"):
        model.next_token_logits(["the river"], [("A",)])


def test_rankt5_runs_on_an_encoder_decoder(t5_model):
    from anyrank.core.types import Ranking
    from anyrank.papers import load

    before = Ranking.of("the river", ["the city", "a river", "query"])
    after = load("rankt5").build(t5_model, token="A")(before)
    assert sorted(after.ids) == sorted(before.ids)
    assert after.status == "ok"
    assert after.cost.usage.calls == 3
