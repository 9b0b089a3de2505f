"""Tiny random models and a small byte-level tokenizer, made on the spot by torch and transformers, for tests."""

import random
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
    made: Any = PreTrainedTokenizerFast
    fast = made(tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.chat_template = chat or None
    fast.save_pretrained(folder)
    return fast


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
        vocab_size=len(tok), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.4, bos_token_id=1, eos_token_id=2,
        pad_token_id=0,
    )  # fmt: skip
    return _save(LlamaForCausalLM(config), folder)


def t5(folder: Path) -> str:
    """A folder with a T5 of two layers a side."""
    import torch
    from transformers import AutoConfig, T5ForConditionalGeneration

    tok = tokenizer(folder, ends=True, chat="")
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(
        "t5", vocab_size=len(tok), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=2, initializer_factor=3.0,
    )  # fmt: skip
    return _save(T5ForConditionalGeneration(config), folder)


def bert(folder: Path, labels: int = 1) -> str:
    """A folder with a BERT classifier of two layers, context 64."""
    import torch
    from transformers import AutoConfig, BertForSequenceClassification

    tok = tokenizer(folder, ends=True)
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model(
        "bert", vocab_size=len(tok), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, initializer_range=0.4, pad_token_id=0, num_labels=labels,
    )  # fmt: skip
    return _save(BertForSequenceClassification(config), folder)
