"""A warning where the analyser's language doesn't fit the texts."""

import pytest

from anyrank.core.types import Candidate
from anyrank.index.build import build
from anyrank.index.fit import misfit

GERMAN = (
    "Die Stadt liegt an dem Fluss und ist für ihre Brücken bekannt, die von der alten Mühle aus zu sehen sind. " * 4
)
FRENCH = (
    "La ville se trouve sur le fleuve et elle est connue pour ses ponts, que l'on voit depuis le vieux moulin. " * 4
)
ENGLISH = 4 * "The town lies on the river and it is known for its bridges, which can be seen from the old mill. "


@pytest.mark.parametrize(
    ("text", "language", "code"),
    [
        ("北京是中国的首都，有很多人住在这里。今天的天气很好。", "english", "zh"),
        ("東京はとても大きな街です。電車に乗って行きました。", "english", "ja"),
        ("서울은 대한민국의 수도이며 많은 사람들이 산다", "german", "ko"),
        ("Москва является столицей России и очень большая", "english", "ru"),
        ("Київ є столицею України і найбільшим містом", "english", "uk"),
        ("تهران پایتخت ایران است و شهر بزرگی است", "english", "fa"),
        ("القاهرة عاصمة مصر وأكبر مدنها", "english", "ar"),
        ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", "english", "th"),
        ("दिल्ली भारत की राजधानी है और बड़ा शहर है", "english", "hi"),
        (GERMAN, "english", "de"),
        (FRENCH, "en", "fr"),
        (ENGLISH, "german", "en"),
        (ENGLISH, "russian", "en"),
    ],
)
def test_a_language_that_does_not_fit_is_named_with_one_that_does(text, language, code, tmp_path):
    heard = []
    build([Candidate("0", text)], tmp_path / "x", language=language, on_warning=heard.append)
    assert len(heard) == 1
    assert heard[0].endswith(f"(--language {code})")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "english"), (GERMAN, "german"), (FRENCH, "french"), (ENGLISH, "none"), (GERMAN, "code"),
        ("", "english"), ("北京", "english"), ("red shoe size 9 blue shoe size 8 " * 20, "english"),
        (ENGLISH + "北京是中国", "english"),
        ("Москва столица России и город", "russian"), ("東京はとても大きな街です。電車で", "japanese"),
    ],
)  # fmt: skip
def test_a_language_that_fits_is_not_warned_of(text, language):
    assert misfit([text], language) == ""


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b", "c", "d"] * 50, ["e", "o", "y", "a", "i"] * 30, ["x"] * 200, ["a b c d e f g"] * 20, ["de"] * 100,
        ["la", "el"] * 50, ["no"] * 80, ["yes", "no", "no"] * 30, ["in", "an", "die"] * 30,
        ["DE", "FR", "ES", "IT"] * 30,
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["english", "german"])
def test_letters_and_a_few_short_words_have_no_language(texts, language):
    assert misfit(texts, language) == ""


def test_texts_in_a_script_without_analysis_are_told_to_be_split_alone():
    assert misfit(["አዲስ አበባ የኢትዮጵያ ዋና ከተማ ናት እና ትልቅ ከተማ ናት"], "english").endswith("(--language none)")


def test_the_warning_is_logged_by_default_and_shown_on_the_command_line(tmp_path, caplog):
    from click.testing import CliRunner

    from anyrank.cli import cli

    text = "Москва является столицей России"
    build([Candidate("0", text)], tmp_path / "x")
    assert "--language ru" in caplog.text
    (tmp_path / "c.jsonl").write_text(f'{{"id": "0", "text": "{text}"}}\n', encoding="utf-8")
    command = ["index", str(tmp_path / "c.jsonl"), "-o", str(tmp_path / "y")]
    result = CliRunner().invoke(cli, command)
    assert "warning:" in result.stderr
    assert "--language ru" in result.stderr
