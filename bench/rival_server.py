"""A plain reranking server, as many are written: sentence-transformers' CrossEncoder behind FastAPI, a request a call.

    python bench/rival_server.py PORT

Needs sentence-transformers, fastapi and uvicorn in an environment of their own. The model has MiniLM's shape (6 layers,
384 wide) and random weights. `bench_serve.py --rival` starts it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from sentence_transformers import CrossEncoder
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

WORDS = sorted(set((Path(__file__).parents[1] / "README.md").read_text().lower().split()))


def cross_encoder(folder: Path) -> CrossEncoder:
    """A model of MiniLM's shape, with a vocabulary of the words that the load is made of."""
    letters = [chr(c) for c in range(33, 127)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *WORDS]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=512).save_pretrained(folder)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return CrossEncoder(str(folder), device="cpu")


with tempfile.TemporaryDirectory() as made:
    model = cross_encoder(Path(made))
app = FastAPI()


@app.get("/ready")
def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/v2/rerank")
def rerank(body: dict[str, Any]) -> dict[str, Any]:
    scores = model.predict([(body["query"], d) for d in body["documents"]], show_progress_bar=False)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return {"results": [{"index": i, "relevance_score": float(scores[i])} for i in order]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
