"""Every measure of ir_measures by its name, held against ir_measures itself: which values agree to 1e-9, which forms
are refused and why. ``python bench/bench_measures.py DATA`` (the folder of optional test data) writes
``bench/results/measures.md`` and ``measures.json``."""

from __future__ import annotations

import gzip
import json
import logging
import sys
from pathlib import Path

import ir_measures

from anyrank.core.errors import InputError
from anyrank.core.types import strict
from anyrank.evaluate.inputs import Judgements, lists
from anyrank.evaluate.measures import Meter
from anyrank.evaluate.support import by_subtopic, condensed, substitute

NAMES = """
AP AP@10 AP(rel=2) AP(rel=2)@100 AP(judged_only=True) MAP BPM(max_rel=3)@10 BPM(max_rel=3,T=2)@10 BPM@10 Bpref
Bpref(rel=2) BPref Compat Compat(p=0.8) Compat(normalize=False) ERR ERR@10 ERR@20 infAP infAP(rel=2) INST
INST(max_rel=3) INST(max_rel=3,T=2) INSQ INSQ(max_rel=3) IPrec IPrec@0.5 IPrec@0.1 IPrec(rel=2)@0.2 Judged Judged@10
nDCG nDCG@10 nDCG@100 nDCG(dcg='exp-log2') nDCG(dcg='exp-log2')@10 nDCG(gains={1:0,2:1,3:5})@10
nDCG(judged_only=True)@10 NDCG@5 NERR8(max_rel=3)@10 NERR9(max_rel=3)@10 NERR10(max_rel=3) NERR10(max_rel=3,p=0.5)
NERR11(max_rel=3) NERR11(max_rel=3,T=2) NERR8@10 NumQ NumRel NumRel(rel=2) NumRet NumRet(rel=2) NumRelRet P P@10
P(rel=2)@10 P(judged_only=True)@10 Precision@5 R R@100 R(rel=2)@100 R(judged_only=True)@10 Recall@50 RBP RBP@10
RBP(p=0.5) RBP(rel=1) RBP(rel=2,p=0.95) Rprec Rprec(rel=2) RPrec RR RR@10 RR(rel=2) RR(rel=2)@10 RR(judged_only=True)
MRR@10 SDCG(max_rel=3)@10 SDCG@10 SetAP SetAP(rel=2) SetF SetF(beta=2) SetF(rel=2) SetP SetP(relative=True) SetR
SetR(rel=2) SetRelP Success@1 Success@10 Success(rel=2)@5 Accuracy Accuracy@10 Accuracy(rel=2) Accuracy(rel=2)@50
alpha_DCG@10 alpha_nDCG@10 alpha_nDCG(alpha=0.9)@20 alpha_nDCG alpha_nDCG(judged_only=True)@10 α_nDCG@10 ERR_IA
ERR_IA@10 nERR_IA@10 NRBP NRBP(beta=0.8) nNRBP
AP_IA MAP_IA P_IA P_IA@10 StRecall StRecall@10
""".split()  # noqa: SIM905


def read(path: Path) -> list[list[str]]:
    raw = path.read_bytes()
    return [x.split() for x in (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode().splitlines()]


def collections(data: Path):
    """(name, judgements, rows of judgements, run) of DL19 by BM25 and RepLLaMA, of TREC-COVID, and of DL19 with made-up
    subtopics: each document's by the last digit of its id."""
    dl19 = [(q, d, int(g)) for q, _, d, g in read(data / "dl-candidates/qrels/dl19-passage.qrels")]
    covid = [(q, d, max(int(g), 0)) for q, _, d, g in read(data / "runs-trec/covid.qrels.gz")]
    for name, rows, file in (
        ("DL19 BM25", dl19, "dl-candidates/runs/dl19.BM25.top100.trec"),
        ("DL19 RepLLaMA", dl19, "dl-candidates/runs/dl19.REP_LLAMA.top100.trec"),
        ("COVID SPLADE", covid, "runs-trec/covid.SPLADE_P_P_ENSEMBLE_DISTIL.top100.trec.gz"),
    ):
        run: dict[str, dict[str, float]] = {}
        for q, _, d, _, score, _ in read(data / file):
            run.setdefault(q, {})[d] = float(score)
        yield name, [ir_measures.Qrel(q, d, g) for q, d, g in rows], run
        if name.startswith("DL19"):
            by_digit = [ir_measures.Qrel(q, d, g, str(int(d[-1]) % 3 + 1)) for q, d, g in rows if g > 0]
            by_digit += [ir_measures.Qrel(q, d, g, "4") for q, d, g in rows if g > 1]
            yield name + ", subtopics", by_digit, run


def compare(name: str, rows: list, run: dict[str, dict[str, float]]) -> tuple[str, float | None]:
    """(what came of a measure, its mean): agrees, differs, or the reason why it is refused."""
    nested: dict[str, dict[str, dict[str, int]]] = {}
    for q in rows:
        nested.setdefault(q.query_id, {}).setdefault(q.doc_id, {})[q.iteration] = q.relevance
    judgements = Judgements.of(nested)
    ranked, _ = lists(run, ties="trec_eval")
    try:
        meter = Meter([name], judgements)
        ((canonical, ours),) = meter(ranked).items()
    except InputError as error:
        return str(error), None
    grades = (
        rows if by_subtopic(meter.measures[canonical]) else {q: dict(docs) for q, docs in judgements.grades.items()}
    )
    measure = substitute(meter.measures[canonical])
    # Equal scores are told apart first, since ir_measures' programs break ties in four ways.
    run = {q: dict(zip(ids, strict([run[q][d] for d in ids]))) for q, ids in ranked.items()}
    if condensed(meter.measures[canonical]):
        run = {q: {d: s for d, s in docs.items() if d in nested.get(q, {})} for q, docs in run.items()}
    theirs = {m.query_id: m.value for m in ir_measures.iter_calc([measure], grades, run)}
    worst = max(abs(theirs.get(q, measure.DEFAULT) - v) for q, v in zip(meter.queries, ours))
    return ("agrees" if worst <= 1e-9 else f"differs by {worst:.3g}"), sum(ours) / len(ours)


def main() -> None:
    logging.getLogger("ir_measures").setLevel("ERROR")
    logging.getLogger("ir_measures.cwl_eval").setLevel("ERROR")
    folder = Path(__file__).parent / "results"
    table: dict[str, dict[str, tuple[str, float | None]]] = {}
    sets = list(collections(Path(sys.argv[1])))
    for name in NAMES:
        table[name] = {title: compare(name, rows, run) for title, rows, run in sets}
    titles = [title for title, _, _ in sets]
    lines = ["| measure | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, cells in table.items():
        shown = [
            f"{mean:.4f}" + ("" if text == "agrees" else f" **{text}**") if mean is not None else "refused"
            for text, mean in cells.values()
        ]
        lines.append(f"| `{name}` | " + " | ".join(shown) + " |")
    refused = {
        n: next(t for t, m in c.values() if m is None)
        for n, c in table.items()
        if all(m is None for _, m in c.values())
    }
    agreeing = sum(
        all(t == "agrees" for t, m in c.values() if m is not None) for n, c in table.items() if n not in refused
    )
    head = (
        f"{agreeing} of {len(table) - len(refused)} forms that are computed agree with ir_measures "
        f"{ir_measures.__version__} to 1e-9 on every query; {len(refused)} are refused:\n"
    )
    body = [head, *(f"- `{n}`: {t}" for n, t in refused.items()), "", *lines]
    (folder / "measures.md").write_text("\n".join(body) + "\n", encoding="utf-8")
    (folder / "measures.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print("\n".join(body))


if __name__ == "__main__":
    main()
