"""``anyrank images`` from the command line: by captions alone, and by a tiny random CLIP and vision-language model."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner

pytest.importorskip("PIL")
pytest.importorskip("jinja2")

from anyrank.cli import cli
from anyrank.core.errors import ModelError
from anyrank.testing import OracleModel
from anyrank.testing.tiny_images import squares

COLOURS = ("red", "blue", "black", "green")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, picture in zip(COLOURS, squares(*COLOURS)):
        picture.save(folder / f"{name}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    lines = [json.dumps({"id": f"{c}.png", "caption": f"a {c} square"}) + "\n" for c in COLOURS]
    (tmp_path / "captions.jsonl").write_text("".join(lines))
    return folder


def call(*words, code=0):
    result = CliRunner().invoke(cli, ["images", *map(str, words)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def ids(result):
    return [r["id"] for r in json.loads(result.stdout)["results"]]


def test_captions_of_absent_pictures_are_named(photos):
    file = photos.parent / "more.jsonl"
    file.write_text('{"id": "red", "caption": "a red square"}\n{"id": "green.jpg", "caption": "another ending"}\n')
    made = call("index", "photos", "--captions", file)
    assert "warning: 1 of 2 captions are of no picture in photos: 'green.jpg'" in made.stderr
    file.write_text("".join(json.dumps({"id": f"photos/{c}.png", "caption": c}) + "\n" for c in COLOURS))
    result = CliRunner().invoke(cli, ["images", "index", "photos", "--captions", str(file), "--overwrite"])
    assert "no id of its 4 captions is a picture in photos ('photos/red.png', " in str(result.exception)
    assert ids(call("search", "photos", "red", "--json")) == ["red.png"]  # the index that was there stays


def test_captions_are_searched_by_words(photos):
    made = call("index", "photos", "--captions", "captions.jsonl")
    assert "4 pictures, searched by words" in made.stdout
    assert "left out" in made.stderr
    found = call("search", "photos", "blue squares", "-k", 2, "--page", "found.html")
    assert found.stdout.splitlines()[0].split()[2:] == ["blue.png", "a", "blue", "square"]
    assert "data:image/jpeg" in (photos.parent / "found.html").read_text()
    for words, message in [
        (["index", "photos", "--captions", "captions.jsonl"], "whose words stay: use --overwrite"),
        (["index", "photos"], "nothing to search by: give --model, --captions or --words-in-images"),
        (["search", "photos"], "give a QUERY"),
        (["search", "photos", "x", "--like", "y.png"], "give a QUERY in words, or a picture by --like"),
        (["search", "photos", "--like", photos / "red.png"], "a picture is searched by vectors"),
        (["search", "none", "x"], "make one by anyrank images index none -m MODEL"),
        (["rerank", "photos", "x", "--model", "minilm", "--by", "order"], "minilm is none: choose --by similarity"),
    ]:
        assert message in str(CliRunner().invoke(cli, ["images", *map(str, words)]).exception), words
    again = call("index", "photos", "--captions", "captions.jsonl", "--overwrite")
    assert "4 pictures" in again.stdout
    by_text = call("rerank", "photos", "blue", "--model", "minilm", "--json", "--first", 3)
    assert ids(by_text)[0] == "blue.png"


def test_a_page_does_not_replace_a_picture(photos):
    call("index", "photos", "--captions", "captions.jsonl")
    before = (photos / "red.png").read_bytes()
    for page, where in (("photos/red.png", "lies in photos"), ("photos/.anyrank/manifest.json", "lies in photos")):
        assert where in call("search", "photos", "red", "--page", page, code=2).output
    assert (photos / "red.png").read_bytes() == before
    for _ in range(2):  # a page may be written anew, within the folder too
        call("search", "photos", "red", "--page", "photos/found.html")


def test_names_that_are_no_text_and_models_of_texts_are_told_before_the_index_is_made(photos):
    for name in (b"bad\xff.png", b"\xff/red.png"):
        path = os.path.join(os.fsencode(photos), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            shutil.copy(photos / "red.png", path)
        except OSError:
            pytest.skip("names of files are UTF-8 on this system")
    for words, message in (("  ", "the QUERY is empty"), ("\udcff", "the QUERY is not UTF-8")):
        assert message in str(call("rerank", "photos", words, "--model", "minilm", code=1).exception)
    assert "minilm makes no vectors of pictures" in str(call("index", "photos", "-m", "minilm", code=1).exception)
    assert not (photos / ".anyrank").exists()
    made = call("index", "photos", "--captions", "captions.jsonl")
    assert "4 pictures" in made.stdout
    assert made.stderr.count("name is not UTF-8: rename it") == 2


def test_a_clip_model_searches_by_words_and_pictures(photos, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from anyrank.testing import tiny_images

    tiny_images.clip(tmp_path / "clip")
    call("index", "photos", "--captions", "captions.jsonl")
    made = call("index", "photos", "-m", "clip")
    assert made.stdout.endswith("4 pictures, searched by words, clip\n")
    like = call("search", "photos", "--like", photos / "blue.png", "--json")
    assert ids(like)[0] == "blue.png"
    assert json.loads(like.stdout)["pipeline"] == "model('clip') % 1000"
    fused = call("search", "photos", "a blue square", "--json", "-k", 3)
    assert json.loads(fused.stdout)["pipeline"] == "(model('clip') % 1000) + (bm25 % 1000)"
    assert len(ids(fused)) == 3
    alone = call("rerank", "photos", "a blue square", "--model", "clip", "--json")
    searched = call("search", "photos", "a blue square", "-p", "model('clip')", "--json")
    assert ids(alone) == ids(searched)


@pytest.mark.parametrize(("by", "calls"), [("yes-no", 4), ("order", 1)])
def test_a_vision_language_model_reranks(photos, monkeypatch, by, calls):
    truth = {"red": 0.0, "blue": 3.0, "black": 1.0, "green": 2.0}
    model = OracleModel(truth, r"<image '[^']*photos/(\w+)\.png'", reads_images=True)
    monkeypatch.setattr("anyrank.hub.open.open_model", lambda name: model)
    result = call("rerank", "photos", "a blue square", "--model", "m", "--by", by, "--json", "--page", "p.html")
    assert ids(result) == ["blue.png", "green.png", "black.png", "red.png"]
    assert len(model.log) == calls
    assert f"{by} by m" in json.loads(result.stdout)["pipeline"]
    assert "from 2" in (photos.parent / "p.html").read_text()
    by_default = call("rerank", "photos", "a blue square", "--model", "m", "-k", 1, "--json", "--log", "calls.jsonl")
    assert ids(by_default) == ["blue.png"]
    assert len((photos.parent / "calls.jsonl").read_text().splitlines()) == 4


def test_a_model_without_probabilities_is_told_the_way_that_needs_none(photos, monkeypatch):
    class Silent(OracleModel):
        def next_token_logprobs(self, prompts, options):
            raise ModelError("m reports no log-probabilities")

    monkeypatch.setattr("anyrank.hub.open.open_model", lambda name: Silent({}, r"(x)", reads_images=True))
    result = call("rerank", "photos", "blue", "--model", "m", code=1)
    assert str(result.exception) == "m reports no log-probabilities: that is --by order"
