"""An explained document as text: the bar of its contributions, and inside them terms, tokens and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from .values import ROUNDING, Document, Part

DEEPEST = 12
"""Parts that are shown of one score below a stage."""
WIDTH = 100


def table(document: Document) -> Iterator[str]:
    """The lines of a document."""
    text = " ".join(document.text.split())
    short = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    if document.rank is None or document.score is None:
        yield f"   -  {document.id}: {document.lost}"
    else:
        yield f"{document.rank:3}.  {document.id}: {document.score:.4f}"
    yield f"      {short}"
    if document.parts:
        yield f"      {'adds':>9}  {'score':>9}  {'rank':>5}  {'as':>8}  {'weight':>6}"
    for part in document.parts:
        yield from _part(part, 0)


def _part(part: Part, depth: int) -> Iterator[str]:
    score = "" if part.score is None else f"{part.score:.4f}"
    rank = "" if part.rank is None else str(part.rank)
    normalised = "" if part.normalised is None else f"{part.normalised:.4f}"
    weight = "" if part.weight is None else f"{part.weight:.3g}"
    name = part.name + (f" ~ {part.match}" if part.match else "") + (f"  ({part.note})" if part.note else "")
    pad = "  " * depth
    yield f"      {part.contribution:9.4f}  {score:>9}  {rank:>5}  {normalised:>8}  {weight:>6}  {pad}{name}".rstrip()
    shown = [p for p in part.parts if p.name != ROUNDING or abs(p.contribution) >= 5e-5]
    inner_parts = len(shown)
    if len(shown) > DEEPEST:
        shown = sorted(shown, key=lambda p: -abs(p.contribution))[:DEEPEST]
    for inner in shown:
        yield from _part(inner, depth + 1)
    if inner_parts > len(shown):
        yield f"{'':52}{pad}  … {inner_parts - len(shown)} more"
    for answer in part.answers:
        yield f"{'':52}{pad}  says: {' '.join(answer.split())[:300]}"
    if part.sentences is not None and part.sentences.sentences:
        told = part.sentences
        faith = "not measured" if told.faithfulness is None else f"{told.faithfulness:.2f}"
        note = f"; {told.note}" if told.note else ""
        yield f"{'':52}{pad}  sentences left out ({told.calls} calls, faithfulness {faith}{note}):"
        for sentence in told.sentences[:3]:
            yield f"{'':52}{pad}  {sentence.drop:+.4f} without: {sentence.text[:WIDTH]}"
