"""The longest text of a transformer, at every place that states it: RoBERTa's positions begin after the padding's."""

import json
import math

import pytest
import torch

from anyrank.core.errors import InputError
from anyrank.hub.open import declare
from anyrank.hub.positions import first_position, most_tokens
from anyrank.models.bi import BiEncoder
from anyrank.models.cross import CrossEncoder
from anyrank.models.parts.ragged import longest, positions
from anyrank.testing.tiny import encoder

FAMILIES = {"bert": 66, "roberta": 64, "xlm-roberta": 64, "camembert": 64, "mpnet": 64, "distilbert": 66, "electra": 66}
LONG = "lift drag wing flow heat plate shock layer " * 40


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    encoder(folder, request.param, "body")
    tokenizer = folder / "tokenizer_config.json"
    config = json.loads(tokenizer.read_text())
    tokenizer.write_text(json.dumps(config | {"model_max_length": 100_000}))  # only the positions bound the length
    return request.param, folder


def test_every_place_states_the_same_limit(family):
    name, folder = family
    expected = FAMILIES[name]
    config = json.loads((folder / "config.json").read_text())
    assert most_tokens(config) == expected
    assert declare(str(folder)).max_length == expected
    model = BiEncoder.from_folder(folder)
    assert model.max_length == positions(model.body) == longest(model.body, model.tokenizer) == expected
    with pytest.raises(InputError, match=f"max_length={expected + 1}: this model reads {expected} tokens at most"):
        BiEncoder.from_folder(folder, max_length=expected + 1)


def test_a_text_of_the_whole_limit_is_read_and_a_longer_one_would_not_fit(family):
    name, folder = family
    model = BiEncoder.from_folder(folder).eval()
    (chunk,) = model.inputs([LONG])
    assert chunk["input_ids"].shape[1] == FAMILIES[name]
    with torch.inference_mode():
        assert bool(model.embed([chunk]).isfinite().all())
        if name != "distilbert":
            wide = torch.full((1, FAMILIES[name] + 1), 7)
            with pytest.raises((IndexError, RuntimeError)):
                model.body(input_ids=wide, attention_mask=torch.ones_like(wide))


def test_a_roberta_head_reranks_long_texts(tmp_path):
    from anyrank.backends.hf.classifier import SequenceClassifier
    from anyrank.core.types import Candidate, Query
    from anyrank.hub.open import open_model

    encoder(tmp_path, "roberta", "cross")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": 100_000}))
    query, long = Query("q", "wing"), Candidate("d", LONG)
    scores = []
    for judge in (SequenceClassifier(str(tmp_path), dtype="float32"), open_model(str(tmp_path))):
        (judgement,) = judge([(query, [long])])
        assert judgement.usage.truncated == 1
        scores.append(judgement.scores[0])
    assert 1 / (1 + math.exp(-scores[0])) == pytest.approx(scores[1], abs=1e-4)  # a logit, and its sigmoid
    assert SequenceClassifier(str(tmp_path)).limit == CrossEncoder.from_folder(tmp_path).max_length == 64


def test_configurations_without_a_table_of_positions():
    assert most_tokens({"model_type": "t5"}) is None
    assert most_tokens({"model_type": "deberta", "max_position_embeddings": -1}) is None
    assert most_tokens({"model_type": "roberta", "max_position_embeddings": 514}) == 512
    assert most_tokens({"model_type": "xlm-roberta", "max_position_embeddings": 8194, "pad_token_id": 1}) == 8192
    assert most_tokens({"model_type": "longformer", "max_position_embeddings": 4098, "pad_token_id": 1}) == 4096
    assert first_position({"model_type": "mpnet", "pad_token_id": 0}) == 2
    assert first_position({"model_type": "esm", "position_embedding_type": "rotary", "pad_token_id": 1}) == 0
    assert first_position({"model_type": "llama", "pad_token_id": 1}) == 0
