"""The page on models says what is true: its kinds and recipes exist."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from anyrank.models import kinds
from anyrank.papers import trainings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = [line.strip("| \n").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]


def test_the_kinds_and_recipes_of_the_page_exist():
    named = {kind for row in ROWS for kind in re.findall(r"`(\w+)`", row[0])}
    assert {"passages", "parade", "cedr", "tk", "prettr", "pyramid"} <= named <= set(kinds())
    recipes = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert {"bert_maxp", "birch", "parade", "cedr", "tk", "prettr", "baidu", "colbert"} <= recipes <= set(trainings())


def test_the_table_of_the_zoo_is_what_was_measured():
    zoo = json.loads((ROOT / "bench" / "results" / "zoo.json").read_text(encoding="utf-8"))
    table = PAGE.partition("| model | trained weights |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = {cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("|").split("|")] for line in table)}
    *models, first = rows
    assert sorted(models) == sorted(zoo["models"])
    sets = ("dl19 test", "scifact apart", "nfcorpus dev", "vaswani test")
    for name in models:
        entry = zoo["models"][name]
        shown = [float(cell.split()[0]) for cell in rows[name][3:8]]
        assert shown == pytest.approx([*(entry[s]["nDCG@10"] for s in sets), entry["mean"]], abs=0.0006)
        assert int(rows[name][0].replace(",", "")) == entry["trained weights"]
    shown = [float(cell) for cell in rows[first][3:8]]
    assert shown == pytest.approx([*(zoo["BM25"][s] for s in sets), zoo["BM25"]["mean"]], abs=0.0006)
