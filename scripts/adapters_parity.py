"""Our bottleneck adapters against the package ``adapters`` on copied weights: stacked, coupled, split and dropped.

    python -m venv V && V/bin/pip install adapters torch numpy && V/bin/python scripts/adapters_parity.py

The package needs an older transformers than anyrank, so an environment of its own, in which our one file is read alone.
Prints the largest difference of each setting (0 in all of them with adapters 1.3.0 and transformers 4.57.3) and exits
with 1 if one is above 1e-6.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import torch

FILE = Path(__file__).parents[1] / "src" / "anyrank" / "models" / "parts" / "bottleneck.py"
SHAPE = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
REDUCTIONS = {"language": (2, 2), "query_language": (2, 2), "task": (8, 0)}


def ours() -> Any:
    """The module of our adapters, without the package around it."""
    source = FILE.read_text("utf-8").replace(
        "from ...core.errors import InputError, ModelError", "InputError = ModelError = ValueError"
    )
    module = types.ModuleType("bottleneck")
    sys.modules["bottleneck"] = module
    exec(compile(source, str(FILE), "exec"), module.__dict__)
    return module


def copied(model: Any, name: str) -> dict[str, Any]:
    """The package's weights of an adapter by our names."""
    out = {}
    for i, layer in enumerate(model.encoder.layer):
        part = layer.output.adapters[name]
        for ours_name, theirs in (("down", part.adapter_down[0]), ("up", part.adapter_up)):
            out |= {f"encoder.layer.{i}.output.adapters.{ours_name}.{k}": v for k, v in theirs.state_dict().items()}
    if name in model.invertible_adapters:
        part = model.invertible_adapters[name]
        for ours_name, theirs in (("f", part.F), ("g", part.G)):
            out |= {f"embeddings.adapters.{ours_name}.{k}": v for k, v in theirs.state_dict().items()}
    return out


def main() -> None:
    import adapters
    from adapters import SeqBnConfig, SeqBnInvConfig
    from adapters.composition import Split, Stack
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(**SHAPE, intermediate_size=64, initializer_range=0.3)
    theirs, mine = BertModel(config).eval(), BertModel(config).eval()
    mine.load_state_dict(theirs.state_dict())
    adapters.init(theirs)
    for name, (reduction, coupling) in REDUCTIONS.items():
        kind = SeqBnInvConfig if coupling else SeqBnConfig
        theirs.add_adapter(name, config=kind(reduction_factor=reduction))
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            if any(f".{x}." in name for x in REDUCTIONS):
                p.normal_(std=0.2)
    module = ours()
    for name, (reduction, coupling) in REDUCTIONS.items():
        route = module.insert(mine, name, reduction, coupling)
        module.load(mine, name, copied(theirs, name))
    ids, mask = torch.randint(5, 100, (4, 12)), torch.ones(4, 12, dtype=torch.long)
    mask[1, 8:] = 0
    sides = (torch.arange(12) >= 5).long()[None].expand(4, 12).contiguous()

    def states(model: Any) -> Any:
        with torch.no_grad():
            out = model(input_ids=ids, attention_mask=mask, token_type_ids=sides).last_hidden_state
        return out[mask.bool()]

    differences = {}

    def compare(what: str, setup: Any, skipped: list[int] | None = None) -> None:
        theirs.set_active_adapters(setup, skip_layers=skipped)
        differences[what] = float((states(theirs) - states(mine)).abs().max())

    compare("stack with the coupling", Stack("language", "task"))
    for name in ("language", "query_language"):
        del theirs.invertible_adapters[name]
    route.invertible = False
    compare("stack without it", Stack("language", "task"))
    route.drop = 2
    compare("layers 1 and 2 dropped", Stack("language", "task"), [0, 1])
    route.drop = 0
    module.split(mine, None)
    compare("split at the fifth token", Stack(Split("query_language", "language", splits=[5, 7]), "task"))
    for what, value in differences.items():
        print(f"{what}: {value:g}")
    sys.exit(max(differences.values()) > 1e-6)


if __name__ == "__main__":
    main()
