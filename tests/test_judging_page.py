"""The guide to judging: its command lines run as they stand, its Python prints what it says."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from anyrank.cli import cli

PAGE = (Path(__file__).parents[1] / "docs" / "judging.md").read_text(encoding="utf-8")
QUERIES = range(12)


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_command_lines_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents = [f"{kind}{n}" for n in QUERIES for kind in ("good", "bad", "ok")]
    corpus = "".join(json.dumps({"_id": d, "text": f"topic{d.lstrip('abdgko')} {d}"}) + "\n" for d in documents)
    Path("corpus.jsonl").write_text(corpus)
    Path("topics.tsv").write_text("".join(f"q{n}\ttopic{n}\n" for n in QUERIES))
    for name, kind in (("bm25", "bad"), ("hybrid", "good")):
        Path(f"{name}.trec").write_text("".join(f"q{n} Q0 {kind}{n} 1 1 x\n" for n in QUERIES))
    Path("lm.qrels").write_text("".join(f"q{n} 0 good{n} 2\n" for n in QUERIES))
    CliRunner().invoke(cli, ["index", "corpus.jsonl", "-o", "my.index"], standalone_mode=False)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) == 4
    for line in lines:
        program, *words = shlex.split(line)
        done = CliRunner().invoke(cli, words, input="3021q", standalone_mode=False)
        assert program == "anyrank"
        assert done.exception is None, line
        assert "wrote" in done.stderr
    assert {json.loads(x)["who"] for x in Path("my.qrels.jsonl").read_text().splitlines()} >= {"ann"}


def test_the_python_prints_what_the_page_says():
    (code,) = blocks("python")
    printed = PAGE.partition(code)[2].partition("```text\n")[2].partition("```")[0]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {})
    assert out.getvalue() == printed
