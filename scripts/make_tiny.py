"""Make the random tiny models of tests/backends/tiny (needs onnx and tokenizers): cross-encoders of one and two int8
logits, and float32 graphs of hidden states and of logits for every position, as exporters of other projects write."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx

HERE = Path(__file__).parents[1] / "tests" / "backends" / "tiny"
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from anyrank.train.bert_graph import Bert  # noqa: E402

WORDS = ["the", "a", "quick", "fox", "over", "lazy", "dog", "cat", "sat", "on", "mat", "red", "city", "paris", "lyon"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *"abcdefghijklmnopqrstuvwxyz"]
WIDTH, INNER = 32, 64


def tokenizer(folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(dict.fromkeys(VOCABULARY))}, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(folder / "tokenizer.json"), pretty=False)


def weights(labels):
    rng = np.random.default_rng(7)
    size = len(dict.fromkeys(VOCABULARY))
    shapes = {"embeddings.word_embeddings": (size, WIDTH), "embeddings.position_embeddings": (32, WIDTH)}
    shapes |= {"embeddings.token_type_embeddings": (2, WIDTH), "cls.predictions.transform.dense": (WIDTH, WIDTH)}
    shapes |= {"pooler.dense": (WIDTH, WIDTH), "classifier": (labels, WIDTH)}
    layer = "encoder.layer.0."
    for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        shapes[layer + name] = (WIDTH, WIDTH)
    shapes |= {layer + "intermediate.dense": (INNER, WIDTH), layer + "output.dense": (WIDTH, INNER)}
    made = {f"{n}.weight": rng.normal(0, 0.4, s).astype(np.float32) for n, s in shapes.items()}
    made |= {f"{n}.bias": rng.normal(0, 0.1, s[0]).astype(np.float32) for n, s in shapes.items()}
    norms = (layer + "attention.output.LayerNorm", layer + "output.LayerNorm", "embeddings.LayerNorm")
    for name in (*norms, "cls.predictions.transform.LayerNorm"):
        made |= {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}
    return made | {"cls.predictions.bias": rng.normal(-2, 0.1, size).astype(np.float32)}


def save(name, graph, outputs, **files):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    onnx.save(graph.model(outputs), folder / "model.onnx")
    tokenizer(folder)
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content) + "\n")


def main():
    for labels, name in ((1, "cross"), (2, "cross2")):
        plain = Bert(weights(labels), 1, 2, pair=True)
        plain.classify()
        tops = {tap: np.full(INNER if tap.endswith("0.output.dense") else WIDTH, 4, np.float32) for tap in plain.taps}
        small = Bert(weights(labels), 1, 2, pair=True, tops=tops)
        config = {"architectures": ["BertForSequenceClassification"], "max_position_embeddings": 32}
        save(name, small, [small.classify()], config=config | {"id2label": {str(i): "" for i in range(labels)}})
    states = Bert(weights(1), 1, 2)
    x, shape = states.encoder()
    states.op("Reshape", x, shape, out="last_hidden_state")
    save("states", states, ["last_hidden_state"], anyrank={"kind": "dense", "normalise": True, "max_length": 16})
    logits = Bert(weights(1), 1, 2)
    logits.splade()
    raw = next(n.output[0] for n in logits.nodes if n.op_type == "MatMul" and n.input[1].startswith("Transpose"))
    bias = logits.op("Add", raw, "decoder.bias", out="logits")
    del logits.nodes[[n.output[0] for n in logits.nodes].index(raw) + 1 : -1]
    save("logits", logits, [bias], anyrank={"kind": "sparse", "max_length": 16})


if __name__ == "__main__":
    main()
