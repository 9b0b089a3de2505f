"""Words of any language: normalised and folded before stop words and stems, by script where words aren't parted."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.index.analysis import Analyser
from anyrank.index.build import build
from anyrank.index.languages import LANGUAGES, check_language
from anyrank.index.normalise import folded, normalised
from anyrank.retrieve.stages import BM25


@pytest.fixture
def first(tmp_path):
    """A function: the number of the text that a query finds first, None without any."""

    def search(language, texts, query, **options):
        docs = [Candidate(str(i), text) for i, text in enumerate(texts)]
        folder = tmp_path / f"{language}-{len(list(tmp_path.iterdir()))}"
        result = build(docs, folder, language=language, on_warning=lambda _: None, **options).lexical.search([query], 5)
        return int(result[0][0][0]) if len(result[0]) else None

    return search


ACCENTED = ["a résumé of work", "Henri Poincaré", "Erwin Schrödinger", "such a cliché", "the long straße", "Łódź",
            "São Paulo", "Ångström units", "Nguyễn Văn An", "Dvořák and x\u030cy"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "n"),
    [("resume", 0), ("RÉSUMÉS", 0), ("Poincare", 1), ("schrodinger", 2), ("cliches", 3), ("strasse", 4), ("lodz", 5),
     ("sao paulo", 6), ("angstrom", 7), ("nguyen", 8), ("dvorak", 9), ("xy", 9)],
)  # fmt: skip
def test_words_are_found_without_their_accents(first, query, n):
    assert first("english", ACCENTED, query) == n


WRITTEN = ["Montre\u0301al", "ｶﾀｶﾅ", "co\u00adoperation", "zero\u200bwidth", "5 µm", "ﬁnance oﬃce", "Ｆｕｌｌ", "x² y",
           "ΜΟΥΣΙΚΗ", "١٢٣", "a\u2060b", "Widget™"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "n"),
    [("Montréal", 0), ("カタカナ", 1), ("cooperation", 2), ("zerowidth", 3), ("\u03bcm", 4), ("finance", 5),
     ("office", 5), ("full", 6), ("x2", 7), ("μουσική", 8), ("123", 9), ("ab", 10), ("widget", 11)],
)  # fmt: skip
def test_forms_that_look_the_same_are_the_same(first, query, n):
    assert first("english", WRITTEN, query) == n


@given(st.text(max_size=30))
def test_normalising_again_changes_no_word(text):
    words = Analyser("none").terms(text)
    assert Analyser("none").terms(" ".join(words)) == Analyser("none").terms(" ".join(words))
    for form in ("NFC", "NFD"):
        assert normalised(unicodedata.normalize(form, "Ärger Ölçü é")) == normalised("Ärger Ölçü é")
    assert folded(folded(text)) == folded(text)


STOPS = ["The Who played loud", "to be or not to be that is the question", "IT is a department", "who told the end",
         "vitamin A", "an if and but in it", "all of it"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "n"),
    [("the who", 0), ("to be or not to be", 1), ("it is", 2), ("Vitamin A", 4), ("if and but", 5), ("all of it", 6),
     ("WHO", 0), ("to BE", 1)],
)  # fmt: skip
def test_a_query_of_stop_words_alone_finds_them(first, query, n):
    assert first("english", STOPS, query) == n


def test_stop_words_beside_other_words_count_nothing(tmp_path):
    lexical = build([Candidate("0", "the dog of it"), Candidate("1", "a dog")], tmp_path / "x").lexical
    assert lexical.search(["the dog of it"], 9) == lexical.search(["dog"], 9)
    assert lexical.terms("the of") == ["the", "of"]
    assert lexical.terms("the dog") == ["dog"]


def test_a_query_without_any_word_says_so(tmp_path):
    collection = build([Candidate("0", "a dog")], tmp_path / "x")
    (found,) = BM25(collection, 5).batch([Ranking(Query("q", "?!"))])
    assert len(found) == 0
    assert "no term" in found.trace[-1].notes[0]


MANY = ["北京是中国的首都", "上海的天气很好", "東京タワーに行きました", "ประเทศไทยสวยงามมาก",
        "서울특별시는 한국의 수도이다", "می‌خواهم کتاب‌ها را بخوانم", "Москва столица России", "हिन्दी भाषा और क्या",
        "القاهرة عاصمة مصر", "Тёмная ёлка", "喝水", "third 第三章 chapter"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "n"),
    [("北京", 0), ("天气", 1), ("タワー", 2), ("สวยงาม", 3), ("서울", 4), ("كتاب", 5), ("کتاب", 5), ("москва", 6),
     ("क्या", 7), ("القَاهِرَة", 8), ("темная елка", 9), ("水", 10), ("第三章", 11), ("chapter", 11)],
)  # fmt: skip
@pytest.mark.parametrize("language", ["english", "none"])
def test_every_script_is_found_under_any_language(first, language, query, n):
    assert first(language, MANY, query) == n


@pytest.mark.parametrize(
    ("language", "text", "queries"),
    [
        ("fr", "la robe portée par les élèves, cœur", ["portee", "portée", "porter", "eleve", "élève", "coeur"]),
        ("de", "die Häuser der großen Straße", ["haus", "Haus", "hauser", "gross", "strasse"]),
        ("ru", "новые книги про ёжика", ["книга", "ежик"]),
        ("es", "las canciones de mañana", ["cancion", "canción", "manana"]),
        ("tr", "İstanbul ışıkları", ["istanbul", "ISTANBUL", "ışık"]),
        ("fa", "کتاب‌های تازه", ["كتاب", "کتابها", "كتاب ها"]),
        ("ar", "الكتب الجديدة", ["كتب", "الْكُتُب"]),
        ("ko", "한국어를 공부합니다", ["한국어", "공부"]),
        ("ja", "東京大学の図書館", ["大学", "図書館"]),
        ("zh-Hant", "台北市立圖書館", ["圖書館"]),
    ],
)
def test_languages_are_named_by_codes_and_find_their_words(first, language, text, queries):
    for query in queries:
        assert first(language, ["zzz", text], query) == 1, query


CODE = ["int main() of C++", "the C# compiler", "def getUserName(self): return self.user_name",
        "parseHTTPResponse(body)", "MAX_RETRY_COUNT = 3", "plain c program", "std::vector<int>", "F# lang"]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "n"),
    [("C++", 0), ("c#", 1), ("user name", 2), ("getUserName", 2), ("getusername", 2), ("http response", 3),
     ("parseHTTPResponse", 3), ("max retry", 4), ("MAX_RETRY_COUNT", 4), ("c", 5), ("vector", 6), ("f#", 7)],
)  # fmt: skip
def test_code_keeps_signs_and_splits_identifiers(first, query, n):
    assert first("code", CODE, query) == n


@pytest.mark.parametrize(
    ("name", "language"),
    [("zh", "chinese"), ("zho", "chinese"), ("pt-BR", "portuguese"), ("EN", "english"), ("nb", "norwegian"),
     ("th", "thai"), ("Persian", "persian"), ("ko_KR", "korean"), *((n, n) for n in LANGUAGES)],
)  # fmt: skip
def test_a_language_by_name_or_code(name, language):
    assert check_language(name) == language


@pytest.mark.parametrize("wrong", ["klingon", "xx", "", "en glish"])
def test_an_unknown_language_is_refused(wrong):
    with pytest.raises(InputError, match="ISO code"):
        check_language(wrong)


def test_empty_documents_are_not_returned(tmp_path):
    docs = [Candidate("a", "the wing"), Candidate("b", ""), Candidate("c", None), Candidate("d", "?!"),
            Candidate("e", " \u200b"), Candidate("f", {"text": ""})]  # fmt: skip
    collection = build(docs, tmp_path / "x")
    for query in ("wing", "the", "\0", "of the", "", "?!"):
        assert [i for i, _ in collection.lexical.search([query], 9)[0]] in ([], ["a"]), query


def test_terms_above_the_longest_are_dropped():
    assert Analyser("english").terms(f"{'x' * 254} {'y' * 255} {'ы' * 128} dog") == ["x" * 254, "dog"]


def test_a_title_counts_three_times(tmp_path):
    docs = [Candidate("a", "wing drag", meta={"title": "wing"}), Candidate("b", "wing wing wing drag")]
    scores = dict(build(docs, tmp_path / "x").lexical.search(["wing"], 9)[0])
    assert scores["a"] == pytest.approx(scores["b"])
    assert dict(build(docs, tmp_path / "y").lexical.search(["drag"], 9)[0])["a"] > 0


def test_terms_of_more_words_than_are_remembered(monkeypatch):
    monkeypatch.setattr("anyrank.index.analysis._CACHED", 2)
    analyser = Analyser("english")
    assert analyser.terms("dogs cats birds dogs") == ["dog", "cat", "bird", "dog"]
    assert len(analyser._known) <= 2


def test_a_word_of_two_stems_scores_by_the_better_one(tmp_path):
    docs = [Candidate("a", "la robe portée"), Candidate("b", "autre chose")]
    lexical = build(docs, tmp_path / "x", language="fr").lexical
    plain, stem, both = (dict(lexical.search([q], 9)[0])["a"] for q in ("portee", "porter", "portée"))
    assert both == pytest.approx(max(plain, stem))


def test_signs_of_no_width_part_words_where_scripts_have_no_spaces():
    for text in ("ภาษา\u200bไทย", "ខ្មែរ\u200bភាសា"):
        assert Analyser("thai").terms(text) == Analyser("thai").terms(text.replace("\u200b", " "))
    assert Analyser("none").terms("ΟΔΟΣ οδός") == ["οδοσ", "οδοσ"]


def test_stop_words_that_stand_together_are_found_first(first):
    texts = ["who took the car and who the bus", "a band called the who of a big hall in a long text"]
    assert first("english", texts, "the who") == 1
    assert Analyser("english").split("the big old who of it") == (["big", "old"], ["the", "", "who", "of", "it"])


def test_words_of_two_scripts_are_searched_by_both():
    assert Analyser("english").query("iphones手机") == [("iphon",), ("手机",)]


def test_one_form_of_the_latin_part_of_a_word_of_two_scripts_is_searched():
    analyser = Analyser("french")
    assert analyser.terms("東京mangées") == ["東", "京", "東京", "mange", "mang"]
    assert analyser.query("東京mangées") == [("東京",), ("mange",)]
