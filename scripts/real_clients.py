"""Real clients, unchanged, against a server on loopback: which of them read its answers rightly.

    anyrank serve --port 8124 &
    CLIENTS/bin/python scripts/real_clients.py http://127.0.0.1:8124

CLIENTS is an environment with some of: cohere, openai, voyageai, mixedbread, pinecone, rerankers, huggingface_hub,
langchain-cohere, langchain-voyageai, langchain-community with infinity-client, the LlamaIndex postprocessors for
Cohere, Jina and TEI, cohere-haystack, jina-haystack. cohere 5 (which LangChain pins) and 7 need two environments.
Prints a line a client: ok, absent, or what went wrong; the exit status is 1 if one went wrong.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

QUERY = "capital of France"
TEXTS = ["Lyon is a large city.", "Paris is the capital of France.", "Rome is in Italy."]
BEST = 1
CLIENTS: dict[str, Callable[[str], int]] = {}


def client(function: Callable[[str], int]) -> Callable[[str], int]:
    """A function that asks a server and gives the index of the best text."""
    CLIENTS[function.__name__] = function
    return function


def position(text: Any) -> int:
    return TEXTS.index(text)


@client
def cohere_v2(url: str) -> int:
    import cohere

    answer = cohere.ClientV2("k", base_url=url).rerank(model="m", query=QUERY, documents=TEXTS, top_n=2)
    assert len(answer.results) == 2
    return answer.results[0].index


@client
def cohere_v2_async(url: str) -> int:
    import cohere

    async def ask() -> int:
        made = cohere.AsyncClientV2("k", base_url=url)
        return (await made.rerank(model="m", query=QUERY, documents=TEXTS)).results[0].index

    return asyncio.run(ask())


@client
def cohere_v1(url: str) -> int:
    import cohere

    made = cohere.Client("k", base_url=url)
    dicts = [{"text": t} for t in TEXTS]
    answer = made.rerank(model="m", query=QUERY, documents=dicts, return_documents=True)
    assert answer.results[0].document.text == TEXTS[answer.results[0].index]
    return answer.results[0].index


@client
def cohere_embed(url: str) -> int:
    import cohere

    made = cohere.ClientV2("k", base_url=url)
    answer = made.embed(model="minilm", texts=TEXTS, input_type="search_document", embedding_types=["float"])
    assert len(answer.embeddings.float_) == 3
    return BEST


@client
def openai_embeddings(url: str) -> int:
    from openai import OpenAI

    made = OpenAI(api_key="k", base_url=f"{url}/v1")
    assert made.models.list().data[0].id
    vectors = [d.embedding for d in made.embeddings.create(model="minilm", input=[QUERY, *TEXTS]).data]
    scores = [sum(a * b for a, b in zip(vectors[0], v)) for v in vectors[1:]]
    return scores.index(max(scores))


@client
def voyage(url: str) -> int:
    import voyageai

    made = voyageai.Client(api_key="k", base_url=f"{url}/v1")
    answer = made.rerank(QUERY, TEXTS, model="rerank-2.5", top_k=2)
    assert answer.total_tokens > 0
    return answer.results[0].index


@client
def mixedbread(url: str) -> int:
    from mixedbread import Mixedbread

    made = Mixedbread(api_key="k", base_url=url)
    return made.rerank(model="m", query=QUERY, input=TEXTS, top_k=2, return_input=True).data[0].index


@client
def pinecone(url: str) -> int:
    from pinecone import Pinecone

    made = Pinecone(api_key="k", host=url)
    documents = [{"id": str(i), "text": t} for i, t in enumerate(TEXTS)]
    return made.inference.rerank(model="m", query=QUERY, documents=documents, top_n=2).data[0].index


def _rerankers(url: str, vendor: str, path: str) -> int:
    from rerankers.models.api_rankers import APIRanker

    answer = APIRanker("m", "k", vendor, url=url + path).rank(QUERY, TEXTS)
    return position(answer.results[0].document.text)


for _vendor, _path in {
    "cohere": "/v1/rerank",
    "jina": "/v1/rerank",
    "voyage": "/v1/rerank",
    "mixedbread.ai": "/v1/reranking",
    "pinecone": "/rerank",
    "isaacus": "/v1/rerankings",
    "text-embeddings-inference": "/rerank",
}.items():
    CLIENTS[f"rerankers {_vendor}"] = lambda url, v=_vendor, p=_path: _rerankers(url, v, p)  # type: ignore[misc]


@client
def hugging_face_similarity(url: str) -> int:
    from huggingface_hub import InferenceClient

    scores = InferenceClient(base_url=url, api_key="k").sentence_similarity(QUERY, other_sentences=TEXTS)
    return scores.index(max(scores))


@client
def hugging_face_features(url: str) -> int:
    from huggingface_hub import InferenceClient

    assert InferenceClient(base_url=url, api_key="k").feature_extraction("hello").shape[-1] == 384
    return BEST


@client
def langchain_cohere(url: str) -> int:
    from langchain_cohere import CohereRerank
    from langchain_core.documents import Document

    made = CohereRerank(model="m", cohere_api_key="k", base_url=url, top_n=2)
    documents = made.compress_documents([Document(page_content=t) for t in TEXTS], QUERY)
    assert "relevance_score" in documents[0].metadata
    return position(documents[0].page_content)


@client
def langchain_jina(url: str) -> int:
    from langchain_community.document_compressors import jina_rerank
    from langchain_core.documents import Document

    jina_rerank.JINA_API_URL = f"{url}/v1/rerank"
    made = jina_rerank.JinaRerank(model="m", jina_api_key="k", top_n=2)
    return position(made.compress_documents([Document(page_content=t) for t in TEXTS], QUERY)[0].page_content)


@client
def langchain_infinity(url: str) -> int:
    import infinity_client
    from langchain_community.document_compressors.infinity_rerank import InfinityRerank
    from langchain_core.documents import Document

    made = InfinityRerank(client=infinity_client.Client(base_url=url), model="m", top_n=2)
    return position(made.compress_documents([Document(page_content=t) for t in TEXTS], QUERY)[0].page_content)


@client
def langchain_voyage(url: str) -> int:
    import voyageai
    from langchain_core.documents import Document
    from langchain_voyageai import VoyageAIRerank

    made = VoyageAIRerank(model="m", api_key="k", top_k=2)
    made.client = voyageai.Client(api_key="k")
    voyageai.api_base = f"{url}/v1"
    made.client._params = {**getattr(made.client, "_params", {}), "base_url": f"{url}/v1"}
    return position(made.compress_documents([Document(page_content=t) for t in TEXTS], QUERY)[0].page_content)


def _llamaindex(made: Any) -> int:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=t), score=0.0) for t in TEXTS]
    return position(made.postprocess_nodes(nodes, query_str=QUERY)[0].node.text)


@client
def llamaindex_cohere(url: str) -> int:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    return _llamaindex(CohereRerank(model="m", api_key="k", base_url=url, top_n=2))


@client
def llamaindex_jina(url: str) -> int:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    return _llamaindex(JinaRerank(model="m", api_key="k", base_url=f"{url}/v1", top_n=2))


@client
def llamaindex_tei(url: str) -> int:
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    return _llamaindex(TextEmbeddingInference(base_url=url, top_n=2))


def _haystack(made: Any) -> int:
    from haystack import Document

    documents = made.run(query=QUERY, documents=[Document(content=t) for t in TEXTS])["documents"]
    return position(documents[0].content)


@client
def haystack_cohere(url: str) -> int:
    from haystack_integrations.components.rankers.cohere import CohereRanker

    os.environ["COHERE_API_KEY"] = "k"
    return _haystack(CohereRanker(model="m", api_base_url=url, top_k=2))


@client
def haystack_jina(url: str) -> int:
    from haystack_integrations.components.rankers.jina import JinaRanker

    os.environ["JINA_API_KEY"] = "k"
    return _haystack(JinaRanker(model="m", base_url=f"{url}/v1/rerank", top_k=2))


def main(url: str) -> int:
    wrong = 0
    for name, ask in CLIENTS.items():
        try:
            best = ask(url)
            result = "ok" if best == BEST else f"WRONG: text {best} first"
        except ImportError as error:
            result = f"absent ({error.name})"
        except Exception as error:  # noqa: BLE001  # whatever a client makes of an answer
            result = f"WRONG: {type(error).__name__}: {error}"[:300]
        wrong += result.startswith("WRONG")
        print(f"{name:40} {result}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].rstrip("/")))
