"""Work on more than one process or machine: shards of a job, their merging, and the workers that run them."""

from .shards import Shard

__all__ = ["Shard"]
