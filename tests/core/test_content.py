"""Content: every form is read as parts and as a text, and images are told from paths."""

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.content import TEXT_FIELDS, Image, images_of, joined, parts_of, required_text, text_of
from anyrank.core.errors import InputError
from anyrank.core.language import Turn, can_read_images, images_in, messages

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(24))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(23))
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 "


@pytest.mark.parametrize(
    ("content", "parts", "text"),
    [
        ("a", ("a",), "a"),
        ("", (), ""),
        (None, (), ""),
        (7, ("7",), "7"),
        ({"title": "A", "text": "b"}, ("A b",), "A b"),
        ({"body": "b", "image": "c.png"}, ("b", Image("c.png")), "b"),
        ({"image": "c.png"}, (Image("c.png"),), ""),
        ({"image": ["c.png", Image(PNG)]}, (Image("c.png"), Image(PNG)), ""),
        ({"image": PNG}, (Image(PNG),), ""),
        ({"image": ""}, ("{'image': ''}",), "{'image': ''}"),
        ({"colour": "red", "image": "c.png"}, ("{'colour': 'red'}", Image("c.png")), "{'colour': 'red'}"),
        (Image("c.png"), (Image("c.png"),), ""),
        (("a", Image("c.png"), None, ["b", {"text": "c"}]), ("a", Image("c.png"), "b", "c"), "a b c"),
        ((), (), ""),
    ],
)
def test_parts_and_text(content, parts, text):
    assert parts_of(content) == parts
    assert text_of(content) == text
    assert images_of(content) == tuple(p for p in parts if isinstance(p, Image))


contents = st.recursive(
    st.none() | st.text(max_size=5) | st.integers() | st.just(Image("c.png")),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.fixed_dictionaries({"text": st.text(max_size=5)}),
    max_leaves=6,
)


@given(contents)
def test_every_text_part_is_in_the_text(content):
    parts = parts_of(content)
    texts = [p for p in parts if isinstance(p, str)]
    assert text_of(content) == " ".join(texts)
    assert all(texts)
    assert parts_of(parts) == parts


@given(st.lists(st.text(max_size=3) | st.just(Image("c.png")), max_size=6))
def test_joining_loses_nothing_and_leaves_no_neighbouring_texts(parts):
    whole = joined(parts)
    flat = (whole,) if isinstance(whole, str) else whole
    assert "".join(p if isinstance(p, str) else "\0" for p in flat) == "".join(
        p if isinstance(p, str) else "\0" for p in parts
    )
    assert not any(isinstance(a, str) and isinstance(b, str) for a, b in pairwise(flat))


@pytest.mark.parametrize(("data", "media"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_an_image_in_base64_is_told_from_a_path(data, media, tmp_path):
    encoded = base64.b64encode(data).decode()
    assert Image.parse(encoded) == Image(data)
    assert Image.parse(encoded).media_type == media
    url = f"data:{media};base64,{encoded}"
    assert Image.parse(url) == Image(data, media)
    assert Image.parse(url).as_url() == Image.parse(encoded).as_url() == url
    path = tmp_path / "picture"
    path.write_bytes(data)
    named = Image.parse(str(path))
    assert (named.source, named.as_url(), named.digest()) == (str(path), url, Image(data).digest())
    assert Image.parse("abcdabcdabcdabcd").source == "abcdabcdabcdabcd"  # base64 of no picture


def test_urls_are_passed_on_and_never_fetched():
    image = Image.parse("HTTPS://example.org/a.png")
    assert image.as_url() == image.url == "HTTPS://example.org/a.png"
    assert image.digest() != Image("https://example.org/b.png").digest()
    with pytest.raises(InputError, match="not fetched"):
        image.read()


def test_what_is_no_picture_is_refused(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_text("no picture at all")
    with pytest.raises(InputError, match=r"secret\.png: not a picture"):
        Image(secret).as_url()
    with pytest.raises(InputError, match=r"absent\.png: the image can't be read"):
        Image(tmp_path / "absent.png").read()
    for url in ("data:,hello", "data:text/plain;base64,aGVsbG8=", "data:image/png;base64,!!", "data:image/png;base64,"):
        with pytest.raises(InputError, match="data:"):
            Image.parse(url)


def test_a_text_that_is_needed_is_there_or_named():
    assert required_text("", "candidate 'd'") == ""
    with pytest.raises(InputError, match="candidate 'd' has no text to score: load the texts first"):
        required_text(None, "candidate 'd'")
    with pytest.raises(InputError, match="candidate 'd' holds an image and no text"):
        required_text({"image": "c.png"}, "candidate 'd'")
    assert required_text(("a", Image("c.png")), "candidate 'd'") == "a"


def test_turns_with_images():
    turns = (Turn("system", "Be short."), Turn("user", ("A ", Image(PNG), "B", Image("https://x.org/c.png"))))
    assert images_in(turns) == (Image(PNG), Image("https://x.org/c.png"))
    assert images_in("text") == ()
    assert messages(turns) == [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "A "},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
                {"type": "text", "text": "B"},
                {"type": "image_url", "image_url": {"url": "https://x.org/c.png"}},
            ],
        },
    ]
    with pytest.raises(InputError, match=r"holds an image \(32 bytes\), and this model reads texts alone"):
        str(turns[1].text)
    assert Turn("user", ("a", "b")).text == "ab"
    assert not can_read_images(object())


def test_of_several_text_fields_the_first_of_the_stated_order_counts():
    assert TEXT_FIELDS == ("text", "content", "contents", "body")
    fields = {"body": "d", "contents": "c", "content": "b", "text": "a"}
    for name in TEXT_FIELDS:
        assert text_of(fields) == fields[name]
        del fields[name]
