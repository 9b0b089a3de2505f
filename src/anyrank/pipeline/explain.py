"""Explains a pipeline without running it: what each step does, what it costs per query, and what it needs.

No model and no index is opened for it: the text is parsed with a table in which every name stands for a description.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.fusion import Fusion
from ..core.stage import Above, Cut, Fuse, Keep, Limited, Stage, Then, Weighted
from ..core.types import Ranking
from ..hub.registry import SHIPPED
from ..papers import names as methods
from ..papers import rewriters
from ..store.vector_names import stored
from .arguments import Call, parameters
from .context import Settings
from .generative import missing
from .named import Named
from .needs import Need, of_index, of_model, of_package, of_template
from .parser import parse
from .parts import Part
from .table import fixed_name
from .table import names as all_names


@dataclass(frozen=True, slots=True)
class Explanation:
    """One step: its ``text``, what it ``does``, the candidates a query has before and after it, and its cost a query.

    ``calls`` are model calls, ``texts`` the texts that models read (candidates, passages and the query); None if they
    depend on the texts. ``bound``: both are the most that it takes. ``formula`` says the same in words.
    """

    text: str
    does: str
    before: int
    after: int
    calls: int | None = 0
    texts: int | None = 0
    bound: bool = False
    formula: str = "no model is called"
    needs: tuple[Need, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A flat, JSON-ready form."""
        own = {name: getattr(self, name) for name in ("text", "does", "before", "after", "calls", "texts", "bound")}
        return own | {"formula": self.formula, "needs": [need.as_dict() for need in self.needs]}


@dataclass(frozen=True)
class Planned(Limited):
    """The stage that a name would build: its arguments, with those that have a default."""

    name: str
    arguments: Mapping[str, Any] = field(hash=False)
    about: str = ""

    def limit(self, k: int) -> Stage:
        return replace(self, arguments={**self.arguments, "k": min(k, self.arguments.get("k", k))})

    def batch(self, rankings: Sequence[Ranking]) -> list[Ranking]:
        raise NotImplementedError("a planned stage isn't run")


class _Plans(Mapping[str, "Part | Fusion"]):
    """The table of names with every part's functions replaced by those that make a `Planned`."""

    def __init__(self, names: Mapping[str, Part | Fusion]) -> None:
        self.names = names

    def __getitem__(self, name: str) -> Part | Fusion:
        part = self.names[name]
        if not isinstance(part, Part) or name == "cut":
            return part
        source = _planning(name, part.about, part.source)
        then = source if part.source is part.then else _planning(name, part.about, part.then)
        return replace(part, source=source, then=then)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _planning(name: str, about: str, make: Callable[..., Stage] | None) -> Callable[..., Stage] | None:
    if make is None:
        return None
    signature = inspect.Signature(parameters(make, skip=0))

    def plan(*args: Any, **kwargs: Any) -> Stage:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        return (
            Keep(arguments["name"])
            if name == "keep" and arguments["name"] is not None
            else Planned(name, arguments, about)
        )

    plan.__signature__ = signature  # type: ignore[attr-defined]
    return plan


def misfit(text: str, starts: bool) -> InputError | None:
    """The error of a pipeline that can't search (``starts``) or can't rerank given candidates without an index; None if
    it can. No index is opened, and no model for one that searches.

    >>> misfit("bm25 % 100 >> mini", starts=True) is None, misfit("bm25", starts=False) is None
    (True, False)
    """
    try:
        parse(text, Settings(), _Plans(all_names()) if starts else None, starts)
    except InputError as error:
        return error
    return None


def explain(text: str, index: Any = None, n: int = 100) -> list[Explanation]:
    """The steps of a pipeline in the order in which they run. ``n``: the candidates that a query has where the
    pipeline doesn't begin with a search. ``index``: an opened collection, whose parts are looked for. Raises
    PipelineError as `parse` does.

    >>> [step.text for step in explain("bm25 % 100 >> mini")]
    ['bm25(k=100)', 'mini']
    >>> explain("bm25 % 100 >> mini")[1].formula
    'each of 100 candidates and the query are read once'
    """
    stage, starts = plan(text)
    return list(_steps(stage, 0 if starts else n, index))


def plan(text: str) -> tuple[Stage, bool]:
    """The stage that a pipeline describes, of `Planned` parts, and whether it begins with a search; no model is opened.
    Raises PipelineError as `parse` does."""
    names = _Plans(all_names())
    try:
        return parse(text, Settings(), names), True
    except InputError:
        # perhaps a pipeline that continues from given candidates; if not, this raises the error that fits
        return parse(text, Settings(), names, starts=False), False


def _steps(stage: Stage, n: int, index: Any) -> Iterator[Explanation]:
    match stage:
        case Then(Named(call, position, Planned() as planned), Cut(k)) if "k" in planned.arguments:
            limited = planned.limit(k)
            yield _named(Call(call.name, _with_k(call, k)), position, limited, n, index)  # type: ignore[arg-type]
        case Then(first, second):
            earlier = list(_steps(first, n, index))
            yield from earlier
            yield from _steps(second, earlier[-1].after if earlier else n, index)
        case Weighted(inner, _):
            yield from _steps(inner, n, index)
        case Fuse(stages, method):
            parts = [list(_steps(part, n, index)) for part in stages]
            yield from (step for part in parts for step in part)
            sizes = [part[-1].after if part else n for part in parts]
            # rerankers return what they were given; searches may return different documents
            searched = any(searches(part) for part in stages)
            after = sum(sizes) if searched else max(sizes, default=n)
            kind = type(method).__name__
            yield Explanation(f"fusion of {len(stages)}", f"fuses the {len(stages)} results by {kind}", n, after)
        case Cut(k):
            yield Explanation(f"% {k}", f"keeps the best {k}", n, min(n, k))
        case Above(score):
            yield Explanation(f">= {score:g}", f"keeps those that score at least {score:g}", n, n)
        case Keep(name):
            yield Explanation(str(Call("keep", (("", name),))), f"remembers the scores as {name!r}", n, n)
        case Named(call, position, Planned() as planned):
            yield _named(call, position, planned, n, index)


def _with_k(call: Call, k: int) -> tuple[tuple[str, Any], ...]:
    given = dict(call.arguments)
    least = min(k, given.get("k", k))
    return (*((name, value) for name, value in call.arguments if name != "k"), ("k", least))


def searches(stage: Stage) -> bool:
    """Whether a planned stage finds documents by itself, beside those that come in."""
    match stage:
        case Then(first, second):
            return searches(first) or searches(second)
        case Weighted(inner, _):
            return searches(inner)
        case Fuse(stages, _):
            return any(map(searches, stages))
        case Named(_, position, Planned(name)):
            return name in ("bm25", "search", "fde", "generative", "feedback") or position == "start"
    return False


def _named(call: Call, position: str, planned: Planned, n: int, index: Any) -> Explanation:
    arguments, text, name = planned.arguments, str(call), planned.name
    given = str(arguments.get("name") or name)
    model = SHIPPED.get(given, given)
    k = arguments.get("k", 1000)
    if name == "bm25":
        return Explanation(text, f"finds the best {k:,} documents by their words", n, k, needs=of_index(index, ""))
    if name == "prior":
        return Explanation(text, "leaves the candidates and their scores as they are", n, n)
    if name == "fde":
        model, position, name = fixed_name(**{n: v for n, v in arguments.items() if n != "k"}), "start", "search"
    if name == "search" or (position == "start" and name in ("model", "mini", *SHIPPED)):
        needs = (*of_model(model), *of_index(index, stored(model)))
        does = f"finds the {k:,} documents whose vectors are nearest to the query's"
        return Explanation(text, does, n, k, 1, 1, formula="the query is encoded", needs=needs)
    if name == "generative":
        does = f"finds the {k:,} documents that {model}, trained on the index, thinks of first"
        needs = of_model(model)
        if not Path(given).expanduser().exists():
            needs = (Need(f"the model {given}", missing(given, "INDEX" if index is None else index.path), False),)
        return Explanation(text, does, n, k, 1, 1, formula="the query is read once", needs=needs)
    if name == "feedback":
        needs = (*of_model(model), *of_index(index, stored(model)))
        does = f"moves the query's vector by the scores so far, and finds the {k:,} nearest documents"
        formula = f"the query, and those of {n} candidates without a stored vector, are encoded"
        return Explanation(text, does, n, k, n + 1, n + 1, True, formula, needs)
    if name == "explore":
        judge, neighbours = (SHIPPED.get(m, m) for m in (str(arguments["judge"]), str(arguments["neighbours"])))
        budget = arguments["budget"]
        formula = f"{budget} documents and the query are read once"
        does = f"scores the candidates and the neighbours of the best by {judge}, up to {budget} documents"
        needs = (*of_model(judge), *of_index(index, stored(neighbours)))
        return Explanation(text, does, n, n + budget, budget + 1, budget + 1, True, formula, needs)
    if name == "passages":
        formula = f"each passage of {n} candidates, one every {arguments['stride']} words, and the query are read"
        does = f"scores passages of {arguments['words']} words by {model}, and takes the {arguments['aggregate']}"
        return Explanation(text, does, n, n, None, None, formula=formula, needs=of_model(model))
    if name == "text_prf":
        ranked, k, how = min(n, arguments.get("depth") or n), arguments["k"], arguments["how"]
        each = {"truncate": "once", "aggregate": f"for each of {k} queries", "sliding": "for each window"}[how]
        formula = f"each of {ranked} candidates is read with a longer query, {each}"
        calls = None if how == "sliding" else ranked * (min(k, ranked) if how == "aggregate" else 1)
        does = f"adds the texts of the first {k} candidates to the query, and scores all again by {model}"
        return Explanation(text, does, n, n, calls, calls, True, formula, of_model(model))
    if name in ("model", "mini", *SHIPPED):
        ranked = min(n, arguments.get("depth") or n)
        calls = min(ranked + 1, arguments.get("max_calls") or ranked + 1)
        formula = f"each of {ranked} candidates and the query are read once"
        bound = arguments.get("max_calls") is not None
        does = f"scores {'the' if ranked == n else f'the best {ranked} of the'} candidates by {model}"
        return Explanation(text, does, n, n, calls, calls, bound, formula, of_model(model))
    if name == "keep":
        promise = next(f"{k}={v:g}" for k in ("recall", "precision", "any") if (v := arguments[k]) is not None)
        return Explanation(text, f"keeps the candidates that {promise} needs, by calibrated probabilities", n, n)
    if name == "calibrated":
        return Explanation(text, "turns scores into probabilities of relevance, in the same order", n, n)
    if name == "ltr":
        return Explanation(
            text, "scores the candidates by trees over their features", n, n, needs=of_package("lightgbm")
        )
    if name in ("mmr", "xquad"):
        ranked = min(n, arguments.get("depth") or n)
        if name == "mmr":
            does, calls = f"orders the best {ranked} by relevance and by difference from those above", ranked
            formula = f"each of {ranked} candidates is read once, if its vector is not stored"
        else:
            does, calls = f"orders the best {ranked} so that all aspects of the query come early", None
            formula = f"{ranked} candidates are scored for each aspect of the query"
        return Explanation(text, does, n, n, calls, calls, calls is not None, formula, of_model(model))
    if name == "promptreps":
        return _promptreps(text, planned, position, n, index)
    if name in rewriters():
        return _rewriter(text, planned, n, index)
    if name in methods():
        return _method(text, planned, n)
    return Explanation(text, planned.about, n, n, None, None, formula="not known: a plug-in's", needs=())


def _method(text: str, planned: Planned, n: int) -> Explanation:
    """The explanation of a paper's method, its cost counted by its own sort at its own settings."""
    from ..papers import card

    paper, arguments = card(planned.name), planned.arguments
    ranked = min(n, arguments.get("depth") or n)
    needs = of_model(str(arguments["model"]), language="judge" not in paper.capabilities)
    if isinstance(arguments.get("template"), str):
        needs += (of_template(),)
    price = _price(planned, paper.cost)
    if price is None:
        return Explanation(text, paper.summary, n, n, None, None, formula=paper.formula, needs=needs)
    cost = price(ranked)
    calls = min(cost.calls, arguments.get("max_calls") or cost.calls)
    bound = not cost.exact or calls < cost.calls
    texts = _texts(price, ranked)
    formula = f"{counted(cost.calls, 'call')} in {counted(cost.rounds, 'round')} for {ranked} candidates"
    if calls < cost.calls:
        formula += f", stopped after {calls:,}"
    return Explanation(text, paper.summary, n, n, calls, texts, bound, formula, needs)


def _rewriter(text: str, planned: Planned, n: int, index: Any) -> Explanation:
    """The explanation of a paper's rewriter: candidates stay, and its cost is what the card says."""
    from ..papers import card

    paper = card(planned.name)
    needs = of_index(index, "") if paper.lexical else ()
    if "model" in planned.arguments:
        if not planned.arguments["model"]:
            return Explanation(text, f"{paper.summary}; here by rules", n, n)
        needs += of_model(str(planned.arguments["model"]), language=bool(paper.capabilities))
    calls = None if paper.formula else 0
    formula = paper.formula or "no model is called"
    return Explanation(text, paper.summary, n, n, calls, calls, formula=formula, needs=needs)


def _promptreps(text: str, planned: Planned, position: str, n: int, index: Any) -> Explanation:
    """The explanation of a search, or of scores, by a language model's dense and sparse vectors."""
    names = [f"promptreps-{kind}:{planned.arguments['model']}" for kind in ("dense", "sparse")]
    needs = (*of_model(names[0]), *(need for m in names for need in of_index(index, stored(m))))
    if position == "start":
        depth = planned.arguments["depth"]
        does = f"finds the {depth:,} documents whose vectors, dense and sparse, are nearest to the query's"
        return Explanation(text, does, n, depth, 2, 2, formula="the query is read twice", needs=needs)
    formula = f"each of {n} candidates and the query are read twice, if their vectors are not stored"
    return Explanation(text, planned.about, n, n, 2 * (n + 1), 2 * (n + 1), True, formula, needs)


def _price(planned: Planned, price: Any) -> Any:
    """The price of a method with the sort that its arguments choose; the card's own if they choose none."""
    from ..core.rerank import Rerank
    from ..judges.both_orders import BothOrders
    from ..papers import load

    own = {p.name for p in parameters(load(planned.name).build)}
    options = {k: v for k, v in planned.arguments.items() if k in own and k != "template"}
    try:
        stage = load(planned.name).build(_AnyModel(), **options)
    except Exception:  # noqa: BLE001 - a method that looks into its model: the card's figures are what is known
        return price
    if price is None or not isinstance(stage, Rerank):
        return price
    same = type(stage.grouping) is type(price.grouping)
    calls = price.calls if same else 2 if isinstance(stage.judge, BothOrders) else 1
    return replace(price, grouping=stage.grouping, calls=calls, depth=stage.depth or price.depth)


def _texts(price: Any, n: int) -> int:
    """The texts that the prompts of a method show: `Price` counts tokens, here a text is one and a prompt none."""
    return int(replace(price, fixed=0, document=1)(n).prompt_tokens)


def counted(n: int, thing: str) -> str:
    """A number of things in words.

    >>> counted(1, "call"), counted(1890, "call")
    ('1 call', '1,890 calls')
    """
    return f"{n:,} {thing}{'s' * (n != 1)}"


class _AnyModel:
    """Has every method that a language model may have, and is a judge too; none is called."""

    def __call__(self, groups: Any) -> Any:
        raise NotImplementedError

    generate = next_token_logprobs = next_token_logits = loglikelihood = __call__
    attention = generate_fused = attention_fused = hidden_states = __call__
