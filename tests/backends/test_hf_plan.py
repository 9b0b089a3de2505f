from hypothesis import given
from hypothesis import strategies as st

from anyrank.backends.hf.plan import MIN_SAVED, SHARE, common, plan

rows = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=80), max_size=12)


@given(rows, st.integers(1, 300), st.booleans(), st.integers(1, 5), st.data())
def test_every_row_runs_once_after_a_beginning_it_has(rows, budget, reuse, most, data):
    keep = [data.draw(st.integers(1, len(r))) for r in rows]
    groups = plan(rows, budget, keep, reuse, most)
    assert sorted(i for g in groups for b in g.batches for i in b) == list(range(len(rows)))
    for group in groups:
        members = [i for b in group.batches for i in b]
        for i in members:
            assert common(rows[i], rows[members[0]]) >= group.prefix
            assert len(rows[i]) - group.prefix >= keep[i]
        saved, whole = (len(members) - 1) * group.prefix, sum(len(rows[i]) for i in members)
        assert not group.prefix or (reuse and saved >= max(MIN_SAVED, SHARE * whole))
        for batch in group.batches:
            assert len(batch) <= most
            assert len(batch) == 1 or max(len(rows[i]) for i in batch) * len(batch) <= budget


def test_queries_in_lockstep_each_share_their_own_beginning():
    rows = [[9] * 30 + [q] * 40 + [d] * 5 for q in (1, 2, 3) for d in (4, 5, 6)]
    groups = plan(rows, 10_000, [1] * 9)
    assert [g.prefix for g in groups] == [70, 70, 70]
    assert [sorted(g.batches[0]) for g in groups] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
