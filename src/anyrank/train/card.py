"""The model card: a model's training data, settings, code and measured effect."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..evaluate.evaluation import Evaluation
from .export import Exported
from .group import Group
from .recipe import Recipe

KINDS = {
    "axial": ("ranker of peptide candidates by their spectrum", "other"),
    "cross": ("cross-encoder", "text-ranking"),
    "bi": ("bi-encoder", "sentence-similarity"),
    "late": ("late-interaction ranker", "text-ranking"),
    "colbert": ("late-interaction ranker (ColBERT)", "sentence-similarity"),
    "sparse": ("learned sparse encoder", "feature-extraction"),
    "unicoil": ("learned sparse encoder (uniCOIL)", "feature-extraction"),
    "deepimpact": ("learned sparse encoder (DeepImpact)", "feature-extraction"),
    "deepct": ("term weigher (DeepCT)", "feature-extraction"),
    "coil": ("encoder of terms (COIL)", "feature-extraction"),
    "language": ("listwise language model", "text-generation"),
    "mlm": ("masked language model", "fill-mask"),
    "instructed": ("dense encoder with instructions", "sentence-similarity"),
    "likelihood": ("language model that scores texts by their likelihood (BRIO)", "text-ranking"),
    "promptreps": ("language model that gives vectors (PromptReps)", "feature-extraction"),
    "verdict": ("language model that judges documents", "text-ranking"),
    "knrm": ("kernel-pooling ranker (KNRM)", "text-ranking"),
    "next_residue": ("model of the next residue of a peptide", "other"),
}


def card(
    recipe: Recipe,
    module: Any,
    model: Any,
    groups: Sequence[Group],
    effects: Mapping[str, Evaluation],
    exported: Exported | None,
    losses: str,
) -> str:
    """The card of a training in Markdown, with the front matter that model hubs read. ``losses``
    describes the objective."""
    lines = _head(recipe, model.kind, model.max_length if reads_text(model.kind) else 0, module, groups, losses)
    if not effects:
        lines += ["Not measured: the training had no validation data."]
    for name, effect in effects.items():
        which = f" of {name}" if name else ""
        chosen = "the best checkpoint was chosen on them" + (", by the mean over all sets" if name else "")
        lines += [f"On {len(effect.queries)} validation queries{which} ({chosen}):", ""]
        lines += [effect.table("markdown").strip(), ""]
    lines = lines[:-1] if effects else lines
    lines += ["", "## int8 graph", "", _graph(exported), ""]
    return "\n".join(lines)


def rewarded(
    recipe: Recipe,
    module: Any,
    groups: Sequence[Group],
    objective: str,
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> str:
    """The card of a training by rewards, with their means before and after."""
    lines = _head(recipe, "language", recipe.model.max_length, module, groups, objective)
    which = "the validation prompts" if recipe.data.valid else "the first prompts of the training"
    lines += [f"Mean rewards of greedy answers to {which}:", "", "| reward | before | after |", "|---|---|---|"]
    lines += [f"| {name} | {value:.4f} | {after[name]:.4f} |" for name, value in before.items()]
    return "\n".join([*lines, ""])


def reads_text(kind: str) -> bool:
    """Whether a kind of model reads texts.

    >>> reads_text("cross"), reads_text("axial")
    (True, False)
    """
    return KINDS.get(kind, ("", ""))[1] != "other"


def _head(recipe: Recipe, name: str, length: int, module: Any, groups: Sequence[Group], losses: str) -> list[str]:
    """The lines of a card up to the measured effect, of a kind's ``name``; texts have at most ``length`` tokens."""
    import torch

    kind, task = KINDS.get(name, (f"ranker of kind {name}", "text-ranking"))
    reads = f", for texts of at most {length} tokens" if length else ""
    o, m = recipe.optimiser, recipe.model
    size = sum(p.numel() for p in module.parameters())
    duration = f"{o.steps} steps" if o.steps else f"{o.epochs} epoch{'s' if o.epochs > 1 else ''}"
    origin = m.start or (f"random weights ({dict(m.shape)})" if m.tokenizer else "weights given in Python")
    files = ", ".join(map(str, recipe.data.train))
    return [
        "---",
        f"license: {recipe.data.licence or 'unknown'}",
        f"pipeline_tag: {task}",
        "library_name: anyrank",
        "---",
        "",
        f"# {Path(recipe.out).name}",
        "",
        f"A {kind} of {size:,} parameters, from {origin}{reads}.",
        "",
        "## Training",
        "",
        f"- Data: {recipe.data.about or files or 'not described'}; {len(groups):,} groups, "
        f"{sum(len(g.candidates) for g in groups):,} texts",
        f"- Licence of the data: {recipe.data.licence or 'not stated'}",
        f"- Loss: {losses}",
        f"- {duration}, {o.batch} groups a batch, {o.accumulate} batches a step, rate {o.rate:g}, {o.schedule}, "
        f"{'bfloat16' if o.bf16 else 'float32'}",
        f"- Seed: {recipe.seed}; threads: {torch.get_num_threads()}",
        f"- Code: anyrank {release()}, commit {commit()}; torch {torch.__version__}",
        "",
        "## Measured effect",
        "",
    ]


def _graph(done: Exported | None) -> str:
    """The paragraph on the int8 graph."""
    if done is None:
        return "None was made."
    text = f"{done.what}: {done.agreement:.4f}; largest difference: {done.difference:.4g} ({done.texts} texts)"
    if not done.accepted:
        return f"Removed, since it agrees too little with the original: at least {done.least} is required; {text}."
    return f"onnx/model.onnx, {done.bytes / 1e6:.1f} MB, runs on onnxruntime by the base install. {text}."


def release() -> str:
    """The installed version of this package."""
    try:
        return version("anyrank")
    except PackageNotFoundError:
        return "(not installed)"


def commit() -> str:
    """The commit of the code if it runs from a checkout, marked if files were changed; else "of a release"."""
    try:
        result = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "of a release"
    return result.stdout.strip()
