"""A small training, run by test_loop in processes of its own, so that they can be killed: FOLDER STEPS SLOW."""

import os
import sys
import time
from pathlib import Path

import torch
from transformers import logging

from anyrank.models.cross import CrossEncoder
from anyrank.train.group import Group
from anyrank.train.recipe import Check, Export, Optimiser, Recipe
from anyrank.train.run import train

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer", "jet", "wave", "tube", "cone"]


def groups():
    return [
        Group.from_texts(f"{a} {b}", (f"{a} {b}", f"{b} of {c}", c, f"{a} {c} " * i), (3.0, 1.0, 0.0, 0.5), f"q{i}")
        for i, (a, b, c) in enumerate(zip(WORDS, WORDS[1:], WORDS[2:]))
    ]


def loss(scores, labels, mask):
    time.sleep(float(os.environ.get("SLOW", "0")))
    return ((scores - labels) ** 2)[mask].mean()


def main(folder, tokenizer, resume):
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = CrossEncoder.from_config(shape, tokenizer, max_length=24)
    recipe = Recipe(
        out=folder,
        optimiser=Optimiser(batch=2, accumulate=2, epochs=6, rate=1e-2),
        check=Check(every=2),
        export=Export(int8=False),
        seed=3,
    )
    valid = [Group.from_texts(g.query, g.texts, (1, 0, 0, 0), g.id) for g in groups()[:4]]
    train(recipe, train=groups(), valid=valid, model=model, losses=[(1.0, loss)], resume=resume)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "resume")
