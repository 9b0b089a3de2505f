"""Tables of word vectors: of a model's folder (its word pieces), or of a text file of GloVe, word2vec or fastText."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.errors import InputError, ModelError
from ...io.files import texts

_TABLES = ("word_embeddings.weight", "embed_tokens.weight", "tok_embeddings.weight", "shared.weight", "wte.weight")
"""The table of word pieces of BERT and its family, of decoders, ModernBERT, T5 and GPT-2."""


def vectors_of(path: Path) -> tuple[Any, Tensor]:
    """The tokenizer and the table [words, dim] of a model's folder or of a file of word vectors. Raises ModelError if a
    folder has no table, InputError at a line that can't be read."""
    return _of_folder(path) if path.is_dir() else _of_file(path)


def _of_folder(folder: Path) -> tuple[Any, Tensor]:
    from safetensors import safe_open
    from transformers import AutoTokenizer

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                if name.endswith(_TABLES):
                    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
                    table: Tensor = weights.get_tensor(name).float()
                    return tokenizer, _as_long_as(tokenizer, table)
    raise ModelError(f"{folder}: no table of word pieces in its safetensors: name a transformer's folder")


def _as_long_as(tokenizer: Any, table: Tensor) -> Tensor:
    """The table with a row for each word of the tokenizer: some models' tables are padded, or lack added tokens."""
    rows = torch.zeros(len(tokenizer), table.shape[1])
    shared = min(len(rows), len(table))
    rows[:shared] = table[:shared]
    return rows


def _of_file(path: Path) -> tuple[Any, Tensor]:
    """Of each line the word and its numbers; a first line of two numbers (word2vec, fastText) is skipped; of a word
    that comes twice the first counts. [PAD] and [UNK] are put before, with zeros."""
    words: dict[str, int] = {"[PAD]": 0, "[UNK]": 1}
    rows: list[Tensor] = []
    width = 0
    for number, line in texts(path):
        word, *values = line.rstrip().rsplit(" ", width or -1)  # a word may hold spaces
        if number == 1 and len(values) == 1:
            continue
        width = width or len(values)
        try:
            row = torch.tensor([float(v) for v in values])
        except ValueError as error:
            raise InputError(f"expected a word and {width} numbers: {error}", path=path, line=number) from error
        if len(row) != width or not width:
            raise InputError(f"{len(row)} numbers, where lines before have {width}", path=path, line=number)
        if word not in words:
            words[word] = len(words)
            rows.append(row)
    if not rows:
        raise InputError("no word vectors: expected a word and its numbers a line", path=path)
    return word_tokenizer(words), torch.cat([torch.zeros(2, width), torch.stack(rows)])


def word_tokenizer(words: dict[str, int]) -> Any:
    """A tokenizer of whole words and punctuation marks; it lowers letters unless some word has capital ones.

    >>> word_tokenizer({"[PAD]": 0, "[UNK]": 1, "lift": 2})("Lift, drag")["input_ids"]
    [2, 1, 1]
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    if not any(w != w.lower() for w in words if not w.startswith("[")):
        made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]")
