"""Tables of interactions and forecasting questions that can't be read: an error that names the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anyrank.core.errors import InputError
from anyrank.domains.forecasting.questions import read_questions
from anyrank.domains.forecasting.recency import Recency
from anyrank.domains.recommend.interactions import read_interactions


@pytest.mark.parametrize(
    "text",
    [
        "user,item,rating\nu,i,nan\n",
        "user,item,time\nu,i,inf\n",
    ],
)
def test_a_table_that_is_none_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text, newline="")
    with pytest.raises(InputError, match=r"ratings\.csv"):
        read_interactions(path)


def test_a_long_cell_is_read_as_in_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item\nu," + "x" * 200_000 + "\n", newline="")
    assert read_interactions(path).items == ("x" * 200_000,)


def test_lines_may_end_with_a_carriage_return(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item\ru,i\r", newline="")
    assert read_interactions(path).items == ("i",)


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "Yes"},
        {"answer": True},
        {"kind": "choice", "answer": "yes"},
        {"kind": ["bool"]},
        {"forecasts": [{"date": "2021-01-02", "value": []}]},
        {"forecasts": [{"date": "2021-01-02", "value": float("nan")}]},
    ],
)
def test_a_question_that_cannot_be_right_is_an_input_error(tmp_path: Path, change: dict[str, Any]) -> None:
    record = {"id": "q", "question": "?", "kind": "bool", "opened": "2021-01-01", "closed": "2021-05-01"} | change
    path = tmp_path / "closed.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match=r"closed\.jsonl:1"):
        read_questions(path)


@pytest.mark.parametrize("times", [(1.0, 0.0), (0.0, float("nan"))])
def test_times_of_a_curve_rise(times: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="rise"):
        Recency(times, (0.0, 1.0))
