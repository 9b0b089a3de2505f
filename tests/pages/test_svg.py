"""SVG markup: text from data can neither break out of it nor break it."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from anyrank.pages.svg import element, one_line, text, ticks


@given(st.floats(-5, 5), st.floats(0.001, 10))
def test_ticks_are_round_few_and_inside(low, width):
    values = ticks(low, low + width)
    assert 1 <= len(values) <= 8
    assert all(low - 1e-6 <= t <= low + width + 1e-6 for t in values)


@given(st.text())
def test_text_from_data_is_one_printable_line(words):
    line = one_line(words, 20)
    assert len(line) <= 20
    assert all(c.isprintable() or c in "\u200c\u200d" for c in line)
    assert line == " ".join(line.split())


@given(st.text(), st.text())
def test_any_text_is_inert_in_an_element(words, attribute):
    root = ElementTree.fromstring(element("g", words, text(1, 2, words), class_=attribute))
    assert [e.tag for e in root.iter()] == ["g", "text"]
    assert root.text == root[0].text == (one_line(words) or None)
    assert root.attrib == {"class": one_line(attribute, len(attribute) + 1)}


def test_attributes_are_never_cut():
    path = "M" + " L".join(f"{i} {i}" for i in range(1000))
    assert ElementTree.fromstring(element("path", d=path)).get("d") == path


def test_joiners_of_letters_and_emoji_are_left_but_marks_that_turn_the_direction_are_not():
    assert (
        one_line("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
    assert one_line("a\u202eb\u2066c\u200fd") == "a b c d"


def test_numbers_of_attributes_have_two_decimals():
    assert re.findall(r'"(.*?)"', element("rect", x=1 / 3, y=2.50, width=7, height=0.0)) == ["0.33", "2.5", "7", "0"]
