"""Work on more than one process or machine: shards of a job, their merging, and the workers that run them."""

from .ray_workers import cluster as ray
from .run import run
from .shards import Shard

__all__ = ["Shard", "ray", "run"]
