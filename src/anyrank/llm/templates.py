"""The prompt templates that come with the package, in anyrank's own words; vary them with `dataclasses.replace`."""

from __future__ import annotations

from .labels import Labels
from .prompts import Template

NUMBERS, LETTERS = Labels(), Labels("letters")
_SYSTEM = "You judge how well texts answer a search query, and rank them by it."
_ORDER = (
    "\n\nSearch query: {query}\n\nRank all {num} passages above by how relevant they are to the search query, the most "
    "relevant first. Write every label exactly once, in this form: %s > %s. Write nothing else."
)
_SHOWN = "Here are {num} passages, each with its label in brackets. The search query is: {query}\n\n"

LISTWISE = Template(
    system=_SYSTEM, prefix=_SHOWN, body="[{label}] {text}", suffix=_ORDER % ("[2]", "[1]"), labels=NUMBERS
)
"""An order of all labels, in one turn."""

CONVERSATION = Template(
    system=_SYSTEM,
    prefix="I have {num} passages to rank by their relevance to this search query: {query}\n"
    "I will show them one by one, each with its label in brackets.",
    prefix_assistant="I am ready for the passages.",
    body="[{label}] {text}",
    body_assistant="I have read passage [{label}].",
    suffix=_ORDER.lstrip() % ("[2]", "[1]"),
)
"""The same, each passage a turn that the assistant acknowledges (the form of RankGPT)."""

FIRST_TOKEN = Template(
    system=_SYSTEM,
    prefix=_SHOWN,
    body="[{label}] {text}",
    suffix=_ORDER % ("[B]", "[A]"),
    labels=LETTERS,
    assistant="[",
)
"""Labels A, B, …, the opening bracket already written, so that the next token names the best."""

NAMED = Template(
    prefix="PASSAGES to be sorted by how well each answers the QUESTION.\n\n",
    body="PASSAGE{label} = {text}",
    suffix="\n\nQUESTION = {query}\nPASSAGES = {labels}\nSort PASSAGES from the best answer to the worst and write the "
    "sorted list only, in the form [PASSAGE2, PASSAGE1].\nSORTED =",
    labels=Labels("numbers", "PASSAGE", ""),
)
"""A list of variables to be sorted (the form of LRL)."""

WITH_SCORES = Template(
    system=_SYSTEM,
    prefix="Here are {num} passages, each with its label in brackets and the BM25 score that a word-matching search "
    "engine gave it. The search query is: {query}\n\n",
    body="[{label}] {text}\nBM25 score of [{label}]: {score}",
    suffix=_ORDER.replace("relevant they are", "relevant they are in content, with the BM25 scores as a hint,")
    % ("[2]", "[1]"),
)
"""Listwise, with a first-stage score under each passage (InsertRank)."""

SETWISE = Template(
    prefix="Search query: {query}\n\nWhich of these {num} passages is the most relevant to the query?\n\n",
    body="[{label}] {text}",
    suffix="\n\nAnswer with the label of the most relevant passage only, for example [B].",
    labels=LETTERS,
    answer="best",
)
"""The best of a few passages."""

SETWISE_TOKEN = Template(
    prefix=SETWISE.prefix, body=SETWISE.body, suffix=SETWISE.suffix, labels=LETTERS, answer="best", assistant="["
)
"""The same with the opening bracket written."""

REASONING = Template(
    system="You think before you answer. Put your thoughts between <think> and </think>, and after them your answer "
    "between <answer> and </answer>.",
    prefix="Search query: {query}\n\nThe {num} documents:\n",
    body="[{label}] {text}",
    suffix="\n\nFind the one document that is most relevant to the search query. The answer is its label alone, for "
    "example <answer>[2]</answer>.",
    answer="best",
    tagged=True,
    words=380,
)
"""The best of many after thinking (the form of Rank-R1)."""

REASONED_ORDER = Template(
    system=REASONING.system,
    prefix="Search query: {query}\n\nThe {num} documents:\n",
    body="[{label}] {text}",
    suffix="\n\nThink about what each document contributes to an answer to the search query. The answer is the "
    "labels of all {num} documents, the most relevant first, for example <answer>[2] > [1]</answer>.",
    tagged=True,
    words=380,
)
"""An order after thinking about each document (the form of MM-R5)."""

PAIR = Template(
    prefix="Search query: {query}\n\nWhich of the two passages is more relevant to the query?\n\n",
    body="Passage {label}: {text}",
    separator="\n\n",
    suffix="\n\nAnswer with Passage A or Passage B.",
    labels=Labels("letters", "Passage ", ""),
    answer="best",
)
"""The better of two passages."""

PAIR_TOKEN = Template(
    prefix=PAIR.prefix,
    body=PAIR.body,
    separator="\n\n",
    suffix=PAIR.suffix,
    labels=PAIR.labels,
    answer="best",
    assistant="Passage",
)
"""The same with the first word of the answer written."""

YES_NO = Template(
    prefix="Passage: {doc1}\n\nSearch query: {query}\n\nDoes the passage answer the query? Answer Yes or No.",
)
"""One passage, answered Yes or No."""

PICTURE_YES_NO = Template(
    prefix="{doc1}\n\nIs this what the picture shows: {query}? Answer Yes or No.",
)
"""One picture, answered Yes or No (the form of INQUIRE)."""

RELEVANT = Template(
    prefix="query: {query}\ndocument: {doc1}\n\nYou are an expert on relevance. Say 1 if the document is relevant to "
    "the query and 0 if it is not.\nRelevance:",
)
"""One passage, answered 1 or 0 (the form of ProRank)."""

INSTRUCTED = Template(
    system="Does the document meet what the instruction asks for, given the query? Say yes or no, nothing else.",
    prefix="<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {doc1}",
    instruction="Find the passages that answer a web search query.",
    assistant="<think>\n\n</think>\n\n",
)
"""One passage under an instruction, answered yes or no (the form of Qwen3's reranker)."""

QUESTION = Template(
    prefix="Passage: {doc1}\n\nWrite a question that this passage answers.\nQuestion:", chat=False, words=300
)
"""A passage, to be followed by the query (UPR)."""

QUERY = Template(prefix="Passage: {doc1}\nQuery:", chat=False)
"""A passage, to be followed by the query, without an instruction (query likelihood)."""

ARTICLE = Template(prefix="{query}", chat=False, query_words=600)
"""An article alone, for encoder-decoders that were trained to summarise (BRIO)."""

SUMMARY = Template(prefix="Article: {query}\n\nSummary:", chat=False, query_words=600)
"""An article, to be followed by a summary of it."""

MONO_T5 = Template(prefix="Query: {query} Document: {doc1} Relevant:", chat=False)
DUO_T5 = Template(prefix="Query: {query} Document0: {doc1} Document1: {doc2} Relevant:", chat=False)
RANK_T5 = Template(prefix="Query: {query} Document: {doc1}", chat=False)
LIT5 = Template(
    body="Search Query: {query} Passage: [{label}] {text} Relevance Ranking:",
    chat=False,
    words=110,
)
LIT5_SCORE = Template(body="question: {query} context: {text}", chat=False, words=110)
"""Input forms fixed by the training of these models; of the last two, each body is a source of its own."""

ATTENTION = Template(
    prefix="Here are some paragraphs:\n\n",
    body="[{label}] {text}",
    separator="\n\n",
    suffix="\n---\nFind the information in these paragraphs that is relevant to the query.\n\nQuery: {query}",
    mark="\n---\n",
)
"""All passages, then the query, whose attention is read (ICR)."""
