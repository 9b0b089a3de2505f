"""Sparse fine-tunings: exactly K, the same in any order, taken away byte for byte, stored without loss."""

from itertools import permutations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from anyrank.core.errors import InputError, ModelError
from anyrank.models.parts.sparse_delta import Delta, apply, largest


def drawn(seed, sizes=((7,), (3, 5)), scale=1.0):
    torch.manual_seed(seed)
    return {f"w{i}": torch.randn(size) * scale for i, size in enumerate(sizes)}


def delta(seed, share=0.5, scale=1.0):
    weights = drawn(seed, scale=scale)
    torch.manual_seed(seed + 1)
    masks = {n: torch.rand(w.shape) < share for n, w in weights.items()}
    return Delta.between(
        {n: torch.zeros_like(w) for n, w in weights.items()}, {n: weights[n] * masks[n] for n in masks}
    )


def raw(weights):
    return b"".join(w.numpy().tobytes() for w in weights.values())


@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1.0, 1e6]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_apply_then_revert_gives_the_same_bytes_and_order_does_not_matter(seed, scale):
    weights = drawn(seed)
    before, parts = raw(weights), [delta(seed + i, scale=scale) for i in range(3)]
    results = set()
    for order in permutations(parts):
        undo = apply(weights, list(order))
        results.add(raw(weights))
        undo.revert()
        assert raw(weights) == before
    assert len(results) == 1
    assert before not in results


def test_subtraction_would_not_give_the_weights_back():
    weights = {"a": torch.tensor([1e-8], dtype=torch.float32)}
    start = weights["a"].clone()
    undo = apply(weights, [Delta({"a": (torch.tensor([0]), torch.tensor([1.0]))})])
    assert not torch.equal(weights["a"] - 1.0, start)  # why the originals are remembered
    undo.revert()
    assert torch.equal(weights["a"], start)


@given(st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5]), min_size=2, max_size=30), st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_exactly_k_of_the_largest(values, data):
    k = data.draw(st.integers(1, len(values)))
    cut = data.draw(st.integers(1, len(values) - 1))
    changes = {"a": torch.tensor(values[:cut]), "b": torch.tensor(values[cut:])}
    masks = largest(changes, k)
    mask = torch.cat([masks["a"], masks["b"]])
    size = torch.tensor(values).abs()
    assert int(mask.sum()) == k
    assert not (~mask).any() or size[mask].min() >= size[~mask].max()


def test_stored_without_loss_and_tiny_changes_dropped():
    original = delta(3)
    again = Delta.of_tensors(load(save(original.tensors())))
    assert {n: [t.tolist() for t in e] for n, e in again.entries.items()} == {
        n: [t.tolist() for t in e] for n, e in original.entries.items()
    }
    zeros = {"a": torch.zeros(4)}
    assert Delta.between(zeros, {"a": torch.tensor([1e-7, -1e-7, 2e-7, 0.0])}).entries["a"][0].tolist() == [2]


def test_what_does_not_fit_is_refused():
    one = Delta({"a": (torch.tensor([9]), torch.tensor([1.0]))})
    with pytest.raises(ModelError, match="changes a at 9 of 3 numbers"):
        apply({"a": torch.zeros(3)}, [one])
    with pytest.raises(ModelError, match="changes a, which this model lacks"):
        apply({"b": torch.zeros(3)}, [one])
    with pytest.raises(InputError, match="4 weights to train, of 3"):
        largest({"a": torch.zeros(3)}, 4)
