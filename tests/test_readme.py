"""The command lines of the README run as they stand, from a folder with the files that they name.

Only what no test can have is put in place of what the README says: the address of a server, and models of a hub (tiny
ones of the same kind).
"""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from anyrank.testing.wire import wire

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|yaml)\n(.*?)^```", README, re.M | re.S)
WORDS = "wing lift drag flow separation heat shock boundary layer causes".split()  # noqa: SIM905


def block(*having: str, kind: str = "sh") -> str:
    """The one block of the README that holds these texts."""
    (found,) = [text for k, text in BLOCKS if k == kind and all(h in text for h in having)]
    return found


def run(commands: str, folder: Path, **changes: str) -> str:
    """Run the lines of a block by the shell, in this environment's Python; what they print."""
    for old, new in changes.items():
        assert old in commands, f"the README no longer says {old}"
        commands = commands.replace(old, new)
    env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin" / "anyrank"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m anyrank "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(["sh", "-e", "-c", commands], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """A corpus, topics, judgements, candidate lists and a small BEIR folder, as the README names them."""
    docs = [
        {"_id": f"d{i}", "title": f"On {WORDS[i % 10]}", "text": " ".join(WORDS[(i + j) % 10] for j in range(6))}
        for i in range(30)
    ]
    corpus = "".join(json.dumps(d | {"year": 1980 + i}) + "\n" for i, d in enumerate(docs))
    topics = {"1": "what causes lift", "2": "heat of the boundary layer", "3": "shock and drag"}
    topics |= {str(n): f"{word} of a wing" for n, word in enumerate(WORDS[5:8], 4)}
    (tmp_path / "corpus.jsonl").write_text(corpus)
    (tmp_path / "topics.tsv").write_text("".join(f"{q}\t{text}\n" for q, text in topics.items()))
    (tmp_path / "qrels.txt").write_text("".join(f"{q} 0 d{i} {int(i % 3 == 0)}\n" for q in topics for i in range(9)))
    lists = [{"query": text, "documents": [d["text"] for d in docs[:3]]} for text in topics.values()]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lists))
    beir = tmp_path / "scifact"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text(corpus)
    (beir / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": q, "text": text}) + "\n" for q, text in topics.items())
    )
    (beir / "qrels" / "train.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\td{q}\t1\n" for q in topics)
    )
    return tmp_path


def test_every_block_of_commands_is_run_here():
    shown = [text for kind, text in BLOCKS if kind == "sh"]
    covered = (
        "make demo",
        "anyrank compare",
        "anyrank index info",
        "anyrank tune",
        "--method rankgpt",
        "anyrank models list",
        "anyrank distill",
        "peptides eval",
    )
    assert all(any(c in text for c in covered) for text in shown)
    assert len(shown) == len(covered)


def test_search_rerank_and_judge(folder):
    pytest.importorskip("ir_measures")
    out = run(block("anyrank index", "anyrank compare"), folder)
    assert "hybrid" in out
    assert json.loads(out.splitlines()[-1])  # the reranked documents, as JSON
    assert (folder / "report.html").is_file()


def test_retrieval(folder):
    made = "anyrank index corpus.jsonl -o my.index --encode minilm\n"
    out = run(made + block("anyrank index info"), folder)
    assert out.count("1. ") == 2
    assert "mini" in out.splitlines()[-1]


def test_choosing_and_explaining(folder):
    pytest.importorskip("ir_measures")
    out = run("anyrank index corpus.jsonl -o my.index\n" + block("anyrank tune"), folder)
    assert "verdict: " in out
    assert "mini" in out
    assert (folder / "tune.html").is_file()


@pytest.mark.skipif(not (find_spec("torch") and find_spec("transformers")), reason="needs torch")
def test_language_models(folder):
    from anyrank.testing.tiny import llama

    model = llama(folder / "tiny")
    with wire(lambda path, body, headers: {"choices": [{"message": {"content": "[2] > [1]"}}]}) as url:
        run(
            "anyrank index corpus.jsonl -o my.index\n" + block("--method rankgpt"),
            folder,
            **{"http://127.0.0.1:8080/v1": url, "smollm2-135m-instruct": str(model)},
        )


@pytest.mark.skipif(not all(map(find_spec, ("torch", "peft", "yaml", "onnx"))), reason="needs the extra train")
def test_training_and_models(folder):
    from anyrank.testing.tiny import bert

    start = bert(folder / "tiny")
    recipe = block("out: runs/mine", kind="yaml").replace("sentence-transformers/all-MiniLM-L6-v2", str(start))
    # a model of random weights scores all texts alike, so that rounding decides their order
    (folder / "mine.yaml").write_text(recipe.replace("max_length: 160", "max_length: 32") + "export: {least: -1}\n")
    training = block("anyrank distill").replace("anyrank train", "cp mine.yaml recipe.yaml\nanyrank train")
    run(training, folder)
    tiny = str(ROOT / "tests" / "backends" / "tiny" / "cross")
    out = run(block("anyrank models list").replace("-int8", "-int8 --least -1"), folder, **{"ms-marco-minilm": tiny})
    assert "bge-reranker" in out
    assert (folder / "models" / "mine-int8" / "anyrank.json").is_file()


def test_peptides(folder):
    pytest.importorskip("pyteomics")
    pytest.importorskip("lxml")
    pytest.importorskip("ir_measures")
    from anyrank.domains.peptides.ions import by_ions
    from anyrank.domains.peptides.notation import parse

    spectra, rows = [], ["spectrum_id,denovo_seq,peptide_score"]
    for i, text in enumerate(["PEPTIDEK", "ELVISK"]):
        peaks = "".join(f"{mz} {1 + j}\n" for j, mz in enumerate(sorted(by_ions(parse(text), 2).tolist())))
        mass = f"PEPMASS={parse(text).mz(2)}\nCHARGE=2+\nSEQ={text}"
        spectra.append(f"BEGIN IONS\nTITLE=s{i}\n{mass}\n{peaks}END IONS\n")
        rows.append(f"s{i},{text},0.9")
    for name in ("run.mgf", "annotated.mgf"):
        (folder / name).write_text("".join(spectra))
    (folder / "b.csv").write_text("\n".join(rows) + "\n")
    (folder / "annotated.csv").write_text("\n".join(rows) + "\n")
    run("anyrank peptides rerank --spectra run.mgf --engine other=b.csv -o a.mztab", folder)
    out = run(block("anyrank peptides eval"), folder)
    assert "hyperscore" in out
    assert (folder / "best.html").is_file()
    assert (folder / "report.html").is_file()


INLINE = (
    'anyrank pipeline explain "bm25 % 100 >> mini"',
    "anyrank pipeline list",
    "anyrank models show ms-marco-minilm",
    "anyrank peptides methods",
)


@pytest.mark.parametrize("command", INLINE)
def test_commands_within_sentences_run(command, tmp_path):
    assert command in " ".join(README.split())
    assert run(command, tmp_path)


def test_the_pages_that_it_links_to_are_there():
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
