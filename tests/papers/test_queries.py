"""Rewriters of queries: HyDE, decomposition, rewriting and several queries, by a model and by rules."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.limits import Limits
from anyrank.core.stage import Cut
from anyrank.core.trace import Usage
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.evaluate.evidence import evidence_recall
from anyrank.index.build import build
from anyrank.llm.lines import listed_texts
from anyrank.papers import card, decompose, hyde, kind, multi_query, rewrite
from anyrank.pipeline.context import Settings
from anyrank.pipeline.explain import explain
from anyrank.pipeline.parser import parse
from anyrank.pipeline.text import text
from anyrank.retrieve import rewritten
from anyrank.retrieve.ignore_self import IgnoreSelf
from anyrank.retrieve.stages import BM25, VectorSearch
from anyrank.testing import Oracle
from anyrank.testing.llm import HostileModel, ScriptedModel, flat
from anyrank.vectors import Dense, Encoded

PAPERS = {"hyde": hyde, "decompose": decompose, "rewrite": rewrite, "multi_query": multi_query}
DOCS = {
    "gallu": "In Mesopotamian myth the gallu were demons of the underworld.",
    "lilu": "Lilu is a spirit that Akkadian texts name.",
    "nolan": "Christopher Nolan is a film director from London.",
    "kalathil": "Sathish Kalathil makes movies by mobile phone.",
    "howell": "Scott Howell works as a consultant for politicians.",
    "mayor": "The consultant advised the mayor of Newton City for years.",
    "odd": "Film festivals of the city.",
    "noise1": "A consultant of film music.",
    "noise2": "Directors of a bank.",
    "noise3": "A demon of dice games.",
    "noise4": "London is a city.",
    "noise5": "A phone for politicians.",
}


class Bag:
    """Words counted into 97 numbers; queries have one more."""

    name = "bag"

    def __init__(self):
        self.texts = []

    def encode(self, contents, *, query=False):
        self.texts += [(c, query) for c in contents]
        rows = np.zeros((len(contents), 97), dtype=np.float32)
        for i, content in enumerate(contents):
            for word in content.lower().split():
                rows[i, sum(map(ord, word)) % 96] += 1
            rows[i, 96] = query
        return Encoded(Dense(rows), Usage(calls=len(contents)))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    made = build([Candidate(i, t) for i, t in DOCS.items()], tmp_path_factory.mktemp("queries") / "index")
    made.encode(Bag(), "bag")
    return made


@pytest.fixture
def bm25(collection):
    return BM25(collection.lexical, 3)


def scripted(answer):
    return ScriptedModel(lambda _: answer)


def test_names_and_cards():
    for name, paper in PAPERS.items():
        assert card(name) == paper.CARD
        assert paper.CARD.arxiv in paper.__doc__
        assert kind(name) == "rewriter"
    assert kind("promptreps") == "retriever"


@pytest.mark.parametrize("name", PAPERS)
def test_the_text_form_is_read_back_and_a_name_after_it_searches(name, collection):
    settings = Settings(collection)
    for written in (f"{name} >> bm25 % 2", f"bm25 % 3 >> {name} >> bm25 % 2 >> tiny"):
        stage = parse(written, settings)
        assert text(stage) == written
        assert parse(text(stage), settings) == stage
    ranking = parse(f"{name} >> bm25 % 2", settings)(Query("q", "please tell me who directed a film"))
    assert ranking.trace[0].name == name
    assert len(ranking) >= 2
    assert ranking.query.content == "please tell me who directed a film"
    step = explain(f"{name} >> bm25 % 2")[0]
    assert (step.text, step.calls, step.needs) == (name, 0, ())
    step = explain(f'{name}("smollm2-135m-instruct") >> bm25 % 2')[0]
    assert (step.formula[:6], step.needs[0].what) == (
        "1 call" if name != "hyde" else "n call",
        "the model smollm2-135m-instruct",
    )


def test_a_model_of_a_pipeline_is_logged_and_cached(collection, tmp_path, monkeypatch):
    from anyrank.llm.call_log import CallLog
    from anyrank.pipeline import methods

    model = scripted("the search words")
    monkeypatch.setattr(methods, "language_model", lambda name: model)
    settings = Settings(collection, log=CallLog(tmp_path / "log"))
    written = f'rewrite("m", cache="{tmp_path / "answers"}", answer_tokens=7) >> bm25'
    monkeypatch.setattr(ScriptedModel, "__repr__", lambda self: "scripted")
    stage = parse(written, settings)
    steps = [stage(Query("q", "what are words?")).trace[0] for _ in range(2)]
    assert [s.usage.calls for s in steps] == [1, 0]
    assert steps[1].usage.cached == 1
    assert len(model.log) == 1
    assert model.log[0][2][0] == 7
    assert [json.loads(line)["method"] for line in (tmp_path / "log").read_text().splitlines()] == ["generate"] * 2


def test_a_judge_is_no_model_for_a_rewriter():
    with pytest.raises(InputError, match=r"hyde needs a backend with generate"):
        hyde.rewriter(Oracle({}))
    with pytest.raises(InputError, match="hyde needs a model with generate, and o is a judge"):
        hyde.CARD.check(Oracle({}), "o")


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "1 of 1 answers are missing: empty"),
        ("<think>hm", "1 of 1 answers are missing: empty"),
        (Completion("", Usage(calls=1, prompt_tokens=9), "error", "overloaded"), "overloaded"),
    ],
)
def test_a_failed_answer_leaves_the_query_and_says_so(name, answer, said, bm25):
    query = Query("q", "who directed a film?")
    after = PAPERS[name].rewriter(scripted(answer))(Ranking.of(query, ["a", "b"]))
    assert after.query == query
    assert after.ids == ["0", "1"]
    (step,) = after.trace
    assert said in step.notes[0]
    assert step.notes[-1] == "the query stays as it was"
    assert step.status == "fallback"
    assert step.usage.calls == 1
    assert step.usage.prompt_tokens > 0
    assert dict(step.usage.repairs) == {"no answer": 1}
    assert bm25(after).ids == bm25(query).ids


class Falls:
    """Raises on one query, and on every batch that holds it."""

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        if any("bad" in flat(p) for p in prompts):
            raise RuntimeError("fell over")
        return [Completion("a good answer") for _ in prompts]


def test_one_bad_prompt_does_not_spoil_the_batch():
    done = rewrite.rewriter(Falls()).run(["good one", "bad one", "good two", ""])
    assert [rewritten.searched(r.query) for r in done] == ["a good answer", "bad one", "a good answer", ""]
    assert "RuntimeError: fell over" in done[1].trace[0].notes[0]
    assert done[3].trace[0].notes == ("the query has no text",)
    assert done[3].trace[0].usage.calls == 0


def test_a_spent_limit_asks_nothing():
    model = scripted("x")
    ranking = Ranking(Query("q", "text"), limits=Limits(max_calls=3))
    after = hyde.rewriter(model, n=4)(ranking)
    assert after.trace[0].notes == ("budget spent: limits.max_calls=3",)
    assert not model.log
    assert hyde.rewriter(model, n=3)(ranking).trace[0].status == "ok"


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("seed", range(40))
def test_hostile_models_break_nothing(name, seed, bm25):
    stage = PAPERS[name].rewriter(HostileModel(seed))
    after = (stage >> bm25)(Query("q", f"who directed film {seed}?"))
    assert after.trace[0].status in ("ok", "fallback", "repaired")
    assert after.query.content == f"who directed film {seed}?"
    assert len(rewritten.queries(after.query).texts if rewritten.queries(after.query) else ()) <= 6


# HyDE


def test_hyde_searches_the_mean_of_query_and_passages(collection):
    model = ScriptedModel(lambda p: "gallu were demons")
    ranking = hyde.rewriter(model, n=2, seed=5)(Query("q", "old myths"))
    assert [settings[3] for _, _, settings in model.log] == [5, 6]
    assert rewritten.searched(ranking.query) == "old myths\ngallu were demons\ngallu were demons"
    bag = Bag()
    found = VectorSearch(collection.vectors("bag"), bag, collection, 12)(ranking)
    q = bag.encode(["old myths"], query=True).vectors.dense()[0]
    d = bag.encode(["gallu were demons"]).vectors.dense()[0]
    expected = bag.encode([DOCS[i] for i in found.ids]).vectors.dense() @ ((q + 2 * d) / 3)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    assert ("gallu were demons", False) in bag.texts
    assert BM25(collection.lexical, 1)(ranking).ids == ["gallu"]
    assert found.trace[0].usage.calls == 2


def test_hydes_missing_passages_are_counted_and_the_others_used():
    answers = iter(["one passage", "", "another"])
    ranking = hyde.rewriter(ScriptedModel(lambda p: next(answers)), n=3)(Query("q", "x y"))
    assert rewritten.searched(ranking.query) == "x y\none passage\nanother"
    assert ranking.trace[0].notes == ("1 of 3 answers are missing: empty", "2 passages of 3 words")
    assert ranking.trace[0].status == "repaired"


def test_vectors_of_tokens_stay_those_of_the_text():
    from anyrank.vectors import Tokens

    tokens = Tokens.of([np.eye(2, dtype=np.float32)])
    assert hyde.MeanOfTexts("q", ("p",))(tokens, Bag(), None).vectors is tokens


def test_the_mean_of_sparse_rows():
    from anyrank.vectors import Sparse

    rows = Sparse.of([{0: 2.0, 3: 1.0}, {3: 3.0}], 5)
    assert hyde.mean(rows).row(0) == {0: 1.0, 3: 2.0}


@pytest.mark.parametrize(
    ("question", "statement"),
    [
        ("Who wrote Emma?", "wrote Emma"),
        ("Where is Lima?", "Lima is in"),
        ("Which rivers can freeze?", "rivers can freeze"),
        ("When did Rome fall?", "Rome fall in"),
        ("lift of a wing", "lift of a wing"),
        ("What?", "What?"),
        ("", ""),
    ],
)
def test_hydes_rule_makes_a_statement_of_a_question(question, statement):
    assert hyde.statement(question) == statement
    ranking = hyde.rewriter()(Query("q", question))
    same = statement == question
    assert (ranking.query.meta == {}) == same
    assert ranking.trace[0].notes[0].startswith("no question" if same else "passage: ")


# decomposition


def test_the_pool_is_the_union_in_the_order_of_the_questions(bm25):
    question = "Scott Howell is a consultant who has worked with the mayor of what city?"
    model = scripted("1. Who is Scott Howell?\n2. Which mayor has a consultant?")
    stage = decompose.rewriter(model) >> bm25 % 2
    ranking = stage(Query("q", question))
    texts = (question, "Who is Scott Howell?", "Which mayor has a consultant?")
    expected = list(dict.fromkeys(i for t in texts for i in (bm25 % 2)(Query("q", t)).ids))
    assert ranking.ids == expected
    assert len(expected) > 2
    note = ranking.trace[-1].notes[0]
    assert note.startswith(f"a pool of {len(expected)}: 2 by 'Scott Howell is a consultant")
    assert (stage >> Cut(1))(Query("q", question)).ids == expected[:1]
    assert IgnoreSelf(BM25(bm25.lexical, 2), 2)(decompose.rewriter(model)(Query("q", question))).ids == expected


def test_the_pool_covers_what_the_question_alone_finds_and_more(bm25):
    gold = ["kalathil", "nolan"]
    question = "Are Christopher Nolan and Sathish Kalathil both film directors?"
    plain = (bm25 % 1)(Query("q", question))
    pool = (decompose.rewriter() >> bm25 % 1)(Query("q", question))
    assert set(plain.ids) <= set(pool.ids)
    assert evidence_recall(plain.ids, gold) < evidence_recall(pool.ids, gold)


@pytest.mark.parametrize("answer", ["Which film?", "", "1. WHICH FILM", '["which film"]'])
def test_an_empty_decomposition_is_standard_retrieval_and_reranking(answer, bm25):
    from anyrank.core.rerank import Rerank

    judge = Rerank(Oracle({i: float(len(t)) for i, t in DOCS.items()}))
    query = Query("q", "which film?")
    after = (decompose.rewriter(scripted(answer)) >> bm25 % 2 >> judge)(query)
    plain = (bm25 % 2 >> judge)(query)
    assert (after.ids, after.scores, after.query) == (plain.ids, plain.scores, plain.query)


def test_the_reranker_sees_the_users_question(bm25):
    seen = []

    class Judge(Oracle):
        def __call__(self, groups):
            seen.extend(q.content for q, _ in groups)
            return super().__call__(groups)

    from anyrank.core.rerank import Rerank

    (decompose.rewriter(scripted("gallu\nlilu")) >> bm25 % 2 >> Rerank(Judge({})))(Query("q", "which demons?"))
    assert set(seen) == {"which demons?"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1. a b\n2) c d\n(3) e f", ["a b", "c d", "e f"]),
        ("- a\n* b\n• c", ["a", "b", "c"]),
        ("Here are the questions:\n\nQ1: a?\nQuestion 2: b?", ["a?", "b?"]),
        ('Sure.\n["a?", "b?", "a?", "", 7]', ["a?", "b?"]),
        ('```json\n["a", "b"]\n```', ["a", "b"]),
        ('```\n"a",\n"b"\n```', ["a", "b"]),
        ("a\nA!\n a ", ["a"]),
        ("\n".join(f"{i}. q{i}" for i in range(1, 9)), ["q1", "q2", "q3", "q4", "q5"]),
        ("The Question\n1999 was good", ["1999 was good"]),
        ("[1, 2\nx", ["[1, 2", "x"]),
        ("", []),
    ],
)
def test_lists_are_read_however_they_are_written(answer, expected):
    assert listed_texts(answer, most=5, but="the question?") == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who directed the film that was shot in Ohio?", ["Who directed the film", "film was shot in Ohio"]),
        ("J. K. Ann wrote Emma. Did Bob write it?", ["J. K. Ann wrote Emma", "Did Bob write it"]),
        ("Which is older, Rome or Athens?", ["Which is older Rome", "Which is older Athens"]),
        ("In which city is the tower?", []),
        ("wing lift and drag", []),
        ("who is older, a or b " * 5000, []),
        ("", []),
        ("?!", []),
    ],
)
def test_rules_split_questions(question, expected):
    assert decompose.parts(question) == expected


def test_rules_find_five_parts_at_most():
    question = "A man " + " ".join(f"who met person number {i}" for i in "abcdefgh")
    assert len(decompose.parts(question)) == 5
    assert len(decompose.parts(question, 2)) == 2


# rewriting and several queries


def test_a_conversation_is_shown_to_the_model():
    model = scripted('Search query: "age of Ada Lovelace"')
    query = Query("q", "and her age?", {"turns": [{"role": "user", "content": "Who was Ada Lovelace?"}, {"role": 1}]})
    ranking = rewrite.rewriter(model)(query)
    assert rewritten.searched(ranking.query) == "age of Ada Lovelace"
    shown = flat(model.log[0][1])
    assert "user: Who was Ada Lovelace?\nuser: and her age?" in shown
    assert "conversation" in shown
    assert "conversation" not in flat(rewrite.prompt(Query("q", "x")))


def test_rules_drop_politeness_and_question_words():
    query = Query("q", "Could you please tell me what is the lift of a wing?")
    assert rewritten.searched(rewrite.rewriter()(query).query) == "the lift of a wing"
    assert rewrite.rewriter()(Query("q", "wing lift")).trace[0].notes == ("nothing to drop",)
    assert rewrite.plain_query("What is it?") == "What is it?"
    back = Query("q", "how old is she", {"history": ["tell me who Ada Lovelace is"]})
    assert rewritten.searched(rewrite.rewriter()(back).query).split()[:2] == ["ada", "lovelace"]


def test_several_queries_are_fused_by_their_ranks(bm25):
    ranking = multi_query.rewriter(scripted("gallu demons\nlilu spirit\nthird\nfourth\nfifth"), n=2)(
        Query("q", "demon")
    )
    assert rewritten.queries(ranking.query).texts == ("demon", "gallu demons", "lilu spirit")
    fused = (bm25 % 2)(ranking)
    runs = [(bm25 % 2)(Query("q", t)).ids for t in ("demon", "gallu demons", "lilu spirit")]
    scores = {}
    for run in runs:
        for rank, i in enumerate(run, 1):
            scores[i] = scores.get(i, 0) + 1 / (60 + rank)
    assert len(fused) == 2
    assert dict(zip(fused.ids, fused.scores)) == pytest.approx({i: scores[i] for i in fused.ids})
    assert multi_query.rewriter()(Query("q", "wing")).query.meta == {}


def test_the_pages_pipelines_are_read():
    page = (Path(__file__).parents[2] / "docs" / "queries.md").read_text(encoding="utf-8")
    written = [a or b for a, b in re.findall(r"(?:-p|explain) (?:\"([^\"]+)\"|'([^']+)')", page)]
    assert len(written) == 5
    assert all(explain(pipeline) for pipeline in written)
