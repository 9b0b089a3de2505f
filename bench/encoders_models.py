"""One cross-encoder of MiniLM-L6's shape (the encoder's real weights, a random head) in every engine's own format."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "src")]
from make_weights import tensors  # noqa: E402

from anyrank.hub.registry import resolve  # noqa: E402
from anyrank.train.bert_graph import Bert  # noqa: E402
from anyrank.train.calibration import tops  # noqa: E402

FLASHRANK = "ms-marco-MiniLM-L-12-v2", "flashrank-MiniLM-L-12-v2_Q.onnx"  # the names under which FlashRank looks


def weights() -> dict[str, np.ndarray]:
    found, rng = tensors(resolve("all-minilm-l6-v2")), np.random.default_rng(0)
    head = {"pooler.dense": (384, 384), "classifier": (1, 384)}
    made = {f"{n}.weight": rng.normal(0, 0.05, s).astype(np.float32) for n, s in head.items()}
    return found | made | {f"{n}.bias": np.zeros(s[0], np.float32) for n, s in head.items()}


def ours(folder: Path, sample: list[tuple[str, str]]) -> None:
    """Our int8 graph, and the same graph in float32."""
    source = resolve("all-minilm-l6-v2")
    plain = Bert(weights(), 6, 12, pair=True)
    logits = plain.classify()
    measured = tops(plain, plain.model(list(plain.taps.values())), source / "tokenizer.json", sample)
    small = Bert(weights(), 6, 12, pair=True, tops=measured)
    for name, graph, out in (("fp32", plain, logits), ("int8", small, small.classify())):
        into = folder / name
        into.mkdir(parents=True)
        onnx.save(graph.model([out]), into / "model.onnx")
        (into / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
        declared = {"kind": "cross", "pooling": "none", "max_length": 256}
        (into / "anyrank.json").write_text(json.dumps(declared))


def theirs(folder: Path) -> None:
    """A transformers folder (safetensors), and FlashRank's: exported by torch, onnxruntime's default int8."""
    import torch
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    logging.getLogger().setLevel(logging.ERROR)
    source, torch_folder, flash = resolve("all-minilm-l6-v2"), folder / "torch", folder / "flash" / FLASHRANK[0]
    config = BertConfig.from_pretrained(source, num_labels=1)
    config.architectures = ["BertForSequenceClassification"]
    model = BertForSequenceClassification(config).eval()
    state = {k if k.startswith("classifier") else f"bert.{k}": torch.from_numpy(v) for k, v in weights().items()}
    missing, extra = model.load_state_dict(state, strict=False)
    assert not [k for k in missing if "position_ids" not in k], missing
    assert not [k for k in extra if "position_ids" not in k], extra
    model.save_pretrained(torch_folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(torch_folder)
    flash.mkdir(parents=True)
    names = ("input_ids", "attention_mask", "token_type_ids")
    example = {n: torch.ones(2, 16, dtype=torch.int64) for n in names}
    batch, length = torch.export.Dim("batch", min=1, max=1024), torch.export.Dim("length", min=2, max=512)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (),
            str(flash / "full.onnx"),
            kwargs=example,
            input_names=list(names),
            output_names=["logits"],
            dynamic_shapes={n: {0: batch, 1: length} for n in names},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    quantize_dynamic(flash / "full.onnx", flash / FLASHRANK[1])
    special = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    for name, content in {
        "config": {"pad_token_id": 0},
        "tokenizer_config": {"model_max_length": 256, "pad_token": "[PAD]"},
        "special_tokens_map": special,
    }.items():
        (flash / f"{name}.json").write_text(json.dumps(content))
    (flash / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
