import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyrank.core.errors import InputError
from anyrank.scale.manifest import Manifest, beside, complete, content_hash
from anyrank.scale.shards import BLOCK, Shard, dealt, every, in_order


@given(st.integers(0, 200), st.integers(1, 9), st.integers(1, 20))
def test_every_row_is_in_one_shard_and_comes_back_to_its_position(total, of, block):
    parts = [shard.rows(range(total), block) for shard in every(of)]
    assert list(map(len, parts)) == dealt(total, of, block)
    joined = [
        row for shard, span in in_order(list(map(len, parts)), block) for row in parts[shard][span.start : span.stop]
    ]
    assert joined == list(range(total))


@given(st.integers(0, 500), st.integers(1, 9))
def test_a_block_of_a_shard_is_a_batch_of_one_process(total, of):
    batches = [list(range(total))[i : i + BLOCK] for i in range(0, total, BLOCK)]
    for shard in every(of):
        mine = shard.rows(range(total))
        assert [mine[i : i + BLOCK] for i in range(0, len(mine), BLOCK)] == batches[shard.number - 1 :: of]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "3", "a/b", "-1/3", "1/3/5", "1.5/3", " 1/3", ""])
def test_wrong_shards_are_refused(text):
    with pytest.raises(InputError, match="shard"):
        Shard.parse(text)


def test_sizes_that_no_job_has_are_refused():
    with pytest.raises(InputError, match=r"5 rows in 2 shards are \[3, 2\], not \[1, 4\]"):
        list(in_order([1, 4], block=2))


def test_the_names_of_shards_sort_in_their_order():
    names = [shard.path("run.trec").name for shard in every(12)]
    assert names == sorted(names)


@pytest.fixture
def shards(tmp_path):
    """Writes the shards of a job and returns their paths."""

    def write(numbers, of=3, **changes):
        paths = []
        for n in numbers:
            path = tmp_path / f"run.{n}-of-{of}"
            path.write_text(f"{n}\n")
            settings = {"files": [["/data/q.tsv", "abc"]], "pipeline": "bm25", **changes}
            words = ["search", "my.index", "--out", "run", "--shard", f"{n}/{of}"]
            Manifest(n, of, "run", words, settings, BLOCK, 1, [1], content_hash(path)).write(path)
            paths.append(path)
        return paths

    return write


def test_the_shards_of_one_job_are_put_in_order(shards):
    paths = shards([1, 2, 3])
    assert [path for path, _ in complete(paths[::-1])] == paths


def test_a_missing_shard_is_named_with_the_command_that_makes_it(shards):
    with pytest.raises(InputError, match=r"shard 2/3 is missing: anyrank search my.index --out run --shard 2/3"):
        complete(shards([1, 3]))
    with pytest.raises(InputError, match=r"shard 1/3 is missing \(and 1 more\)"):
        complete(shards([2]))
    with pytest.raises(InputError, match="no shards"):
        complete([])


def test_a_doubled_shard_is_named(shards, tmp_path):
    paths = shards([1, 2, 3])
    copy = tmp_path / "copy"
    copy.write_bytes(paths[1].read_bytes())
    beside(copy).write_bytes(beside(paths[1]).read_bytes())
    with pytest.raises(InputError, match="copy: shard 2/3 is there twice"):
        complete([*paths, copy])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pipeline": "mini"}, "pipeline 'mini' instead of 'bm25'"),
        ({"files": [["/data/q.tsv", "xyz"]]}, "xyz"),
        ({"of": 4}, "shards 4 instead of 3"),
    ],
)
def test_a_shard_of_another_job_is_named_wherever_it_stands(shards, change, text):
    odd = shards([1], **change)
    with pytest.raises(InputError, match=r"run.1-of-\d: shard 1/\d is of another job") as error:
        complete([*odd, *shards([2, 3])])
    assert text in str(error.value)
    assert "--shard 1/3 --overwrite" in str(error.value)


def test_inputs_may_lie_in_other_folders_on_other_machines(shards):
    assert len(complete([*shards([1, 2]), *shards([3], files=[["/mnt/q.tsv", "abc"]])])) == 3


def test_unfinished_changed_and_unreadable_shards_are_refused(shards, tmp_path):
    paths = shards([1, 2, 3])
    paths[0].write_text("changed\n")
    with pytest.raises(InputError, match="shard 1/3 was changed since it was finished"):
        complete(paths)
    paths = shards([1, 2, 3])
    beside(paths[2]).unlink()
    with pytest.raises(InputError, match=r"run.3-of-3: it is no shard that was finished"):
        complete(paths)
    with pytest.raises(InputError, match="there is no such shard"):
        complete([tmp_path / "none"])
    for text in ("{", "[]", "{}", json.dumps({"format": 99}), json.dumps({"format": 1, "number": 1})):
        beside(paths[0]).write_text(text)
        with pytest.raises(InputError, match="make the shard again"):
            complete(paths)
