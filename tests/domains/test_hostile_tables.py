"""Tables of interactions and forecasting questions that can't be read: an error that names the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anyrank.core.errors import InputError
from anyrank.domains.forecasting.questions import read_articles, read_questions
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
        {"forecasts": [{"date": "2021-01-02", "value": 70}]},
        {"forecasts": [{"date": "2021-01-02", "value": -0.1}]},
        {"forecasts": [0.5]},
        {"forecasts": {"date": "2021-01-02", "value": 0.5}},
        {"kind": "number", "answer": "many"},
        {"id": None},
        {"id": ""},
        {"question": None},
        {"question": " "},
    ],
)
def test_a_question_that_cannot_be_right_is_an_input_error(tmp_path: Path, change: dict[str, Any]) -> None:
    record = {"id": "q", "question": "?", "kind": "bool", "opened": "2021-01-01", "closed": "2021-05-01"} | change
    path = tmp_path / "closed.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(InputError, match=r"closed\.jsonl:1"):
        read_questions(path)


def test_empty_files_and_ids_that_come_twice_are_input_errors(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("\n")
    for read in (read_questions, read_articles):
        with pytest.raises(InputError, match=r"q\.jsonl: the file is empty"):
            read(path)
    record = {"id": 1, "question": "?", "kind": "bool", "opened": "2021-01-01", "closed": "2021-05-01"}
    path.write_text(f"{json.dumps(record)}\n{json.dumps(record)}\n")
    with pytest.raises(InputError, match=r"q\.jsonl:2: the id '1' comes twice"):
        read_questions(path)


@pytest.mark.parametrize("change", [{"id": []}, {"text": ""}, {"text": 5}, {"date": None}])
def test_an_article_that_cannot_be_right_is_an_input_error(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "x", "date": "2021-01-01"} | change) + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl:1"):
        read_articles(path)


@pytest.mark.parametrize("times", [(1.0, 0.0), (0.0, float("nan"))])
def test_times_of_a_curve_rise(times: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="rise"):
        Recency(times, (0.0, 1.0))
