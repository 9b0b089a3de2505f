"""Training: losses, training data, curricula, mining of negatives, distillation and the loop (extra ``train``).

``train(Recipe(…))`` is a whole training; ``read_recipe`` reads one from YAML.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .group import Group
    from .recipe import Recipe, read_recipe
    from .run import Trained, train
    from .sources import Source

__all__ = ["Group", "Recipe", "Source", "Trained", "read_recipe", "train"]

_HOME = {
    "Group": "group",
    "Recipe": "recipe",
    "Source": "sources",
    "Trained": "run",
    "read_recipe": "recipe",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
