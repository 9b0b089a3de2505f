"""Imports point one way, files stay small, the base stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import anyrank

ROOT = Path(anyrank.__file__).parent
CORE = {"core"}
MIDDLE = {"io", "retrieve", "llm", "backends", "models", "evaluate"}
MAY = {
    "core": set(),
    **dict.fromkeys(MIDDLE, CORE),
    "train": CORE | MIDDLE,
    "synth": CORE | MIDDLE,
    "pages": CORE | {"io", "evaluate"},
    "peptides": CORE | MIDDLE | {"train", "pages"},
    "testing": CORE,
}
LIGHT = set(sys.stdlib_module_names) | {"numpy"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path):
    """(room of ours, or "", top package of theirs, or "") for every import in a file."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            base = [b for b in base if b]
            for name in [base[0]] if base else [a.name for a in node.names]:
                yield name, ""
        elif isinstance(node, ast.ImportFrom):
            yield ("", node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            for a in node.names:
                yield "", a.name.split(".")[0]


def test_imports_point_one_way():
    wrong = []
    for path in ROOT.rglob("*.py"):
        here = room(path)
        for ours, theirs in imports(path):
            if theirs == "anyrank":
                wrong.append(f"{path}: import ours relatively")
            if here in MAY and ours and ours != here and ours not in MAY[here]:
                wrong.append(f"{path}: {here} imports {ours}")
            if ours == "papers" and here not in ("papers", "cli", "methods"):
                wrong.append(f"{path}: only the command line and the table of methods import papers")
            if here == "core" and theirs and theirs not in LIGHT:
                wrong.append(f"{path}: core imports {theirs}")
    assert not wrong, wrong


def test_files_are_small():
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in ROOT.rglob("*.py")}
    assert {p: n for p, n in sizes.items() if n > 250} == {}
    assert sum(n for p, n in sizes.items() if p.startswith("core/")) < 1500


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, anyrank; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"torch", "transformers", "onnxruntime", "tokenizers", "tantivy", "scipy", "ir_measures", "click", "tqdm"}
    assert not loaded & heavy
