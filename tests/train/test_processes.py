"""A training started by torch's launcher in two processes on the CPU."""

import os
import random
import subprocess
import sys
from pathlib import Path

import torch

from anyrank.train.batches import Batches
from anyrank.train.group import Group
from anyrank.train.groups import write_groups

WORDS = ["lift", "drag", "wing", "flow", "heat", "plate", "shock", "layer"]
SCRIPT = Path(__file__).with_name("two_processes.py")


def groups(n):
    rng = random.Random(0)
    return [
        Group.from_texts(good, (*bad, good), (0.0, 0.0, 1.0), f"q{i}")
        for i, (good, *bad) in enumerate(rng.sample(WORDS, 3) for _ in range(n))
    ]


def test_two_processes_share_the_batches_and_end_with_the_same_weights(words, tmp_path):
    write_groups(tmp_path / "g.jsonl", groups(14))  # 4 batches, the last of 2
    source = Path(__file__).parents[2] / "src"
    env = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT)]
    arguments = [str(tmp_path / "out"), str(words), str(tmp_path / "g.jsonl")]
    result = subprocess.run([*launcher, *arguments], env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{name}.pt") for name in ("first", "second"))
    assert torch.equal(first["weights"], second["weights"])
    assert first["steps"] == second["steps"] == 4  # two an epoch, of two batches each
    assert first["seen"][-4:] == [4] * 4  # the short batch is filled up by accelerate
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert (tmp_path / "out" / "validation.json").is_file()


def test_the_short_batch_comes_last_for_several_processes():
    for seed in range(5):
        batches = Batches(groups(14), 4, seed=seed, short_last=True)
        assert [len(b) for b in batches] == [4, 4, 4, 2]
        assert sorted(i for b in batches for i in b) == list(range(14))
    assert any([len(b) for b in Batches(groups(14), 4, seed=seed)][-1] == 4 for seed in range(5))
