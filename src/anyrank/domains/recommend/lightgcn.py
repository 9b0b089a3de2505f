"""LightGCN, plain or enhanced by texts: vectors of users and items, averaged over the graph of interactions.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", 2020, arXiv 2002.02126;
the texts' part as in EasyRec (arXiv 2408.08821): loss = BPR + decay * squares + weight * InfoNCE between each vector of
the graph and its text's vector through a small network: users against all users, items against those of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .interactions import Interactions
from .measures import Floats


@dataclass(frozen=True, slots=True)
class Shape:
    """Width, layers and pace; ``weight`` and ``temperature`` are those of the texts' part (0: plain)."""

    width: int = 32
    layers: int = 3
    rate: float = 1e-3
    batch: int = 4096
    epochs: int = 60
    decay: float = 1e-4
    weight: float = 0.01
    temperature: float = 0.5


class LightGCN(nn.Module):  # type: ignore[misc,unused-ignore]
    """The vectors of the users and items of a training part; ``user_texts`` and ``item_texts`` [n, width of the texts]
    enhance it."""

    def __init__(
        self,
        train: Interactions,
        shape: Shape = Shape(),
        user_texts: Floats | None = None,
        item_texts: Floats | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.shape, self.interactions, self.seed = shape, train, seed
        users, items = len(train.users), len(train.items)
        self.nodes = nn.Parameter(torch.empty(users + items, shape.width))
        nn.init.xavier_uniform_(self.nodes)
        self.graph = _graph(train)
        texts = None if user_texts is None or item_texts is None else np.concatenate([user_texts, item_texts])
        self.texts = None if texts is None else torch.tensor(texts, dtype=torch.float32)
        self.reader = nn.Sequential()
        if self.texts is not None:
            inner = self.texts.shape[1]
            self.reader = nn.Sequential(nn.Linear(inner, inner), nn.LeakyReLU(), nn.Linear(inner, shape.width))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Vectors [users, width] and [items, width]: the mean over the layers of the graph."""
        state = total = self.nodes
        for _ in range(self.shape.layers):
            state = torch.sparse.mm(self.graph, state)
            total = total + state
        mean, users = total / (self.shape.layers + 1), len(self.interactions.users)
        return mean[:users], mean[users:]

    def loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """The loss of a batch of users, each with an item of theirs and another."""
        user_vectors, item_vectors = self()
        u, p, n = user_vectors[users], item_vectors[positives], item_vectors[negatives]
        loss: Tensor = -nn.functional.logsigmoid((u * p).sum(1) - (u * n).sum(1)).mean()
        start = len(self.interactions.users)
        own = [self.nodes[users], self.nodes[start + positives], self.nodes[start + negatives]]
        loss = loss + self.shape.decay * sum(x.square().sum() for x in own) / len(users)
        if self.texts is None or not self.shape.weight:
            return loss
        read = self.reader(self.texts)
        user_texts, item_texts = read[:start], read[start:]
        t = self.shape.temperature
        aligned = _weighted(user_vectors, user_texts, users, None, t)
        aligned = aligned + _weighted(item_vectors, item_texts, positives, positives, t)
        return loss + self.shape.weight * (aligned + _weighted(item_vectors, item_texts, negatives, negatives, t))

    def fit(self) -> LightGCN:
        """Train for the shape's epochs: each interaction once, with an item drawn that the user has not."""
        rng = np.random.default_rng(self.seed)
        optimiser = torch.optim.Adam(self.parameters(), lr=self.shape.rate)
        pairs, items = self.interactions.pairs, len(self.interactions.items)
        seen = set((pairs[:, 0] * items + pairs[:, 1]).tolist())
        for _ in range(self.shape.epochs):
            order = rng.permutation(len(pairs))
            for start in range(0, len(order), self.shape.batch):
                part = pairs[order[start : start + self.shape.batch]]
                negatives = rng.integers(items, size=len(part))
                for _ in range(10):  # a few draws leave hardly any that the user has
                    known = np.array([u * items + n in seen for u, n in zip(part[:, 0].tolist(), negatives.tolist())])
                    if not known.any():
                        break
                    negatives[known] = rng.integers(items, size=int(known.sum()))
                loss = self.loss(torch.tensor(part[:, 0]), torch.tensor(part[:, 1]), torch.tensor(negatives))
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
        return self

    def scores(self, users: Sequence[int]) -> Floats:
        """Products of vectors [users, items]; an item without interactions is scored by its text, if there are
        texts."""
        with torch.no_grad():
            user_vectors, item_vectors = self()
            out = user_vectors[list(users)] @ item_vectors.T
            if self.texts is not None:
                cold = torch.tensor(self.interactions.popularity() == 0)
                read = self.reader(self.texts[len(self.interactions.users) :])
                out[:, cold] = user_vectors[list(users)] @ nn.functional.normalize(read[cold], dim=1).T
        return np.asarray(out.numpy(), dtype=np.float64)


def _weighted(vectors: Tensor, texts: Tensor, batch: Any, others: Any, temperature: float) -> Tensor:
    """`aligning` of a batch's vectors, against the texts of the positions ``others`` (all without). A batch names a
    user or an item many times, so each is compared once and counted as often as it comes: the same mean at a tenth of
    the work."""
    rows, times = _counted(batch)
    if others is None:
        return aligning(vectors[rows], texts[rows], texts, temperature, times)
    among, counts = _counted(others)
    return aligning(vectors[rows], texts[rows], texts[among], temperature, times, counts)


def _counted(positions: Tensor) -> tuple[Tensor, Tensor]:
    """The different positions, and how often each comes."""
    values, counts = np.unique(positions.numpy(), return_counts=True)
    return torch.tensor(values), torch.tensor(counts)


def aligning(
    vectors: Tensor,
    own: Tensor,
    others: Tensor,
    temperature: float,
    times: Tensor | None = None,
    counts: Tensor | None = None,
) -> Tensor:
    """InfoNCE between vectors [n, width] and their texts' ``own``, against the texts of ``others``. ``times`` [n] and
    ``counts`` [others]: how often each is in the batch (once without)."""
    vectors, own, others = (nn.functional.normalize(x, dim=1) for x in (vectors, own, others))
    positive = (vectors * own).sum(1) / temperature
    near = vectors @ others.T / temperature
    near = near if counts is None else near + counts.log()
    losses: Tensor = torch.logsumexp(near, 1) - positive
    return losses.mean() if times is None else (losses * times).sum() / times.sum()


def _graph(train: Interactions) -> Tensor:
    """The adjacency of users and items, each edge divided by the root of both ends' degrees."""
    users, items = train.pairs[:, 0], train.pairs[:, 1] + len(train.users)
    n = len(train.users) + len(train.items)
    degree = np.bincount(np.concatenate([users, items]), minlength=n)
    weight = 1 / np.sqrt(degree[users] * degree[items])
    edges = np.stack([np.concatenate([users, items]), np.concatenate([items, users])])
    values = torch.tensor(np.concatenate([weight, weight]), dtype=torch.float32)
    return torch.sparse_coo_tensor(torch.tensor(edges), values, (n, n), check_invariants=True).coalesce()
