"""Late interaction on onnxruntime: what a score is, that it depends on the pair alone, costs and faults."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from anyrank.backends.onnx.late import OnnxLateInteraction, States, query_vectors, text_vectors
from anyrank.backends.onnx.models import load
from anyrank.core.errors import InputError, ModelError
from anyrank.core.types import Candidate, Query
from anyrank.testing.contracts import check_encoder

TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """States of 32 numbers, of which the last serves as the weight's logit."""
    made = tmp_path_factory.mktemp("late") / "late"
    shutil.copytree(TINY / "states", made)
    (made / "anyrank.json").write_text(json.dumps({"kind": "late", "max_length": 16, "scales": [1.0, 1.0, 1.0]}))
    return made


@pytest.fixture(scope="module")
def late(folder):
    return load(folder)


def group(query, *texts):
    return Query("q", query), [Candidate(str(i), t) for i, t in enumerate(texts)]


def test_a_score_is_what_the_formula_says():
    query = States.of(np.array([[2.0, 0.0, 0.0], [0.0, 1.0, np.log(3.0)]], dtype=np.float32))
    text = States.of(np.array([[0.0, 5.0, 9.0]], dtype=np.float32))
    assert query.weight == pytest.approx([0.25, 0.75])
    cosine = 1 / np.sqrt(5)  # of the means (1, .5) and (0, 5)
    near = text_vectors([text]).near(query_vectors([query], (20.0, 8.0, 10.0)))
    assert near == pytest.approx([20 * 0.75 + 8 * 0.5 + 10 * cosine], abs=1e-5)


def test_vectors_score_as_the_judge(late):
    texts = ["the quick fox", "a red city on the mat", "paris", "", "the quick fox"]
    encoded = late.encode(texts)
    assert (encoded.usage.calls, encoded.usage.cached) == (4, 1)
    near = encoded.vectors.near(late.encode(["the fox"], query=True).vectors)
    (judgement,) = late([group("the fox", *texts)])
    assert near.tolist() == pytest.approx(judgement.scores, abs=1e-5)
    check_encoder(late, texts)


def test_a_text_scores_the_same_in_any_company(late):
    texts = ["the quick fox", "a red city on the mat", "paris", ""]
    (together,) = late([group("the fox", *texts)])
    alone = [late([group("the fox", t)])[0].scores[0] for t in texts]
    assert list(together.scores) == pytest.approx(alone, abs=1e-5)
    assert len(set(np.round(alone, 4))) == 4
    (same,) = late([group("the quick fox", *texts)])
    assert same.scores[0] == pytest.approx(3.0, abs=1e-5)  # itself: the sum of the scales


def test_costs(late):
    one, two = late([group("the cat", "sat on", "sat " * 40, "sat on"), group("the cat", "sat on", "paris")])
    assert (one.usage.calls, one.usage.cached, one.usage.truncated, one.usage.prompt_tokens) == (3, 1, 1, 4 + 4 + 16)
    assert (two.usage.calls, two.usage.cached, two.usage.truncated, two.usage.prompt_tokens) == (1, 2, 0, 3)
    assert two.scores[0] == one.scores[0] == one.scores[2]


def test_nothing_gives_nothing(late):
    assert late([]) == []
    assert list(late([group("q")])[0].scores) == []


def test_prefixes_are_put_before(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    said = json.loads((folder / "anyrank.json").read_text())
    (tmp_path / "m" / "anyrank.json").write_text(json.dumps(said | {"query_prefix": "the ", "document_prefix": "a "}))
    prefixed, plain = load(tmp_path / "m"), load(folder)
    assert prefixed([group("cat", "dog")])[0].scores == plain([group("the cat", "a dog")])[0].scores


def test_contents_are_read_as_texts_and_those_without_one_are_named(late):
    assert isinstance(late, OnnxLateInteraction)
    with pytest.raises(InputError, match="candidate '1' has no text"):
        late([group("q", "fine", None)])
    with pytest.raises(InputError, match="query 'q' holds bytes"):
        late([group(b"q", "fine")])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kind": "lat"}, "kind 'lat' is none of dense, sparse, late"),
        ({"kind": "late", "scales": [1, 2]}, "expected three scales, found 2"),
        ({"kind": "late", "scales": 3}, "anyrank.json"),
        ({"kind": "late", "scales": ["x", 1, 2]}, "anyrank.json"),
        ({"kind": "late", "colour": 1}, "colour"),
    ],
)
def test_a_wrong_declaration_is_named(said, message, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "anyrank.json").write_text(json.dumps(said))
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "m")


def test_the_shipped_minilm_is_read_token_by_token():
    encoder = load("minilm")
    late = encoder.late()
    assert isinstance(late, OnnxLateInteraction)
    texts = ["interest rates of banks", "a steep river bank", "the bank pays interest on deposits"]
    (said,) = late([group("do banks pay interest", *texts)])
    assert np.argsort(said.scores)[::-1].tolist()[0] == 2
    (_, tokens), *_ = late.read(["the bank pays interest"])
    assert tokens.mean == pytest.approx(encoder.encode(["the bank pays interest"]).vectors[0], abs=1e-5)
    words = dict(zip(["[CLS]", "the", "bank", "pays", "interest", "[SEP]"], tokens.weight))
    assert max(words["[CLS]"], words["the"], words["[SEP]"]) < min(words["bank"], words["pays"], words["interest"])


def test_a_graph_without_states_of_tokens_says_so():
    with pytest.raises(InputError, match="no states of tokens"):
        load(TINY / "states").late()
