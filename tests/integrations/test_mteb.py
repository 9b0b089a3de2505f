"""Encoders and pipelines in MTEB, over its own small tasks without data from elsewhere; skipped where the package is
absent."""

import numpy as np
import pytest

pytest.importorskip("mteb")
import mteb
from mteb.models.models_protocols import CrossEncoderProtocol, EncoderProtocol
from mteb.types import PromptType

import anyrank as ar
from anyrank.integrations.mteb import CrossEncoder, Encoder, scores

pytestmark = pytest.mark.filterwarnings("ignore")
BATCHES = [{"text": ["capital of France", "soup 🙂"]}, {"text": ["", "日本"]}]


def test_an_encoder_has_its_own_prompts():
    model = Encoder("minilm")
    assert isinstance(model, EncoderProtocol)
    assert not isinstance(model, CrossEncoderProtocol)
    vectors = model.encode(BATCHES, task_metadata=None, hf_split="test", hf_subset="default")
    assert vectors.shape == (4, 384)
    queries = model.encode(BATCHES[:1], prompt_type=PromptType.query, task_metadata=None)
    assert np.allclose(model.similarity(vectors, queries), vectors @ queries.T, atol=1e-6)
    assert np.allclose(model.similarity_pairwise(vectors[:2], queries), (vectors[:2] * queries).sum(1), atol=1e-6)
    assert model.mteb_model_meta.name == "anyrank/minilm"
    assert model.encode([]).shape == (0, 384)
    with pytest.raises(ar.InputError, match="dense vectors are needed"):
        Encoder("mini")
    with pytest.raises(ar.InputError, match="makes no vectors"):
        Encoder("http://127.0.0.1:9")
    with pytest.raises(ar.InputError, match="only texts"):
        model.encode([{"image": []}])


def test_a_pipeline_scores_pairs_of_a_query_together():
    model = CrossEncoder("tiny")
    assert isinstance(model, CrossEncoderProtocol)
    queries = [{"text": ["capital of France"] * 2}, {"text": ["capital of France", "soup", "capital of France"]}]
    texts = [
        {"text": ["Lyon is large.", "Paris is the capital."]},
        {"text": ["", "Soup needs salt.", "Lyon is large."]},
    ]
    scores = model.predict(queries, texts, task_metadata=None)
    assert scores.shape == (5,)
    assert scores[1] == scores[:3].max()
    assert abs(scores[0] - scores[4]) < 1e-3
    assert model.predict([], []).shape == (0,)
    with pytest.raises(ar.InputError, match="2 queries for 0"):
        model.predict(queries[:1], [])
    assert CrossEncoder("prior % 5 >> tiny").mteb_model_meta.name == "anyrank/prior---5----tiny"


def test_evaluations_by_mteb(tmp_path):
    from mteb.mocks import MockRerankingTask, MockRetrievalTask, MockSTSTask

    cache = mteb.ResultCache(tmp_path)
    done = mteb.evaluate(Encoder("minilm"), [MockSTSTask(), MockRetrievalTask(), MockRerankingTask()], cache=cache)
    assert [0 <= r.get_score() <= 1 for r in done] == [True] * 3
    (reranked,) = mteb.evaluate(CrossEncoder("tiny"), [MockRerankingTask()], cache=cache)
    assert 0 <= reranked.get_score() <= 1
    assert any(tmp_path.rglob("anyrank__minilm"))


def test_main_scores_of_tasks():
    from mteb.mocks import MockRerankingTask, MockSTSTask

    both = scores("minilm", [MockSTSTask(), MockRerankingTask()])
    assert len(both) == 2
    assert all(0 <= value <= 1 for value in both.values())
    assert list(scores("tiny", [MockRerankingTask()])) == [MockRerankingTask().metadata.name]
    with pytest.raises(ar.InputError, match="MTEB has no such task"):
        scores("minilm", ["NoSuchTask"])
