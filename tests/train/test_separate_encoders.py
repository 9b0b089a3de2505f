"""Dense encoders with an encoder of their own for documents."""

import numpy as np
import pytest
import torch
from transformers import set_seed

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.hub.open import open_model
from anyrank.index.build import build
from anyrank.models.bi import BiEncoder
from anyrank.pipeline.parser import Settings, parse
from anyrank.store.vector_names import stored
from anyrank.train.export import unfit

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = ["lift of a wing", "drag of a plate", "heat", "shock and flow"]


@pytest.fixture
def model(words):
    set_seed(0)
    return BiEncoder.from_config(SHAPE, words, max_length=16, similarity="dot", separate_documents=True)


def test_it_begins_as_one_encoder_and_both_are_trained(model):
    model.eval()
    assert torch.equal(model.encode(TEXTS), model.encode(TEXTS, query=True))
    members = [[Candidate(str(i), t) for i, t in enumerate(TEXTS)]]
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()(**model.features(["wing"], members))[0, 0].backward()
    optimiser.step()
    model.eval()
    assert not torch.allclose(model.encode(TEXTS), model.encode(TEXTS, query=True))


def test_a_saved_folder_is_used_by_its_name_and_trained_on(model, tmp_path):
    with torch.no_grad():
        for p in model.documents.parameters():
            p.add_(0.05 * torch.randn_like(p))
    model.eval().save(tmp_path / "dpr")
    with torch.no_grad():
        queries, documents = model.encode(["wing"], query=True), model.encode(TEXTS)
    encoder = open_model(str(tmp_path / "dpr"))
    np.testing.assert_allclose(encoder.encode(["wing"], query=True).vectors.dense(), queries, atol=1e-5)
    np.testing.assert_allclose(encoder.encode(TEXTS).vectors.dense(), documents, atol=1e-5)
    index = build([Candidate(str(i), t) for i, t in enumerate(TEXTS)], tmp_path / "index")
    index.encode(encoder, stored(encoder.name))
    [ranking] = parse(f'model("{tmp_path}/dpr")', Settings(index)).run(["wing"])
    scores = (documents @ queries[0]).tolist()
    assert {c.id: pytest.approx(c.score, abs=1e-5) for c in ranking} == {str(i): s for i, s in enumerate(scores)}
    again = BiEncoder.from_folder(tmp_path / "dpr").eval()
    assert torch.equal(again.encode(TEXTS), documents)
    assert again.separate_documents
    assert all(p.requires_grad for p in again.parameters())


def test_what_it_does_not_go_with(model, words):
    assert "an encoder each" in unfit(model)
    with pytest.raises(InputError, match=r"frozen_documents and separate_documents: .* choose one"):
        BiEncoder.from_config(SHAPE, words, separate_documents=True, frozen_documents=True)
