"""Every benchmark's loader on a small folder of its layout; the error of absent data; the tables."""

import json
from dataclasses import replace

import pytest

from anyrank.benchmarks import MissingData, load, names
from anyrank.benchmarks.run import collection, measured, ranked, report
from anyrank.core.content import Image
from anyrank.core.errors import InputError
from anyrank.core.stage import Stage
from anyrank.pipeline.parser import Settings, parse


def write(folder, files):
    for name, rows in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = rows if isinstance(rows, str) else "".join(json.dumps(r) + "\n" for r in rows)
        path.write_text(text, encoding="utf-8")
    return folder


BEIR = {
    "corpus.jsonl": [{"_id": "d1", "text": "wing lift"}, {"_id": "d2", "text": "heat flow"}],
    "queries.jsonl": [{"_id": "1", "text": "lift of a wing"}],
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\td1\t1\n",
}
FOLDERS = {
    "beir": {f"{name}/{k}": v for name in ("a", "b") for k, v in BEIR.items()},
    "coir": BEIR,
    "codesearchnet": {f"python/{k}": v for k, v in BEIR.items()},
    "bright": {
        "examples/biology.jsonl": [
            {"id": "0", "query": "lift of a wing", "gold_ids": ["d1"], "excluded_ids": ["d3"]},
            {"id": "1", "query": "heat", "gold_ids": ["d2"], "excluded_ids": ["N/A"]},
        ],
        "documents/biology.jsonl": [
            {"id": "d1", "content": "wing lift"},
            {"id": "d2", "content": "heat flow"},
            {"id": "d3", "content": "lift of a wing"},
        ],
    },
    "r2med": {
        "Biology/corpus.jsonl": [{"id": "d1", "text": "wing lift"}, {"id": "d2", "text": "heat flow"}],
        "Biology/query.jsonl": [{"id": "1", "text": "lift"}, {"id": "2", "text": "not judged"}],
        "Biology/qrels.jsonl": [{"q_id": "1", "p_id": "d1", "score": 1}],
    },
    "multihop_rag": {
        "corpus.json": '[{"title": "A", "body": "The wing has lift. It is long."}, {"title": "B", "body": "Heat."}]',
        "MultiHopRAG.json": '[{"query": "wing lift?", "evidence_list": [{"fact": "The wing has lift."}]},\n'
        '{"query": "none", "evidence_list": []}]',
    },
    "t2ranking": {
        "collection.tsv": "pid\tpassage\n1\t机翼的升力\n2\t热流\n3\t机翼\n",
        "queries.dev.tsv": "qid\ttext\n7\t机翼升力\n8\t热\n9\t没有\n",
        "qrels.retrieval.dev.tsv": "qid\tpid\n7\t1\n8\t2\n",
        "qrels.dev.tsv": "7 0 1 3\n7 0 3 1\n8 0 2 2\n",
    },
    "trec_dl": {
        "dl19.queries.tsv": "1\tlift of a wing\n2\tnot judged\n",
        "dl19.passages.jsonl": BEIR["corpus.jsonl"],
        "qrels/dl19-passage.qrels": "1 0 d1 3\n1 0 d2 0\n",
        "runs/dl19.BM25.top100.trec": "1 Q0 d2 1 2.0 x\n1 Q0 d1 2 1.0 x\n2 Q0 d1 1 1.0 x\n",
        "runs/dl22.BM25.top100.trec": "1 Q0 d2 1 2.0 x\n",
    },
    "rarb": {
        "mcr/arc-test.csv": "instructions,queries,documents,labels\n"
        "Answer.,what has lift?,\"['a wing', 'heat', 'a wing']\",0\n"
        'Answer.,what flows?,"[\'a wing\', ""the heat""]",1\n',
        **{f"full/TR1/{k}": v for k, v in BEIR.items()},
        "full/TR1/instruction.txt": "Find it.\n",
    },
    "inquire": {
        "inquire_queries_test.csv": ",query_id,query_text,supercategory\n"
        "0,3,a red bird,Appearance\n1,4,a nest,Context\n",
        "inquire_annotations.csv": "query_id,image_path\n3,a/1.jpg\n3,a/9.jpg\n4,a/2.jpg\n",
        "inquire_rerank.csv": "query_id,image_path\n3,a/2.jpg\n3,a/1.jpg\n4,a/2.jpg\n4,a/1.jpg\n",
        "images/a/1.jpg": "",
        "images/a/2.jpg": "",
    },
}


def tasks(name, tmp_path):
    return {t.name: t for t in load(name).tasks(write(tmp_path, FOLDERS[name]))}


def test_every_benchmark_has_a_folder_here_or_judges_reports():
    assert {*FOLDERS, "researchy"} == set(names())


@pytest.mark.parametrize("name", names())
def test_absent_data_is_named_with_what_to_get_and_where_to_put_it(name, tmp_path):
    benchmark = load(name)
    with pytest.raises(MissingData, match="the folder doesn't exist") as error:
        list(benchmark.tasks(tmp_path / "none"))
    assert benchmark.data in str(error.value)
    if name != "researchy":
        with pytest.raises(MissingData, match=f"no data of {name}"):
            list(benchmark.tasks(tmp_path))


@pytest.mark.parametrize("name", names())
def test_tables_are_of_the_benchmarks_measures(name, tmp_path):
    rows = load(name).published()
    assert rows
    assert all(0 < row.value <= 1 and row.system and row.measure and row.source for row in rows)
    if name in FOLDERS and name != "multihop_rag":
        known = {m for t in tasks(name, tmp_path).values() for m in (*t.measures, *t.own)}
        assert {row.measure for row in rows} <= known


@pytest.mark.parametrize("name", [n for n in FOLDERS if n != "inquire"])
def test_bm25_runs_every_task_that_searches(name, tmp_path):
    for number, task in enumerate(tasks(name, tmp_path).values()):
        index = collection(task, tmp_path / f"index{number}")
        if index is None:
            continue
        after = ranked(task, parse("bm25", Settings(index)))
        result = measured(task, after, "bm25")
        assert set(result.summaries) == {*task.measures, *task.own}
        assert all(0 <= s.low <= s.mean <= s.high for s in result.summaries.values())
        text = report([result], load(name).published())
        assert "  ours   bm25" in text
        assert task.name in text


def test_excluded_documents_leave_the_results(tmp_path):
    (task,) = tasks("bright", tmp_path).values()
    after = ranked(task, parse("bm25", Settings(collection(task, tmp_path / "index"))))
    assert after[0].ids[0] == "d1"
    assert "d3" not in after[0].ids
    assert measured(task, after, "bm25").summaries["nDCG@10"].mean == 1


def test_t2rankings_two_sets_of_judgements(tmp_path):
    both = tasks("t2ranking", tmp_path)
    assert both["retrieval"].grades == {"7": {"1": 1}, "8": {"2": 1}}
    assert both["reranking"].grades["7"] == {"1": 3, "3": 1}
    assert [r.query.id for r in both["reranking"].rankings] == ["7", "8"]
    assert next(c.content for c in both["retrieval"].documents()) == "机翼的升力"


def test_trec_dl_takes_judged_queries_of_the_run_in_its_order(tmp_path):
    (task,) = tasks("trec_dl", tmp_path).values()
    assert task.name == "dl19 BM25"
    assert [r.ids for r in task.rankings] == [["d2", "d1"]]
    assert measured(task, task.rankings, "prior").summaries["RR(rel=2)@10"].mean == 0.5


def test_multihop_rag_leaves_out_questions_without_facts(tmp_path):
    (task,) = tasks("multihop_rag", tmp_path).values()
    assert len(task.rankings) == 1
    after = ranked(task, parse("bm25", Settings(collection(task, tmp_path / "index"))))
    assert {n: s.mean for n, s in measured(task, after, "bm25").summaries.items()} == {
        "Hits@4": 1, "Hits@10": 1, "MRR@10": 1, "MAP@10": 1,
    }  # fmt: skip


def test_inquires_two_tasks(tmp_path):
    both = tasks("inquire", tmp_path)
    assert [c.id for c in both["fullrank"].documents()] == ["a/1.jpg", "a/2.jpg"]
    assert both["fullrank"].grades["3"] == {"a/1.jpg": 1, "a/9.jpg": 1}
    task = both["rerank"]
    assert task.grades["3"] == {"a/1.jpg": 1}  # relevant ones within the given list alone
    assert isinstance(task.rankings[0][0].content, Image)
    means = {n: s.mean for n, s in measured(task, task.rankings, "prior").summaries.items()}
    assert means["AP@100"] == 0.75
    assert means["RR@100"] == 0.75


class Scores(Stage):
    """A stage that scores by a function of query and candidate."""

    def __init__(self, score):
        self.score = score

    def batch(self, rankings):
        out = []
        for r in rankings:
            scores = {i: self.score(r.query, c) for i, c in enumerate(r)}
            out.append(r.ordered(dict(sorted(scores.items(), key=lambda pair: -pair[1]))))
        return out


def test_rarbs_protocol(tmp_path):
    every = tasks("rarb", tmp_path)
    assert list(every) == [
        "arc options", "arc options instructed", "arc pool", "arc pool instructed", "TR1 full", "TR1 full instructed",
    ]  # fmt: skip
    options, pool = every["arc options"], every["arc pool"]
    # equal texts are one document, ids in the order of their first appearance, as the full sets have them
    assert [r.ids for r in options.rankings] == [["arc-d-0", "arc-d-1"], ["arc-d-0", "arc-d-2"]]
    assert [c.id for c in pool.documents()] == ["arc-d-0", "arc-d-1", "arc-d-2"]
    assert options.grades == {"arc-q-0": {"arc-d-0": 1}, "arc-q-1": {"arc-d-2": 1}}
    # instructions change the queries' text and nothing else
    told = every["arc options instructed"]
    assert told.rankings[0].query.content == "Answer. what has lift?"
    assert told.grades == options.grades
    assert [r.candidates for r in told.rankings] == [r.candidates for r in options.rankings]
    assert every["TR1 full instructed"].rankings[0].query.content == "Find it. lift of a wing"


def test_rarb_at_random_is_one_over_options_and_an_oracle_is_right(tmp_path):
    options = tasks("rarb", tmp_path)["arc options"]
    tied = Scores(lambda q, c: 0.0).batch(options.rankings)
    assert measured(options, tied, "tied").summaries["accuracy"].mean == pytest.approx(1 / 2)
    oracle = Scores(lambda q, c: float(options.grades[q.id].get(c.id, 0))).batch(options.rankings)
    assert measured(options, oracle, "oracle").summaries["accuracy"].mean == 1


def test_rarbs_open_sets_are_as_published(data):
    sizes = {t.name: t for t in load("rarb").tasks(data / "rar-b-mcr") if t.name.endswith(" options")}
    assert {n: len(t.rankings) for n, t in sizes.items()} == {
        "ARC-Challenge options": 1172, "alphanli options": 1532, "socialiqa options": 1954,
    }  # fmt: skip
    assert {len(r.query.meta["options"]) for r in sizes["ARC-Challenge options"].rankings} <= {3, 4, 5}


def test_inquires_queries_are_as_counted(data, tmp_path):
    for name in ("inquire_queries_test.csv", "inquire_queries_val.csv"):
        (tmp_path / name).write_bytes((data / "inquire" / name).read_bytes())
    write(tmp_path, {"inquire_annotations.csv": "query_id,image_path\n3,a/1.jpg\n", "images/a/1.jpg": ""})
    both = {t.name: t for t in load("inquire").tasks(tmp_path)}
    assert {n: len(t.rankings) for n, t in both.items()} == {"fullrank": 200, "fullrank val": 50}
    kinds = [r.query.meta["supercategory"] for r in both["fullrank"].rankings]
    assert {k: kinds.count(k) for k in set(kinds)} == {"Behavior": 67, "Appearance": 66, "Context": 49, "Species": 18}


def test_bm25_over_dl19_is_the_published_figure(data):
    found = {t.name: t for t in load("trec_dl").tasks(data / "dl-candidates")}
    mean = measured(found["dl19 BM25"], found["dl19 BM25"].rankings, "prior").summaries["nDCG@10"].mean
    assert mean == pytest.approx(0.5058, abs=5e-5)
    row = next(r for r in load("trec_dl").published() if r.system == "BM25, not reranked" and r.task == "dl19 BM25")
    assert row.value == 0.5058


def test_rankings_of_other_queries_are_refused(tmp_path):
    (task,) = tasks("coir", tmp_path).values()
    with pytest.raises(InputError, match="0 rankings for the 1 queries"):
        measured(task, [], "none")


WRONG = [
    ("rarb", "mcr/arc-test.csv", "instructions,queries,documents,labels\n", "the file is empty: expected questions"),
    ("rarb", "full/TR1/instruction.txt", b"\x81\xff", "instruction.txt.*UTF-8"),
    ("inquire", "inquire_queries_test.csv", "x,y\n1,2\n", "a record without query_id: it has x, y"),
    ("multihop_rag", "MultiHopRAG.json", '{"query": "who?"}\n', "question 0 has no evidence_list of objects"),
    ("multihop_rag", "MultiHopRAG.json", '{"query": "who?", "evidence_list": ["a"]}\n', "no evidence_list of objects"),
    ("bright", "examples/biology.jsonl", '{"a": 1}\n', "a record without id: it has a"),
]


@pytest.mark.parametrize(("name", "file", "content", "message"), WRONG)
def test_files_of_another_form_are_named_with_their_folder(name, file, content, message, tmp_path):
    write(tmp_path, FOLDERS[name])
    (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as error:
        list(load(name).tasks(tmp_path))
    assert str(error.value).startswith(str(tmp_path))


def test_judgements_of_other_queries_are_refused(tmp_path):
    found = tasks("trec_dl", tmp_path)["dl19 BM25"]
    with pytest.raises(InputError, match="none of the 1 queries of dl19 BM25 is judged: do the ids agree"):
        measured(replace(found, grades={"77": {"d1": 1}}), found.rankings, "prior")


def test_an_unknown_benchmark_is_named():
    with pytest.raises(InputError, match=r"no benchmark 'rarbb'.*rarb"):
        load("rarbb")


def test_a_collection_without_judgements_is_named(tmp_path):
    from anyrank.benchmarks.base import beir_folders

    (tmp_path / "x" / "qrels").mkdir(parents=True)
    (tmp_path / "x" / "corpus.jsonl").write_text('{"_id": "a", "text": "wing"}\n')
    (tmp_path / "x" / "queries.jsonl").write_text('{"_id": "1", "text": "wing"}\n')
    with pytest.raises(InputError, match=r"no judgements: expected qrels/test\.tsv"):
        list(beir_folders(tmp_path, ["nDCG@10"]))


@pytest.mark.parametrize(("documents", "label"), [("[broken", "0"), ("['a', 'b']", "first"), ("3", "0")])
def test_a_broken_row_of_choices_is_named(documents, label):
    from anyrank.benchmarks.rarb import choices

    row = {"queries": "q", "documents": documents, "labels": label, "instructions": "i"}
    with pytest.raises(InputError, match="foo, row 0: expected a list of texts"):
        list(choices("foo", [row]))
