"""A plain reranking server, as many are written: sentence-transformers' CrossEncoder behind FastAPI, a request a call.

    python bench/rival_server.py make FOLDER    # a cross-encoder of MiniLM's shape (6 layers, 384 wide), random weights
    python bench/rival_server.py FOLDER PORT

Needs sentence-transformers, fastapi and uvicorn in an environment of their own. The model has the shipped MiniLM's
vocabulary and maximum length, so that it reads the same word pieces. `bench_serve.py --rival` makes and starts it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

LENGTH = 256
TOKENIZER = Path(__file__).parents[1] / "src" / "anyrank" / "weights" / "minilm" / "tokenizer.json"


def make(folder: str) -> None:
    """Writes the model's folder."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    tokenizer = BertTokenizerFast(tokenizer_file=str(TOKENIZER), model_max_length=LENGTH, **special)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def serve(folder: str, port: int) -> None:
    """Answers until it is ended."""
    import uvicorn
    from fastapi import FastAPI
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(folder, device="cpu", max_length=LENGTH)
    app = FastAPI()

    @app.get("/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/v2/rerank")
    def rerank(body: dict[str, Any]) -> dict[str, Any]:
        scores = model.predict([(body["query"], d) for d in body["documents"]], show_progress_bar=False)
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        return {"results": [{"index": i, "relevance_score": float(scores[i])} for i in order]}

    uvicorn.run(app, port=port, log_level="warning")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        serve(sys.argv[1], int(sys.argv[2]))
