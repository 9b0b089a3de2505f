"""The commands and the Python of docs/scale.md run as they stand, and its tables are the measured ones."""

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def call(words):
    """A command of the page in this process; its shell patterns stand for files."""
    assert words[0] == "anyrank"
    words = [w for word in words[1:] for w in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    result = CliRunner().invoke(cli, words, standalone_mode=False)
    if isinstance(result.exception, InputError):
        return f"anyrank: {result.exception}\n"
    assert result.return_value == 0, result.output
    return result.stdout


def run(line):
    """A line of the page: a command, a command for each number of xargs, or one of the shell's."""
    if match := re.fullmatch(r"seq (\d+) \| xargs -P \d+ -I\{\} (.*)", line):
        for n in range(1, int(match[1]) + 1):
            call(shlex.split(match[2].replace("{}", str(n))))
        return ""
    words = shlex.split(line)
    if words[0] == "cmp":
        assert Path(words[1]).read_bytes() == Path(words[2]).read_bytes()
        return ""
    return call(words)


def in_process(self, work, shards):
    return ((shard, work(shard)) for shard in shards)


def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subjects = ["heat transfer", "wing flutter", "slip flow", "boundary layer"]
    documents = [{"_id": f"d{i}", "text": f"{' and '.join(subjects[i % 4 :])} {i}"} for i in range(50)]
    Path("corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents))
    Path("queries.tsv").write_text("".join(f"q{n}\tthe {subjects[n % 4]} of {n}\n" for n in range(70)))
    monkeypatch.setattr("anyrank.scale.workers.Workers.run", in_process)
    outputs = [[run(line) for line in block.splitlines()] for block in blocks("sh")]
    (refused,) = blocks("text")
    assert outputs[2][1] == refused
    whole, linked = (json.loads(text)["ranking"] for text in outputs[4])
    assert [c["id"] for c in whole] == [c["id"] for c in linked]
    assert [c["score"] for c in whole] == pytest.approx([c["score"] for c in linked], abs=1e-6)
    (code,) = blocks("python")
    assert not doctest.DocTestRunner().run(doctest.DocTestParser().get_doctest(code, {}, "page", "scale.md", 0)).failed

    (slurm,), (job,) = blocks("slurm"), blocks("yaml")
    line = next(text for text in slurm.splitlines() if text.startswith("anyrank")).replace("$SLURM_ARRAY_TASK_ID", "16")
    call(shlex.split(line))
    assert Path("wide.trec.16-of-16").stat().st_size == 0  # 70 queries are 5 blocks
    line = re.search(r"- (anyrank search.*)", job)[1].replace("$((JOB_COMPLETION_INDEX + 1))", "1")
    call(shlex.split(line))
    assert Path("kube.trec.01-of-16.shard.json").exists()


def test_the_plan_is_the_one_of_its_script():
    plan = (ROOT / "bench/results/scale-plan.md").read_text("utf-8")
    rows = [line for line in plan.splitlines() if line.startswith("|")]
    assert rows
    assert not [row for row in rows if row not in PAGE]
