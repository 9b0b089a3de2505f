"""Whether the language-model backends agree on one model: hf (float32) against hf (bfloat16), llama.cpp and a local
OpenAI-compatible server (llama.cpp's Python server). Prints and writes the largest differences a token.

    python bench/conformance_lm.py --gguf model.gguf --folder folder-with-the-same-weights-as-safetensors
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from anyrank.backends.hf.language_model import HF
from anyrank.backends.llamacpp import LlamaCpp
from anyrank.backends.openai import OpenAI
from anyrank.core.language import Completion, LogProbs, Prompt
from anyrank.testing import check_backend
from anyrank.testing.wire import model_answers, wire


@dataclass(frozen=True)
class NoEcho:
    """A server without its echo: that of llama-cpp-python 0.3.36 is one token off for a model without a beginning token
    (it pairs each token with the logits after it)."""

    server: OpenAI

    def generate(self, prompts: Sequence[Prompt], **options: Any) -> list[Completion]:
        return self.server.generate(prompts, **options)

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        return self.server.next_token_logprobs(prompts, options)


@contextlib.contextmanager
def server(gguf: str, threads: int) -> Iterator[str]:
    """The base URL of llama.cpp's Python server on a free port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", gguf, "--port", str(port), "--n_ctx", "2048"]
    command += ["--logits_all", "True", "--n_threads", str(threads), "--verbose", "False"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"the server ended with code {process.returncode}")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/models", timeout=1).close()
                break
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "conformance_lm.json")
    asked = parser.parse_args()
    exact = HF.load(asked.folder, dtype="float32", threads=asked.threads)
    rows = {}

    def compare(name: str, a: object, b: object) -> None:
        found = check_backend(a, b, tolerance=5.0)
        rows[name] = asdict(found)
        gaps = ["not compared" if g is None else f"{g:.4f}" for g in (found.options, found.texts)]
        print(
            f"{name:45s} options {gaps[0]}  continuations {gaps[1]}  equal texts {found.equal} of {found.generated}",
            flush=True,
        )

    compare("hf float32 / hf float32 without reuse", exact, replace(exact, reuse=False))
    compare("hf float32 / hf bfloat16", exact, HF.load(asked.folder, dtype="bfloat16"))
    compare("hf float32 / hf float32 from the GGUF", exact, HF.load(asked.gguf, dtype="float32"))
    llama = LlamaCpp.load(asked.gguf, threads=asked.threads, context=2048)
    compare("hf float32 / llama.cpp", exact, llama)
    with server(asked.gguf, asked.threads) as url:
        served = NoEcho(OpenAI("local", url, concurrency=1, top=200))
        compare("llama.cpp / llama.cpp's server", llama, served)
        compare("hf float32 / llama.cpp's server", exact, served)

    def tokenize(text: str) -> list[int]:
        return exact.tokenizer(text, add_special_tokens=False)["input_ids"]

    with wire(model_answers(exact, tokenize, lambda t: exact.tokenizer.decode([t]))) as url:
        compare("hf float32 / our test server of it", exact, OpenAI("local", url, top=200))
    machine = {"machine": platform.processor() or platform.machine(), "threads": asked.threads}
    machine["model"] = Path(asked.gguf).name
    note = "largest difference of a log-probability a token (natural log); texts: greedy, 12 tokens"
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({**machine, "note": note, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
