"""ANCE-PRF: an encoder of queries that is trained to read the query together with the passages found first.

Yu et al., "Improving Query Representations for Dense Retrieval with Pseudo Relevance Feedback", CIKM 2021, arXiv
2108.13454. The input is the query and the texts of the first k passages with the model's separators between them, cut
at 512 tokens; the encoder starts from the retriever's own and is trained against passages as the index has them (their
encoder is frozen), by the softmax over the positive and 20 negatives of its own query, drawn from 100 of the first
1,000. One encoder is trained for each k: ``minilm % 3 >> ance_prf("runs/prf") >> minilm``.

`groups` makes the training data of runs; ``anyrank papers recipe ance_prf`` prints the recipe. The figures are of the
reproduction by Li et al., "Improving Query Representations for Dense Retrieval with Pseudo Relevance Feedback: A
Reproducibility Study", ECIR 2022, as pyserini's documentation has them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.content import text_of
from ..core.errors import InputError
from ..core.stage import Stage
from ..core.types import Candidate, Query, Ranking
from ..hub.open import open_model
from ..index.base import Documents, Index
from ..retrieve import rewritten
from ..retrieve.rewritten import Rewrite
from ..train.group import Group
from ..train.negatives import Draw
from ..train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from ..train.sources import Source
from ..vectors import Encoded, Encoder, Vectors
from .card import Card, Figure

SOURCE = "pyserini's documentation"

CARD = Card(
    name="ance_prf",
    title="Improving Query Representations for Dense Retrieval with Pseudo Relevance Feedback",
    arxiv="2108.13454",
    year=2021,
    summary="training: a query encoder that reads the query together with the candidates that came in",
    needs="groups whose queries hold the feedback texts (papers.ance_prf.groups), and the trained encoder to search",
    figures=(
        Figure(0.6776, "TREC DL19", "nDCG@10", "ANCE-PRF, 3 passages", SOURCE),
        Figure(0.6452, "TREC DL19", "nDCG@10", "ANCE without feedback", SOURCE),
        Figure(0.7915, "TREC DL19", "R@1000", "ANCE-PRF, 3 passages", SOURCE),
        Figure(0.7554, "TREC DL19", "R@1000", "ANCE without feedback", SOURCE),
        Figure(0.3418, "MS MARCO passage dev", "MRR@10", "ANCE-PRF, 3 passages", SOURCE),
    ),
    differences=("the start is MiniLM unless --option start names another; the warm-up is a share, there 5,000 steps",),
)


def recipe(out: str, train: Sequence[str | Source], *, start: str = "all-minilm-l6-v2", negatives: int = 20) -> Recipe:
    """The paper's training: only the query encoder learns, by the softmax over the positive and ``negatives`` drawn
    anew in each epoch, all alike. The batch is that of the reproduction (64, on two GPUs)."""
    alike = 1e6  # a temperature at which all are drawn alike
    return Recipe(
        out=out,
        model=Model(kind="bi", start=start, max_length=512, options={"frozen_documents": True}),
        data=Data(train=tuple(train), draw=Draw(negatives=negatives, start=alike, end=alike)),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(rate=1e-6, batch=64, epochs=10),
        export=Export(int8=False),
    )


def rewriter(model: str, *, separator: str | None = None) -> Stage:
    """``model`` is the folder of the trained encoder, or its name on the hub; the search after it must be over the
    vectors that it was trained against. ``separator`` stands between query and texts: by default the one of the
    folder's tokenizer, else [SEP]. Without candidates the query is encoded by the search's own encoder."""
    mark = separator_of(model) if separator is None else separator

    def change(ranking: Ranking) -> tuple[Query, str]:
        texts = [text for c in ranking if (text := text_of(c.content)).strip()]
        if not texts:
            return ranking.query, "no candidate with a text: the query stays as it was"
        content = joined(text_of(rewritten.searched(ranking.query)), texts, mark)
        return rewritten.with_rule(ranking.query, Reencoded(model, content)), f"read together with {len(texts)} texts"

    return Rewrite(CARD.name, change)


@dataclass(frozen=True)
class Reencoded:
    """The rule that replaces the query's vector by that of ``content``, of another encoder."""

    model: str
    content: str

    def __call__(self, vector: Vectors, encoder: Encoder, index: Index) -> Encoded:
        model = open_model(self.model)
        if not isinstance(model, Encoder):
            raise InputError(f"{self.model} makes no vectors: train an encoder by 'anyrank papers recipe ance_prf'")
        encoded = model.encode([self.content], query=True)
        if (encoded.vectors.kind, encoded.vectors.dim) != (vector.kind, vector.dim):
            raise InputError(
                f"{self.model} makes {encoded.vectors.kind} vectors of {encoded.vectors.dim} dimensions, and "
                f"{encoder.name} {vector.kind} ones of {vector.dim}: search with the encoder that it was trained from"
            )
        return encoded


def groups(
    rankings: Iterable[Ranking],
    qrels: Mapping[str, Mapping[str, int]],
    documents: Documents,
    *,
    k: int = 3,
    negatives: int = 100,
    separator: str = "[SEP]",
    seed: int = 0,
) -> Iterator[Group]:
    """Training groups of a run's rankings (at least 1,000 deep in the paper): for each judged positive of a query one,
    with ``negatives`` of the run's other candidates, drawn at random. The query holds the texts of the first ``k``,
    positives among them."""
    for ranking in rankings:
        positives = [i for i, grade in qrels.get(ranking.query.id, {}).items() if grade > 0]
        rest = [c for c in ranking if c.id not in positives]
        rng = random.Random(f"{seed}/{ranking.query.id}")
        query = joined(text_of(ranking.query.content), [text_of(c.content) for c in ranking[:k]], separator)
        for positive in documents.get(positives):
            drawn = rng.sample(rest, min(negatives, len(rest)))
            members = (Candidate(positive.id, positive.content, 0.0), *drawn)
            labels = (1.0,) + (0.0,) * len(drawn)
            yield Group.of(Query(ranking.query.id, query), members, labels)


def joined(query: str, texts: Sequence[str], separator: str = "[SEP]") -> str:
    """The query and the texts with separators between them.

    >>> joined("q", ["one", "two"])
    'q [SEP] one [SEP] two'
    """
    return f" {separator} ".join([query, *texts])


def separator_of(model: str) -> str:
    """The separator of a folder's tokenizer; [SEP] if the folder doesn't say, or isn't here."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        file = Path(model).expanduser() / name
        if file.is_file():
            value = json.loads(file.read_text("utf-8")).get("sep_token")
            value = value.get("content") if isinstance(value, Mapping) else value
            if value:
                return str(value)
    return "[SEP]"
