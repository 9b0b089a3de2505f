"""A training in each process of a launcher; see test_processes.py. Arguments: folder, tokenizer, groups."""

import sys
from pathlib import Path

import torch
from transformers import set_seed

from anyrank.models.knrm import KNRM
from anyrank.train.loop import is_first
from anyrank.train.recipe import Data, Export, Loss, Optimiser, Recipe
from anyrank.train.run import train


def main(folder, tokenizer, groups):
    torch.set_num_threads(1)
    set_seed(0)
    seen = []

    def loss(scores, labels, mask):
        seen.append(len(scores))
        return (scores - labels).square().mean()

    how = Recipe(
        out=folder,
        data=Data(train=(groups,), valid=(groups,)),
        losses=(Loss(name="mse"),),
        optimiser=Optimiser(batch=4, epochs=2, rate=1e-2, bf16=False),
        export=Export(int8=False),
    )
    model = KNRM.from_config({"width": 8}, tokenizer, max_length=16)
    done = train(how, model=model, losses=[(1.0, loss)])
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    name = "first" if is_first() else "second"
    torch.save({"weights": weights, "seen": seen, "steps": done.log[-1]["step"]}, Path(folder).parent / f"{name}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
