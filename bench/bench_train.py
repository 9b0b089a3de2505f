"""Speed of training and of inference against sentence-transformers: the same model, batches, kind of loss, data, steps.

    python bench/bench_train.py [--family cross|sparse|late] [--shape bert-tiny|minilm-l6] [--threads 2] [--inference]
        [--rival PYTHON]   # torch; in the environment of PYTHON (default: this one) sentence-transformers and datasets

Families: cross (CrossEncoder, ListNet), sparse (SparseEncoder: SPLADE's pooling of a masked language model's logits; KL
divergence from given scores, theirs with its FLOPS term), late (MultiVectorEncoder, our kind colbert: MaxSim of
projected states; KL divergence).
Each trainer runs in a process of its own, with its default settings for speed but bfloat16 autocast and fused AdamW in
both; a round runs both, in turns of first and second, so that other load meets both alike. The ratio is the median over
rounds of the ratio within a round, of pairs a second between the fourth step and the last. Data: queries of the bundled
Cranfield collection, each with eight documents (real, so uneven, lengths; at most 128 tokens), random labels: only
speed is looked at.

``--inference`` scores the pairs of these groups (cross) or encodes their documents (sparse, late) instead, in float32
by torch with the defaults of both, after a first pass over some: pairs or texts a second. (The int8 graph that a
training also writes is compared in bench_encoders.py.) Writes bench/results/train.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
MINI = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
SHAPES = {"bert-tiny": TINY, "minilm-l6": MINI}
FAMILIES = ("cross", "sparse", "late")
TEXTS, BATCH, LENGTH, WARM = 8, 4, 128, 4
GROUPS = "groups.json"


def groups(n: int) -> list[tuple[str, list[str], list[float]]]:
    from anyrank.io.dataset import Dataset

    rng, data = random.Random(0), Dataset.open("demo")
    texts = [c.content if isinstance(c.content, str) else c.content["text"] for c in data.documents()]
    queries = [str(q.content) for q in data.queries()]
    return [
        (queries[i % len(queries)], rng.sample(texts, TEXTS), [float(j == 0) for j in range(TEXTS)]) for i in range(n)
    ]


class Clock:
    """Times of steps' ends, as a Trainer's callback."""

    def __new__(cls) -> Any:
        from transformers import TrainerCallback

        class Marks(TrainerCallback):  # type: ignore[misc, unused-ignore]
            def __init__(self) -> None:
                self.at: list[tuple[float, float]] = []

            def on_step_end(self, *_: Any, **__: Any) -> None:
                self.at.append((time.perf_counter(), time.process_time()))

        return Marks()


def ours(family: str, folder: str, data: Any, steps: int, out: str, clock: Any) -> None:
    from anyrank.models import model_class
    from anyrank.train.batches import Collate
    from anyrank.train.group import Group
    from anyrank.train.loop import Loop
    from anyrank.train.losses import kl_distillation, listnet
    from anyrank.train.objective import Objective
    from anyrank.train.recipe import Optimiser, Recipe

    options = {"query_length": LENGTH, "document_length": LENGTH} if family == "late" else {}
    kind: Any = model_class({"late": "colbert"}.get(family, family))
    model = kind.from_folder(folder, max_length=LENGTH, **options)
    given = [Group.from_texts(q, tuple(ts), tuple(ys)) for q, ts, ys in data]
    recipe = Recipe(out=out, optimiser=Optimiser(batch=BATCH, steps=steps))
    loss = listnet if family == "cross" else kl_distillation
    loop = Loop(model, recipe, given, Collate(model), Objective(((1.0, loss),)))
    loop.add_callback(clock)
    loop.run()


def theirs(family: str, folder: str, data: Any, steps: int, out: str, clock: Any) -> None:
    from datasets import Dataset

    settings = {
        "output_dir": out,
        "per_device_train_batch_size": BATCH,
        "max_steps": steps,
        "bf16": True,
        "use_cpu": True,
        "report_to": [],
        "optim": "adamw_torch_fused",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "learning_rate": 2e-5,
        "logging_steps": max(1, min(50, steps // 20)),
    }
    queries, texts, labels = map(list, zip(*data))
    columns = {"query": queries, **{f"text{i}": [row[i] for row in texts] for i in range(TEXTS)}, "label": labels}
    model: Any
    trainer: Any
    if family == "cross":
        from sentence_transformers.cross_encoder import (
            CrossEncoder,
            CrossEncoderTrainer,
            CrossEncoderTrainingArguments,
        )
        from sentence_transformers.cross_encoder.losses import ListNetLoss

        model = CrossEncoder(folder, max_length=LENGTH, device="cpu", num_labels=1)
        rows = Dataset.from_dict({"query": queries, "docs": texts, "labels": labels})
        cross = CrossEncoderTrainingArguments(**settings)
        trainer = CrossEncoderTrainer(model=model, args=cross, train_dataset=rows, loss=ListNetLoss(model))
    elif family == "sparse":
        from sentence_transformers import SparseEncoder, SparseEncoderTrainer, SparseEncoderTrainingArguments
        from sentence_transformers.sparse_encoder.losses import SparseDistillKLDivLoss, SpladeLoss

        model = SparseEncoder(folder, device="cpu")
        model.max_seq_length = LENGTH
        rows = Dataset.from_dict(columns)
        sparse = SparseEncoderTrainingArguments(**settings)
        divergence = SpladeLoss(model, SparseDistillKLDivLoss(model), 3e-5, 5e-5)  # it isn't to be had without FLOPS
        trainer = SparseEncoderTrainer(model=model, args=sparse, train_dataset=rows, loss=divergence)
    else:
        from sentence_transformers import (
            MultiVectorEncoder,
            MultiVectorEncoderTrainer,
            MultiVectorEncoderTrainingArguments,
        )
        from sentence_transformers.multi_vector_encoder.losses import MultiVectorDistillKLDivLoss

        model = MultiVectorEncoder(folder, device="cpu")
        model.max_seq_length = LENGTH
        rows = Dataset.from_dict(columns)
        late = MultiVectorEncoderTrainingArguments(**settings)
        loss = MultiVectorDistillKLDivLoss(model)
        trainer = MultiVectorEncoderTrainer(model=model, args=late, train_dataset=rows, loss=loss)
    trainer.add_callback(clock)
    trainer.train()


def our_reader(family: str, folder: str) -> Callable[[Any], Any]:
    """What reads groups for its answer: scores of pairs, or what stands for each document."""
    from anyrank import Candidate, Query
    from anyrank.hub.open import open_model
    from anyrank.models import model_class

    if family == "late":
        model: Any = model_class("colbert").from_folder(folder, max_length=LENGTH, document_length=LENGTH)
        model.save(Path(folder := f"{folder}/ours"))
    opened = open_model(folder, runtime="torch", max_length=LENGTH)
    if family == "cross":
        return lambda data: opened(
            [(Query(str(n), q), [Candidate(str(i), t) for i, t in enumerate(ts)]) for n, (q, ts, _) in enumerate(data)]
        )
    return lambda data: opened.encode([t for _, ts, _ in data for t in ts])


def their_reader(family: str, folder: str) -> Callable[[Any], Any]:
    import sentence_transformers

    if family == "cross":
        from sentence_transformers.cross_encoder import CrossEncoder

        cross: Any = CrossEncoder(folder, max_length=LENGTH, device="cpu", num_labels=1)
        return lambda data: cross.predict([(q, t) for q, ts, _ in data for t in ts], show_progress_bar=False)
    name = {"sparse": "SparseEncoder", "late": "MultiVectorEncoder"}[family]
    encoder: Any = getattr(sentence_transformers, name)(folder, device="cpu")
    encoder.max_seq_length = LENGTH
    return lambda data: encoder.encode_document([t for _, ts, _ in data for t in ts], show_progress_bar=False)


def read_once(who: str, family: str, folder: str, data: Any) -> dict[str, float]:
    """Pairs or texts that are read in a second, by the wall and by the process."""
    read = {"ours": our_reader, "theirs": their_reader}[who](family, folder)
    read(data[:WARM])
    wall, cpu = time.perf_counter(), time.process_time()
    read(data)
    pairs = len(data) * TEXTS
    return {"wall": pairs / (time.perf_counter() - wall), "cpu": pairs / (time.process_time() - cpu)}


def once(who: str, family: str, folder: str, steps: int, threads: int, inference: bool) -> None:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    clock, data = Clock(), json.loads((Path(folder) / GROUPS).read_text())
    if inference:
        print("RESULT", json.dumps(read_once(who, family, folder, data)))
        return
    with tempfile.TemporaryDirectory() as out:
        {"ours": ours, "theirs": theirs}[who](family, folder, data, steps, out, clock)
    (wall, cpu), (wall_end, cpu_end) = clock.at[WARM - 1], clock.at[-1]
    pairs = (len(clock.at) - WARM) * BATCH * TEXTS
    print("RESULT", json.dumps({"wall": pairs / (wall_end - wall), "cpu": pairs / (cpu_end - cpu)}))


def start(family: str, name: str, tokenizer: str, folder: Path) -> str:
    """A folder with a fresh model of a family and a shape."""
    import torch

    from anyrank.models.cross import CrossEncoder
    from anyrank.models.parts.fresh import fresh_body

    torch.manual_seed(0)
    if family == "cross":
        CrossEncoder.from_config(SHAPES[name], tokenizer, max_length=LENGTH).save(folder)
    else:
        head = "AutoModelForMaskedLM" if family == "sparse" else "AutoModel"
        for part in fresh_body(head, SHAPES[name], tokenizer):
            part.save_pretrained(folder)
    return str(folder)


def measured(who: str, given: argparse.Namespace, folder: str) -> dict[str, float]:
    python = given.rival if who == "theirs" else sys.executable
    command = [python, __file__, "--once", who, "--folder", folder, "--threads", str(given.threads)]
    command += ["--family", given.family, "--steps", str(given.steps), *(["--inference"] if given.inference else [])]
    env = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    result: dict[str, float] = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))[7:])
    return result


def main() -> None:
    parse = argparse.ArgumentParser()
    parse.add_argument("--family", choices=FAMILIES, default="cross")
    parse.add_argument("--rival", default=sys.executable, help="the Python that has sentence-transformers")
    parse.add_argument("--shape", choices=SHAPES, default="bert-tiny")
    parse.add_argument("--tokenizer", default="all-minilm-l6-v2", help="a folder, or a name of 'anyrank models list'")
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--steps", type=int, default=40)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--inference", action="store_true")
    parse.add_argument("--once")
    parse.add_argument("--folder", default="")
    given = parse.parse_args()
    if given.once:
        return once(given.once, given.family, given.folder, given.steps, given.threads, given.inference)
    from anyrank.hub.registry import resolve

    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        model = start(given.family, given.shape, str(resolve(given.tokenizer)), Path(folder))
        (Path(folder) / GROUPS).write_text(json.dumps(groups(BATCH * given.steps)))
        for i in range(given.rounds):
            order = ("ours", "theirs") if i % 2 == 0 else ("theirs", "ours")
            speeds = {who: measured(who, given, model) for who in order}
            rounds.append(speeds)
            print(i, {w: {k: round(v, 1) for k, v in s.items()} for w, s in speeds.items()}, flush=True)
    result = {
        "rounds": rounds,
        "threads": given.threads,
        **(
            {"read": BATCH * given.steps * TEXTS}
            if given.inference
            else {"steps": given.steps, "pairs_a_step": BATCH * TEXTS}
        ),
        "tokens_at_most": LENGTH,
        "load_average_at_the_end": os.getloadavg()[0],
        "processor": platform.processor() or platform.machine(),
    }
    for kind in ("wall", "cpu"):
        mine, other = ([r[who][kind] for r in rounds] for who in ("ours", "theirs"))
        ratios = [a / b for a, b in zip(mine, other)]
        result[f"pairs_a_{'second' if kind == 'wall' else 'cpu_second'}"] = {
            "ours": statistics.median(mine),
            "theirs": statistics.median(other),
            "ratio": statistics.median(ratios),
            "least": min(ratios),
            "most": max(ratios),
        }
    path = ROOT / "bench" / "results" / "train.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    name = given.shape if given.family == "cross" else f"{given.family}, {given.shape}"
    name += ", inference" if given.inference else ""
    path.write_text(json.dumps({**results, name: result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
