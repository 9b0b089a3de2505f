import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

from anyrank.backends.hf.language_model import HF
from anyrank.backends.llamacpp import LlamaCpp
from anyrank.core.errors import InputError, MissingExtra, ModelError
from anyrank.core.language import Turn
from anyrank.testing import check_backend
from anyrank.testing.tiny import CHAT, llama

LIST = "query river " * 12 + "answer"


def write_gguf(folder, path):
    """The tiny Llama of ``folder`` as a float32 GGUF file."""
    import json

    import gguf
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    config, weights = model.config, model.state_dict()
    tok = json.loads((folder / "tokenizer.json").read_text())
    pieces = {i: t for t, i in tok["model"]["vocab"].items()}
    special = {t["id"] for t in tok["added_tokens"]}
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.head_dim)
    out.add_rope_freq_base(10000.0)
    out.add_vocab_size(config.vocab_size)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list([pieces[i] for i in range(config.vocab_size)])
    out.add_token_types([3 if i in special else 1 for i in range(config.vocab_size)])
    out.add_token_merges([" ".join(m) for m in tok["model"]["merges"]])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_add_bos_token(False)
    out.add_chat_template(CHAT)

    def halves(w, heads):  # llama.cpp pairs neighbouring dimensions where transformers pairs the two halves
        return w.reshape(heads, 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)

    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm"}  # fmt: skip
    for name, tensor in weights.items():
        array = tensor.numpy()
        parts = name.removesuffix(".weight").split(".")
        if parts[1:2] == ["layers"]:
            what = ".".join(parts[3:])
            if what in ("self_attn.q_proj", "self_attn.k_proj"):
                array = halves(array, config.num_attention_heads if "q_" in what else config.num_key_value_heads)
            out.add_tensor(f"blk.{parts[2]}.{names[what]}.weight", array.copy())
        else:
            own = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[parts[-1]]
            out.add_tensor(f"{own}.weight", array.copy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    pytest.importorskip("llama_cpp")
    folder = tmp_path_factory.mktemp("llama")
    llama(folder)
    write_gguf(folder, folder / "tiny.gguf")
    return HF.load(folder, dtype="float32", device="cpu"), LlamaCpp.load(folder / "tiny.gguf", threads=1)


def test_it_agrees_with_the_same_weights_in_torch(models):
    found = check_backend(*models, tolerance=0.02)
    assert found.equal >= 4
    assert 0 < found.options < 0.02


def test_prompts_are_rendered_alike(models):
    here, there = models
    for prompt in ("the river", (Turn("user", "a"), Turn("assistant", "[")), (Turn("system", "s"), Turn("user", "u"))):
        assert here.render(prompt) == there.render(prompt)


def test_prefix_reuse_changes_nothing(models):
    model = models[1]
    plain = LlamaCpp.load(model.path, threads=1, reuse=False, batch_tokens=7)
    prompts = [f"{LIST} {w}" for w in ("river", "city", "[1]", "[12] of")]
    options = [["1", "12", "2", " yes", ""]] * 4
    for a, b in zip(model.next_token_logprobs(prompts, options), plain.next_token_logprobs(prompts, options)):
        assert a.values == pytest.approx(b.values, abs=1e-2)
        assert (a.tokens, a.usage) == (b.tokens, b.usage)
    assert model.generate(prompts, max_tokens=5) == [model.generate([p], max_tokens=5)[0] for p in prompts]


def test_stop_texts_seeds_and_limits(models):
    model = models[1]
    whole = model.generate(["the river"], max_tokens=12)[0].text
    short = model.generate(["the river"], max_tokens=12, stop=[whole[4:6]])[0]
    assert short.text == whole[: whole.index(whole[4:6])]
    drawn = [model.generate(["the"], max_tokens=12, temperature=1.5, seed=s)[0].text for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert model.limit == 256
    with pytest.raises(InputError, match=r"prompt of \d+ tokens, but only 255 fit"):
        model.generate(["q " * 400], max_tokens=4)
    cutting = LlamaCpp.load(model.path, threads=1, overflow="middle", context=64)
    (said,) = cutting.next_token_logprobs(["q " * 400], [["12"]])
    assert said.usage.truncated == 1
    assert said.usage.prompt_tokens < 64


def test_what_cannot_be_loaded_says_so(tmp_path, monkeypatch):
    pytest.importorskip("llama_cpp")
    with pytest.raises(ModelError, match="the file doesn't exist"):
        LlamaCpp.load(tmp_path / "absent.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    with pytest.raises(ModelError, match="can't be loaded"):
        LlamaCpp.load(tmp_path / "bad.gguf")


def test_without_the_package_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises((MissingExtra, ModuleNotFoundError), match="llama"):
        LlamaCpp.load("x.gguf")
