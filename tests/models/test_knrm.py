"""Kernel pooling, by hand."""

import math

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.models.knrm import KNRM, MU, SIGMA
from anyrank.testing.check_model import candidates_of


@pytest.fixture
def model(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwing\nlift\n")
    return KNRM(BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")), embeddings=torch.eye(7)).eval()


def test_eleven_kernels():
    assert len(MU) == len(SIGMA) == 11
    assert (MU[0], SIGMA[0]) == (1.0, 0.001)


def test_kernels_are_the_papers(model):
    pooled = model.kernels(torch.tensor([[[1.0, 0.5, 0.5]]]), torch.tensor([[1, 1, 0]]))[0, 0]
    near = math.exp(-((1 - 0.9) ** 2) / 0.02) + math.exp(-((0.5 - 0.9) ** 2) / 0.02)
    assert pooled[0].item() == pytest.approx(0.0, abs=1e-6)  # log 1: one exact match; the last word is padding
    assert pooled[1].item() == pytest.approx(math.log(near), rel=1e-5)


def test_only_exact_matches_count_for_orthogonal_words(model):
    with torch.no_grad():
        model.out.weight.copy_(torch.eye(11)[:1])
        model.out.bias.zero_()
        scores = model(**model.features(["wing lift"], candidates_of([["wing", "wing lift", "[MASK]"]])))[0]
    floor = math.log(1e-10)
    assert scores.tolist() == pytest.approx([floor, 0.0, 2 * floor], abs=1e-3)
