"""The command lines of the guides on learning to rank, diversity and recommendation run as they stand."""

import gzip
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def commands(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]


def call(line, folder):
    program = f'"{sys.executable}" -m anyrank'
    done = subprocess.run(
        ["sh", "-c", re.sub(r"\banyrank ", f"{program} ", line)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def feature_file(path, seed, queries=40):
    rng = random.Random(seed)
    lines = []
    for q in range(queries):
        for _ in range(10):
            grade = rng.randrange(3)
            lines.append(f"{grade} qid:{q} 1:{grade + rng.random():.3f} 2:{rng.random():.3f}\n")
    path.write_text("".join(lines))


def test_the_guide_to_learning_to_rank(tmp_path):
    pytest.importorskip("lightgbm")
    pytest.importorskip("ir_measures")
    feature_file(tmp_path / "rank.train", 1)
    feature_file(tmp_path / "rank.test", 2)
    lines = commands("ltr.md")
    assert len(lines) == 6
    for line in lines:
        assert call(line, tmp_path).strip(), line


def test_the_guide_to_diversity(tmp_path):
    pytest.importorskip("ir_measures")
    lines = commands("diversity.md")
    assert len(lines) == 6
    for line in lines:
        assert call(line, tmp_path).strip() or line.startswith("printf"), line


def test_the_guide_to_recommendation(tmp_path):
    """On tables in MovieLens' form, with ratings at random."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    rng = random.Random(0)
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    words = ["star", "love", "house", "war", "river", "night"]
    films = [f"{n}|{rng.choice(words)} {rng.choice(words)} (1990)|{n % 2}|{1 - n % 2}\n" for n in range(40)]
    (folder / "u.item").write_text("movie id | movie title | Action | Comedy\n" + "".join(films))
    (folder / "u.user").write_text("user-id|age|occupation\n" + "".join(f"{u}|30|writer\n" for u in range(20)))
    rows = [f"{u}\t{i}\t5\t{u + i}\n" for u in range(20) for i in rng.sample(range(u % 2, 40, 2), 10)]
    with gzip.open(folder / "u.data.gz", "wt") as file:
        file.write("user-id\titem-id\trating\ttimestamp\n" + "".join(rows))
    lines = commands("recommend.md")
    assert len(lines) == 4
    start = tmp_path / "start"
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, "action", "comedy"]) + "\n")
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    tokenizer = BertTokenizerFast(vocab=str(vocab))
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(start)
    tokenizer.save_pretrained(start)
    for line in lines:
        assert call(line.replace("-o easyrec", "--start start -o easyrec"), tmp_path).strip(), line
