"""An explanation adds up: for random pipelines, and for every kind of part with golden sums."""

import json
import math
import random
import zlib

import numpy as np
import pytest

import anyrank as ar
from anyrank.core.errors import InputError
from anyrank.core.groupings import Sliding
from anyrank.core.rerank import Rerank
from anyrank.core.stage import Branch, Each, Stage
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Judgement, Query, Ranking
from anyrank.explanations import explain
from anyrank.explanations.answers import Answers
from anyrank.explanations.sentences import left_out
from anyrank.explanations.values import TOLERANCE, added, mismatch
from anyrank.judges.similarity import Similarity
from anyrank.pipeline.context import Settings
from anyrank.pipeline.parser import parse
from anyrank.pipeline.parts import Part as Name
from anyrank.pipeline.table import PARTS
from anyrank.vectors import Encoded, Tokens

IDS = [f"d{i}" for i in range(9)]
TEXTS = {
    "a": {"title": "Wing", "text": "wings lift planes. They are made of metal. Soup is not."},
    "b": "wings and drag of the wing",
    "c": "soup needs salt",
}


def noise(*key: object) -> float:
    """A number from 0 to 1 that only the key decides."""
    return zlib.crc32(repr(key).encode()) / 2**32


def _searches(name):
    """A search that finds some documents, with scores of its own; it may find none, or give equal scores."""

    def search(settings: Settings, k: int = 1000) -> Stage:
        def run(ranking):
            scores = {i: round(noise(name, i, ranking.query.content) * 8, 1) for i in IDS if noise(i, name) > 0.3}
            best = sorted(scores, key=lambda i: -scores[i])[:k]
            return Ranking(ranking.query, tuple(Candidate(i, f"text of {i}", scores[i]) for i in best), ranking.trace)

        return Each(run)

    return search


def _scores(name, depth=None, grouping=None):
    def score(settings: Settings) -> Stage:
        def judge(groups):
            rows = [[noise(name, c.id) for c in members] for _, members in groups]
            return [Judgement([math.nan if s < 0.15 else s for s in row]) for row in rows]

        return Rerank(judge, depth=depth, name=name, **({} if grouping is None else {"grouping": grouping}))

    return score


def _halves(settings: Settings) -> Stage:
    def split(ranking):
        half = len(ranking) // 2
        return [ranking[:half], ranking[half:]] if half else []

    return Branch(split, Rerank(lambda groups: [Judgement([noise("h", c.id) for c in m]) for _, m in groups]))


def _dead(settings: Settings) -> Stage:
    def judge(groups):
        raise RuntimeError("no server")

    return Rerank(judge, name="dead")


NAMES = {
    **{name: Name("", _searches(name), _searches(name)) for name in ("s1", "s2", "s3")},
    "r1": Name("", then=_scores("r1")),
    "r2": Name("", then=_scores("r2", depth=3)),
    "window": Name("", then=_scores("window", grouping=Sliding(4, 2))),
    "halves": Name("", then=_halves),
    "dead": Name("", then=_dead),
    **{
        n: PARTS[n] for n in ("keep", "cut", "prior", "rrf", "borda", "zscore", "minmax", "combsum", "combmnz", "union")
    },
    "largest": ar.Combine("max", "minmax"),
}


def expression(draw: random.Random, depth: int, first: bool) -> str:
    """A random pipeline that starts with a search (``first``), or continues from candidates."""
    if depth == 0:
        return draw.choice(
            ["s1", "s2", "s3"] if first else ["r1", "r2", "window", "prior", 'keep("x")', "dead", "halves"]
        )
    one = expression(draw, depth - 1, first)
    match draw.randrange(6):
        case 0:
            return f"({one} >> {expression(draw, depth - 1, False)})"
        case 1:
            return f"({one} % {draw.randint(1, 9)})"
        case 2:
            return f"({draw.choice([0.25, 2, -1])} * ({one}) + {expression(draw, depth - 1, first)})"
        case 3:
            return f"({one} | {expression(draw, depth - 1, first)})"
        case 4:
            fusion = draw.choice(["rrf", "borda", "minmax", "combsum", "combmnz", "largest", "union"])
            return f"{fusion}({one}, {expression(draw, depth - 1, first)}, 3 * {expression(draw, depth - 1, first)})"
    return f"({one} + {expression(draw, depth - 1, first)})"


def test_200_random_pipelines_add_up():
    draw, checked = random.Random(1), 0
    for _ in range(200):
        text = expression(draw, draw.randint(1, 4), True)
        told = explain("what is it", parse(text, Settings(), NAMES), pipeline=text)
        result = parse(text, Settings(), NAMES)("what is it")
        assert [d.id for d in told.documents] == result.ids[:10]
        for document, score in zip(told.documents, result.scores):
            assert document.score == score
            assert abs(added(document.parts) - score) <= TOLERANCE * max(1, abs(score)), text
            assert mismatch(document) <= TOLERANCE, text
            checked += 1
        if len(told.documents) > 1:
            why = told.why(*[d.id for d in told.documents[:2]])
            assert math.isclose(sum(row[3] for row in why.parts), why.score, abs_tol=1e-6), text
        json.dumps(told.as_dict())
        assert str(told)
    assert checked > 800


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("explained") / "my.index"
    ar.Index.create(
        path, [{"id": i, **(t if isinstance(t, dict) else {"text": t})} for i, t in TEXTS.items()], ["tiny"]
    )
    return path


def test_bm25_is_the_sum_of_its_terms(folder):
    told = ar.explain("wings of planes lift", "bm25", folder)
    (part,) = told["a"].parts
    terms = {p.name: p.contribution for p in part.parts}
    # k1 1.2, b .75, the title counted three times, four words more: 3 documents with 12, 6 and 5 terms of the body
    assert set(terms) - {"rounding"} == {"wing", "plane", "lift"}
    assert mismatch(told["a"]) < 1e-12
    assert terms["plane"] == terms["lift"] > terms["wing"]
    searched = ar.Index.open(folder).search("planes", "bm25")
    assert searched.scores[0] == pytest.approx(terms["plane"], abs=1e-6)


def test_bm25_of_other_settings_and_of_stop_words_alone(folder):
    told = ar.explain("wings of planes", "bm25(k1=0.9, b=0.4, title=1)", folder)
    assert {p.name for p in told["a"].parts[0].parts} - {"rounding"} == {"wing", "plane"}
    told = ar.explain("of the", "bm25", folder)
    assert told.documents[0].id == "b"
    assert mismatch(told.documents[0]) < 1e-9


def test_late_interaction_names_the_token_that_each_token_matches(folder):
    told = ar.explain("planes", "bm25 >> tiny", folder)
    bm25, tiny = told["a"].parts
    assert bm25.contribution == 0
    assert tiny.contribution == told["a"].score
    pair = next(p for p in tiny.parts if p.name == "planes")
    start, end = pair.span
    assert pair.match == "planes"
    assert told["a"].text[start:end] == "planes"
    assert pair.contribution == pytest.approx(pair.score * pair.weight)
    assert tiny.parts[-1].name in ("rounding", "means of all tokens")
    assert mismatch(told["a"]) < 1e-6


def test_a_fusion_says_score_rank_normalised_and_weight(folder):
    told = ar.explain("wings planes", "bm25 >> (tiny + 2 * prior)", folder)
    _, tiny, prior = told["a"].parts
    assert prior.weight == 2
    assert prior.contribution == 2 * prior.normalised
    assert prior.rank == 1
    assert [p.name for p in prior.parts] == ["bm25"]  # what the scores so far are made of
    assert tiny.contribution == tiny.normalised


def test_a_document_that_was_cut_says_where(folder):
    told = ar.explain("wings planes", "bm25 % 1 >> tiny", folder, ids=["b"])
    assert told["b"].rank is None
    assert told["b"].lost == "not among the 1 results of bm25"
    given = Ranking.of("wings", list(TEXTS.values()), TEXTS)
    told = explain(given, Rerank(Similarity(Bags()), name="bags") % 1, ids=["b"])
    assert told["b"].lost == "dropped by % 1"
    assert told["b"].parts[0].name == "bags"
    assert ar.explain("wings planes", "bm25", folder, ids=["zz"])["zz"].lost == "not among the 2 results of bm25"
    with pytest.raises(InputError, match="has no score to compare: dropped by % 1"):
        told.why("a", "b")
    with pytest.raises(InputError, match="was not explained"):
        told["zz"]


class Bags:
    """An encoder of token states, one dimension a word, without names of tokens."""

    name = "bags"

    def encode(self, contents, *, query=False):
        rows = []
        for content in contents:
            words = (content if isinstance(content, str) else content["text"]).lower().replace(".", "").split()
            states = np.zeros((len(words), 64), np.float32)
            states[range(len(words)), [zlib.crc32(w.encode()) % 64 for w in words]] = 1
            rows.append(states)
        return Encoded(Tokens.of(rows), Usage(calls=len(rows)))


def test_states_without_named_tokens_are_numbered():
    told = explain(Ranking.of("wings lift", list(TEXTS.values()), TEXTS), Rerank(Similarity(Bags()), name="bags"))
    assert [(p.name, p.contribution) for p in told["a"].parts[0].parts] == [("token 0", 1.0), ("token 1", 1.0)]


def test_a_judge_that_can_explain_itself_is_asked():
    class Words:
        def __call__(self, groups):
            return [Judgement([float(len(c.content.split())) for c in members]) for _, members in groups]

        def summands(self, group):
            return [[(w, 1.0, (0, len(w))) for w in c.content.split()] for c in group[1]]

    told = explain(Ranking.of("q", ["one two", "three"]), Rerank(Words(), name="words"))
    assert [p.name for p in told["0"].parts[0].parts] == ["one", "two"]
    assert mismatch(told["0"]) == 0


def test_attention_adds_up_token_by_token():
    from anyrank.core.language import TokenWeights
    from anyrank.papers.icr import build

    class Attending:
        def attention(self, prompts, marks):
            out = []
            for prompt in prompts:
                text = prompt if isinstance(prompt, str) else "\n".join(turn.content for turn in prompt)
                spans = tuple((i, i + 1) for i in range(len(text)))
                weights = tuple((2.0 - ("N/A" in text)) * (c in "PLis.") for c in text)
                out.append(TokenWeights(spans, weights, Usage(calls=1), text))
            return out

    stage = build(Attending())
    told = explain(Ranking.of("capital of France", ["Lyon is large.", "Paris is the capital."]), stage)
    for document in told.documents:
        place, judged = document.parts[-1].parts
        assert place.contribution == document.score
        assert judged.contribution == 0
        assert "".join(p.name for p in judged.parts) == "".join(c for c in document.text if c in "PLis.")
        assert mismatch(document) < 1e-9


def test_the_words_of_a_language_model_stand_beside_the_documents_it_read():
    answers = Answers()
    answers.write([{"prompt": "Is it relevant? soup  needs salt", "answer": {"text": "It is about soup. No"}}])
    answers.write([{"prompt": [{"role": "user", "content": "wings and drag of the wing?"}], "answer": {"text": "Yes"}}])
    answers.write([{"prompt": "soup needs salt", "answer": {"values": [0.1]}}])
    told = explain(Ranking.of("wings", list(TEXTS.values()), TEXTS), Rerank(Similarity(Bags())), answers=answers)
    assert told["c"].parts[0].answers == ("It is about soup. No",)
    assert told["b"].parts[0].answers == ("Yes",)


class Count:
    """A judge that counts a word, alone or, scoring places, among others."""

    def __init__(self, word="lift", places=False):
        self.word, self.places, self.calls = word, places, []

    def __call__(self, groups):
        self.calls.append([len(members) for _, members in groups])
        counts = [[float(str(c.content).count(self.word)) for c in members] for _, members in groups]
        return [Judgement([sum(o <= c for o in row) * 1.0 for c in row] if self.places else row) for row in counts]


def test_the_sentence_that_a_judge_needs_is_named_in_one_batch():
    judge = Count()
    text = "Soup is hot. Wings lift and lift. Salt is white. Metal is hard."
    ranking = Ranking.of("lift", [text, "other"])
    told = left_out(Rerank(judge), ranking, ranking[0])
    assert told.sentences[0].text == "Wings lift and lift."
    assert told.sentences[0].drop == 2
    assert [s.drop for s in told.sentences[1:]] == [0, 0, 0]
    assert told.faithfulness == pytest.approx(1)
    assert told.checks == 8
    assert told.calls == 13
    assert judge.calls == [[1] * 13]


def test_a_budget_joins_neighbouring_sentences():
    ranking = Ranking.of("lift", [" ".join(f"Sentence {i} lift{'s' * i}." for i in range(40)), "b"])
    told = left_out(Rerank(Count()), ranking, ranking[0], budget=12)
    assert told.calls <= 12
    assert len(told.sentences) == 7
    assert "40 sentences in 7 parts" in told.note
    with pytest.raises(InputError, match="budget=1"):
        left_out(Rerank(Count()), ranking, ranking[0], budget=1)


def test_a_judge_that_compares_sees_each_variant_among_the_others():
    judge = Count(places=True)
    ranking = Ranking.of("lift", ["Wings lift. Salt is white. So be it.", "lift", "no"])
    told = left_out(Rerank(judge, Sliding(3, 2)), ranking, ranking[0], budget=30)
    assert told.sentences[0].text == "Wings lift."
    assert told.sentences[0].drop == 1
    assert all(size == 3 for batch in judge.calls for size in batch)


def test_sentences_cost_nothing_for_stages_whose_score_was_replaced(folder):
    told = ar.explain("wings planes", "bm25 >> tiny % 2 >> minilm", folder, top=1, sentences=True)
    bm25, tiny, minilm = told.documents[0].parts
    assert bm25.sentences is None
    assert tiny.sentences is None
    assert minilm.sentences is not None


def test_a_ranking_of_an_index_explains_its_own_documents(folder):
    result = ar.Index.open(folder).search("wings planes", "bm25 >> tiny", top_n=1)
    told = ar.explain(result, "bm25 >> tiny", folder)
    assert [d.id for d in told.documents] == result.ids
    assert told.documents[0].score == pytest.approx(result.scores[0])


def test_given_documents_and_stages_of_ones_own(folder):
    told = ar.explain("planes", "tiny % 2", documents=TEXTS, ids=["c"])
    assert told["c"].lost == "dropped by % 2"
    assert told["a"].parts[0].parts
    told = ar.explain(Query("7", "planes"), ar.pipeline("bm25", folder))
    assert told.qid == "7"
    assert told.pipeline == "bm25"


def test_a_document_that_only_a_later_search_found_is_explained_by_that_search(tmp_path):
    texts = {"a": "wing wing", "b": "wing with many tail words tail", "c": "tail"}
    index = ar.Index.create(tmp_path / "my.index", [{"id": id, "text": text} for id, text in texts.items()])
    told = ar.explain("wing", "bm25 % 1 >> rm3 >> bm25", index, top=3)
    assert len(told.documents) >= 2
    for document in told.documents:
        assert sum(part.contribution for part in document.parts) == pytest.approx(document.score)


def test_a_long_query_is_shown_by_its_beginning():
    from anyrank.explanations.explanation import Explanation

    assert str(Explanation("wing " * 20_000, "q", "bm25", ())).startswith("'wing wing ")
    assert len(str(Explanation("wing " * 20_000, "q", "bm25", ()))) < 700
