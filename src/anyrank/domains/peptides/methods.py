"""The table of methods of ``anyrank peptides``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...core.errors import InputError, MissingExtra
from ...core.fusion import RRF, Borda
from ...core.rerank import Judge
from ...core.stage import Stage
from ...core.types import Ranking
from .judges import Consensus, EngineScore, MassError, ScoreSum, SpectrumMatch, Vote, reranker
from .matching import Tolerance, cosine, coverage, explained, hyperscore


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings that methods are made from: the engines, all rankings that are to be ranked (for the spread of their
    scores, never their annotation), the fragment tolerance, and the learned methods' files or folders: ``models`` by
    the method's name, ``model`` for any other."""

    engines: tuple[str, ...]
    rankings: Sequence[Ranking] = ()
    tolerance: Tolerance = Tolerance()
    model: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)

    def model_of(self, method: str) -> str | None:
        """The file or folder of a method's model, None if there is none."""
        return self.models.get(method, self.model)


@dataclass(frozen=True, slots=True)
class Method:
    """A method: a line about it, how its judge is made from a setting, and whether that takes a trained model."""

    about: str
    make: Callable[[Setting], Judge]
    learned: bool = False


def _boosted(s: Setting) -> Judge:
    from .boosted import Boosted

    model = s.model_of("lightgbm")
    if model is None:
        raise InputError("the method lightgbm needs trained trees: --model FILE (see 'anyrank peptides train')")
    return Boosted.load(model, s.engines)


def _ranknovo(s: Setting) -> Judge:
    try:
        from .neural.ranknovo import RankNovo
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    model = s.model_of("ranknovo")
    if model is None:
        raise InputError("the method ranknovo needs a trained model: --model FOLDER (see 'anyrank peptides train')")
    return RankNovo.load(model)


METHODS: dict[str, Method] = {
    "hyperscore": Method("b! · y! · matched intensity", lambda s: SpectrumMatch(hyperscore, s.tolerance)),
    "cosine": Method("cosine with the theoretical ions", lambda s: SpectrumMatch(cosine, s.tolerance)),
    "explained": Method("matched fraction of the intensity", lambda s: SpectrumMatch(explained, s.tolerance)),
    "coverage": Method("fraction of bonds seen broken", lambda s: SpectrumMatch(coverage, s.tolerance)),
    "mass": Method("least precursor error in ppm", lambda s: MassError()),
    "consensus": Method("least mean mass distance from the other candidates", lambda s: Consensus()),
    "rrf": Method("reciprocal ranks of the engines, summed", lambda s: Vote(s.engines, RRF())),
    "borda": Method("Borda count of the engines' ranks", lambda s: Vote(s.engines, Borda())),
    "sum": Method("the engines' scores as percentiles, summed", lambda s: ScoreSum.of(s.rankings, s.engines)),
    "lightgbm": Method("boosted trees over all of these (--model)", _boosted, learned=True),
    "ranknovo": Method("a transformer over all candidates and the spectrum (--model)", _ranknovo, learned=True),
}


def stage(name: str, setting: Setting) -> Stage:
    """The reranker of a method, or of one engine's own scores, ``engine:NAME``. Raises InputError on unknown names."""
    return reranker(judge(name, setting), name)


def judge(name: str, setting: Setting) -> Judge:
    """The judge of a method, or of one engine's own scores, ``engine:NAME``. Raises InputError on unknown names."""
    if name.startswith("engine:"):
        engine = name.removeprefix("engine:")
        if engine not in setting.engines:
            raise InputError(f"no engine {engine!r}: choose one of {', '.join(setting.engines)}")
        return EngineScore(engine)
    if name not in METHODS:
        raise InputError(f"no method {name!r}: choose one of {', '.join(METHODS)}, or engine:NAME")
    return METHODS[name].make(setting)
