"""Rankings shown as tables, and exported."""

import json
import sys
from datetime import date
from uuid import UUID

import numpy as np
import pytest

from anyrank.core.content import Image
from anyrank.core.errors import MissingExtra
from anyrank.core.types import Candidate, Query, Ranking

RANKING = Ranking(
    Query("q", "which <b>wing</b>?"),
    (Candidate("a", "lift & drag", 2.5, {"year": 1990}, index=1, original="x"), Candidate("bb", {"title": "T"}, -0.25)),
)


def test_a_ranking_prints_as_a_short_table():
    assert repr(RANKING).splitlines() == [
        "'which <b>wing</b>?': 2 candidates, ok",
        "rank  score  id  text",
        "   1    2.5  a   lift & drag",
        "   2  -0.25  bb  T",
    ]
    assert repr(Ranking.of("q")) == "'q': 0 candidates, ok"
    long = Ranking.of("q" * 500, [f"word {'x' * 500}\n\x1b[31m" for _ in range(1234)])
    lines = repr(long).splitlines()
    assert len(lines) == 13
    assert max(map(len, lines)) < 120
    assert lines[-1] == "… 1,224 more"
    assert "\x1b" not in repr(long)
    assert "(image)" in repr(Ranking.of("q", [Image("a.png")]))


def test_a_notebook_gets_a_table_without_the_markup_of_documents():
    html = RANKING._repr_html_()
    assert "<td>lift &amp; drag</td>" in html
    assert "which &lt;b&gt;wing" in html
    assert "<b>" not in html
    assert "… 2 more" in Ranking.of("q", ["a"] * 12)._repr_html_()


def test_a_ranking_as_a_dict_is_json():
    record = json.loads(json.dumps(RANKING.to_dict()))
    assert record["ranking"][0] == {"id": "a", "index": 1, "score": 2.5, "text": "lift & drag", "meta": {"year": 1990}}
    assert record["ranking"][1]["content"] == {"title": "T"}
    assert (record["query"], record["qid"], record["status"]) == ("which <b>wing</b>?", "q", "ok")
    assert RANKING.to_dict(texts=False)["ranking"][0] == {"id": "a", "index": 1, "score": 2.5}
    meta = {"day": date(2020, 1, 2), "who": [{1: UUID(int=7)}], "x": np.float32(0.5), "gap": float("nan"), "what": 2j}
    written = Ranking(Query("q"), (Candidate("a", "x", meta=meta),)).to_dict()["ranking"][0]["meta"]
    assert json.loads(json.dumps(written)) == {
        "day": "2020-01-02",
        "who": [{"1": str(UUID(int=7))}],
        "x": 0.5,
        "gap": None,
        "what": "2j",
    }


def test_a_ranking_as_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = RANKING.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["rank", "id", "score", "index", "text", "year"]
    assert frame.iloc[0].tolist() == [1, "a", 2.5, 1, "lift & drag", 1990]
    assert Ranking.of("q").to_pandas().empty


class FakePandas:
    """Gives the rows and columns that a data frame is made of."""

    @staticmethod
    def DataFrame(rows, columns):
        return [{c: row.get(c) for c in columns} for row in rows]


def test_the_columns_of_a_data_frame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", FakePandas)
    first, second = RANKING.to_pandas()
    assert first == {"rank": 1, "id": "a", "score": 2.5, "index": 1, "text": "lift & drag", "year": 1990}
    assert second == {"rank": 2, "id": "bb", "score": -0.25, "index": None, "text": "T", "year": None}
    clash = Ranking(Query("q"), (Candidate("a", "x", meta={"rank": 9, "id": 9, "text": 9}),)).to_pandas()
    assert clash == [{"rank": 1, "id": "a", "score": 0.0, "index": None, "text": "x"}]


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"anyrank\[datasets\]"):
        RANKING.to_pandas()
