"""Documents of 2,000 words by their passages: FirstP, MaxP and PARADE, trained small and short.

    python bench/bench_long_documents.py DATA WORK [QUERIES GROUPS]
    python bench/bench_long_documents.py memory WORK            # after it, in a process of its own

Documents are abstracts of SciFact joined until there are 2,000 words, one of them relevant to a claim, or of another
claim, at a random position. A cross-encoder on BERT-tiny's body (SPLADE-tiny's weights) learns relevance from abstracts
first; each model of long documents starts from it. Measured on test claims whose abstracts no training claim needs:
the rank of the relevant document among three, CPU time of training and of scoring (bfloat16), and peak memory
of scoring, beside the same cross-encoder on the first 256 tokens, and on passages without a training on documents.
Results: bench/results/long_documents.json.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anyrank.core.content import text_of
from anyrank.evaluate.measures import Meter
from anyrank.hub.registry import resolve
from anyrank.io.dataset import Dataset
from anyrank.models import model_class
from anyrank.train.group import Group
from anyrank.train.recipe import Data, Export, Loss, Model, Optimiser, Recipe
from anyrank.train.run import train
from anyrank.train.validation import scores

RESULTS = Path(__file__).parent / "results" / "long_documents.json"
WORDS, OTHERS = 2000, 2
WINDOWS = {"window": 150, "stride": 150, "most": 14}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "FirstP": ("passages", {"aggregate": "first"}),
    "MaxP": ("passages", {"aggregate": "max", "share": 0.1}),
    "PARADE-Transformer": ("parade", {"aggregate": "transformer"}),
    "PARADE-Max": ("parade", {"aggregate": "max"}),
}


def pairs(dataset: Dataset, split: str) -> list[tuple[str, str, str]]:
    """(id, claim, id of a relevant abstract) of a part."""
    qrels = dataset.qrels(split)
    out = []
    for query in dataset.queries(split):
        relevant = [d for d, grade in qrels.get(query.id, {}).items() if grade > 0]
        if relevant:
            out.append((query.id, text_of(query.content), relevant[0]))
    return out


def long_document(texts: dict[str, str], fillers: Sequence[str], wanted: str, rng: random.Random) -> str:
    """Abstracts of about 2,000 words in all, the wanted one at a random position."""
    parts, words = [texts[wanted]], len(texts[wanted].split())
    while words < WORDS:
        parts.append(rng.choice(fillers))
        words += len(parts[-1].split())
    rng.shuffle(parts)
    return " ".join(" ".join(parts).split()[: WORDS + 200])


def groups(
    texts: dict[str, str],
    rows: Sequence[tuple[str, str, str]],
    others: int,
    seed: int,
    fillers: Sequence[str] = (),
) -> list[Group]:
    """A group a claim: its abstract and ``others`` of other claims, alone or each in a long document of fillers."""
    rng = random.Random(seed)
    out = []
    for id, claim, relevant in rows:
        wrong = rng.sample([r for _, _, r in rows if r != relevant], others)
        contents = [long_document(texts, fillers, d, rng) if fillers else texts[d] for d in (relevant, *wrong)]
        ids = [str(i) for i in range(len(contents))]
        out.append(Group.from_texts(claim, contents, [1.0, *[0.0] * others], id, ids))
    return out


def peak(reset: bool = False) -> float:
    """Peak memory of the process in MB since it was reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measured(model: Any, held_out: Sequence[Group]) -> dict[str, float]:
    """The measures of a model on held-out groups, CPU seconds and peak memory of scoring them."""
    begin = time.process_time()
    rows = scores(model, held_out, bf16=True)
    seconds = time.process_time() - begin
    lists = {g.id: [g.ids[i] for i in sorted(range(len(row)), key=lambda i: -row[i])] for g, row in zip(held_out, rows)}
    values = Meter(["RR", "nDCG@10"], {g.id: {"0": 1} for g in held_out})(lists)
    out = {name: round(sum(v) / len(v), 4) for name, v in values.items()}
    documents = sum(len(g.candidates) for g in held_out)
    return out | {"ms a document": round(1000 * seconds / documents, 1)}


def memory(work: str) -> None:
    """Peak memory of MaxP over ten documents of growing length."""
    torch.set_num_threads(1)
    model = model_class("passages").from_folder(Path(work) / "MaxP", most=0).eval()
    rows = json.loads(RESULTS.read_text())
    peaks: dict[str, int] = {}
    for words in (200, 2000, 8000):
        texts = [" ".join(f"lift{i} of wing {j}" for j in range(words // 4)) for i in range(10)]
        peak(reset=True)
        scores(model, [Group.from_texts("lift of wings", texts, [0.0] * 10)])
        peaks[f"{words} words"] = round(peak())
    print(peaks, flush=True)
    RESULTS.write_text(json.dumps(rows | {"MaxP, peak MB": peaks}, indent=1) + "\n")


def recipe(out: Path, kind: str, start: str, options: dict[str, Any], **optimiser: Any) -> Recipe:
    return Recipe(
        out=str(out),
        model=Model(kind=kind, start=start, max_length=256, options=options),
        data=Data(about="SciFact, training claims"),
        losses=(Loss(name="infonce"),),
        optimiser=Optimiser(**optimiser),
        export=Export(int8=False),
        threads=1,
    )


def main(data: str, work: str, queries: str = "60", trained: str = "150") -> None:
    torch.set_num_threads(1)
    dataset = Dataset.open(Path(data) / "scifact")
    texts = {d.id: text_of(d.content) for d in dataset.documents()}
    learning = pairs(dataset, "train")
    seen = {relevant for _, _, relevant in learning}
    used = seen | {relevant for _, _, relevant in pairs(dataset, "test")}
    fillers = [text for id, text in texts.items() if id not in used]  # relevant to no claim
    test = [row for row in pairs(dataset, "test") if row[2] not in seen][: int(queries)]
    held_out = groups(texts, test, OTHERS, 1, fillers)
    rows: dict[str, dict[str, float]] = {}

    def note(name: str, row: dict[str, float]) -> None:
        rows[name] = row
        print(name, row, flush=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")

    base = Path(work) / "cross"
    spent = Path(work) / "cross-seconds.json"
    begin = time.process_time()
    if not (base / "anyrank.json").is_file():
        short = recipe(base, "cross", str(resolve("splade-tiny-fp32")), {}, rate=3e-4, batch=16, epochs=3)
        short = replace(short, model=replace(short.model, max_length=128))
        train(short, train=groups(texts, learning, 2, 0))
        spent.write_text(json.dumps(round(time.process_time() - begin, 1)))
    cross = model_class("cross").from_folder(base, max_length=256).eval()
    training = {"CPU s": json.loads(spent.read_text())} if spent.exists() else {}  # else it was trained elsewhere
    note("cross, abstracts alone", measured(cross, groups(texts, test, OTHERS, 1)) | training)
    note("cross, first 256 tokens", measured(cross, held_out))
    untrained = model_class("passages").from_folder(base, max_length=256, **WINDOWS).eval()
    note("MaxP, not trained on documents", measured(untrained, held_out))
    examples = groups(texts, random.Random(2).sample(learning, int(trained)), 1, 2, fillers)
    for name, (kind, options) in MODELS.items():
        out = Path(work) / name
        begin = time.process_time()
        done = train(recipe(out, kind, str(base), WINDOWS | options, rate=1e-4, batch=8, epochs=1), train=examples)
        seconds = round(time.process_time() - begin, 1)
        note(name, measured(done.model, held_out) | {"CPU s": seconds})


if __name__ == "__main__":
    memory(sys.argv[2]) if sys.argv[1] == "memory" else main(*sys.argv[1:])
