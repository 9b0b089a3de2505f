"""Query rewriting: a language model makes a search query of what the user said, of a conversation too.

Ma et al., "Query Rewriting for Retrieval-Augmented Large Language Models", 2023, arXiv 2305.14283: rewrite, retrieve,
read; here the first step alone, with a frozen model. Turns before the query are read from ``Query.meta["history"]`` or
``["turns"]``. The prompt is in our own words. Without a model, rules drop question words and politeness, and put the
last turn's words beside a query that points back to them.
"""

from __future__ import annotations

import re

from ..core.content import text_of
from ..core.language import Generates, Prompt, Turn
from ..core.stage import Stage
from ..core.types import Query, Ranking
from ..index.analysis import Analyser
from ..llm.conversation import turns_before
from ..llm.lines import listed_texts
from ..retrieve.model_rewrite import ModelRewrite
from ..retrieve.rewritten import Rewrite, with_rewritten
from .card import Card

CARD = Card(
    name="rewrite",
    title="Query Rewriting for Retrieval-Augmented Large Language Models",
    arxiv="2305.14283",
    year=2023,
    summary="search with the query as a language model rewrites it, a conversation in mind",
    needs="a language model with generate, or none for the rule form",
    capabilities=("generate",),
    starts=True,
    formula="1 call a query",
    differences=("the model is not trained by the reader's reward, which is the paper's second form",),
)
_TURNS = 6
"""Earlier turns shown to the model."""


def rewriter(
    backend: Generates | None = None, *, temperature: float = 0.0, max_tokens: int = 96, seed: int = 0
) -> Stage:
    """Queries rewritten for search; without a backend by rules."""
    if backend is None:
        return Rewrite(CARD.name, _by_rule)
    return ModelRewrite(CARD.name, backend, prompt, _read, 1, max_tokens, temperature, seed)


def prompt(query: Query) -> Prompt:
    """The request for one search query, after the last turns of a conversation if there was one."""
    turns = turns_before(query)[-_TURNS:]
    text = text_of(query.content)
    if not turns:
        task = "Rewrite this as one query for a search engine: clear, complete, and without words that don't help."
        shown = f"Query: {text}"
    else:
        task = (
            "Rewrite the last message of this conversation as one query for a search engine that can be understood "
            "without the conversation: put names in place of words such as 'it' or 'they'."
        )
        shown = "\n".join(f"{role}: {said[:500]}" for role, said in (*turns, ("user", text)))
    return (Turn("user", f"{task} Write the query alone.\n\n{shown}"),)


def _read(query: Query, answers: tuple[str, ...]) -> tuple[Query, str]:
    texts = listed_texts(answers[0], most=1, but=text_of(query.content))
    if not texts:
        return query, "rewritten as it was"
    text = re.sub(r"^(?:rewritten )?(?:search )?query:\s*", "", texts[0], flags=re.IGNORECASE).strip("\"' ")
    return with_rewritten(query, text), f"rewritten: {text[:200]}"


_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|please|thanks|ok|okay|so|well)\b[,!. ]*|(?:can|could|would|will) you (?:please |kindly )?|"
    r"(?:i(?:'d| would) like to know|i want to know|i am looking for|i'm looking for|i need to know|"
    r"do you know|tell me|show me|give me|find me|explain(?: to me)?|help me (?:find|understand))\b[,: ]*)+",
    re.IGNORECASE,
)
_ENDINGS = re.compile(r"[,\s]*\b(?:please|thank you|thanks(?: a lot)?|if you (?:can|please))\b[\s.!?]*$", re.IGNORECASE)
_ASKING = re.compile(
    r"^(?:what(?:'s|’s)?|who(?:'s|’s)?|which|when|where|why|how(?: to| do i| can i| do you)?)\b"
    r"(?:\s+(?:is|are|was|were|does|do|did|will|would|can|should)\b)?\s*",
    re.IGNORECASE,
)
_BACK = re.compile(r"\b(?:it|its|they|them|their|he|him|his|she|her|hers|this|that|these|those|one|ones|there)\b", re.I)


def plain_query(text: str) -> str:
    """A request without politeness and the question word at its beginning; unchanged if nothing else would be left.

    >>> plain_query("Hi, could you please tell me what is the capital of France? Thanks!")
    'the capital of France'
    """
    out = _ENDINGS.sub("", _POLITE.sub("", " ".join(text.split()))).strip(" ?!.,")
    out = _ASKING.sub("", out).strip(" ?!.,")
    return out if len(out) > 2 else text


def _by_rule(ranking: Ranking) -> tuple[Query, str]:
    query = ranking.query
    text = text_of(query.content) or ""
    out = plain_query(text)
    said = [said for role, said in turns_before(query) if role == "user"]
    if said and _BACK.search(out):
        english = Analyser("english")
        words = [w for w in dict.fromkeys(english.words(plain_query(said[-1]))) if not english.is_stop_word(w)]
        out = " ".join((*words, out))
    if out == text:
        return query, "nothing to drop"
    return with_rewritten(query, out), f"rewritten: {out[:200]}"
