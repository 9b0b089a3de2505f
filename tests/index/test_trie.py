"""The trie admits exactly the stored identifiers, and beam search never leaves it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.index.document_ids import cluster_ids, digit_ids, k_means, vocabulary
from anyrank.index.trie import END, FIRST, PAD, Trie, beam_search, closed

TOKENS = 6
sets = st.lists(
    st.lists(st.integers(FIRST, TOKENS - 1), min_size=1, max_size=4).map(tuple), min_size=1, max_size=30, unique=True
)


def leaves(trie):
    """(identifier, document) of every path from the root."""
    todo, out = [((), trie.root)], []
    while todo:
        prefix, node = todo.pop()
        document = trie.document(node)
        if document is not None:
            out.append((prefix[:-1], document))
        tokens, nodes = trie.children(node)
        assert document is None or not len(tokens)
        todo += [((*prefix, t), n) for t, n in zip(tokens.tolist(), nodes)]
    return out


def random_step(seed):
    """Log-probabilities that depend on the query and the whole prefix."""

    def step(queries, prefixes):
        out = np.empty((len(queries), TOKENS))
        for i, (q, prefix) in enumerate(zip(queries.tolist(), prefixes.tolist())):
            logits = np.random.default_rng([seed, q, *prefix]).normal(size=TOKENS)
            out[i] = logits - np.log(np.exp(logits).sum())
        return out

    return step


def scored(identifier, step, q):
    """The log-probability of one identifier, token by token."""
    prefix, total = [PAD], 0.0
    for token in (*identifier, END):
        total += step(np.array([q]), np.array([prefix]))[0, token]
        prefix.append(token)
    return total


@given(sets)
def test_the_trie_admits_exactly_the_stored_identifiers(identifiers):
    assert sorted(leaves(Trie.of(identifiers))) == sorted((x, i) for i, x in enumerate(identifiers))


@given(sets, st.integers(0, 99), st.data())
def test_a_wide_beam_equals_exhaustive_scoring_and_a_narrow_one_stays_inside(identifiers, seed, data):
    trie, step = Trie.of(identifiers), random_step(seed)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(identifiers), max_size=len(identifiers))))
    ok = np.flatnonzero(allowed).tolist()
    k = data.draw(st.integers(1, len(identifiers)))
    for q, result in enumerate(beam_search(trie, step, 2, len(identifiers), k, allowed)):
        expected = sorted(((d, scored(identifiers[d], step, q)) for d in ok), key=lambda x: (-x[1], x[0]))[:k]
        assert [d for d, _ in result] == [d for d, _ in expected]
        assert [s for _, s in result] == pytest.approx([s for _, s in expected])
    for q, result in enumerate(beam_search(trie, step, 2, 1, k, allowed)):  # the width becomes k
        assert len(result) == min(k, len(ok)) == len({d for d, _ in result})
        for document, score in result:
            assert allowed[document]
            assert score == pytest.approx(scored(identifiers[document], step, q))


def test_a_trie_of_nothing_and_a_filter_that_nothing_passes_give_no_results():
    step = random_step(0)
    assert beam_search(Trie.of([]), step, 2, 5, 5) == [[], []]
    assert beam_search(Trie.of([(2,)]), step, 1, 5, 5, np.array([False])) == [[]]


def test_identifiers_must_be_distinct_and_of_proper_tokens():
    with pytest.raises(InputError, match="documents 0 and 2 have the same identifier"):
        Trie.of([(2, 3), (2,), (2, 3)])
    for wrong in ((), (2, 1)):
        with pytest.raises(InputError, match="document 1"):
            closed([(2,), wrong])


@pytest.mark.parametrize(("n", "k", "leaf"), [(1, 3, 3), (4, 3, 4), (300, 3, 4), (300, 5, 2), (200, 30, 30)])
def test_paths_through_clusters_are_unique_and_near_vectors_share_their_beginning(n, k, leaf):
    random = np.random.default_rng(n)
    vectors = random.normal(size=(n, 4)).astype(np.float32)
    ids = cluster_ids(vectors, k, leaf, seed=1)
    assert ids == cluster_ids(vectors, k, leaf, seed=1)
    Trie.of(ids)  # raises if two are equal
    width = max(k, leaf)
    digits = [[(t - FIRST) % width for t in tokens] for tokens in ids]
    # each token says its position: position * width + digit + 2
    assert all((t - FIRST) // width == p for tokens in ids for p, t in enumerate(tokens))
    assert all(d < (leaf if p == len(path) - 1 else k) for path in digits for p, d in enumerate(path))
    if n <= leaf:
        assert [d for (d,) in digits] == list(range(n))
    else:
        first = np.array([path[0] for path in digits])
        spread = sum(((vectors[first == c] - vectors[first == c].mean(0)) ** 2).sum() for c in np.unique(first))
        assert spread < 0.9 * ((vectors - vectors.mean(0)) ** 2).sum()


def test_equal_vectors_still_get_identifiers_of_their_own():
    ids = cluster_ids(np.ones((100, 3), np.float32), 3, 4)
    assert len(set(ids)) == 100
    assert max(map(len, ids)) <= 5
    with pytest.raises(InputError, match="k=1, leaf=30"):
        cluster_ids(np.ones((2, 3), np.float32), 1)


def test_numbers_are_identifiers_of_twelve_tokens():
    ids = digit_ids(1234)
    assert ids[1203] == (3, 4, 2, 5)
    assert vocabulary(ids) == 12
    assert len(Trie.of(ids)) == 1234


def test_k_means_leaves_its_input_as_it_was():
    vectors = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    before = vectors.copy()
    k_means(vectors, 5, np.random.default_rng(0))
    assert (vectors == before).all()
