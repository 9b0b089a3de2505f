"""Part: the meaning of a name in a pipeline. A plug-in defines its own parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..core.stage import Stage


@dataclass(frozen=True)
class Part:
    """A name's meaning. ``source(settings, *args, **kwargs)`` builds the stage that starts a pipeline (a retriever),
    ``then(settings, …)`` the one that follows ``>>`` (a reranker, a rewriter); None if the name can't be used there.

    ``rewrites``: the stage changes the query and not the order (RM3, Rocchio, HyDE), so that a name after it means a
    search again, where it has one. A rewriter that needs no candidates has the same ``source`` and ``then``. ``moves``:
    it changes the query's vector (Rocchio), so that searches after it need a model that makes one vector a text.

    Arguments in a pipeline are constants. They are checked against the function's own signature: names, and the types
    that are annotated with ``int``, ``float``, ``str``, ``bool``, ``Literal`` and unions of these.
    """

    about: str
    source: Callable[..., Stage] | None = None
    then: Callable[..., Stage] | None = None
    rewrites: bool = False
    moves: bool = False
