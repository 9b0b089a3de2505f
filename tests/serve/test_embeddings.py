import base64

import numpy as np
import pytest

from anyrank.serve.embeddings import openai_answer, read_cohere, read_openai, shortened
from anyrank.serve.requests import Refusal

VECTORS = np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32)


def test_openai_as_numbers_and_as_base64():
    request = read_openai({"input": ["a", "b"], "model": "m"})
    answer = openai_answer(request, "minilm", VECTORS, 4)
    assert answer["data"][1] == {"object": "embedding", "index": 1, "embedding": [1.0, 0.0]}
    packed = openai_answer(read_openai({"input": "a", "encoding_format": "base64"}), "minilm", VECTORS[:1], 4)
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert np.frombuffer(raw, "<f4").tolist() == VECTORS[0].tolist()
    assert packed["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_dimensions_keep_the_first_numbers_at_length_1():
    assert shortened(VECTORS, 1).tolist() == [[1.0], [1.0]]
    with pytest.raises(Refusal, match="have 2"):
        shortened(VECTORS, 3)


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": [""]}, {"input": [[1, 2]]}, {"input": 3}])
def test_what_is_no_text_is_refused(body):
    with pytest.raises(Refusal):
        read_openai(body)


def test_cohere_tells_queries_from_documents():
    assert read_cohere({"texts": ["a"], "input_type": "search_query"}).query
    with pytest.raises(Refusal, match="only float"):
        read_cohere({"texts": ["a"], "embedding_types": ["int8"]})
