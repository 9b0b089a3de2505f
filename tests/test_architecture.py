"""Imports point one way, without circles; a backend holds one heavy package; the base stays light."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import anyrank

ROOT = Path(anyrank.__file__).parent
ROOMS = """
core disk vectors io store index stores llm hub models backends judges retrieve evaluate judging pages cutoffs train rl
synth benchmarks domains papers pipeline explanations tuning serve integrations scale testing cli
""".split()  # noqa: SIM905
"""Rooms in order: a room imports itself and the rooms before it."""
PUBLIC = {"__init__", "__main__", "client", "index_folder", "shortcuts"}
"""Files beside the rooms, which may import any."""
STANDARD = set(sys.stdlib_module_names) | {"numpy"}
LIGHT_ROOMS = {"core", "disk", "vectors"}
HEAVY = {"onnxruntime", "torch", "transformers", "llama_cpp", "httpx2", "vllm", "sentence_transformers"}
"""Packages of which a backend holds one (transformers brings torch, so a folder on transformers may use both)."""


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module(p): p for p in ROOT.rglob("*.py")}


def imports(path: Path):
    """(module of ours, or "", top package of theirs, or "") for every import in a file, those in functions too, but not
    those that only a type checker sees."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in running(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{base}.{alias.name}" if base else alias.name
                yield (name if name in FILES else base), ""
        elif isinstance(node, ast.ImportFrom):
            yield "", (node.module or "").split(".")[0]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield "", alias.name.split(".")[0]


def running(path: Path):
    """All nodes of a file but what stands under ``if TYPE_CHECKING``."""
    todo = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
        else:
            todo.extend(ast.iter_child_nodes(node))


def test_every_room_has_its_place_in_the_order():
    assert {room(p) for p in ROOT.rglob("*.py")} - PUBLIC <= set(ROOMS)


def test_imports_point_one_way():
    wrong = []
    for path in FILES.values():
        here = room(path)
        for ours, theirs in imports(path):
            there = ours.split(".")[0]
            if theirs == "anyrank":
                wrong.append(f"{path}: import ours relatively")
            if here in LIGHT_ROOMS and theirs and theirs not in STANDARD:
                wrong.append(f"{path}: {here} imports {theirs}")
            if here in PUBLIC or not ours or there == here:
                continue
            if there not in ROOMS or ROOMS.index(there) > ROOMS.index(here):
                wrong.append(f"{path}: {here} imports {there}")
            if there == "papers" and here not in ("pipeline", "cli"):
                wrong.append(f"{path}: only the command line and the pipeline's table import papers")
    assert not wrong, "\n".join(wrong)


def test_no_domain_imports_another():
    wrong = []
    for path in FILES.values():
        if room(path) == "domains" and len(parts := path.relative_to(ROOT).parts) > 2:
            wrong += [
                f"{path} imports {ours}"
                for ours, _ in imports(path)
                if ours.startswith("domains.") and ours.split(".")[1] != parts[1]
            ]
    assert not wrong, "\n".join(wrong)


def test_no_circles_between_files():
    graph = defaultdict(set)
    for name, path in FILES.items():
        for ours, _ in imports(path):
            if ours and ours in FILES and ours != name and not name.startswith(f"{ours}."):
                graph[name].add(ours)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_a_backend_holds_one_heavy_package():
    held = defaultdict(set)
    for name, path in FILES.items():
        parts = name.split(".")
        if parts[0] == "backends" and len(parts) > 1:
            held[parts[1]] |= {theirs for _, theirs in imports(path)} & HEAVY
    wrong = {b: sorted(packages) for b, packages in held.items() if len(packages - {"torch"}) > 1}
    assert not wrong


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, anyrank; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"torch", "transformers", "onnxruntime", "tokenizers", "tantivy", "scipy", "ir_measures", "click", "tqdm"}
    assert not loaded & heavy
