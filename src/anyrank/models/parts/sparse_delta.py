"""Sparse fine-tunings: a few changed weights as indices and differences, added to a model and taken away exactly
(composable sparse fine-tuning, arXiv 2110.07560).

Differences of several fine-tunings are summed in double precision, smallest first, and added to the weights once: so
their order doesn't matter, to the last bit. Taking them away puts the weights back that were there, since a difference
subtracted in floating point needn't give them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import InputError, ModelError

LEAST = 1e-7
"""Differences of at most this size are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """Differences of weights: of each tensor the positions, counted over all its numbers, and the values there."""

    entries: Mapping[str, tuple[Tensor, Tensor]]

    @classmethod
    def between(cls, before: Mapping[str, Tensor], after: Mapping[str, Tensor], least: float = LEAST) -> Delta:
        """The differences larger than ``least`` between tensors of the same names.

        >>> Delta.between({"a": torch.zeros(3)}, {"a": torch.tensor([0.0, 2.0, 1e-8])}).size
        1
        """
        entries = {}
        for name, old in before.items():
            change = (after[name].detach().cpu() - old.detach().cpu()).reshape(-1)
            index = torch.nonzero(change.abs() > least).reshape(-1)
            if len(index):
                entries[name] = (index, change[index])
        return cls(entries)

    @property
    def size(self) -> int:
        """The number of differences."""
        return sum(len(index) for index, _ in self.entries.values())

    def tensors(self) -> dict[str, Tensor]:
        """The tensors to store: 8 bytes a difference."""
        out: dict[str, Tensor] = {}
        for name, (index, values) in self.entries.items():
            kind = torch.int32 if not len(index) or int(index.max()) < 2**31 else torch.int64
            out |= {f"index:{name}": index.to(kind).contiguous(), f"value:{name}": values.contiguous()}
        return out

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> Delta:
        """The differences of stored tensors."""
        names = [key.removeprefix("index:") for key in tensors if key.startswith("index:")]
        return cls({name: (tensors[f"index:{name}"].long(), tensors[f"value:{name}"]) for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """The weights as they were at the places that were changed."""

    weights: Mapping[str, Tensor]
    originals: Mapping[str, tuple[Tensor, Tensor]]

    def revert(self) -> None:
        """Put the original weights back, the same bytes."""
        with torch.no_grad():
            for name, (index, values) in self.originals.items():
                self.weights[name].view(-1)[index] = values


def apply(weights: Mapping[str, Tensor], deltas: Sequence[Delta]) -> Applied:
    """Add differences to weights, in place. Raises ModelError on a difference outside the weights.

    >>> w = {"a": torch.tensor([1.0, 2.0])}
    >>> undo = apply(w, [Delta({"a": (torch.tensor([1]), torch.tensor([0.5]))})])
    >>> w["a"].tolist(), undo.revert(), w["a"].tolist()
    ([1.0, 2.5], None, [1.0, 2.0])
    """
    originals: dict[str, tuple[Tensor, Tensor]] = {}
    with torch.no_grad():
        for name in sorted({name for delta in deltas for name in delta.entries}):
            parts = [delta.entries[name] for delta in deltas if name in delta.entries]
            if name not in weights:
                raise ModelError(
                    f"the sparse fine-tuning changes {name}, which this model lacks: was its base another?"
                )
            flat = weights[name].detach().view(-1)
            index, row = torch.unique(torch.cat([i for i, _ in parts]), return_inverse=True)
            if len(index) and int(index[-1]) >= len(flat):
                raise ModelError(f"the sparse fine-tuning changes {name} at {int(index[-1])} of {len(flat)} numbers")
            values = torch.zeros(len(parts), len(index), dtype=torch.float64)
            start = 0
            for number, (_, change) in enumerate(parts):
                values[number, row[start : start + len(change)]] = change.double()
                start += len(change)
            index = index.to(flat.device)
            originals[name] = (index, flat[index].clone())
            sum_of = values.sort(0).values.sum(0).to(flat.device)
            flat[index] = (flat[index].double() + sum_of).to(flat.dtype)
    return Applied(weights, originals)


def largest(changes: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """Masks of exactly ``number`` entries, those of the largest absolute changes over all tensors; of equal ones those
    that come first. Raises InputError if there are fewer entries.

    >>> {n: m.tolist() for n, m in largest({"a": torch.tensor([1.0, -3.0]), "b": torch.tensor([2.0, 2.0])}, 2).items()}
    {'a': [False, True], 'b': [True, False]}
    """
    flat = torch.cat([change.detach().abs().reshape(-1).cpu() for change in changes.values()])
    if not 0 < number <= len(flat):
        raise InputError(f"adapters.keep: {number:,} weights to train, of {len(flat):,} that can be")
    threshold = torch.kthvalue(flat, len(flat) - number + 1).values
    mask = flat > threshold
    equal = torch.nonzero(flat == threshold).reshape(-1)
    mask[equal[: number - int(mask.sum())]] = True
    out, start = {}, 0
    for name, change in changes.items():
        out[name] = mask[start : start + change.numel()].view(change.shape).to(change.device)
        start += change.numel()
    return out
