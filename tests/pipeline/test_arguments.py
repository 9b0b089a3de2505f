"""Arguments of parts: values and types that Python takes for equal are told apart."""

from typing import Literal

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.build import build
from anyrank.pipeline.arguments import call, fits, parameters
from anyrank.pipeline.parser import Settings, parse
from anyrank.pipeline.table import model


def part(settings, x=1, flag=True): ...


@pytest.mark.parametrize(
    ("given", "written"),
    [({"x": True}, "f(x=True)"), ({"flag": 1}, "f(flag=1)"), ({"x": 1, "flag": True}, "f"), ({"x": 1.0}, "f")],
)
def test_true_is_not_the_default_1(given, written):
    assert str(call("f", parameters(part), [], given)) == written


def test_a_choice_is_of_its_own_type():
    assert fits(1, Literal[1, 2])
    assert not fits(True, Literal[1, 2])
    assert not fits(1.0, Literal[1, 2])

    def choosing(settings, n: Literal[1, 2] = 2): ...

    with pytest.raises(InputError, match="choose one of 1, 2"):
        call("f", parameters(choosing), [], {"n": True})


def test_passages_are_scored_by_their_own_text_and_not_by_the_whole_ones_vector(tmp_path):
    collection = build([Candidate("a", "wings lift. " + "cheese and bread. " * 30)], tmp_path / "x")
    collection.encode(model("minilm"))
    pipeline = 'bm25 >> passages("minilm", words=5, stride=5)'
    indexed = parse(pipeline, Settings(collection))("wings lift")[0].score
    (document,) = collection.documents()
    given = parse('passages("minilm", words=5, stride=5)', starts=False)
    assert indexed == pytest.approx(given(Ranking(Query("q", "wings lift"), (document,)))[0].score, abs=1e-5)
    whole = parse("bm25 >> minilm", Settings(collection))("wings lift")[0].score
    assert indexed > whole + 0.05
