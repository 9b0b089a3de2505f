"""Why uniCOIL and COIL train with the texts of the whole batch: against negatives that share as many words with the
query as the relevant text, weights of 0 are the nearest low loss, and a relu that is 0 everywhere learns no more."""

import random

import pytest
import torch
from transformers import BertTokenizerFast

from anyrank.core.types import Candidate, Query
from anyrank.models.unicoil import UniCOIL
from anyrank.papers import coil, unicoil
from anyrank.train.batches import Collate
from anyrank.train.group import Group
from anyrank.train.losses import infonce
from anyrank.train.objective import Objective

WORDS = [f"w{i}" for i in range(40)]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def lexical_groups(rng, n=8):
    """Groups whose texts all share two or three words with the query, as the best results of BM25 do."""
    for i in range(n):
        query = rng.sample(WORDS, 4)
        texts = [" ".join(rng.sample(query, rng.choice([2, 3])) + rng.sample(WORDS, 4)) for _ in range(4)]
        members = [Candidate(f"{i}-{j}", text) for j, text in enumerate(texts)]
        yield Group.of(Query(f"q{i}", " ".join(query)), members, [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize(("in_batch", "alive"), [(False, False), (True, True)])
def test_weights_stay_above_0_against_the_texts_of_the_whole_batch(in_batch, alive, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    tokenizer, rng = BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")), random.Random(0)
    torch.manual_seed(0)
    model = UniCOIL.from_config(SHAPE, tokenizer, max_length=24, in_batch=in_batch).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    objective, collate = Objective(((1.0, infonce),)), Collate(model)
    for _ in range(40):
        optimiser.zero_grad()
        objective(model, collate(list(lexical_groups(rng))), 0.0).backward()
        optimiser.step()
    with torch.inference_mode():
        (chunk,) = model.eval().inputs([" ".join(WORDS[:20])])
        weights = model.document(chunk)[1][0, 1:-1]
    assert bool((weights > 0).all()) is alive
    assert bool(weights.any()) is alive


@pytest.mark.parametrize("paper", [unicoil, coil])
def test_the_recipes_train_with_the_texts_of_the_whole_batch(paper):
    recipe = paper.recipe("out", ["groups.jsonl"])
    assert recipe.model.options["in_batch"] is True
    assert recipe.optimiser.batch > 1
