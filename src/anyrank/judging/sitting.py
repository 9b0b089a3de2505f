"""A session of judging that survives a kill: every label in a journal with who gave it and when, repeats slipped in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..io.files import File, atomic
from ..io.journal import Journal
from ..io.qrels import write_qrels
from .agreement import Agreement
from .session import Session

LATER = 5
"""A document is shown again after this many others at the soonest."""


@dataclass(slots=True, eq=False)
class Sitting:
    """A `Session` with its journal. ``repeats`` is the share of documents that are shown a second time, to see whether
    the judge agrees with itself; a second label is kept beside the first and changes no estimate. ``after`` goes on
    when all is decided. ``who`` is the judge's name."""

    session: Session
    journal: Journal
    who: str = ""
    repeats: float = 0.0
    after: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    _again: tuple[str, str] | None = None

    @classmethod
    def open(cls, session: Session, path: File, *, resume: bool = False, **settings: Any) -> Sitting:
        """A new journal, or with ``resume`` the existing one, whose labels are replayed. Raises InputError if the
        journal is of another pool or other settings."""
        journal = Journal.open(path, settings_of(session), resume=resume)
        sitting = cls(session, journal, **settings)
        try:
            for n in range(len(journal)):
                sitting._replay(dict(journal.get(f"{n:06}")))
        except BaseException:
            journal.close()
            raise
        return sitting

    def next(self) -> tuple[str, str] | None:
        """The query and document to judge now, a new one or one shown again; None when nothing is left to do."""
        item = self.session.next(after=self.after)
        self._again = None if item is None else self._repeated()
        return self._again or item

    def record(self, label: int) -> None:
        """The label of what `next` gave, written before it counts."""
        item = self._again or self.session.next(after=self.after)
        if item is None:
            raise InputError("there is no document to judge: call next() first")
        if not 0 <= label <= self.session.pool.measure.most:
            raise InputError(f"label {label} is not from 0 to {self.session.pool.measure.most}")
        when = datetime.now(UTC).isoformat(timespec="seconds")
        event = {"query": item[0], "document": item[1], "label": label, "who": self.who, "when": when}
        self._write({**event, "again": True} if self._again else event)

    def undo(self) -> None:
        """Take back the last label, as the next entry of the journal."""
        if self.labels():
            self._write({"undo": True})

    def labels(self) -> list[dict[str, Any]]:
        """The labels that stand, in the order given, without those taken back."""
        out: list[dict[str, Any]] = []
        for event in self.events:
            if event.get("undo"):
                out.pop()
            else:
                out.append(event)
        return out

    def with_itself(self) -> Agreement | None:
        """The judge's agreement with itself on what was shown twice; None without any."""
        first = {(e["query"], e["document"]): e["label"] for e in self.labels() if not e.get("again")}
        pairs = [(first[e["query"], e["document"]], e["label"]) for e in self.labels() if e.get("again")]
        most = self.session.pool.measure.most
        return Agreement.of([a for a, _ in pairs], [b for _, b in pairs], most) if pairs else None

    def with_labels(self) -> Agreement | None:
        """The agreement of the labels given with those of the session's other judge; None without any."""
        other = self.session.labels
        pairs = [
            (e["label"], round(other[key]))
            for e in self.labels()
            if not e.get("again") and (key := (e["query"], e["document"])) in other
        ]
        most = self.session.pool.measure.most
        return Agreement.of([a for a, _ in pairs], [min(max(b, 0), most) for _, b in pairs], most) if pairs else None

    def write(self, path: File) -> None:
        """The labels as qrels, and beside them (``.jsonl``) each with who gave it and when."""
        qrels = self.session.qrels()
        if not qrels:
            return
        write_qrels(path, {q: dict(sorted(docs.items())) for q, docs in sorted(qrels.items())})
        with atomic(f"{path}.jsonl") as file:
            for event in self.labels():
                file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def _repeated(self) -> tuple[str, str] | None:
        """A document to show again, by chance that follows from the seed and the number of events."""
        shown = [(e["query"], e["document"]) for e in self.labels()]
        old = [pair for pair in shown[:-LATER] if shown.count(pair) == 1]
        rng = np.random.default_rng([self.session.seed, len(shown), 1])
        return old[int(rng.integers(len(old)))] if old and rng.random() < self.repeats else None

    def _write(self, event: dict[str, Any]) -> None:
        self.journal.put(f"{len(self.events):06}", event)
        self._replay(event)

    def _replay(self, event: dict[str, Any]) -> None:
        before = self.labels()
        self.events.append(event)
        if event.get("undo"):
            if not before[-1].get("again"):
                self.session.undo()
        elif not event.get("again"):
            item = self.session.next(after=True)
            if item != (event["query"], event["document"]):
                raise InputError("the journal's documents are not those of this session: delete it to begin again")
            self.session.record(event["label"])


def settings_of(session: Session) -> Mapping[str, Any]:
    """What a journal belongs to: the pool by its hash, the seed and what else decides which document is next."""
    pool = session.pool
    content = repr((pool.items, pool.pairs, pool.weights.tolist(), sorted(session.labels.items())))
    return {
        "pool": hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        "measure": [pool.measure.name, pool.measure.most, pool.measure.relevant],
        "runs": list(pool.runs),
        "seed": session.seed,
        "alpha": session.alpha,
        "margin": session.margin,
    }
