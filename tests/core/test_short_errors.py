"""Errors stay short whatever data they quote, and broken input of any size gives a clear error."""

import json
import sqlite3
import subprocess
import sys
import zlib

import pytest

from anyrank.cli import main
from anyrank.core.errors import AnyrankError, InputError, JudgeError, ModelError, listed, quoted, short
from anyrank.core.fusion import Combine
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.io import from_frame, rankings_from_dict, read_documents, read_qrels, read_queries, read_rankings, read_run
from anyrank.io.journal import Journal
from anyrank.llm.labels import Labels
from anyrank.llm.prompts import Template
from anyrank.llm.template_file import from_fields, load_template
from anyrank.pipeline.parser import PipelineError, parse

HUGE = "x" * 1_000_000
LIMIT = 1300


@pytest.mark.parametrize("error", [InputError, ModelError, JudgeError, AnyrankError])
def test_every_error_of_ours_is_short(error):
    assert len(str(error(f"unknown name {HUGE!r}: choose another"))) < 1100
    assert str(error(f"unknown name {HUGE!r}: choose another")).startswith("unknown name 'xxx")
    assert "choose another" in str(error(f"unknown name {HUGE!r}: choose another"))


def test_a_long_path_is_short_too():
    assert len(str(InputError(HUGE, path=HUGE, line=3))) < 1300


def test_quoting_keeps_short_values_and_cuts_long_ones():
    assert quoted("mini") == repr("mini")
    assert quoted(7) == "7"
    assert len(quoted(HUGE)) < 130
    assert "1,000,000 long" in quoted(HUGE)
    assert len(quoted(b"\0" * 1_000_000)) < 130
    assert len(quoted(list(range(100_000)))) < 130
    nested: list = []
    nested.append(nested)
    assert quoted(nested) == "[[...]]"
    assert listed(["a", "b"]) == "a, b"
    assert len(listed([HUGE] * 100_000)) < 1000
    assert short("abc", 3) == "abc"


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


WIDE = ",".join(f"column{i}" for i in range(1_000_000))
FILES = {
    "a header of a million columns": (read_documents, "a.csv", f"{WIDE}\nid,1\n"),
    "a row of a million columns": (read_documents, "a.csv", f"id,text\n{WIDE}\n"),
    "an object of many fields": (read_documents, "a.jsonl", json.dumps(dict.fromkeys(map(str, range(200_000)), 1))),
    "a long id that comes twice": (read_documents, "a.jsonl", f'{{"id": "{HUGE}", "text": "a"}}\n' * 2),
    "a query with a long id": (read_queries, "a.jsonl", json.dumps({"id": HUGE, "text": " "})),
    "a query without a text": (read_queries, "a.jsonl", json.dumps(dict.fromkeys(map(str, range(200_000)), 1))),
    "a long score": (read_run, "a.trec", f"q Q0 d 1 {HUGE} t\n"),
    "a long document twice": (read_run, "a.trec", f"q Q0 {HUGE} 1 1 t\n" * 2),
    "a long grade": (read_qrels, "a.qrels", f"q 0 d {HUGE}\n"),
    "a long judged document": (read_qrels, "a.qrels", f"q 0 {HUGE} 1\n" * 2),
    "a list without query": (read_rankings, "a.jsonl", json.dumps(dict.fromkeys(map(str, range(200_000)), 1))),
    "a list with a long score": (
        read_rankings,
        "a.jsonl",
        json.dumps({"query": "a", "documents": [{"text": "b", "score": HUGE}]}),
    ),
    "a long query id twice": (
        read_rankings,
        "a.jsonl",
        (json.dumps({"query": "a", "qid": HUGE, "documents": []}) + "\n") * 2,
    ),
    "a long ending": (read_documents, "a." + "y" * 200, "a"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_errors_of_files_are_short(case, tmp_path):
    read, name, text = FILES[case]
    with pytest.raises(InputError) as error:
        list(read(write(tmp_path, name, text)))
    assert len(str(error.value)) < LIMIT


VALUES = {
    "a stage": lambda: parse(HUGE),
    "an argument": lambda: parse(f"bm25(k='{HUGE[:9000]}')"),
    "a keyword": lambda: parse(f"bm25({HUGE[:9000]}=1)"),
    "a fusion": lambda: Combine(how=HUGE),
    "a candidate twice": lambda: Ranking(Query(HUGE), (Candidate(HUGE), Candidate(HUGE))),
    "scores": lambda: Ranking.of(Query(HUGE, "a"), "ab").scored([1.0]),
    "labels": lambda: Labels(HUGE),
    "a regular expression": lambda: Template(valid="(" + HUGE),
    "a placeholder": lambda: Template(body="{" + HUGE + "}"),
    "a method": lambda: from_fields({"method": HUGE, "body": "{rank}"}),
    "a frame": lambda: from_frame([dict.fromkeys(map(str, range(100_000)))]),
    "a score of a frame": lambda: from_frame([{"qid": HUGE, "docno": HUGE, "score": HUGE}]),
    "texts": lambda: rankings_from_dict({HUGE: {HUGE: 1.0}}, {"a": "b"}),
}


@pytest.mark.parametrize("case", VALUES)
def test_errors_of_values_are_short(case):
    with pytest.raises(InputError) as error:
        VALUES[case]()
    assert len(str(error.value)) < LIMIT


def test_a_pipelines_error_shows_the_text_around_its_place():
    text = " + ".join(["mini"] * 30 + ["nosuch"] + ["tiny"] * 30)
    with pytest.raises(PipelineError) as error:
        parse(text, starts=False)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("  …")
    assert lines[1].endswith("…")
    start = lines[2].index("^")
    assert lines[1][start : start + lines[2].count("^")] == "nosuch"


LARGE = {
    "500 terms": " + ".join(["mini"] * 500),
    "1,000 steps": " >> ".join(["mini"] * 1000),
    "10,000 cut-offs": "mini" + " % 9" * 4000,
    "a union": " | ".join(["prior"] * 900),
    "weights": " * ".join(["2"] * 900) + " * mini",
    "parentheses": "(" * 3000 + "mini" + ")" * 3000,
    "a few parentheses": "(" * 150 + "mini" + ")" * 150 + " >> nosuch",
    "nested fusions": "rrf(" * 250 + "mini" + ")" * 250,
    "calls": "mini(" * 900 + ")" * 900,
    "lists": f"keep({'[' * 900 + ']' * 900})",
    "signs": "mini % " + "-" * 5000 + "1",
    "a megabyte": "mini + " * 150_000 + "mini",
}


@pytest.mark.parametrize("case", LARGE)
def test_huge_pipelines_give_a_clear_error(case):
    with pytest.raises(PipelineError) as error:
        parse(LARGE[case], starts=False)
    assert len(str(error.value)) < LIMIT


def test_a_hundred_terms_are_read():
    stage = parse(" + ".join(["prior"] * 100), starts=False)
    assert len(stage.stages) == 100
    deep = parse(" >> ".join(["prior % 5"] * 60), starts=False)
    assert deep(Ranking.of("q", "abc")).ids == ["0", "1", "2"]


TEMPLATES = {
    "nested brackets": "body: " + "[" * 2000 + "]" * 2000,
    "nested braces": "body: " + "{a: " * 2000 + "}" * 2000,
    "nested lists": "- " * 3000 + "a",
    "latin-1": 'body: "[{rank}] {candidate} caf\u00e9"'.encode("latin-1"),
    "utf-16": 'body: "[{rank}]"'.encode("utf-16"),
    "a null byte": b"body: \0",
    "a control character": b"body: \x07",
    "a date of a 13th month": "body: 2024-13-45",
    "a date beyond all": "body: 9999-12-31T23:59:59-23:59",
    "a tag": "body: !!python/object:os.system x",
    "a mapping as key": "{[a]: b}: c",
    "bad base64": "body: !!binary '%%%'",
    "a bad set": "body: !!set [1, 2]",
    "a bad float": "body: !!float abc",
    "a bad timestamp": "body: !!timestamp abc",
    "a list": "- a",
    "a text": "a",
    "nothing": "",
    "numbers": "body: 7",
    "a cycle": "body: &a [*a]",
    "two files": "a: b\n---\nc: d",
    "an unknown alias": "body: *nowhere",
    "a bad regex": "body: '[{rank}]'\noutput_validation_regex: '('",
    "a bad placeholder": "body: '[{rank}] {nosuch}'",
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_broken_templates_give_a_clear_error_with_the_file(case, tmp_path):
    path = write(tmp_path, "t.yaml", TEMPLATES[case])
    with pytest.raises(InputError, match=r"t\.yaml") as error:
        load_template(path)
    assert len(str(error.value)) < LIMIT


@pytest.mark.parametrize(
    "case", ["nested brackets", "nested braces", "nested lists", "latin-1", "a null byte", "a date beyond all"]
)
def test_broken_recipes_give_a_clear_error(case, tmp_path):
    from anyrank.train.recipe import read_recipe

    with pytest.raises(InputError, match=r"t\.yaml"):
        read_recipe(write(tmp_path, "t.yaml", TEMPLATES[case]))


ROWS = {
    "no ranking": {"trace": []},
    "no trace": {"ranking": []},
    "a list": [],
    "a number": 7,
    "null": None,
    "a ranking of texts": {"ranking": ["a"], "trace": []},
    "a score that is none": {"ranking": [["a", "b"]], "trace": []},
    "a document twice": {"ranking": [["a", 1.0], ["a", 0.5]], "trace": []},
    "a trace of texts": {"ranking": [], "trace": ["a"]},
    "a trace that is none": {"ranking": [], "trace": 7},
}


@pytest.mark.parametrize("case", [*ROWS, "bytes", "empty", "not JSON", "deep JSON"])
def test_a_journals_row_of_another_form_is_damage(case, tmp_path):
    path = tmp_path / "j"
    with Journal.open(path, {}) as journal:
        journal.put("q", {"ranking": [["a", 1.0]], "trace": []})
    texts = {"bytes": b"\xff", "empty": "", "not JSON": "{", "deep JSON": "[" * 100_000}
    record = texts[case] if case in texts else json.dumps(ROWS[case])
    raw = record if isinstance(record, bytes) else record.encode()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE finished SET record = ?, checksum = ?", (record, zlib.crc32(raw)))
    db.close()
    with Journal.open(path, {}, resume=True) as journal, pytest.raises(InputError, match="damaged"):
        list(journal.rankings([Query("q", "a")]))


COMMANDS = {
    "a pipeline": ["rerank", "-p", HUGE[:100_000]],
    "a command": ["nosuch" * 10_000],
    "an option": ["rerank", "--" + HUGE[:100_000]],
    "a file": ["index", HUGE[:100_000]],
    "a paper": ["papers", "show", HUGE[:100_000]],
    "many terms": ["rerank", "-p", LARGE["500 terms"]],
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_line_says_little(case, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["anyrank", *COMMANDS[case]])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert len(capsys.readouterr().err) < 2000


def test_no_traceback_reaches_the_terminal():
    arguments = "sys.argv = ['anyrank', 'rerank', '-p', ' + '.join(['mini'] * 500)]"
    code = f"import sys; from anyrank.cli import main; {arguments}; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, input="", timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
