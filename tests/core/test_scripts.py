"""A note where a model of some languages is given texts in another script."""

import pytest

from anyrank.core.scripts import letters, unread_notes
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.pipeline.parser import parse

GERMAN = [
    "Der Auftrieb an einem Tragflügel entsteht, weil die Luft oben schneller strömt als unten.",
    "Bei Kindern mit Fieber sollte man zuerst die Temperatur messen.",
]
CHINESE = ["北京是中国的首都", "上海的天气很好", "a dog", "東京"]


def _group(query, texts):
    return Query("q", query), [Candidate(str(i), t) for i, t in enumerate(texts)]


def test_letters_of_every_script_are_counted():
    assert letters(["abc дом 北京 ﾊﾝ", "über"]) == {"Latin": 7, "Cyrillic": 3, "Han": 2, "Kana": 2}


@pytest.mark.parametrize(
    ("languages", "query", "texts", "noted"),
    [
        (("en",), "dog", CHINESE, True),
        (("en",), "Москва", ["a dog", "b"], True),
        (("en",), "dog", ["a dog", "кот", "cat"], False),
        (("en",), "dog", ["café", "123", "", None, "!?"], False),
        (("multilingual",), "北京", CHINESE, False),
        (("zh", "en"), "北京", CHINESE, False),
        ((), "北京", CHINESE, False),
        (("en",), "አዲስ አበባ", ["a dog", "a cat"], True),
        (("en",), "lift", GERMAN, True),
        (("en",), "lift", [*GERMAN, "The wing lifts the plane."], True),
        (("en",), "Wie hoch ist der Berg", ["The height of the mountain is 8849 m."], True),
        (("en",), "Schrödinger und Müller", ["The cat is in the box, and the box is shut."], False),
        (("en", "de"), "lift", GERMAN, False),
        (("en", "xx"), "lift", GERMAN, False),
        (("multilingual",), "lift", GERMAN, False),
    ],
)
def test_texts_in_another_script_are_noted(languages, query, texts, noted):
    (note,) = unread_notes("x", languages, [_group(query, texts)])
    assert bool(note) is noted


@pytest.mark.parametrize("pipeline", ["mini", "tiny", "minilm", "splade"])
def test_the_shipped_models_say_that_they_do_not_read_german(pipeline):
    ranking = Ranking(Query("q", "lift"), tuple(_group("", GERMAN)[1]))
    (result,) = parse(pipeline, starts=False).batch([ranking])
    assert any("most texts are in another language (de)" in note for note in result.trace[-1].notes)


@pytest.mark.parametrize("pipeline", ["mini", "tiny", "minilm", "splade"])
def test_the_shipped_models_say_that_they_read_english(pipeline, caplog):
    ranking = Ranking(Query("q", "首都"), tuple(_group("", CHINESE)[1]))
    (result,) = parse(pipeline, starts=False).batch([ranking])
    assert any("most texts are in another script" in note for note in result.trace[-1].notes)
    assert "e5-small" in caplog.text
    english = Ranking(Query("q", "dog"), tuple(_group("", ["a dog", "a cat"])[1]))
    assert parse(pipeline, starts=False).batch([english])[0].trace[-1].notes == ()


def test_a_query_in_another_script_is_noted_with_a_few_texts():
    stage = parse("mini", starts=False)
    (result,) = stage.batch([Ranking(Query("q", "город"), (Candidate("a", "a dog"), Candidate("b", "a cat")))])
    assert "the query is in another script" in result.trace[-1].notes[0]
    assert len(result.trace[-1].notes) == 1
