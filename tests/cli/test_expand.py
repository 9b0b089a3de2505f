"""anyrank expand: documents with the text by which they are found, and BM25 over it."""

import json
import math
from importlib import import_module

import pytest
from click.testing import CliRunner

from anyrank.cli import cli
from anyrank.core.errors import InputError
from anyrank.core.language import Completion
from anyrank.core.trace import UNREACHABLE, Usage
from anyrank.core.types import Query, Ranking
from anyrank.index.collection import Collection
from anyrank.pipeline.parser import Settings, parse

DOCS = [
    {"_id": "a", "title": "Wings", "text": "lift of a surface", "year": 1958},
    {"_id": "b", "text": "heat of plates"},
    {"_id": "c", "text": ""},
]


class Writer:
    """Writes a query for each passage: a word by its text, and the number of the draw."""

    def __init__(self, broken=()):
        self.prompts, self.broken = [], broken

    def generate(self, prompts, *, max_tokens, stop=(), temperature=0.0, seed=0):
        self.prompts += prompts
        return [self._answer(p if isinstance(p, str) else p[-1].text, seed) for p in prompts]

    def _answer(self, text, seed):
        if any(word in text for word in self.broken):
            return Completion("", Usage(1), "error", "no server")
        word = "airplane" if "lift" in text else "thermal"
        return Completion(f'\n"why {word} {seed % 2}"\nIt asks.', Usage(1, 10, 4))


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(d) + "\n" for d in DOCS))
    return path


def run(monkeypatch, writer, *args, code=0):
    monkeypatch.setattr(import_module("anyrank.pipeline.methods"), "language_model", lambda name: writer)
    done = CliRunner().invoke(cli, ["expand", *map(str, args)], standalone_mode=False)
    if done.exception:
        raise done.exception
    assert done.return_value == code
    return done.stderr


def search(folder, pipeline, text):
    after = parse(pipeline, Settings(Collection.open(folder)))(Ranking(Query("q", text)))
    return {c.id: c.score for c in after}, list(after)


def index(file, folder):
    done = CliRunner().invoke(cli, ["index", str(file), "-o", str(folder)], standalone_mode=False)
    assert done.exception is None, done.exception


def test_queries_are_searched_and_documents_stay_as_they_are(corpus, tmp_path, monkeypatch):
    out, writer = tmp_path / "out.jsonl", Writer()
    text = run(monkeypatch, writer, corpus, "-o", out, "--model", "m", "--queries", "3")
    assert "cost: 6 calls, 60 prompt and 24 completion tokens" in text
    assert "3 documents, 2 with queries" in text
    assert all("web search" in p[-1].text for p in writer.prompts)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [{k: v for k, v in row.items() if k != "search_text"} for row in rows] == DOCS
    assert rows[0]["search_text"] == "Wings lift of a surface why airplane 0 why airplane 1"
    assert "search_text" not in rows[2]
    index(out, tmp_path / "index")
    index(corpus, tmp_path / "plain")
    scores, (best,) = search(tmp_path / "index", "bm25", "airplane")
    assert list(scores) == ["a"]
    assert best.content == "Wings lift of a surface"
    assert not search(tmp_path / "plain", "bm25", "airplane")[0]
    assert list(search(tmp_path / "index", "bm25(k1=.9, b=.4)", "airplane")[0]) == ["a"]


def test_a_model_trained_for_it_gets_the_passage_alone(corpus, tmp_path, monkeypatch):
    writer = Writer()
    run(monkeypatch, writer, corpus, "-o", tmp_path / "o.jsonl", "--model", "m", "--plain", "--queries", "1")
    assert writer.prompts == ["Wings lift of a surface", "heat of plates"]


def test_a_stopped_job_goes_on(corpus, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    args = (corpus, "-o", out, "--model", "m", "--queries", "2")
    assert "1 documents are not expanded (b: no server)" in run(monkeypatch, Writer(["heat"]), *args, code=1)
    writer = Writer()
    text = run(monkeypatch, writer, *args, "--resume")
    assert "resuming: 1 of 3 documents are done" in text
    assert "cost: 4 calls" in text  # of both runs
    assert len(writer.prompts) == 2
    assert "why thermal 0" in out.read_text()
    with pytest.raises(InputError, match="holds finished results"):
        run(monkeypatch, writer, *args)
    with pytest.raises(InputError, match="read twice"):
        run(monkeypatch, writer, "-", *args[1:], "--overwrite")


def test_draws_that_a_lost_server_owes_are_made_later(corpus, tmp_path, monkeypatch):
    class Lost(Writer):
        def _answer(self, text, seed):
            if seed:
                return Completion("", Usage(1, repairs={UNREACHABLE: 1}), "error", "no connection")
            return super()._answer(text, seed)

    out = tmp_path / "out.jsonl"
    args = (corpus, "-o", out, "--model", "m", "--queries", "2")
    text = run(monkeypatch, Lost(), *args, code=1)
    assert "2 documents are not expanded (a: no connection)" in text
    assert "0 with queries" in text
    assert "3 documents, 2 with queries" in run(monkeypatch, Writer(), *args, "--resume")
    assert out.read_text().count("why") == 4


def test_a_model_that_writes_nothing_is_told(corpus, tmp_path, monkeypatch):
    class Silent(Writer):
        def _answer(self, text, seed):
            return Completion(" \n", Usage(1, 10, 1))

    text = run(monkeypatch, Silent(), corpus, "-o", tmp_path / "out.jsonl", "--model", "m")
    assert "3 documents, 0 with queries" in text
    assert "warning: no document has any" in text


def test_a_job_ends_once_nothing_is_answered(tmp_path, monkeypatch):
    corpus, out = tmp_path / "corpus.jsonl", tmp_path / "out.jsonl"
    corpus.write_text("".join(json.dumps({"_id": str(i), "text": f"heat {i}"}) + "\n" for i in range(100)))
    args = (corpus, "-o", out, "--model", "m", "--queries", "1")
    writer = Writer(["heat"])
    text = run(monkeypatch, writer, *args, code=1)
    assert len(writer.prompts) == 64
    assert "64 documents are not expanded (0: no server), and 36 after them were not tried" in text
    assert "100 documents, 100 with queries" in run(monkeypatch, Writer(), *args, "--resume")


def test_only_the_share_of_queries_that_scores_best_is_added(corpus, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    run(
        monkeypatch,
        Writer(),
        corpus,
        "-o",
        out,
        "--model",
        "m",
        "--queries",
        "2",
        "--filter",
        "minilm",
        "--share",
        ".25",
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    added = [row["search_text"].count("why") for row in rows[:2]]
    assert sum(added) == 1


def test_deepct_repeats_words_and_bm25_sees_their_frequencies(corpus, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from transformers import BertTokenizerFast

    from anyrank.models.deepct import DeepCT
    from anyrank.papers.deepct import frequencies

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "wing", "##s", "lift", "of", "a", "surface", "heat", "plate"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    torch.manual_seed(2)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = DeepCT.from_config(shape, BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")), max_length=8)
    torch.nn.init.normal_(model.weigh.weight, std=0.3)
    torch.nn.init.constant_(model.weigh.bias, 0.6)
    model.save(tmp_path / "deepct")
    out = tmp_path / "out.jsonl"
    run(monkeypatch, None, corpus, "-o", out, "--model", tmp_path / "deepct")
    index(out, tmp_path / "index")
    with torch.inference_mode():
        weights = model.eval().weighed(["Wings lift of a surface", "heat of plates"])
    assert [[w for w, _ in mine] for mine in weights] == [
        ["wings", "lift", "of", "a", "surface"],
        ["heat", "of", "plates"],
    ]
    counts = [frequencies(mine) for mine in weights]
    assert all(len(mine) > 1 for mine in counts)
    stop = {"of", "a"}
    lengths = [sum(c for w, c in mine.items() if w not in stop) for mine in counts] + [0]
    scores, _ = search(tmp_path / "index", "bm25(k1=10, b=.9, title=1, smoothing=0)", "surface heat")
    # the frequencies put into the formula directly
    for id, word, n in (("a", "surface", 0), ("b", "heat", 1)):
        tf = counts[n].get(word, 0)
        idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
        norm = 10 * (1 - 0.9 + 0.9 * lengths[n] / (sum(lengths) / 3))
        assert scores.get(id, 0.0) == pytest.approx(idf * tf * 11 / (tf + norm))
