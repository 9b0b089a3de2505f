"""The commands and the Python of the pages on indexes, learned sparse and generative retrieval, models, ways to train
and models on servers run as they stand, from a folder with the files that they name.

Only what no test can have is put in place of what a page says: models of a hub (tiny ones of the same kind) and the
address of a server. What needs downloaded weights or hours is named in `LEFT_OUT`.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.testing.wire import wire

ROOT = Path(__file__).parents[1]
WORDS = "wing lift drag flow heat shock vitamin bones boundary layer".split()  # noqa: SIM905
SHORT = " --set model.max_length=32"  # which the tiny models can read
LEFT_OUT = {
    "anyrank expand scifact/ -o expanded.jsonl --model llamacpp:smollm2-135m-instruct --queries 5 --resume": "weights",
    "python scripts/make_groups.py groups/": "open collections, and an hour",
    "python bench/bench_ablations.py groups/ losses": "an hour",
}
"""Commands that no test runs, and what they need."""


def blocks(page, kind):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def run(line, changes):
    """Run a command of a page in this process, with other names in the place of some; what it prints."""
    if line in LEFT_OUT:
        return ""
    for old, new in changes.items():
        line = line.replace(old, new)
    words = shlex.split(line, comments=True)
    words, file = (words[:-2], words[-1]) if words[-2:-1] == [">"] else (words, "")
    assert words[0] == "anyrank", line
    done = CliRunner().invoke(cli, words[1:])
    assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
    if file:
        Path(file).write_text(done.stdout, encoding="utf-8")
    return done.stdout


def run_page(page, changes):
    """Run all commands of a page; what each prints, by the command."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if line.strip()]
    for old in changes:
        assert any(old in line for line in lines), f"{page} no longer says {old}"
    return {line: run(line, changes) for line in lines}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A corpus, lists, topics, training groups and a small collection in BEIR's layout."""
    monkeypatch.chdir(tmp_path)
    docs = [{"_id": f"d{i}", "text": " ".join(WORDS[(i * j + i) % 10] for j in range(1, 6))} for i in range(12)]
    lines = "".join(json.dumps(d) + "\n" for d in docs)
    Path("corpus.jsonl").write_text(lines)
    Path("topics.tsv").write_text("1\twing lift\n2\theat of bones\n")
    lists = [{"query": "wing lift", "documents": [d["text"] for d in docs[:3]]}]
    text = "".join(json.dumps(x) + "\n" for x in lists)
    Path("lists.jsonl").write_text(text)
    Path("candidates.jsonl").write_text(text)
    groups = [{"query": w, "texts": [f"{w} of a wing", "a heat shock"], "labels": [1, 0]} for w in WORDS[:8]]
    Path("groups.jsonl").write_text("".join(json.dumps(g) + "\n" for g in groups))
    (tmp_path / "scifact").mkdir()
    Path("scifact/corpus.jsonl").write_text(lines)
    Path("scifact/queries.jsonl").write_text('{"_id": "1", "text": "wing lift"}\n')
    return tmp_path


@pytest.fixture
def tiny(tmp_path):
    """Makes folders of tiny models."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from anyrank.testing import tiny

    return tiny


def test_what_is_left_out_is_on_a_page():
    pages = [(ROOT / "docs" / p).read_text("utf-8") for p in ("learned_sparse.md", "training.md")]
    assert [line for line in LEFT_OUT if not any(line in page for page in pages)] == []


def test_indexes(folder):
    if not find_spec("usearch"):
        pytest.skip("needs usearch")
    shutil.copytree(ROOT / "tests/index/format1", "old.index")
    printed = run_page("indexes.md", {})
    assert "wing" in printed['anyrank search my.index "wings" -p \'search("minilm:128") % 100 >> minilm\'']
    (code,) = blocks("indexes.md", "python")
    exec(compile(code, "indexes.md", "exec"), {})
    assert json.loads(run("anyrank index info int8.index --json", {}))["documents"] == 12


def test_learned_sparse_retrieval(folder, tiny):
    pytest.importorskip("yaml")
    start, writer = tiny.encoder(folder / "start", task="masked") + SHORT, tiny.t5(folder / "t5")
    shutil.copy("corpus.jsonl", "expanded.jsonl")
    printed = run_page("learned_sparse.md", {"all-minilm-l6-v2": start, "castorini/doc2query-t5-base-msmarco": writer})
    searches = [text for line, text in printed.items() if line.startswith("anyrank search")]
    assert len(searches) == 3
    assert all("vitamin" in text for text in searches)
    assert all(json.loads(line)["search_text"] for line in Path("by-t5.jsonl").read_text().splitlines())


def test_generative_retrieval(folder, tiny):
    from anyrank.models.bi import BiEncoder

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BiEncoder.from_config(shape, tiny.pair_tokenizer(folder / "words"), max_length=16).save(folder / "start")
    changes = {"index demo": "index corpus.jsonl", "minilm": "start", "train my.index": "train my.index --model start"}
    printed = run_page("generative.md", changes)
    assert sum("wing" in text for line, text in printed.items() if line.startswith("anyrank search")) == 2
    (code,) = blocks("generative.md", "python")
    exec(compile(code.replace("minilm", "start"), "generative.md", "exec"), {})
    assert Path("runs/nci-10/generative.json").is_file()


def test_models(folder, tiny):
    pytest.importorskip("yaml")
    printed = run_page("models.md", {"all-minilm-l6-v2": tiny.encoder(folder / "start") + SHORT})
    assert json.loads(printed["anyrank rerank candidates.jsonl -p 'model(\"runs/parade\")'"])["ranking"]


def test_ways_to_train():
    """The tables are those that the page's last command prints."""
    pytest.importorskip("torch")
    if not (ROOT / "bench/results/training-losses.json").is_file():
        pytest.skip("bench/results is not in this copy")
    (block,) = blocks("training.md", "sh")
    *others, last = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert set(others) <= LEFT_OUT.keys()
    done = subprocess.run([sys.executable, *last.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    page = (ROOT / "docs/training.md").read_text("utf-8")
    assert len(rows) > 20
    assert [row for row in rows if row not in page] == []


def answer(path, body, headers):
    """A server's answer to a reranker's request, or a language model's."""
    if "rerank" in path:
        return {"results": [{"index": i, "relevance_score": 1 / (1 + i)} for i in range(len(body["documents"]))]}
    return {"choices": [{"message": {"content": "[2] > [1] > [3]"}}]}


def test_models_on_servers(folder):
    pytest.importorskip("httpx2")
    run("anyrank index corpus.jsonl -o my.index", {})
    with wire(answer) as url:
        changes = {"cohere:rerank-v3.5": f"cohere:rerank-v3.5@{url}", "http://127.0.0.1:8080/v1": url}
        printed = run_page("servers.md", {**changes, "http://127.0.0.1:8080": url})
    by_reranker, by_method = (json.loads(t) for line, t in printed.items() if line.startswith("anyrank rerank"))
    assert [c["id"] for c in by_reranker["ranking"]] == ["0", "1", "2"]
    assert [c["id"] for c in by_method["ranking"]] == ["1", "0", "2"]
    assert {by_reranker["status"], by_method["status"]} == {"ok"}
    assert Path("run.trec").read_text()


def test_the_keys_and_settings_of_models_on_servers():
    pytest.importorskip("httpx2")
    from anyrank.backends.rerank_endpoint import DIALECTS
    from anyrank.hub.open import open_model

    page = (ROOT / "docs/servers.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+):MODEL` \|.*\| (.*) \|$", page, re.M)
    keys = {name: tuple(re.findall(r"`(\w+)`", cell)) for name, cell in rows}
    assert keys == {name: dialect.keys for name, dialect in DIALECTS.items() if dialect.keys}
    for kind, settings in (
        ("openai", "key_env=K&timeout=9&retries=1&pause=1&deadline=9&concurrency=2&prefill=vllm&top=5&max_tokens=9"),
        ("openai", "temperature=none&reasoning_effort=low&chat_template_kwargs.enable_thinking=false&limit_field=x"),
        ("openai", "extra.seed=1"),
        ("openai", 'extra={"a": 1}'),
        ("rerank", "key_file=PATH&batch=9&max_tokens_per_doc=500&raw_scores=true"),
    ):
        for name in re.findall(r"(?:^|&)([\w.]+?)(?:\.seed)?=", settings):
            assert name in page
        assert open_model(f"{kind}:m@http://127.0.0.1:9/v1#{settings}")
