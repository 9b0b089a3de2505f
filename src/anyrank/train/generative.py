"""Training of generative retrievers (`models.generative`): texts of documents and queries, and the document of each."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback

from ..core.content import is_blank
from ..core.errors import InputError, ModelError
from ..index.collection import Collection
from ..index.document_ids import cluster_ids, digit_ids
from ..models.base import DECLARATION
from ..models.bi import BiEncoder
from ..models.generative.atomic import AtomicMemory
from ..models.generative.base import Memory, Trained
from ..models.generative.folder import save
from ..models.generative.sequence import SequenceMemory
from ..store.vector_names import encode_command, stored
from .generative_plan import Example, Plan, examples
from .starts import FLOAT, start_folder

log = logging.getLogger(__name__)

Judged = Mapping[str, Sequence[str]]
"""{text of a query: ids of its relevant documents}."""


def untrained(plan: Plan, collection: Collection, model: str, vectors: str = "") -> Trained:
    """The model of a plan before its first step, over all documents of a collection that have content. ``model`` is
    the encoder (a folder, a name of the registry or a hub id), ``vectors`` the encoder whose stored vectors are used,
    by default the same. Raises InputError if the collection lacks them."""
    set_seed(plan.seed)
    rows = [r for part in collection.store.live() for r in part]
    contents = [content for content, _ in collection.store.rows.of(rows).documents(rows)]
    known = [i for i, content in enumerate(contents) if content is not None and not is_blank(content)]
    if not known:
        raise InputError("holds no document with content", path=collection.path)
    numbers = np.array([rows[i] for i in known], dtype=np.int64)
    dense = _stored_vectors(collection, vectors or model, numbers) if plan.needs_vectors else None
    memory: Any = _memory(plan, start_folder(FLOAT.get(model, model)), len(numbers), dense)
    return Trained(model, memory.eval(), collection.store.manifest.build, numbers, str(collection.path))


def _memory(plan: Plan, folder: Path, documents: int, dense: Any) -> Memory:
    if plan.form == "atomic":
        encoder = BiEncoder.from_folder(folder, max_length=plan.max_length)
        return AtomicMemory.random(encoder, documents) if dense is None else AtomicMemory.over_vectors(encoder, dense)
    ids = digit_ids(documents) if dense is None else cluster_ids(dense, plan.branching, plan.leaf, plan.seed)
    shape = {"num_layers": plan.layers}
    return SequenceMemory.start(folder, ids, plan.max_length, plan.prefix_aware, shape)


def _stored_vectors(collection: Collection, model: str, rows: Any) -> Any:
    """The dense vectors [rows, width] of a model. Raises InputError if some are missing."""
    name, cure = (
        stored(model),
        f"add them with `{encode_command(collection.path, model)}`, or name another model of vectors",
    )
    if name not in collection.encoded:
        raise InputError(f"holds no vectors of {model!r}: {cure}", path=collection.path)
    index = collection.vectors(name)
    if missing := len(index.missing()):
        raise InputError(f"{missing} documents have no vectors of {model!r}: {cure}", path=collection.path)
    ids = collection.store.rows.of(rows).ids(rows.tolist())
    positions, vectors = index.vectors(ids)
    if vectors is None or len(positions) != len(ids):
        raise InputError(f"{len(ids) - len(positions)} documents have no vectors of {model!r}: {cure}")
    return vectors.dense()


class Loop(Trainer):  # type: ignore[misc,unused-ignore]
    """transformers' Trainer over examples in their own order."""

    def __init__(self, memory: Any, plan: Plan, data: Sequence[Example], folder: Path, progress: bool) -> None:
        self.plan = plan
        steps = max(math.ceil(len(data) / plan.batch), 1)
        arguments = TrainingArguments(
            output_dir=str(folder / "checkpoints"),
            seed=plan.seed,
            learning_rate=plan.rate,
            warmup_steps=round(0.05 * steps),
            max_steps=steps,
            per_device_train_batch_size=plan.batch,
            max_grad_norm=1.0,
            bf16=plan.bf16,
            use_cpu=not torch.cuda.is_available(),
            save_steps=max(1, min(500, steps // 4)),
            save_total_limit=1,
            logging_steps=max(1, min(50, steps // 20)),
            report_to=[],
            disable_tqdm=not progress,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        arguments._n_gpu = min(arguments.n_gpu, 1)
        examples: Any = list(data)
        super().__init__(memory, arguments, self.collated, examples, callbacks=[_Log()])
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = False

    def collated(self, examples: Sequence[Example]) -> dict[str, Any]:
        texts, numbers = zip(*examples)
        model: Any = self.model
        return {"targets": torch.tensor(numbers), **model.inputs(list(texts))}

    def get_train_dataloader(self) -> Any:
        data: Any = self.train_dataset
        return DataLoader(data, self.plan.batch, sampler=SequentialSampler(data), collate_fn=self.collated)

    def create_optimizer(self, *_: Any) -> Any:
        """AdamW with a rate of its own for the weights of the encoder."""
        assert self.model is not None
        groups: dict[float, list[Any]] = {self.plan.rate: [], self.plan.fresh_rate: []}
        for name, weight in self.model.named_parameters():
            groups[self.plan.rate if name.startswith("encoder.") else self.plan.fresh_rate].append(weight)
        self.optimizer: Any = torch.optim.AdamW(
            [{"params": p, "lr": lr} for lr, p in groups.items()], weight_decay=0.0, fused=True
        )
        return self.optimizer

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], *_: Any, **__: Any) -> Any:
        loss = model.loss(**inputs)
        if not torch.isfinite(loss):
            raise ModelError(f"the loss of step {self.state.global_step + 1} is not finite: lower the learning rate")
        return loss


class _Log(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Logs the losses."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            log.info("step %d of %d: loss %.4g", state.global_step, state.max_steps, logs["loss"])


def train(
    plan: Plan,
    collection: Collection,
    model: str,
    out: Path,
    *,
    vectors: str = "",
    queries: Judged | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Trained:
    """A model trained on the documents of a collection and on ``queries``, saved in the folder ``out``. ``resume`` goes
    on from the last checkpoint of a training that was stopped. Raises InputError if ``out`` holds a model, and if no
    query has a relevant document in the collection."""
    if (out / DECLARATION).exists() and not overwrite:
        raise InputError("holds a trained model: give --overwrite, or another folder", path=out)
    trained = untrained(plan, collection, model, vectors)
    store, rows = collection.store, trained.rows.tolist()
    contents = [content for content, _ in store.rows.of(rows).documents(rows)]
    number = dict(zip(store.rows.of(rows).ids(rows), range(len(rows))))
    pairs = [(text, number[i]) for text, ids in (queries or {}).items() for i in ids if i in number]
    if queries and not pairs:
        raise InputError("no query has a relevant document in this index: are the ids those of the index?")
    loop = Loop(trained.memory, plan, examples(plan, contents, pairs), out, progress)
    checkpoints = out / "checkpoints"
    loop.train(resume_from_checkpoint=resume and any(checkpoints.glob("checkpoint-*")))
    losses = [entry["loss"] for entry in loop.state.log_history if "loss" in entry]
    memory: Any = trained.memory
    memory.eval()
    how = {"start": model, "vectors": vectors or model, "plan": asdict(plan), "documents": len(rows)}
    save(trained, out, **how, queries=len(pairs), steps=loop.state.global_step, losses=losses)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trained
