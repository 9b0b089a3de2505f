"""Queries made from documents: what they are made of, and that they are the same each time."""

import sysconfig
from pathlib import Path

import pytest

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate
from anyrank.io.dataset import Dataset
from anyrank.train.docstrings import docstring_pairs
from anyrank.train.synthetic import cloze_queries, keyword_queries, title_queries

DOCS = [
    Candidate("a", "Flow past a wing Flow past a wing. Air is fast above it.", meta={"title": "Flow past a wing"}),
    Candidate("b", "Heat Heat moves in the plate.", meta={"title": "Heat"}),
    Candidate("c", "A title of one document", meta={"title": "A title of one document"}),
    Candidate("d", "No title here at all."),
]


def test_titles_ask_for_the_rest_of_their_document():
    (one,) = title_queries(DOCS)
    assert (one.id, one.query, one.texts, one.ids) == (
        "title-a",
        "Flow past a wing",
        (". Air is fast above it.",),
        ("a",),
    )
    assert [g.ids[0] for g in title_queries(DOCS, words=1)] == ["a", "b"]
    (warfare,) = title_queries([Candidate("e", "The art of warfare is old.", meta={"title": "The art of war"})])
    assert warfare.texts == ("The art of warfare is old.",)


def test_a_sentence_is_drawn_and_taken_out():
    text = "Air moves fast above the wing. Heat flows in the thin plate. Drag slows every plane that flies. No."
    docs = [Candidate(str(i), text) for i in range(300)]
    groups = list(cloze_queries(docs, keep=0.1))
    assert groups == list(cloze_queries(docs, keep=0.1)) != list(cloze_queries(docs, seed=1))
    sentences = text.split(". ")
    drawn = [sum(g.query.startswith(s) for g in groups) for s in sentences[:3]]
    assert sum(drawn) == 300
    assert min(drawn) > 70
    inside = sum(g.query in g.texts[0] for g in groups)
    assert 10 < inside < 60
    whole = next(g for g in groups if g.query in g.texts[0])
    assert whole.texts == (text,)
    assert all(" ".join(g.texts[0].split()) == g.texts[0] for g in groups)
    assert list(cloze_queries([Candidate("x", "One sentence of five words.")])) == []


def test_keywords_are_the_documents_rare_words():
    docs = [Candidate(str(i), f"the flow of {a} past the {b} typo{i}x") for i, (a, b) in enumerate(
        [("air", "wing"), ("water", "ship"), ("air", "ship"), ("water", "wing")])]  # fmt: skip
    groups = list(keyword_queries(docs, words=(2, 2), pool=2))
    assert [g.query for g in groups] == ["air wing", "water ship", "air ship", "water wing"]
    assert [g.texts[0] for g in groups] == [d.content for d in docs]
    assert groups == list(keyword_queries(iter(docs), words=(2, 2), pool=2))
    with pytest.raises(InputError, match="words"):
        list(keyword_queries(docs, words=(3, 2)))


def test_queries_of_a_real_collection():
    documents = list(Dataset.open("demo").documents())
    text = {d.id: d.content for d in documents}
    titles, cloze, keywords = (list(make(documents)) for make in (title_queries, cloze_queries, keyword_queries))
    assert min(map(len, (titles, cloze, keywords))) > 1300
    assert not any(g.texts[0].lower().startswith(g.query.lower()) for g in titles)
    assert all(word in text[g.ids[0]].lower() for g in keywords for word in g.query.split())
    assert len({g.id for g in titles + cloze + keywords}) == len(titles) + len(cloze) + len(keywords)


SOURCE = '''
import os


class Thing:
    @property
    def size(self):
        """Number of parts in the
        whole thing.

        More of it.
        """
        text = """
kept as it stands"""
        return len(text)

    def near(self):
        """See <b>http://x</b> for more."""
        a = 1
        return a


async def read(path):
    "Read the whole file."
    with open(path) as f:
        return f.read()


def short(x):
    """Only one line long."""
    return x


def bare(x):
    y = x
    return y
'''


def test_docstrings_ask_for_their_code(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.py").write_text(SOURCE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/a.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("def f(:")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\n")
    size, read = docstring_pairs(tmp_path)
    assert size.query == "Number of parts in the whole thing."
    assert size.texts[0].startswith("@property\n")
    assert size.texts[0].endswith("return len(text)")
    assert "Number of parts" not in size.texts[0]
    assert "\nkept as it stands" in size.texts[0]
    assert (read.id, read.query) == ("sub/a.py:23", "Read the whole file.")
    assert read.texts[0] == "async def read(path):\n    with open(path) as f:\n        return f.read()"


def test_the_standard_library_has_pairs():
    pairs = list(docstring_pairs(Path(sysconfig.get_paths()["stdlib"]) / "email"))
    assert len(pairs) > 100
    assert len({p.id for p in pairs}) == len(pairs)
    assert all(p.query.isascii() and "\n" in p.texts[0] and p.query not in p.texts[0] for p in pairs)
