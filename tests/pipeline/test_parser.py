"""Pipeline texts: the same stages as Python's operators, and errors that point at the place."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.fusion import RRF, Interleave
from anyrank.core.stage import Cut, Each, Fuse, Keep, Limited, Stage, Then, Weighted
from anyrank.core.types import Ranking
from anyrank.pipeline.explain import explain
from anyrank.pipeline.named import Named
from anyrank.pipeline.parser import Part, PipelineError, Settings, parse
from anyrank.pipeline.text import text


def same(r):
    return r


def lookup(settings, n: int = 3):
    return Each(lambda r: Ranking.of(r.query, [f"d{i}" for i in range(n)], [f"d{i}" for i in range(n)]))


def first(settings):
    return Each(same)


def second(settings):
    return Each(lambda r: r)


def kept(settings, name: str):
    return Keep(name)


NAMES = {
    "bm25": Part("", source=first, then=first),
    "splade": Part("", source=second, then=second),
    "find": Part("", source=lookup),
    "keep": Part("", then=kept),
    "rrf": RRF(),
}


def read(text, **kw):
    return parse(text, Settings(), NAMES, **kw)


A, B = read("bm25"), read("splade")


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("bm25", A),
        ("bm25 % 100", A % 100),
        ("bm25 % 100 >> splade + bm25", A % 100 >> B + A),
        ("bm25 + 0.5 * splade", A + 0.5 * B),
        ("bm25 + splade * 2 + bm25", A + 2 * B + A),
        ("bm25 | splade", A | B),
        ("(bm25 + splade) % 10", (A + B) % 10),
        ('bm25 >> keep("first")', A >> Keep("first")),
        ("rrf(bm25 % 5, splade)", Fuse((A % 5, B), RRF())),
        ("  bm25  ", A),
        (r'bm25 >> keep("a \"  b")', A >> Keep('a "  b')),
        ("bm25\n  % 7\u00a0>>\tsplade", A % 7 >> B),
        ('bm25 >> keep("two  blanks")', A >> Keep("two  blanks")),
        ("bm25 + -0.5 * splade", A + -0.5 * B),
        ("bm25 + 0.5 * splade % 3", A + 0.5 * (B % 3)),
        ("bm25 | splade | bm25", Fuse((A, B, A), Interleave())),
    ],
)
def test_text_and_operators_build_the_same(text, stage):
    assert read(text) == stage


def test_sums_are_one_fusion_of_all_parts():
    assert read("bm25 + splade + bm25") == Fuse((A, B, A))
    assert (A % 3 >> Cut(2)) == Then(Then(A, Cut(3)), Cut(2))


def test_arguments_reach_the_stage():
    assert len(read("find(n=7)")("q")) == 7
    assert len(read("find(2) % 1")("q")) == 1


@pytest.mark.parametrize(
    ("text", "said", "under"),
    [
        ("bm26 % 10", "did you mean 'bm25'", "bm26"),
        ("bm25 >> zzz", "known are bm25, find, keep, rrf, splade", "zzz"),
        ("bm25 % 0", "whole number of at least 1", "0"),
        ("bm25 % splade", "an argument is a number", "splade"),
        ("bm25 >> find", "starts a pipeline", "find"),
        ("keep('x') >> bm25", "follows '>>'", "keep"),
        ("bm25 - splade", "operators >> + | % *", "bm25 - splade"),
        ("bm25 >> keep()", "keep: missing a required argument: 'name'", "keep()"),
        ("find(3, 4)", "find: too many positional arguments; known are n=3", "find(3, 4)"),
        ("find(m=4)", "find: got an unexpected keyword argument 'm'; known are n=3", "find(m=4)"),
        ("find(n='x')", "find: n='x': expected a whole number", "find(n='x')"),
        ("find(n=True)", "find: n=True: expected a whole number", "find(n=True)"),
        ("find(n=1e999)", "an argument is a number", "1e999"),
        ("find(n=1, n=2)", "find: each argument is given once", "n=2"),
        ("find(**{'n': 1})", "find: each argument is given once", "**{'n': 1}"),
        ("bm25 >> keep(nane='x')", "did you mean 'name'?", "keep(nane='x')"),
        ("bm25(1)", "bm25: too many positional arguments; it takes none", "bm25(1)"),
        ("rrf(bm25, k='x')", "rrf: k='x': expected a number", "rrf(bm25, k='x')"),
        ("rrf(bm25, n=3)", "rrf: got an unexpected keyword argument 'n'; known are k=60.0", "rrf(bm25, n=3)"),
        ("bm25 + 'x'", "a stage is expected here", "'x'"),
        ("bm25.batch", "operators >> + | % *", "bm25.batch"),
        ("__import__('os').system('true')", "operators >> + | % *", "__import__('os').system('true')"),
        ("find(open('x'))", "an argument is a number", "open('x')"),
        ("rrf()", "fuses stages", "rrf()"),
        ("'é' and bm25 >> nope", "operators", "'é' and bm25 >> nope"),
        ("True * bm25", "a weight is a finite number", "True"),
        ("1e999 * bm25", "a weight is a finite number", "1e999"),
        ("", "this is not a pipeline", ""),
        ("bm25 >>", "this is not a pipeline: a stage is missing after '>>'", ">>"),
        ("bm25 >> keep(name='x') +", "a stage is missing after '+'", "+"),
        ("bm25 |", "a stage is missing after '|'", "|"),
        ("bm25 %", "a stage is missing after '%'", "%"),
        ("bm25 >> keep(name='éß漢') >> nosuch", "no stage is called 'nosuch'", "nosuch"),
        ("bm25 >> keep(name='é') >> nosuch % 5", "no stage is called 'nosuch'", "nosuch"),
        (">> bm25", "this is not a pipeline", ">"),
        ("bm25 >> >> bm25", "this is not a pipeline", ">"),
        ("bm25 >> keep(", "was never closed", "("),
    ],
)
def test_errors_point_at_the_place(text, said, under):
    with pytest.raises(PipelineError) as caught:
        read(text)
    message, line, pointer = str(caught.value).split("\n")
    assert said in message
    assert line.strip() == text.strip()
    if under:
        assert line[pointer.index("^") : pointer.rindex("^") + 1] == under


def test_numbers_beyond_all_floats():
    with pytest.raises(PipelineError, match="a weight is a finite number"):
        read(f"{'9' * 400} * bm25")
    read(f"bm25 % {'9' * 400}")


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "bm25 >> " * 100_000, "bm25 >> nope >> " * 50_000 + "bm25", "bm25(" * 50_000]
)
def test_the_error_of_a_long_pipeline_is_short_and_still_points(text):
    with pytest.raises(PipelineError) as caught:
        read(text)
    assert len(str(caught.value)) < 2000
    _, line, pointer = str(caught.value).rsplit("\n", 2)
    assert pointer.index("^") < len(line)


@given(st.text(max_size=40))
def test_any_text_is_a_pipeline_or_a_pipeline_error(text):
    with contextlib.suppress(PipelineError):
        assert isinstance(read(text), Stage)


def test_without_starts_names_continue():
    with pytest.raises(PipelineError, match="starts a pipeline"):
        read("find", starts=False)
    assert read("bm25 + splade", starts=False) == A + B


def test_a_named_stage_is_and_prints_what_it_was_built_as():
    assert repr(read("bm25")) == repr(Each(same))
    assert read("bm25") != read("splade")
    assert read("find(n=3)") == read("find") != read("find(4)")
    assert hash(read("find(n=3)")) == hash(read("find()"))


def test_the_settings_of_a_fusion_may_be_given():
    assert read("rrf(bm25, splade, k=10)") == Fuse((A, B), RRF(10))


def test_a_named_retriever_is_told_the_cut_that_follows():
    limits = []

    class Search(Limited):
        def limit(self, k):
            limits.append(k)
            return lookup(None, k)

        def batch(self, rankings):
            raise AssertionError("not told how many")

    table = {"search": Part("", source=lambda settings: Search()), "rest": Part("", source=first, then=first)}
    assert parse("search % 4", names=table)("q").ids == ["d0", "d1", "d2", "d3"]
    assert len(parse("rest % 4", names=table)(Ranking.of("q", ["a"] * 9))) == 4
    assert limits == [4]


def test_a_plug_ins_weight_counts_in_a_fusion():
    table = {**NAMES, "heavy": Part("", source=lambda settings: 3 * Each(same))}
    assert parse("heavy + find", names=table).stages[0].weight == 3


@pytest.mark.parametrize(
    ("pipeline", "model"),
    [
        ("e5-small", "e5-small"),
        ("bm25 + e5-small", "e5-small"),
        ("bm25 % 100 >> ms-marco-minilm", "ms-marco-minilm"),
        ("bm25 % 100 >> colbertv2 + bm25", "colbertv2"),
        ("qwen3-embedding-0.6b", "qwen3-embedding-0.6b"),
        ("bm25 >> BAAI/bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3"),
        ("find(n=3) >> bge-m3", "bge-m3"),
    ],
)
def test_a_model_without_quotes_is_named_with_the_way_to_write_it(pipeline, model):
    with pytest.raises(PipelineError) as caught:
        read(pipeline)
    message, text, mark = str(caught.value).splitlines()
    assert message == f'{model} is a model, not a stage: write model("{model}")'
    assert text[mark.index("^") : mark.rindex("^") + 1] == model


def rewriter(settings, weight: float = 0.5):
    return Each(lambda r: r)


def searching(settings, k: int = 10):
    return Each(same)


def scoring(settings, depth: int | None = None):
    return Each(same)


REWRITING = {
    **NAMES,
    "rm3": Part("", then=rewriter, rewrites=True),
    "hyde": Part("", source=rewriter, then=rewriter, rewrites=True),
    "minilm": Part("", source=searching, then=scoring),
    "mini": Part("", then=scoring),
}


def searches(stage):
    """The calls of a pipeline, those of searches in capitals."""
    match stage:
        case Then(first, second):
            return [*searches(first), *searches(second)]
        case Fuse(parts, _):
            return [call for part in parts for call in searches(part)]
        case Weighted(inner, _):
            return searches(inner)
        case Named(call, position):
            return [str(call).upper() if position == "start" else str(call)]
        case _:
            return []


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ("bm25 % 3 >> rm3 >> bm25 % 100 >> mini", ["bm25", "rm3", "bm25", "mini"]),
        ("minilm % 3 >> rm3(weight=.4) >> minilm", ["MINILM", "rm3(weight=0.4)", "MINILM"]),
        ("minilm % 3 >> (rm3) >> minilm >> minilm", ["MINILM", "rm3", "MINILM", "minilm"]),
        ("minilm % 3 >> (rm3 >> minilm)", ["MINILM", "rm3", "MINILM"]),
        ("bm25 >> rm3 >> (bm25 + minilm)", ["bm25", "rm3", "bm25", "MINILM"]),
        ("bm25 >> rm3 >> bm25 + minilm % 7", ["bm25", "rm3", "bm25", "MINILM"]),
        ("bm25 >> rm3 % 5 >> rrf(2 * minilm, mini)", ["bm25", "rm3", "MINILM", "mini"]),
        ("bm25 >> (2 * rm3) >> minilm", ["bm25", "rm3", "MINILM"]),
        ('bm25 >> rm3 >> keep("x") >> minilm(k=3)', ["bm25", "rm3", "MINILM(K=3)"]),
        ("(bm25 >> rm3 >> minilm) % 9 >> minilm", ["bm25", "rm3", "MINILM", "minilm"]),
        ("hyde >> minilm >> rm3 >> hyde >> minilm", ["hyde", "MINILM", "rm3", "hyde", "MINILM"]),
        ("(hyde >> minilm) + (minilm >> rm3 >> minilm)", ["hyde", "MINILM", "MINILM", "rm3", "MINILM"]),
        ("bm25 >> rm3 >> mini", ["bm25", "rm3", "mini"]),
    ],
)
def test_after_a_rewriter_a_name_means_search(pipeline, expected):
    stage = parse(pipeline, Settings(), REWRITING)
    assert searches(stage) == expected
    written = text(stage, REWRITING)
    assert parse(written, Settings(), REWRITING) == stage
    assert searches(parse(written, Settings(), REWRITING)) == expected


@pytest.mark.parametrize(
    ("pipeline", "refusal"),
    [
        ("minilm % 3 >> rocchio >> tiny", "rocchio changes a query's vector, and tiny makes one for each token"),
        ("minilm % 3 >> rocchio >> mini % 5", "rocchio changes .* and mini"),
        ("bm25 % 3 >> average_prf >> bm25 + model('mini')", "average_prf changes .* and mini"),
        ("bm25 % 3 >> 2 * rocchio >> rm3 >> search('anyrank-tiny', k=5)", "rocchio changes .* and anyrank-tiny"),
        ("minilm % 3 >> rocchio >> minilm % 9 >> search(name='tiny')", "rocchio changes"),  # rules stay in the query
        ("bm25 % 5 >> feedback('tiny')", "feedback moves one dense vector, and tiny is a late-interaction model"),
        ("bm25 % 5 >> feedback('splade')", "feedback moves one dense vector, and splade is a sparse encoder"),
    ],
)
def test_what_cannot_search_by_a_moved_vector_is_refused_when_it_is_read(pipeline, refusal):
    with pytest.raises(PipelineError, match=refusal):
        explain(pipeline)


@pytest.mark.parametrize(
    "pipeline",
    [
        "minilm % 3 >> rocchio >> minilm % 9 >> tiny",  # scores candidates by the query as it was
        "minilm % 3 >> rocchio >> splade",
        "bm25 % 3 >> rocchio >> fde('tiny')",
        "bm25 % 3 >> hyde >> tiny",  # a text, of which token vectors can be made
        "(minilm % 3 >> rocchio >> minilm) + tiny",
        "bm25 % 5 >> tiny >> feedback('owner/name')",  # of an unknown kind
    ],
)
def test_other_searches_after_a_moved_vector_are_read(pipeline):
    assert explain(pipeline)


@pytest.mark.parametrize("pipeline", ["bm25 >> (rm3 + minilm)", "bm25 >> rrf(minilm, mini >> rm3)", "hyde | bm25"])
def test_a_fusion_of_a_rewriter_is_refused(pipeline):
    with pytest.raises(PipelineError, match="a rewriter changes the query and has no result to fuse"):
        parse(pipeline, Settings(), REWRITING)


def test_a_rewriter_that_needs_candidates_starts_no_pipeline():
    with pytest.raises(PipelineError, match="'rm3' follows '>>'; start with a retriever"):
        parse("rm3 >> bm25", Settings(), REWRITING)
    score = parse("bm25 >> minilm", Settings(), REWRITING).second
    rewrite = parse("bm25 >> rm3", Settings(), REWRITING)
    with pytest.raises(InputError, match="no text form: minilm follows '>>', and here it starts"):
        text(rewrite >> score, REWRITING)
    with pytest.raises(InputError, match="a rewriter is a part of a fusion"):
        text(rewrite + A, REWRITING)
