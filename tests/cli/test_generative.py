"""``anyrank generative train``, and search by the model that it wrote."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("transformers")

from anyrank.cli import cli
from anyrank.core.errors import InputError

WORDS = ["wing", "lift", "drag", "heat", "flow", "shock", "layer", "plate"]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def call(*args):
    result = CliRunner().invoke(cli, list(map(str, args)), standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import BertTokenizerFast

    from anyrank.models.bi import BiEncoder

    folder = tmp_path_factory.mktemp("generative")
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    torch.manual_seed(0)
    model = BiEncoder.from_config(SHAPE, BertTokenizerFast(vocab=str(folder / "vocab.txt")), max_length=16)
    model.save(folder / "encoder")
    texts = [f"{a} {b}" for a in WORDS for b in WORDS if a < b]
    corpus = "".join(json.dumps({"_id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(texts))
    (folder / "corpus.jsonl").write_text(corpus)
    (folder / "queries.tsv").write_text("q1\twing lift\nq2\theat flow\n")
    (folder / "qrels.txt").write_text("q1 0 d1 1\nq1 0 nowhere 1\nq2 0 d2 0\n")
    call("index", folder / "corpus.jsonl", "-o", folder / "my.index", "--encode", folder / "encoder")
    return folder


SHORT = ("--document-passes", 1, "--query-passes", 1, "--batch", 8)


@pytest.mark.parametrize("method", ["over_dense", "nci"])
def test_a_trained_folder_searches_its_index(folder, method, tmp_path):
    out = tmp_path / "m"
    args = ("generative", "train", folder / "my.index", "-o", out, "--method", method, "--model", folder / "encoder")
    data = ("--queries", folder / "queries.tsv", "--qrels", folder / "qrels.txt")
    result = call(*args, *data, *SHORT)
    assert "28 documents learnt" in result.output
    about = json.loads((out / "generative.json").read_text())
    assert (about["documents"], about["queries"], about["start"]) == (28, 1, str(folder / "encoder"))
    search = ("search", folder / "my.index", "wing lift", "-p", f'generative("{out}") % 3', "--json")
    (line,) = call(*search).output.splitlines()
    answer = json.loads(line)
    assert len(answer["ranking"]) == 3
    assert answer["cost"]["calls"] == 1
    assert answer["cost"]["prompt_tokens"] == 4
    with pytest.raises(InputError, match="holds a trained model"):
        call(*args, *SHORT)
    call(*args, "--overwrite", *SHORT)


def test_wrong_usage_is_named(folder, tmp_path):
    train = ("generative", "train", folder / "my.index", "-o", tmp_path / "m", "--model", folder / "encoder")
    with pytest.raises(InputError, match="--queries and --qrels go together"):
        call(*train, "--queries", folder / "queries.tsv")
    (tmp_path / "none.txt").write_text("q1 0 d1 0\n")
    with pytest.raises(InputError, match="has a relevant document"):
        call(*train, "--queries", folder / "queries.tsv", "--qrels", tmp_path / "none.txt")
    (tmp_path / "other.txt").write_text("q1 0 elsewhere 1\n")
    with pytest.raises(InputError, match="are the ids those of the index"):
        call(*train, "--queries", folder / "queries.tsv", "--qrels", tmp_path / "other.txt")
    with pytest.raises(InputError, match="does not exist: build one there"):
        call("generative", "train", tmp_path / "no.index", "-o", tmp_path / "m")
    call("index", folder / "corpus.jsonl", "-o", tmp_path / "plain.index")
    with pytest.raises(InputError, match=r"holds no vectors of .*--encode"):
        call("generative", "train", tmp_path / "plain.index", "-o", tmp_path / "m", "--model", folder / "encoder")


def test_queries_may_be_those_of_a_collection(folder, tmp_path):
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    (beir / "corpus.jsonl").write_text((folder / "corpus.jsonl").read_text())
    (beir / "queries.jsonl").write_text('{"_id": "q1", "text": "wing lift"}\n{"_id": "q2", "text": "heat flow"}\n')
    (beir / "qrels" / "train.tsv").write_text("q1\td1\t1\n")
    (beir / "qrels" / "test.tsv").write_text("q2\td2\t1\n")
    train = ("generative", "train", folder / "my.index", "-o", tmp_path / "m", "--model", folder / "encoder")
    with pytest.raises(InputError, match=r"several parts: name one with --split \(test, train\)"):
        call(*train, "--queries", beir)
    call(*train, "--queries", beir, "--split", "train", *SHORT)
    assert json.loads((tmp_path / "m" / "generative.json").read_text())["queries"] == 1
    with pytest.raises(InputError, match="--queries is missing"):
        call(*train, "--split", "train")
