"""GradCache: batches of in-batch negatives that are larger than the memory for their activations (arXiv 2101.06983).

The loss needs the vectors of the whole batch, but each vector's gradient needs the activations of its own text alone.
So texts are encoded without gradients first, a few at a time; the loss gives each vector's gradient; and the same texts
are encoded again with gradients, a few at a time, each pulled by its vector's. Gradients are those of the whole batch
at once, for the price of a second forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..models.parts.ragged import gathered
from .objective import Objective


@runtime_checkable
class Compares(Protocol):
    """A model that encodes chunks of texts into vectors, and scores groups by these vectors."""

    def embed(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor: ...

    def embed_documents(self, chunks: Sequence[Mapping[str, Tensor]]) -> Tensor: ...

    def compare(self, queries: Tensor, texts: Tensor, mask: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Cached:
    """The ``objective`` of a model that `Compares`, with the activations of at most ``size`` texts at once; ``bf16``
    encodes in bfloat16 by autocast."""

    objective: Objective
    size: int
    bf16: bool = False

    def __call__(self, model: Any, batch: Mapping[str, Any], epoch: float) -> Tensor:
        """The loss of a batch; its backward pass encodes the texts again."""
        features = batch["features"]
        sides = [list(_parts(features[side], self.size)) for side in ("queries", "chunks")]
        embed = (model.embed, model.embed_documents)
        states: list[list[_Random]] = [[], []]
        vectors = []
        for side, parts in enumerate(sides):
            rows = []
            for part in parts:
                states[side].append(_Random.now(part["rows"].device))
                with torch.no_grad(), self.autocast(part):
                    rows.append(embed[side]([_alone(part)]).float())
            vectors.append(gathered(rows, [part["rows"] for part in parts]).requires_grad_())
        with torch.enable_grad():
            loss = self.objective.batch(model.compare(*vectors, features["mask"]), batch, epoch)
        if not torch.is_grad_enabled():
            return loss.detach()
        grads = torch.autograd.grad(loss, vectors)
        carrier = loss.detach().requires_grad_()

        def pull(scale: Tensor) -> None:
            """Encode each part again and pull it by its vectors' gradients."""
            for side, parts in enumerate(sides):
                for part, state in zip(parts, states[side]):
                    with torch.enable_grad():  # off within a backward pass
                        with state, self.autocast(part):
                            again = embed[side]([_alone(part)]).float()
                        (again * grads[side][part["rows"]] * scale).sum().backward()

        hooked: Any = carrier
        hooked.register_hook(pull)
        return carrier * 1.0  # a hook of a leaf runs only below another operation

    def autocast(self, part: Mapping[str, Tensor]) -> Any:
        return torch.autocast(part["rows"].device.type, torch.bfloat16, enabled=self.bf16)


def _parts(chunks: Sequence[Mapping[str, Tensor]], size: int) -> Iterator[dict[str, Tensor]]:
    """Chunks cut to at most ``size`` texts."""
    for chunk in chunks:
        for start in range(0, len(chunk["rows"]), size):
            yield {name: values[start : start + size] for name, values in chunk.items()}


def _alone(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A part whose texts are numbered from 0."""
    return {**part, "rows": torch.arange(len(part["rows"]), device=part["rows"].device)}


@dataclass(slots=True)
class _Random:
    """The state of torch's random numbers at some moment, in which a block runs again (so that dropout drops the same);
    afterwards they go on as before."""

    cpu: Tensor
    cuda: Tensor | None
    before: tuple[Tensor, Tensor | None] | None = None

    @classmethod
    def now(cls, device: torch.device) -> _Random:
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None)

    def __enter__(self) -> None:
        self.before = torch.get_rng_state(), None if self.cuda is None else torch.cuda.get_rng_state()
        self._set(self.cpu, self.cuda)

    def __exit__(self, *_: object) -> None:
        assert self.before is not None
        self._set(*self.before)

    @staticmethod
    def _set(cpu: Tensor, cuda: Tensor | None) -> None:
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state(cuda)
