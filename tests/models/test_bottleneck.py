"""Bottleneck adapters: unchanged at first, the published placement by hand, stacks, sides, dropped layers."""

import copy

import pytest
import torch
from torch import nn

from anyrank.core.errors import InputError, ModelError
from anyrank.models.cross import CrossEncoder
from anyrank.models.parts import bottleneck
from anyrank.testing.tiny import encoder as tiny

IDS = torch.tensor([[0, 40, 41, 2, 50, 51, 52, 2], [0, 42, 2, 60, 61, 2, 1, 1]])
MASK = (IDS != 1).long()


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cross")
    tiny(folder, task="cross")
    return CrossEncoder.from_folder(folder)


def fresh(cross):
    return copy.deepcopy(cross.body).eval()


def states(body, **more):
    with torch.no_grad():
        return body.base_model(input_ids=IDS, attention_mask=MASK, **more).last_hidden_state


def stirred(encoder, name, seed, std=0.2):
    """The adapters of a name with random weights."""
    torch.manual_seed(seed)
    bottleneck.load(encoder, name, {k: torch.randn_like(v) * std for k, v in bottleneck.weights(encoder, name).items()})


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_fresh_adapters_leave_the_model_unchanged_bit_for_bit(family, tmp_path):
    tiny(tmp_path, family, "cross")
    body = CrossEncoder.from_folder(tmp_path).body.eval()
    with torch.no_grad():
        before = body(input_ids=IDS, attention_mask=MASK).logits
        bottleneck.insert(body.base_model, "language", 2, 2)
        bottleneck.insert(body.base_model, "task", 4)
        after = body(input_ids=IDS, attention_mask=MASK).logits
    assert torch.equal(before, after)


def test_the_placement_by_hand(cross):
    """h + up(relu(down(LN(h + input)))), then LN(h + input), with numbers that can be followed."""
    block = fresh(cross).base_model.encoder.layer[0].output
    width, inner = 2, 1
    block.dense = nn.Linear(2, 2)
    block.LayerNorm = nn.LayerNorm(2, eps=0.0)
    block.dropout = nn.Identity()
    block.dense.weight.data = torch.eye(2)
    block.dense.bias.data.zero_()

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.ModuleList([nn.Module()])
            self.layer[0].output = block
            self.config = type("C", (), {"hidden_size": width, "model_type": "bert"})()

    encoder = Encoder()
    bottleneck.insert(encoder, "task", width / inner)
    own = block.adapters["task"]
    own.down.weight.data, own.up.weight.data = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5], [-1.0]])
    own.down.bias.data, own.up.bias.data = torch.tensor([1.0]), torch.tensor([0.0, 3.0])
    h, given = torch.tensor([[4.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    # h + input = (5, 3), its norm (1, -1); down: 1 + 2 + 1 = 4; up: (2, -4 + 3); h = (6, 0); norm of (7, 2) is (1, -1)
    with torch.no_grad():
        assert block(h, given).tolist() == [[1.0, -1.0]]
        block.LayerNorm.register_forward_pre_hook(lambda m, x: seen.append(x[0].tolist()))
        seen = []
        block(h, given)
    assert seen == [[[5.0, 3.0]], [[7.0, 2.0]]]


def test_a_stack_is_language_then_task(cross):
    body, alone = fresh(cross), fresh(cross)
    for model in (body, alone):
        bottleneck.insert(model.base_model, "language", 2)
        bottleneck.insert(model.base_model, "task", 4)
    plain = states(body)
    stirred(body.base_model, "language", 1)
    stirred(body.base_model, "task", 2)
    stirred(alone.base_model, "task", 2)
    stacked, task = states(body), states(alone)
    assert not torch.allclose(stacked, task)
    assert not torch.allclose(task, plain)
    slot = body.base_model.encoder.layer[1].output
    h, x = torch.randn(3, 64), torch.randn(3, 32)
    with torch.no_grad():
        want = slot.dense(h)
        for name in ("language", "task"):
            want = want + slot.adapters[name](slot.LayerNorm(want + x))
        assert torch.equal(slot(h, x), slot.LayerNorm(want + x))


def test_dropped_layers_and_the_coupling(cross):
    body = fresh(cross)
    plain = states(body)
    route = bottleneck.insert(body.base_model, "language", 2, 2)
    route = bottleneck.insert(body.base_model, "task", 4)
    for i, name in enumerate(("language", "task")):
        stirred(body.base_model, name, i)
    every = states(body)
    route.drop = 1
    later = states(body)
    route.drop = 2
    coupled = states(body)
    route.invertible = False
    assert torch.equal(states(body), plain)
    assert len({t[..., 0].sum().item() for t in (every, later, coupled, plain)}) == 4


@pytest.mark.parametrize("types", [True, False])
def test_query_tokens_go_through_the_queries_language(cross, types):
    body = fresh(cross)
    encoder = body.base_model
    for name in ("language", "query_language", "task"):
        bottleneck.insert(encoder, name, 2)
    stirred(encoder, "task", 3)
    stirred(encoder, "language", 4)
    stirred(encoder, "query_language", 4)
    query = torch.tensor([[1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0]])  # up to the first separator
    given = {"token_type_ids": 1 - query} if types else {}
    if types:
        encoder.embeddings.token_type_embeddings = nn.Embedding(2, 32)
        nn.init.zeros_(encoder.embeddings.token_type_embeddings.weight)
    before = states(body, **given)
    bottleneck.split(encoder, 2)
    assert torch.equal(states(body, **given), before)  # the same adapter on both sides
    stirred(encoder, "query_language", 5)
    assert encoder.encoder.layer[0].output.adapters.route.queries[..., 0].tolist() == query.bool().tolist()
    changed = encoder.encoder.layer[0].output
    x = torch.randn(2, 8, 32)
    with torch.no_grad():
        out = changed.adapters.applied("language", x)
        for i in range(2):
            for j in range(8):
                side = "query_language" if query[i, j] else "language"
                assert torch.allclose(out[i, j], changed.adapters[side](x[i, j]), atol=1e-6)


def test_a_masked_model_undoes_the_coupling(tmp_path):
    from transformers import AutoModelForMaskedLM

    tiny(tmp_path, task="masked")
    body = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    bottleneck.insert(body.base_model, "task", 2, 2)
    stirred(body.base_model, "task", 1, 0.1)
    undone, seen = body.get_output_embeddings(), []
    undone.register_forward_pre_hook(lambda m, x: seen.append(x[0]))
    bottleneck.undo_before(undone, body.base_model)
    undone.register_forward_pre_hook(lambda m, x: seen.append(x[0]))
    with torch.no_grad():
        body(input_ids=IDS, attention_mask=MASK)
        again = body.base_model.embeddings.adapters["task"](seen[1])
    assert torch.allclose(again, seen[0], atol=1e-4)
    assert not torch.allclose(seen[0], seen[1], atol=1e-2)


def test_other_families_and_other_shapes_are_refused(cross, tmp_path):
    tiny(tmp_path, "distilbert")
    from transformers import AutoModel

    with pytest.raises(InputError, match=r"a distilbert isn't built as BERT is.*method: lora"):
        bottleneck.insert(AutoModel.from_pretrained(tmp_path), "task", 2)
    body = fresh(cross)
    bottleneck.insert(body.base_model, "task", 2)
    weights = dict(bottleneck.weights(body.base_model, "task"))
    with pytest.raises(ModelError, match="is on one side alone"):
        bottleneck.load(body.base_model, "task", dict(list(weights.items())[1:]))
    bottleneck.insert(body.base_model, "language", 4)
    with pytest.raises(ModelError, match=r"down.weight is \(16, 32\)"):
        bottleneck.load(body.base_model, "language", weights)
