"""Says why a measure can't be computed: an unknown or missing parameter, a package that isn't installed, a form of the
measure that no package computes, or judgements that don't fit."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.errors import InputError
from .inputs import Judgements

PACKAGES = {"pytrec_eval": "pytrec-eval-terrier", "cwl_eval": "cwl-eval", "pyndeval": "pyndeval", "ranx": "ranx"}
"""The package to install for each of ir_measures' providers that needs one."""
_IN_EXTRA = {"pytrec_eval", "cwl_eval", "pyndeval"}
_GDEVAL_MOST = 4
"""The highest grade that gdeval takes."""
_DEEP = 1_000_000
"""A cut-off below all results."""
_EXAMPLES = {"cutoff": "10", "rel": "1", "max_rel": "3", "recall": "0.5", "p": "0.8"}


def ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        from ..core.errors import MissingExtra

        raise MissingExtra("ir-measures", extra="eval") from error
    return ir_measures


@contextmanager
def quiet() -> Iterator[None]:
    """ir_measures without its warnings on standard error: what they say is an error here, or in the table's notes."""
    loggers = [logging.getLogger(name) for name in ("ir_measures", "ir_measures.cwl_eval")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def measure_name(measure: Any) -> str:
    """The canonical name of a measure: parameters with their default values, and those not given, are left out.

    >>> from ir_measures import INST, RR
    >>> measure_name(RR(rel=2) @ 10), measure_name(INST), measure_name(RR(rel=1))
    ('RR(rel=2)@10', 'INST', 'RR')
    """
    given = {k: v for k, v in measure.params.items() if k in measure.SUPPORTED_PARAMS and _is_given(v)}
    at = given.pop(measure.AT_PARAM, None)
    changed = [f"{k}={_value(v)}" for k, v in given.items() if v != measure.SUPPORTED_PARAMS[k].default]
    options = f"({','.join(changed)})" if changed else ""
    return f"{measure.NAME}{options}{'' if at is None else f'@{at}'}"


def _is_given(value: Any) -> bool:
    return value is not ir_measures().providers.base.NOT_PROVIDED


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{v}" for k, v in sorted(value.items())) + "}"
    return repr(value)


def check_parameters(measure: Any) -> Any:
    """The measure, whole numbers made decimals where its parameters are such. Raises ValueError on a parameter that is
    unknown, missing, or of the wrong type or value."""
    known = measure.SUPPORTED_PARAMS
    if unknown := [k for k in measure.params if k not in known]:
        raise ValueError(f"there is no parameter {', '.join(unknown)} ({measure.NAME} takes {parameters(measure)})")
    given = dict(measure.params)
    for name, info in known.items():
        if name not in given:
            if info.required:
                raise ValueError(f"it needs {name} ({info.desc}), such as {_example(measure, [name])}")
            continue
        value = given[name]
        if info.dtype is float and isinstance(value, int) and not isinstance(value, bool):
            value = given[name] = float(value)
        if info.dtype is not None and (
            not isinstance(value, info.dtype) or isinstance(value, bool) != (info.dtype is bool)
        ):
            kind = {int: "a whole number", float: "a number", bool: "True or False", dict: "a mapping"}
            raise ValueError(f"{name}={value!r}: expected {kind.get(info.dtype, info.dtype.__name__)} ({info.desc})")
        if not info.validate(value):
            raise ValueError(f"{name}={value!r}: expected one of {', '.join(map(repr, info.choices))}")
    for name in ("p", "alpha", "recall", *(["beta"] if by_subtopic(measure) else [])):
        if name in given and not 0 <= given[name] <= 1:
            raise ValueError(f"{name}={given[name]}: expected a share between 0 and 1")
    gains = given.get("gains", {})
    if wrong := [(k, v) for k, v in gains.items() if type(k) is not int or type(v) is not int]:
        raise ValueError(
            f"gains: expected grades and gains that are whole numbers, found {wrong[0][0]!r}: {wrong[0][1]!r}"
        )
    if (at := given.get("cutoff")) is not None and at < 1:
        raise ValueError(f"a cut-off is at least 1, not {at}")
    if "max_rel" in given and given["max_rel"] <= given.get("min_rel", known["min_rel"].default):
        raise ValueError(f"max_rel={given['max_rel']}: expected more than min_rel")
    return type(measure)(**given)


def parameters(measure: Any) -> str:
    """The parameters that a measure takes, in words."""
    names = [n if n != measure.AT_PARAM else f"{n} (written @{_EXAMPLES.get(n, 10)})" for n in measure.SUPPORTED_PARAMS]
    return ", ".join(names) or "no parameters"


def _example(measure: Any, needed: list[str]) -> str:
    """The measure's name with the parameters that it needs."""
    given = {k: v for k, v in measure.params.items() if k != measure.AT_PARAM}
    words = {k: repr(v) for k, v in given.items()}
    words |= {n: _EXAMPLES.get(n, "1") for n in needed if n != measure.AT_PARAM}
    at = measure.params.get(
        measure.AT_PARAM, _EXAMPLES.get(measure.AT_PARAM, "10") if measure.AT_PARAM in needed else None
    )
    inside = ", ".join(f"{k}={v}" for k, v in words.items())
    return f"{measure.NAME}{f'({inside})' if inside else ''}{'' if at is None else f'@{at}'}"


def unsupported(measure: Any) -> str | None:
    """The reason why no installed package computes a measure, and what to do; None if one does."""
    ir = ir_measures()
    if by_subtopic(measure) and "cutoff" in measure.SUPPORTED_PARAMS and "cutoff" not in measure.params:
        return f"it needs a cut-off, such as {_example(measure, ['cutoff'])}"
    if provider_of(substitute(measure)):
        return None
    reasons = [f"it needs {_install(p)}" for p in ir.DefaultPipeline.providers if p.supports(measure)]
    for provider in ir.DefaultPipeline.providers:
        for form in provider.SUPPORTED_MEASURES:
            if form.NAME == measure.NAME and (reason := _misfit(measure, form)):
                more = "" if provider.is_available() else f" (and {_install(provider)})"
                reasons.append(f"{provider.NAME} computes it {reason}{more}")
    return "; ".join(dict.fromkeys(reasons)) or "no package of ir_measures computes it"


def substitute(measure: Any) -> Any:
    """The measure to ask ir_measures for instead of one that it computes only in another form, with the same values:
    gdeval's with a cut-off below all results, those by subtopic without ``judged_only`` (on lists without unjudged
    documents, see `condensed`)."""
    ir = ir_measures()
    if provider_of(measure) is None and "cutoff" in measure.SUPPORTED_PARAMS and "cutoff" not in measure.params:
        deep = type(measure)(**measure.params, cutoff=_DEEP)
        if ir.gdeval.supports(deep):
            return deep
    if condensed(measure):
        return type(measure)(**{k: v for k, v in measure.params.items() if k != "judged_only"})
    return measure


def condensed(measure: Any) -> bool:
    """Whether a measure is computed on lists without their unjudged documents by us, since its provider can't."""
    return by_subtopic(measure) and bool(measure.params.get("judged_only"))


def _install(provider: Any) -> str:
    """The words for a provider that isn't installed."""
    if provider.NAME == "gdeval":
        return "the program perl, which is not installed"
    package = PACKAGES.get(provider.NAME, provider.NAME)
    target = "'anyrank[eval]'" if provider.NAME in _IN_EXTRA else package
    return f"the package {package}, which is not installed: pip install {target}"


def _misfit(measure: Any, form: Any) -> str:
    """How the parameters of a measure differ from a form that a provider computes."""
    needed, words = [], []
    for name, spec in form.params.items():
        if spec.validate(measure[name]):
            continue
        choices = getattr(spec, "choices", None)
        if choices is None:
            needed.append(name)
        elif not any(map(_is_given, choices)):
            words.append("without a cut-off" if name == measure.AT_PARAM else f"without {name}")
        else:
            words.append(f"with {name}={' or '.join(map(repr, filter(_is_given, choices)))}")
    if needed:
        without_at = [w for w in words if w != "without a cut-off"]
        shown = type(measure)(
            **{k: v for k, v in measure.params.items() if len(without_at) == len(words) or k != measure.AT_PARAM}
        )
        words.insert(0, f"with {' and '.join(needed)}, such as {_example(shown, needed)}")
    return ", ".join(words)


def check_judgements(measure: Any, judgements: Judgements) -> None:
    """Raises InputError if a measure can't be computed by these judgements."""
    ir, name = ir_measures(), measure_name(measure)
    if by_subtopic(measure) and not judgements.subtopics:
        raise InputError(
            f"measure {name!r} needs judgements by subtopic, and these have none: give a TREC file with the subtopic "
            "as its second column, or {query: {document: {subtopic: grade}}}"
        )
    limited = provider_of(substitute(measure)) is ir.gdeval
    most = _GDEVAL_MOST if limited else measure.params.get("max_rel", math.inf)
    for q, docs in judgements.grades.items():
        for d, grade in docs.items():
            if grade > most:
                what = f"query {q!r} grades document {d!r} {grade}"
                mend = "map the grades" if limited else "give a larger max_rel"
                raise InputError(f"measure {name!r} takes grades up to {most}, and {what}: {mend}")


def by_subtopic(measure: Any) -> bool:
    """Whether a measure is one of diversity, computed from judgements by subtopic."""
    return any(form.NAME == measure.NAME for form in ir_measures().pyndeval.SUPPORTED_MEASURES)


def provider_of(measure: Any) -> Any:
    """The installed provider that computes a measure, None if there is none."""
    return next((p for p in ir_measures().DefaultPipeline.providers if p.supports(measure) and p.is_available()), None)


def failure(measure: Any, error: BaseException, query: str | None = None) -> InputError:
    """The error for a provider that failed, at one query or at all of them."""
    provider = provider_of(substitute(measure))
    where = "" if query is None else f" for query {query!r}"
    what = f"measure {measure_name(measure)!r} can't be computed{where}"
    if measure.NAME == "Accuracy" and isinstance(error, ZeroDivisionError):
        return InputError(
            f"{what}: all of its results are relevant, so there is no pair to compare: leave Accuracy out"
        )
    text = re.sub(r"<object object at 0x[0-9a-f]+>", "(not given)", " ".join(str(error).split()))
    text = re.sub(r" at 0x[0-9a-f]+", "", text)[:200]
    text = re.sub(r"/\S*/", "…/", text)
    advice = ""
    if measure.AT_PARAM == "cutoff" and "cutoff" in measure.SUPPORTED_PARAMS and "cutoff" not in measure.params:
        advice = f"; with a cut-off ({_example(measure, ['cutoff'])}) it may be"
    return InputError(f"{what} by {getattr(provider, 'NAME', 'ir_measures')} ({type(error).__name__}: {text}){advice}")
