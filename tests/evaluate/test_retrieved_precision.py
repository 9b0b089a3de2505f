"""The precision at retrieved relevant documents is what the script computes, and no MAP."""

import pytest
from click.testing import CliRunner

from anyrank.cli.evaluate import eval_command
from anyrank.core.errors import InputError
from anyrank.evaluate.evaluation import evaluate
from anyrank.evaluate.retrieved_precision import retrieved_precision

QRELS = {"q1": {"a": 1, "b": 1, "c": 1, "d": 0}, "q2": {"e": 1}, "q3": {"f": 2}, "q4": {"g": 1}}
RUN = {"q1": ["x", "a", "b"], "q2": ["e"], "q3": ["y"]}


def test_it_divides_by_what_was_retrieved_and_drops_queries_with_none():
    result = retrieved_precision(RUN, QRELS)
    assert result.precisions == (1 / 2, 2 / 3, 1.0)
    assert result.mean == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1) / 2)
    assert (result.queries, result.dropped) == (("q1", "q2"), ("q3",))  # q4 isn't in the run
    true = evaluate({"r": RUN}, QRELS, ["AP"]).mean("r", "AP")
    assert true == pytest.approx(((1 / 2 + 2 / 3) / 3 + 1) / 4)
    worse = {"q1": ["a"], "q3": ["y"]}
    assert retrieved_precision(worse, QRELS).mean == 1.0 > result.mean  # finds less, and scores higher
    with pytest.raises(InputError, match="no relevant document was retrieved"):
        retrieved_precision({"q3": ["y"]}, QRELS)


def test_the_pooled_test_is_unpaired():
    from scipy.stats import ttest_ind

    other = retrieved_precision({"q1": ["a", "x", "b"], "q2": ["x", "e"], "q4": ["x", "y", "g"]}, QRELS)
    mine = retrieved_precision(RUN, QRELS)
    want = ttest_ind(mine.precisions, other.precisions).pvalue
    assert mine.pooled_t_test(other) == pytest.approx(want)
    with pytest.raises(InputError, match="needs two relevant documents"):
        mine.pooled_t_test(retrieved_precision({"q2": ["e"]}, QRELS))


def test_the_command_names_it_apart_from_map(tmp_path):
    (tmp_path / "q").write_text("".join(f"{q} 0 {d} {g}\n" for q, row in QRELS.items() for d, g in row.items()))
    lines = [f"{q} Q0 {d} {i} {-i} r\n" for q, docs in RUN.items() for i, d in enumerate(docs, 1)]
    (tmp_path / "r.trec").write_text("".join(lines))
    arguments = [str(tmp_path / "q"), str(tmp_path / "r.trec"), "-m", "AP", "--retrieved-precision"]
    done = CliRunner().invoke(eval_command, arguments, standalone_mode=False)
    assert done.exception is None
    assert "relevant documents retrieved (no MAP):\nr: 0.7917 over 2 queries, 1 dropped" in done.output
