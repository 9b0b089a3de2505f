"""The real clients of Cohere and OpenAI, unchanged, against a server on loopback."""

import asyncio
import base64

import numpy as np
import pytest

from anyrank.serve.app import Server
from anyrank.serve.keys import Keyring, new_key
from anyrank.serve.service import Service

cohere = pytest.importorskip("cohere")
openai = pytest.importorskip("openai")

QUERY = "capital of France"
TEXTS = ["Lyon is large", "Paris is the capital of France", "Rome"]


@pytest.fixture
def url(client):
    return f"http://127.0.0.1:{client.port}"


@pytest.fixture(scope="module")
def locked(words, serving, tmp_path_factory):
    """The address and the key of a server that asks for one."""
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    key = new_key(file, "alice")
    with serving(Server(Service({"words": words}), Keyring(file))) as client:
        yield f"http://127.0.0.1:{client.port}", key


def order(answer):
    return [(result.index, result.relevance_score) for result in answer.results]


def test_cohere_reranks_by_its_second_version(url):
    with cohere.ClientV2("k", base_url=url) as client:
        answer = client.rerank(model="words", query=QUERY, documents=TEXTS, top_n=2)
    assert [index for index, _ in order(answer)] == [1, 0]
    assert answer.results[0].relevance_score > answer.results[1].relevance_score
    assert answer.id
    assert answer.meta.billed_units.search_units == 1


def test_cohere_reranks_by_its_first_version_with_documents_returned(url):
    documents = [{"text": text} for text in TEXTS]
    with cohere.Client("k", base_url=url) as client:
        answer = client.rerank(model="words", query=QUERY, documents=documents, return_documents=True)
        plain = client.rerank(model="words", query=QUERY, documents=TEXTS)
    assert [result.document.text for result in answer.results] == [TEXTS[index] for index, _ in order(answer)]
    assert order(answer)[0][0] == 1
    assert order(plain) == order(answer)


def test_coheres_asynchronous_clients_get_the_same(url):
    request = {"model": "words", "query": QUERY, "documents": TEXTS}

    async def ask():
        async with cohere.AsyncClientV2("k", base_url=url) as second, cohere.AsyncClient("k", base_url=url) as first:
            many = await asyncio.gather(*(second.rerank(**request) for _ in range(8)), first.rerank(**request))
        return [order(answer) for answer in many]

    answers = asyncio.run(ask())
    assert answers == [answers[0]] * 9
    assert [index for index, _ in answers[0]] == [1, 0, 2]


def test_cohere_embeds(url):
    kinds = {"input_type": "search_document", "embedding_types": ["float"]}
    with cohere.ClientV2("k", base_url=url) as client:
        answer = client.embed(model="minilm", texts=[QUERY, *TEXTS], **kinds)
    vectors = np.array(answer.embeddings.float_)
    assert vectors.shape == (4, 384)
    assert int(np.argmax(vectors[1:] @ vectors[0])) == 1


def test_openai_embeds_as_floats_and_as_base64_which_is_its_default(url):
    with openai.OpenAI(api_key="k", base_url=f"{url}/v1") as client:
        floats = client.embeddings.create(model="minilm", input=[QUERY, *TEXTS], encoding_format="float")
        default = client.embeddings.create(model="minilm", input=[QUERY, *TEXTS])
        encoded = client.embeddings.create(model="minilm", input=QUERY, encoding_format="base64")
    vectors = np.array([row.embedding for row in floats.data], dtype=np.float32)
    assert [row.index for row in floats.data] == [0, 1, 2, 3]
    assert int(np.argmax(vectors[1:] @ vectors[0])) == 1
    assert np.array([row.embedding for row in default.data], dtype=np.float32) == pytest.approx(vectors, abs=1e-6)
    assert floats.usage.prompt_tokens > 0
    decoded = np.frombuffer(base64.b64decode(encoded.data[0].embedding), np.float32)
    assert decoded == pytest.approx(vectors[0], abs=1e-5)


def test_openai_lists_the_models_asynchronously_too(url):
    async def ask():
        async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1") as client:
            return [model.id async for model in client.models.list()]

    with openai.OpenAI(api_key="k", base_url=f"{url}/v1") as client:
        names = [model.id for model in client.models.list()]
    assert names == asyncio.run(ask()) == ["words", "minilm"]


def test_a_request_that_is_refused_raises_their_own_error(url):
    with cohere.ClientV2("k", base_url=url) as client, pytest.raises(cohere.BadRequestError, match="query"):
        client.rerank(model="words", query=None, documents=TEXTS)
    with openai.OpenAI(api_key="k", base_url=f"{url}/v1") as client, pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="minilm", input=[])


def test_the_key_they_are_given_is_the_one_that_counts(locked):
    address, key = locked
    request = {"model": "words", "query": QUERY, "documents": TEXTS}
    wrong = openai.OpenAI(api_key="wrong", base_url=f"{address}/v1")
    with wrong as client, pytest.raises(openai.AuthenticationError):
        client.models.list()
    with cohere.ClientV2("wrong", base_url=address) as client, pytest.raises(cohere.UnauthorizedError):
        client.rerank(**request)
    with openai.OpenAI(api_key=key, base_url=f"{address}/v1") as client:
        assert client.models.list().data[0].id == "words"
    with cohere.ClientV2(key, base_url=address) as client:
        assert order(client.rerank(**request))[0][0] == 1
