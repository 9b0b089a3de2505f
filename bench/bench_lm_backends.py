"""Speed of the language-model backends on one model: prompt and generated tokens a second, prefix reuse on and off,
batch against one by one, memory. Each backend runs in a process of its own, after a warm-up; medians of --repeat runs.

    python bench/bench_lm_backends.py --gguf model.gguf --folder folder-with-the-same-weights-as-safetensors
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from anyrank.backends.hf.language_model import HF
from anyrank.backends.llamacpp import LlamaCpp

TEXT = "the river flows past an old city where many people read long passages about ships and trade every day"
WORDS = TEXT.split()
QUERY = "Judge whether the passage answers the question. Question: how did trade on the river shape the old city? " * 4


def passages(n: int, words: int) -> list[str]:
    """Prompts that share an instruction and a query (about 90 tokens) before a passage of their own."""
    return [
        QUERY + f"Passage {i}: " + " ".join(WORDS[(i + k * (i + 1)) % len(WORDS)] for k in range(words)) + " Relevant:"
        for i in range(n)
    ]


def measure(model: Any, repeat: int) -> dict[str, float]:
    """Tokens a second of each kind of work."""
    prompts, options = passages(16, 60), [[" yes", " no"]] * 16

    def timed(run: Callable[[], int]) -> float:
        run()
        rates = []
        for _ in range(repeat):
            start = time.perf_counter()
            tokens = run()
            rates.append(tokens / (time.perf_counter() - start))
        return round(statistics.median(rates), 1)

    def scored(m: Any, alone: bool = False) -> Callable[[], int]:
        def run() -> int:
            if alone:
                said = [m.next_token_logprobs([p], [o])[0] for p, o in zip(prompts, options)]
            else:
                said = m.next_token_logprobs(prompts, options)
            return sum(s.usage.prompt_tokens for s in said)

        return run

    def written(m: Any, alone: bool = False) -> Callable[[], int]:
        def run() -> int:
            some = prompts[:8]
            parts = [m.generate([p], max_tokens=24)[0] for p in some] if alone else m.generate(some, max_tokens=24)
            return sum(c.usage.completion_tokens for c in parts)

        return run

    plain = replace(model, reuse=False)
    return {
        "prompt tok/s, reuse": timed(scored(model)),
        "prompt tok/s, no reuse": timed(scored(plain)),
        "prompt tok/s, no reuse, one by one": timed(scored(plain, alone=True)),
        "generated tok/s, batch of 8": timed(written(model)),
        "generated tok/s, one by one": timed(written(model, alone=True)),
        "peak memory MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", help="measure this backend only, print JSON")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "bench_lm_backends.json")
    asked = parser.parse_args()
    known: dict[str, Callable[[], Any]] = {
        "hf float32": lambda: HF.load(asked.folder, dtype="float32", threads=asked.threads),
        "hf bfloat16": lambda: HF.load(asked.folder, dtype="bfloat16", threads=asked.threads),
        "llama.cpp": lambda: LlamaCpp.load(asked.gguf, threads=asked.threads),
    }
    if asked.one:
        print(json.dumps(measure(known[asked.one](), asked.repeat)))
        return
    rows = {}
    for name in known:
        command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            rows[name] = {"failed": done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]}
        else:
            rows[name] = json.loads(done.stdout.strip().splitlines()[-1])
        print(name, json.dumps(rows[name]), flush=True)
    note = {
        "threads": asked.threads,
        "repeat": asked.repeat,
        "model": Path(asked.gguf).name,
        "load before": round(os.getloadavg()[0], 1),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({**note, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
