"""Ids are settled into hashes when many are kept as texts, and a repeated one is found on either side."""

import pytest

from anyrank.core.errors import InputError
from anyrank.io import DOCUMENT, seen
from anyrank.io.seen import Seen


def watched(ids):
    held = Seen("c.jsonl", "document")
    stream = ((n, {"id": id}) for n, id in enumerate(ids, 1))
    return held, held.watch(stream, DOCUMENT)


def test_ids_are_settled_as_soon_as_there_are_many(monkeypatch):
    monkeypatch.setattr(seen, "_SETTLE", 3)
    held, stream = watched("abcdefg")
    sizes = []
    for n, record in stream:
        assert record == {"id": "abcdefg"[n - 1]}
        sizes.append((len(held.recent), len(held.old)))
    assert sizes == [(1, 0), (2, 0), (0, 3), (1, 3), (2, 3), (0, 6), (1, 6)]
    assert (len(held.recent), len(held.old)) == (0, 7)  # the rest at the end
    assert (held.old[1:] > held.old[:-1]).all()
    assert set(held.old.tolist()) == set(map(hash, "abcdefg"))


@pytest.mark.parametrize(
    ("ids", "line", "words"),
    [("abca", 4, "'a' appears twice"), ("abcdefb", 7, "'b' appears twice"), ("aba", 3, "first in line 1")],
)
def test_a_repeated_id_is_found_among_recent_and_old(monkeypatch, ids, line, words):
    monkeypatch.setattr(seen, "_SETTLE", 3)
    _, stream = watched(ids)
    with pytest.raises(InputError, match=words) as error:
        list(stream)
    assert error.value.line == line


def test_the_line_of_an_old_id_is_no_longer_told(monkeypatch):
    monkeypatch.setattr(seen, "_SETTLE", 3)
    _, stream = watched("abcda")
    with pytest.raises(InputError) as error:
        list(stream)
    assert "first in line" not in str(error.value)


def test_numbers_and_their_texts_are_one_id_and_records_without_one_pass():
    held = Seen("c.jsonl", "document")
    rows = [(1, {"text": "x"}), (2, {"id": 1}), (3, {"text": "x"}), (4, {"id": "1"})]
    with pytest.raises(InputError, match="first in line 2"):
        list(held.watch(iter(rows), DOCUMENT))
