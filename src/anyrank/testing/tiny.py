"""Tiny random models and a small byte-level tokenizer for tests, created by torch and transformers."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = "the river city number passage query document relevant answer yes no true false about which of and in [1] [12]"


def tokenizer(folder: Path, *, ends: bool = False, chat: str = CHAT) -> Any:
    """A byte-level BPE with merges learnt from a few words; ``ends`` appends </s>, as T5's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
    rng = random.Random(0)
    words = WORDS.split()
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(300)]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(texts, trainer)
    if ends:
        tok.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", tok.token_to_id("</s>"))]
        )
    tokenizer_class: Any = PreTrainedTokenizerFast
    fast = tokenizer_class(tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = chat or None
    fast.save_pretrained(folder)
    return fast


def pair_tokenizer(folder: Path, max_length: int = 64) -> Any:
    """A byte-level BPE for encoders: "<s> text </s>", "<s> first </s> second </s>", a mask token, two unused ones, and
    punctuation marks as tokens of their own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "[unused0]", "[unused1]"]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS.split(), k=12)) for _ in range(300)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tok.train_from_iterator(texts, trainer)
    ends = [("<s>", tok.token_to_id("<s>")), ("</s>", tok.token_to_id("</s>"))]
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=ends
    )
    tokenizer_class: Any = PreTrainedTokenizerFast
    fast = tokenizer_class(
        tokenizer_object=tok,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    return fast


def shape(family: str) -> dict[str, Any]:
    """The transformers configuration of a tiny encoder of a family (bert, roberta, distilbert, modernbert, …): two
    layers, 66 positions (64 tokens), weights large enough that texts differ."""
    common = {"model_type": family, "max_position_embeddings": 66, "initializer_range": 0.4, "pad_token_id": 1}
    if family == "distilbert":
        return common | {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    if family == "modernbert":
        common |= {"global_attn_every_n_layers": 2, "local_attention": 8, "bos_token_id": 0, "eos_token_id": 2}
        common |= {"cls_token_id": 0, "sep_token_id": 2}
    layers = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return common | layers


def encoder(folder: Path, family: str = "bert", task: str = "body", labels: int = 1) -> str:
    """A folder with a tiny encoder of a family: its "body" alone, a masked-language model ("masked"), or a classifier
    ("cross") of so many labels."""
    import torch
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForMaskedLM,
        AutoModelForSequenceClassification,
    )

    tok = pair_tokenizer(folder)
    torch.manual_seed(0)
    options: dict[str, Any] = shape(family) | {"vocab_size": len(tok)}
    if task == "cross":
        options["num_labels"] = labels
    config: Any = AutoConfig.for_model(options.pop("model_type"), **options)
    kinds: dict[str, Any] = {
        "body": AutoModel,
        "masked": AutoModelForMaskedLM,
        "cross": AutoModelForSequenceClassification,
    }
    return _save(kinds[task].from_config(config), folder)


def _save(model: Any, folder: Path) -> str:
    model.eval().save_pretrained(folder)
    return str(folder)


def llama(folder: Path, chat: str = CHAT) -> str:
    """A folder with a Llama of two layers, context 256."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tok = tokenizer(folder, chat=chat)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tok),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.4,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return _save(LlamaForCausalLM(config), folder)


def write_gguf(folder: Path, path: Path) -> None:
    """The tiny Llama of ``folder`` as a float32 GGUF file."""
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

    def halves(
        w: Any, heads: int
    ) -> Any:  # llama.cpp pairs neighbouring dimensions where transformers pairs the two halves
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


def t5(folder: Path) -> str:
    """A folder with a T5 of two layers a side."""
    import torch
    from transformers import AutoConfig, T5ForConditionalGeneration

    tok = tokenizer(folder, ends=True, chat="")
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(
        "t5",
        vocab_size=len(tok),
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=2,
        initializer_factor=3.0,
    )
    return _save(T5ForConditionalGeneration(config), folder)


def bert(folder: Path, labels: int = 1) -> str:
    """A folder with a BERT classifier of two layers, context 64."""
    import torch
    from transformers import AutoConfig, BertForSequenceClassification

    tok = tokenizer(folder, ends=True)
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(
        "bert",
        vocab_size=len(tok),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.4,
        pad_token_id=0,
        num_labels=labels,
    )
    return _save(BertForSequenceClassification(config), folder)


def chooser(folder: Path, words: Sequence[str]) -> str:
    """A folder with a Llama of two layers and a vocabulary of whole words, for tasks of choice: labels "A" to "D", the
    digits, the brackets and tags of answers, and ``words``, each a token; a prompt's end is the assistant's turn."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>", "<unk>"]
    known = dict.fromkeys([*special, *"ABCD01234[]", ":", *words])
    tok = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="<unk>"))
    tok.add_special_tokens(special)
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    tok.decoder = decoders.Fuse()
    tokenizer_class: Any = PreTrainedTokenizerFast
    fast = tokenizer_class(
        tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(known),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return _save(LlamaForCausalLM(config), folder)
