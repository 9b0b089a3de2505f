"""Tiny models and tokenizers, made on the spot."""

import pytest

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY += ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "of"]
VOCABULARY += list("abcdefghijklmnopqrstuvwxyz0123456789") + [f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads that wait for each other are slow where the machine is busy."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """The folder of a small WordPiece tokenizer."""
    from transformers import BertTokenizerFast

    folder = tmp_path_factory.mktemp("words")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
