"""Read spectra from MGF, one at a time: split into blocks here, to know the line of each, and parsed by pyteomics."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....core.errors import InputError, MissingExtra
from ....io.files import File, label, texts
from ..notation import parse
from ..scans import all_scans, plain_scan, scan_of
from ..spectrum import Bad, Spectrum, refuse

_CHARGES = re.compile(r"\s*(?:,|;|/|\band\b|\bor\b|\s)\s*")
_CHARGE = re.compile(r"([+-]?)(\d+)([+-]?)")


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines of a spectrum, with its position among the spectra and the number of its first line."""

    lines: list[str]
    index: int
    start: int
    complete: bool

    def field(self, name: str) -> str | None:
        """The value of a field, the last one if there are several; None if the block has no such line."""
        values = [x.partition("=")[2].strip() for x in self.lines if x.upper().startswith(name + "=")]
        return values[-1] if values else None

    def line_of(self, name: str) -> int:
        """The number of a field's line."""
        return self.start + max(i for i, x in enumerate(self.lines) if x.upper().startswith(name + "="))


def read_mgf(
    path: File,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
    notes: Bad | None = None,
    need_charge: bool = True,
) -> Iterator[Spectrum]:
    """Read the spectra of an MGF file, gzipped or not; ``SEQ=`` is their annotation. A scan that stands in the title
    only is read from it.

    Spectra and annotations that can't be used go into ``bad`` by file, line and title; without ``bad`` the first is
    raised as InputError. A retention time that is no number costs itself only, and is named in ``notes``. Without
    ``need_charge``, spectra that state no charge, or several, are read with charge 0.
    """
    try:
        from pyteomics.auxiliary import PyteomicsError
        from pyteomics.mgf import MGF
    except ImportError as error:
        raise MissingExtra("pyteomics", extra="peptides") from error
    header: list[str] = []
    for block in _blocks(path, header):
        title = block.field("TITLE") or ""
        try:
            if not block.complete:
                raise InputError("BEGIN IONS without its END IONS")
            source = io.StringIO("".join(_peaks_only(header) + _peaks_only(block.lines)))
            entry = next(iter(MGF(source, use_header=bool(header), read_charges=False, convert_arrays=0)))
            spectrum = _spectrum(entry, block, title, header, path, fixed or {}, bad, notes, need_charge)
        except (ValueError, KeyError, IndexError, TypeError, StopIteration, PyteomicsError) as error:
            message = f"spectrum {title or f'index={block.index}'!r}: {' '.join(str(error).split())[:200]}"
            located = isinstance(error, InputError) and error.path is not None
            refuse(bad, error if located else InputError(message, path=label(path), line=block.start))  # type: ignore[arg-type]
        else:
            yield spectrum


_READ_HERE = ("RTINSECONDS=", "CHARGE=", "PEPMASS=")


def _peaks_only(lines: list[str]) -> list[str]:
    """The lines without the fields that are read here, more patiently than by pyteomics."""
    return [x for x in lines if not x.upper().startswith(_READ_HERE)]


def _spectrum(
    entry: Any,
    block: _Block,
    title: str,
    header: list[str],
    path: File,
    fixed: Mapping[str, str],
    bad: Bad | None,
    notes: Bad | None,
    need_charge: bool,
) -> Spectrum:
    """The spectrum of a block; ``entry`` is pyteomics' reading of it."""
    name = title or f"index={block.index}"
    precursor, stated = _precursor(block.field("PEPMASS"))
    common = next((x.partition("=")[2] for x in header if x.upper().startswith("CHARGE=")), "")
    charges = _charges(block.field("CHARGE") or stated or common.strip())
    if need_charge and len(charges) != 1:
        if charges:
            raise InputError(f"several charges ({', '.join(map(str, charges))}): expected one")
        raise InputError("no CHARGE: expected a line as in CHARGE=2+")
    mz, intensity = (np.asarray(entry[f"{k} array"], dtype=np.float64) for k in ("m/z", "intensity"))
    # pyteomics passes over lines of peaks that it can't read: such a spectrum is refused.
    peaks = sum(x[0].isdigit() for x in block.lines if x[0] not in "#;!/\n")
    if not peaks == len(mz) == len(intensity):
        readable = min(len(mz), len(intensity))
        raise InputError(f"{peaks} lines of peaks of which {readable} can be read: expected m/z and intensity on each")
    peptide = None
    if annotation := block.field("SEQ"):
        try:
            peptide = parse(annotation, fixed=fixed, path=label(path), line=block.line_of("SEQ"))
        except InputError as error:
            refuse(bad, error)
    rt, rt_text = None, block.field("RTINSECONDS")
    if rt_text is not None:
        try:
            rt = float(rt_text)
        except ValueError:
            rt = None
        if rt is None or not math.isfinite(rt):
            rt = None
            message = f"spectrum {name!r}: its retention time {rt_text[:40]!r} is no number of seconds and is left out"
            if notes is not None:
                notes.append(InputError(message, path=label(path), line=block.line_of("RTINSECONDS")))
    scans = block.field("SCANS") or ""
    order = np.argsort(mz, kind="stable")
    return Spectrum(
        mz[order],
        intensity[order],
        precursor_mz=precursor,
        charge=charges[0] if len(charges) == 1 else 0,
        title=title,
        index=block.index,
        scan=plain_scan(scans) if scans else scan_of(title),
        rt=rt,
        peptide=peptide,
        line=block.start,
        scans=tuple(all_scans(scans)) if len(all_scans(scans)) > 1 else (),
    )


def _precursor(text: str | None) -> tuple[float, str]:
    """The m/z of the precursor and the charge that Mascot's third value states; the intensity is not needed."""
    words = (text or "").split()
    if not words:
        raise InputError("no PEPMASS: expected a line as in PEPMASS=451.2535")
    try:
        return float(words[0]), words[2] if len(words) > 2 and _CHARGE.fullmatch(words[2]) else ""
    except ValueError:
        raise InputError(f"PEPMASS is {words[0]!r}: expected a number, as in PEPMASS=451.2535") from None


def _charges(text: str) -> list[int]:
    """The charges that a field states; 0 is none."""
    charges = []
    for word in _CHARGES.split(text.strip()):
        if not word:
            continue
        m = _CHARGE.fullmatch(word)
        if m is None:
            raise InputError(f"CHARGE is {text!r}: expected a whole number, as in CHARGE=2+")
        charges.append(-int(m[2]) if "-" in (m[1], m[3]) else int(m[2]))
    return list(dict.fromkeys(c for c in charges if c))


def _blocks(path: File, header: list[str]) -> Iterator[_Block]:
    """Every block BEGIN IONS … END IONS; lines before the first block are added to ``header``."""
    lines: list[str] = []
    start = index = 0
    for n, line in texts(path):
        word = line.strip()
        if word == "BEGIN IONS":
            if lines:
                yield _Block(lines, index, start, False)
                index += 1
            start, lines = n, ["BEGIN IONS\n"]
        elif lines:
            lines.append(word + "\n")
            if word == "END IONS":
                yield _Block(lines, index, start, True)
                index += 1
                lines = []
        elif word and not start:
            header.append(word + "\n")
    if lines:
        yield _Block(lines, index, start, False)
    if not start:
        raise InputError("no BEGIN IONS: not an MGF file, or an empty one", path=label(path))
