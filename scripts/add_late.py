"""Give the shipped MiniLM graph a second output, "tokens", for late interaction: nothing of its weights changes.

    python scripts/add_late.py GROUPS        # after scripts/make_weights.py; GROUPS of scripts/make_groups.py

"tokens" [batch, length, 385] are the states before pooling and, in the last column, the logit of a token's weight: a
direction that ridge regression finds, so that tokens of queries weigh by their rarity (LateInteraction.weigh_by_rarity,
on 4,000 queries and 3 texts of each group). The card and the table of models are brought up to date.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from anyrank.hub.registry import PACKAGE, TABLE, resolve
from anyrank.models.late import SCALES, LateInteraction
from anyrank.train.groups import read_groups

ABOUT = "all-MiniLM-L6-v2, int8: English sentence vectors, 384 numbers, and late interaction; texts up to 256 tokens"
MORE = """
A second output, tokens (`scripts/add_late.py`), has the states before pooling and a logit for the weight of each token,
for late interaction (`mini` in pipelines): a direction found by regression on rarity (share of variance met {met:.2f}),
from queries of the training groups and their three best texts each (MS MARCO, SciFact, NFCorpus, CoSQA; which texts are
best their teachers said, and the judgements of SciFact's and NFCorpus' training parts).
"""


def direction(folder: Path) -> tuple[np.ndarray, float]:
    groups = list(read_groups(folder / "train.jsonl"))
    random.Random(0).shuffle(groups)
    model = LateInteraction.from_folder(resolve("all-minilm-l6-v2"), max_length=128)
    met = model.weigh_by_rarity([g.query for g in groups[:4000]], [t for g in groups for t in g.texts[:3]])
    return model.weigh.weight.detach().numpy().T.astype(np.float32), met


def main(folder: Path) -> None:
    into = PACKAGE / "minilm"
    model = onnx.load(into / "model.onnx")
    graph = model.graph
    made = {name: node for node in graph.node for name in node.output}
    pooled = next(node for node in graph.node if node.op_type == "LpNormalization")
    summed = made[made[pooled.input[0]].input[0]]  # states x mask
    states = summed.input[0]
    if "tokens" in [o.name for o in graph.output]:
        sys.exit("the graph has the output tokens already: make it anew by scripts/make_weights.py")
    weigh, met = direction(folder)
    graph.initializer.append(numpy_helper.from_array(weigh, "weigh"))
    graph.node.append(helper.make_node("MatMul", [states, "weigh"], ["token_weights"]))
    graph.node.append(helper.make_node("Concat", [states, "token_weights"], ["tokens"], axis=2))
    graph.output.append(helper.make_tensor_value_info("tokens", TensorProto.FLOAT, None))
    onnx.save(model, into / "model.onnx")
    said = json.loads((into / "anyrank.json").read_text("utf-8")) | {"scales": list(SCALES)}
    (into / "anyrank.json").write_text(json.dumps(said, indent=2) + "\n", "utf-8")
    data = (into / "model.onnx").read_bytes()
    card, digest = (into / "README.md").read_text("utf-8"), hashlib.sha256(data).hexdigest()
    card = re.sub(r"sha256 `\w+`\n- Runs", f"sha256 `{digest}`\n- Runs", card) + MORE.format(met=met)
    (into / "README.md").write_text(card, "utf-8")
    table = json.loads(TABLE.read_text("utf-8"))
    for file in table["minilm"]["files"]:
        found = (into / file).read_bytes()
        table["minilm"]["files"][file] = {"sha256": hashlib.sha256(found).hexdigest(), "bytes": len(found)}
    table["minilm"]["about"] = ABOUT
    TABLE.write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    print(card)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
