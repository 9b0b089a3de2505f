"""Training speed against sentence-transformers' CrossEncoderTrainer: the same model, batches, loss, data and steps.

    python bench/bench_train.py [--shape bert-tiny|minilm-l6] [--threads 2]   # torch, sentence-transformers, datasets

Each trainer runs in a process of its own, with its default settings for speed but bfloat16 autocast and fused AdamW in
both; a round runs both, in turns of first and second, so that other load meets both alike. The ratio is the median over
rounds of the ratio within a round, of pairs a second between the fourth step and the last. Data: queries of the bundled
Cranfield collection, each with eight documents (real, so uneven, lengths; at most 128 tokens), random labels: only
speed is looked at. Writes bench/results/train.json.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
MINI = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
SHAPES = {"bert-tiny": TINY, "minilm-l6": MINI}
TEXTS, BATCH, LENGTH, WARM = 8, 4, 128, 4


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


def ours(folder: str, data: Any, steps: int, out: str, clock: Any) -> None:
    from anyrank.models.cross import CrossEncoder
    from anyrank.train.batches import Collate
    from anyrank.train.group import Group
    from anyrank.train.loop import Loop
    from anyrank.train.losses import listnet
    from anyrank.train.objective import Objective
    from anyrank.train.recipe import Optimiser, Recipe

    model = CrossEncoder.from_folder(folder, max_length=LENGTH)
    given = [Group.from_texts(q, tuple(ts), tuple(ys)) for q, ts, ys in data]
    recipe = Recipe(out=out, optimiser=Optimiser(batch=BATCH, steps=steps))
    loop = Loop(model, recipe, given, Collate(model), Objective(((1.0, listnet),)))
    loop.add_callback(clock)
    loop.run()


def theirs(folder: str, data: Any, steps: int, out: str, clock: Any) -> None:
    from datasets import Dataset
    from sentence_transformers import CrossEncoder
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import ListNetLoss

    model = CrossEncoder(folder, max_length=LENGTH, device="cpu", num_labels=1)
    rows = Dataset.from_dict(dict(zip(("query", "docs", "labels"), map(list, zip(*data)))))
    arguments = CrossEncoderTrainingArguments(
        output_dir=out,
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        bf16=True,
        use_cpu=True,
        report_to=[],
        optim="adamw_torch_fused",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        learning_rate=2e-5,
        logging_steps=max(1, min(50, steps // 20)),
    )
    trainer = CrossEncoderTrainer(model=model, args=arguments, train_dataset=rows, loss=ListNetLoss(model))
    trainer.add_callback(clock)
    trainer.train()


def once(who: str, folder: str, steps: int, threads: int) -> None:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    clock, data = Clock(), groups(BATCH * steps)
    with tempfile.TemporaryDirectory() as out:
        {"ours": ours, "theirs": theirs}[who](folder, data, steps, out, clock)
    (wall, cpu), (wall_end, cpu_end) = clock.at[WARM - 1], clock.at[-1]
    pairs = (len(clock.at) - WARM) * BATCH * TEXTS
    print("RESULT", json.dumps({"wall": pairs / (wall_end - wall), "cpu": pairs / (cpu_end - cpu)}))


def shape(name: str, tokenizer: str, folder: Path) -> str:
    """A folder with a fresh model of a shape."""
    import torch

    from anyrank.models.cross import CrossEncoder

    torch.manual_seed(0)
    CrossEncoder.from_config(SHAPES[name], tokenizer, max_length=LENGTH).save(folder)
    return str(folder)


def measured(who: str, folder: str, steps: int, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--once", who, "--folder", folder, "--threads", str(threads)]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run([*command, "--steps", str(steps)], capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    found: dict[str, float] = json.loads(next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))[7:])
    return found


def main() -> None:
    parse = argparse.ArgumentParser()
    parse.add_argument("--shape", choices=SHAPES, default="bert-tiny")
    parse.add_argument("--tokenizer", default="all-minilm-l6-v2", help="a folder, or a name of 'anyrank models list'")
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--steps", type=int, default=40)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--once")
    parse.add_argument("--folder", default="")
    given = parse.parse_args()
    if given.once:
        return once(given.once, given.folder, given.steps, given.threads)
    from anyrank.hub.registry import resolve

    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        model = shape(given.shape, str(resolve(given.tokenizer)), Path(folder))
        for i in range(given.rounds):
            order = ("ours", "theirs") if i % 2 == 0 else ("theirs", "ours")
            found = {who: measured(who, model, given.steps, given.threads) for who in order}
            rounds.append(found)
            print(i, {w: {k: round(v, 1) for k, v in f.items()} for w, f in found.items()}, flush=True)
    result = {
        "rounds": rounds,
        "threads": given.threads,
        "steps": given.steps,
        "pairs_a_step": BATCH * TEXTS,
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
    kept = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**kept, given.shape: result}, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
