"""Loading a GGUF file through transformers, the first time (unpacked into the cache) and the second, and tokens a
second afterwards, each in a process of its own.

    ANYRANK_CACHE=/tmp/fresh python bench/bench_gguf.py model.gguf
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

TEXT = "the river flows past an old city where many people read long passages about ships and trade every day"
WORDS = TEXT.split()


def measure(path: str) -> dict[str, float]:
    from anyrank.backends.hf.language_model import HF

    model = HF(path, threads=1)
    start = time.perf_counter()
    _ = model.engine
    loaded = time.perf_counter() - start
    prompts = [
        f"Passage {i}: " + " ".join(WORDS[(i + k * (i + 1)) % len(WORDS)] for k in range(120)) + " Relevant:"
        for i in range(16)
    ]
    options = [[" yes", " no"]] * 16
    model.next_token_logprobs(prompts, options)
    start = time.perf_counter()
    tokens = sum(a.usage.prompt_tokens for a in model.next_token_logprobs(prompts, options))
    scored = tokens / (time.perf_counter() - start)
    start = time.perf_counter()
    new = sum(a.usage.completion_tokens for a in model.generate(prompts[:4], max_tokens=32))
    return {
        "load s": round(loaded, 1),
        "prompt tokens/s": round(scored),
        "new tokens/s": round(new / (time.perf_counter() - start), 1),
    }


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1])))
    else:
        for turn in ("first", "second"):
            run = subprocess.run(
                [sys.executable, __file__, sys.argv[1], turn], capture_output=True, text=True, check=True
            )
            print(turn, run.stdout.strip(), f"{len(run.stderr)} characters on standard error")
