"""RankNovo: the peptides that several de novo engines propose for a spectrum, seen together by one transformer.

Qiu et al., "Universal Biological Sequence Reranking for Improved De Novo Peptide Sequencing", ICML 2025, arXiv
2505.17552. The candidates are the rows of an alignment, attended along and across, with the spectrum beside them; the
model predicts each one's mass distance from the true peptide (PMD). ``backend`` is a judge of whole groups, in
pipelines the folder of a model (opened by `open_model`): ``ranknovo("model/")`` over rankings of peptides
(`peptides.merge`). From files: ``anyrank peptides train``, then ``anyrank peptides rerank --method ranknovo --model
FOLDER``. The paper's weights on its two losses are not published, nor are its engines here: a model is to be trained.
"""

from __future__ import annotations

from ..core.errors import MissingExtra
from ..core.groupings import Whole
from ..core.rerank import Judge, Rerank
from ..domains.peptides.judges import Checked
from .card import Card, Figure, Price

BACILLUS = "9-species-V1, bacillus"
SOURCE = "the authors' repository"

CARD = Card(
    name="ranknovo",
    title="Universal Biological Sequence Reranking for Improved De Novo Peptide Sequencing",
    arxiv="2505.17552",
    year=2025,
    summary="peptides of a spectrum, all candidates seen together by axial attention; least predicted mass distance",
    needs="peptide candidates with their spectra, and a trained model: anyrank peptides train, then anyrank peptides "
    "rerank --method ranknovo --model FOLDER",
    capabilities=("judge",),
    formula="one forward pass for all candidates of a spectrum (tokens: up to 300 peaks, 13 residues a candidate)",
    cost=Price(Whole(), fixed=300, document=13),
    figures=(
        Figure(0.7384, BACILLUS, "peptide recall", "six engines reranked", SOURCE),
        Figure(0.8737, BACILLUS, "amino-acid precision", "six engines reranked", SOURCE),
        Figure(0.7077, BACILLUS, "peptide recall", "its best engine alone (ByNovo)", SOURCE),
        Figure(0.8581, BACILLUS, "amino-acid precision", "its best engine alone (ByNovo)", SOURCE),
        Figure(0.6461, BACILLUS, "peptide recall", "Casanovo alone", SOURCE),
        Figure(0.8063, BACILLUS, "amino-acid precision", "Casanovo alone", SOURCE),
    ),
)


def open_model(folder: str) -> Judge:
    """The judge of a model's folder, which is no language model. Raises ModelError, and MissingExtra without torch; the
    judge raises InputError on anything but peptides of spectra."""
    try:
        from ..domains.peptides.neural.ranknovo import RankNovo
    except ImportError as error:
        raise MissingExtra(error.name or "torch", extra="torch") from error
    return Checked(RankNovo.load(folder))


def build(backend: Judge) -> Rerank:
    """All candidates as one group."""
    return Rerank(backend, Whole(), name=CARD.name)
