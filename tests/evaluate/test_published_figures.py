"""Agreement to four digits with figures that trec_eval gave for runs at hand."""

import gzip
import json
import re

import pytest

from anyrank.evaluate import evaluate

MEASURE = {"ndcg_cut_10": "nDCG@10", "map_cut_100": "AP@100", "recall_20": "R@20", "recall_100": "R@100"}


def lines(path):
    raw = path.read_bytes()
    return [x.split() for x in (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()]


def run(path):
    out = {}
    for q, _, doc, _, score, _ in lines(path):
        out.setdefault(q, {})[doc] = float(score)
    return out


def qrels(path):
    out = {}
    for q, _, doc, grade in lines(path):
        out.setdefault(q, {})[doc] = int(grade)
    return out


def figures(text):
    """The JSON objects that stand one after another in a file; trailing commas are passed over."""
    text, at = re.sub(r",(\s*[\]}])", r"\1", text).strip(), 0
    while at < len(text):
        found, at = json.JSONDecoder().raw_decode(text, at)
        yield found
        at += len(text[at:]) - len(text[at:].lstrip())


def test_every_published_figure_of_a_run_at_hand(data):
    files = {p.name.split(".", 3)[3].removesuffix(".trec.gz"): p for p in (data / "llm-listwise" / "runs").iterdir()}
    judged = qrels(data / "dl-candidates" / "qrels" / "dl19-passage.qrels")
    all_lines, compared, used, wrong = 0, 0, {}, []
    for source in sorted((data / "llm-listwise" / "published_figures").iterdir()):
        for figure in figures(source.read_text()):
            all_lines += 1
            stamp = re.search(r"_dl\d\d_(.*)\.txt|_([^_]*)\.txt", figure["file"])[1]
            stamp = stamp and stamp.replace(":", "")
            if stamp not in files:
                continue
            if stamp not in used:
                e = evaluate({"run": run(files[stamp])}, judged, [*MEASURE.values(), "AP(rel=2)@100"], samples=50)
                used[stamp] = {m: e.mean("run", m) for m in e.measures}
            for line in figure["result"]:
                name, _, value = line.split()
                measure = MEASURE[name]
                if name == "map_cut_100" and "results_output_v2" in source.name:
                    measure = "AP(rel=2)@100"  # this file alone was made with grade 2 as the least relevant one
                compared += 1
                if f"{used[stamp][measure]:.4f}" != value:
                    wrong.append((figure["file"], name, value, used[stamp][measure]))
    assert wrong == []
    assert (all_lines, len(used), compared) == (249, 11, 75)


DL19 = "dl-candidates/qrels/dl19-passage.qrels"


@pytest.mark.parametrize(
    ("path", "judgements", "expected"),
    [
        ("dl-candidates/runs/dl19.BM25.top100.trec", DL19, 0.5058),
        ("dl-candidates/runs/dl19.SPLADE_P_P_ENSEMBLE_DISTIL.top100.trec", DL19, 0.7308),
        ("dl-candidates/runs/dl19.D_BERT_KD_TASB.top100.trec", DL19, 0.7210),
        ("dl-candidates/runs/dl19.OPEN_AI_ADA2.top100.trec", DL19, 0.7035),
        ("dl-candidates/runs/dl19.REP_LLAMA.top100.trec", DL19, 0.7384),
        ("runs-trec/covid.BM25.top100.trec.gz", "runs-trec/covid.qrels.gz", 0.5947),
        ("llm-listwise/runs/dl19.BM25.rankvicuna.2023-09-12T210749.732545.trec.gz", DL19, 0.6682),
    ],
)
def test_known_figures_of_the_data(data, path, judgements, expected):
    e = evaluate({"run": run(data / path)}, qrels(data / judgements), ["nDCG@10"], ties="trec_eval", samples=50)
    assert round(e.mean("run", "nDCG@10"), 4) == expected


def test_rounded_scores_are_ties_and_the_way_they_are_broken_shows(data):
    judged = qrels(data / "dl-candidates" / "qrels" / "dl19-passage.qrels")
    e = evaluate({"run": run(data / "dl-candidates/runs/dl19.REP_LLAMA.top100.trec")}, judged, ["nDCG@10"], samples=50)
    assert round(e.mean("run", "nDCG@10"), 4) == 0.7439
    assert e.tied == {"run": 43}
    assert "run: equal scores in 43 of its queries, ordered in the order given" in e.table()


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("Compat", 0.3822), ("ERR@10", 0.3177), ("nDCG(dcg='exp-log2')@10", 0.4364), ("RBP(rel=1)", 0.6434),
     ("INST(max_rel=3)", 0.5011), ("Bpref", 0.3574), ("RR@10", 0.8233), ("infAP", 0.2993), ("SetF", 0.3128)],
)  # fmt: skip
def test_measures_of_every_program_on_a_run_of_dl19(data, measure, expected):
    """What ir_measures 0.4.3 gives for the same files (bench/bench_measures.py has all measures)."""
    file, judgements = data / "dl-candidates/runs/dl19.BM25.top100.trec", data / DL19
    assert round(evaluate({"bm25": file}, judgements, measure, samples=20).mean("bm25", measure), 4) == expected
