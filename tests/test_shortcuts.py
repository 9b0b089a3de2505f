"""One-line uses: what they refuse."""

import pytest

import anyrank as ar
from anyrank.core.stage import Each


def test_one_text_is_no_list_of_documents():
    with pytest.raises(ar.InputError, match="documents is one text"):
        ar.rerank("q", "one text", Each(lambda r: r))


@pytest.mark.parametrize("top", [0, -1])
def test_top_is_at_least_one(top):
    with pytest.raises(ar.InputError, match="at least 1"):
        ar.rerank("q", ["a", "b"], Each(lambda r: r), top=top)
