"""Rooms that stand on an extra are collected only where that extra is installed (`make test-torch` has all)."""

from importlib.util import find_spec

TORCH = ["src/anyrank/models/*", "src/anyrank/train/*", "tests/models/*", "tests/train/*"]
PEPTIDES = ("base_engine", "engine_training", "examples", "fit", "neural", "tensors", "training")
TORCH += [f"src/anyrank/domains/peptides/{name}.py" for name in PEPTIDES]
collect_ignore_glob = [] if find_spec("torch") and find_spec("transformers") else TORCH
if not find_spec("pyteomics"):
    collect_ignore_glob.append("src/anyrank/domains/peptides/*")
