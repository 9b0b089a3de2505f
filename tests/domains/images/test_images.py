"""Pictures of a folder as documents, captions, words in pictures, and the page of a ranking."""

import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

pytest.importorskip("PIL")
pytest.importorskip("jinja2")

from anyrank import InputError
from anyrank.core.content import Image
from anyrank.core.errors import MissingExtra
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.domains.images.folder import documents, read_captions
from anyrank.domains.images.page import images_page, write_images_page
from anyrank.domains.images.words import reader
from anyrank.testing.tiny_images import squares

HOSTILE = '"><script>alert(1)<!-- \u202e&amp;.png'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    for name, picture in zip(("a/red.png", "blue.png", HOSTILE), squares("red", "blue", "black")):
        picture.save(tmp_path / name)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return tmp_path


def test_a_folder_of_pictures_as_documents(folder):
    with pytest.raises(InputError, match=r"broken\.jpg: the picture can't be decoded"):
        list(documents(folder))
    errors = []
    plain = list(documents(folder, on_unreadable=errors.append))
    assert [d.id for d in plain] == [HOSTILE, "a/red.png", "blue.png"]
    assert len(errors) == 1
    assert plain[1].content == Image(str(folder.resolve() / "a/red.png"))
    captions = {"a/red": "a red square", "blue.png": "blue"}
    worded = documents(folder, captions, lambda picture: "EXIT" * (picture.getpixel((9, 0))[0] == 255), errors.append)
    assert [d.content["text"] for d in worded] == ["", "a red square EXIT", "blue"]


def test_captions(tmp_path):
    file = tmp_path / "c.jsonl"
    file.write_text('{"id": "a", "caption": "one"}\n{"image": "b", "text": "two"}\n{"_id": "a", "caption": "more"}\n')
    assert read_captions(str(file)) == {"a": "one more", "b": "two"}
    file.write_text('{"id": "a", "caption": "one"}\n{"id": 7, "caption": "x"}\n')
    with pytest.raises(InputError, match=r"c\.jsonl:2: expected the picture's id"):
        read_captions(str(file))
    file.write_text("\n")
    with pytest.raises(InputError, match="expected captions, a line"):
        read_captions(str(file))


def test_words_in_pictures_are_read_by_rapidocr(monkeypatch):
    lines = [([[0, 0]], "EXIT", "0.99"), ([[0, 0]], "smudge", 0.2)]
    seen = []

    def engine(array):
        seen.append(array[0, 9].tolist())
        return (lines, [0.1]) if len(seen) == 1 else (None, None)

    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", SimpleNamespace(RapidOCR=lambda: engine))
    read = reader()
    assert [read(p) for p in squares("red", "blue")] == ["EXIT", ""]
    assert seen[0] == [0, 0, 255]  # blue first
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'anyrank\[ocr\]'"):
        reader()


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, k, v or "") for k, v in attrs]


def test_the_page_shows_thumbnails_and_hostile_names_do_no_harm(folder):
    members = list(documents(folder, {"blue": "<img src=x onerror=alert(2)>"}, None, lambda e: None))
    members.append(Candidate("far", Image("https://example.org/x.png")))
    before = Ranking.of("q", [m.content for m in members], [m.id for m in members])
    after = Ranking(Query("q", (Image(str(folder / "blue.png")), "<b>blue</b>")), tuple(reversed(before.candidates)))
    page = images_page(after, "model('<x>')", before)
    reader = Tags()
    reader.feed(page)
    assert reader.tags.count("script") == 1
    assert reader.tags.count("img") == 4  # the query's and three that can be read
    sources = [v for tag, k, v in reader.attributes if k == "src"]
    assert all(s.startswith("data:image/jpeg;base64,") and len(s) > 300 for s in sources)
    assert not [k for _, k, _ in reader.attributes if k.startswith("on")]
    assert 'img-src data:">' in page
    assert page.count("no picture") == 1
    assert "from 4" in page
    assert "\u202e" not in page
    assert "http:" not in page
    assert "https:" not in page
    write_images_page(folder / "p.html", after, "x")
    assert (folder / "p.html").read_text().startswith("<!doctype html>")


def test_a_folder_without_a_picture_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no picture that can be read"):
        list(documents(tmp_path))
    (tmp_path / "broken.png").write_text("x")
    with pytest.raises(InputError, match="holds no picture that can be read"):
        list(documents(tmp_path, on_unreadable=lambda _: None))
