"""Read spectra from MGF, one at a time: split into blocks here, to know the line of each, and parsed by pyteomics."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ....core.errors import InputError, MissingExtra
from ....io.files import File, label, texts
from ..notation import parse
from ..spectrum import Bad, Spectrum, refuse


def read_mgf(path: File, fixed: Mapping[str, str] | None = None, bad: Bad | None = None) -> Iterator[Spectrum]:
    """Read the spectra of an MGF file, gzipped or not; ``SEQ=`` is their annotation.

    Spectra and annotations that can't be used go into ``bad`` by file, line and title; without ``bad`` the first is
    raised as InputError.
    """
    try:
        from pyteomics.auxiliary import PyteomicsError
        from pyteomics.mgf import MGF
    except ImportError as error:
        raise MissingExtra("pyteomics", extra="peptides") from error
    header: list[str] = []
    for index, (start, block, complete) in enumerate(_blocks(path, header)):
        title = next((x[6:].strip() for x in block if x.startswith("TITLE=")), "")
        try:
            if not complete:
                raise InputError("BEGIN IONS without its END IONS")
            source = io.StringIO("".join(header + block))
            entry = next(iter(MGF(source, use_header=bool(header), read_charges=False, convert_arrays=0)))
            spectrum = _spectrum(entry, block, title, index, start, path, fixed or {}, bad)
        except (ValueError, KeyError, IndexError, TypeError, StopIteration, PyteomicsError) as error:
            message = f"spectrum {title or f'index={index}'!r}: {' '.join(str(error).split())[:200]}"
            located = isinstance(error, InputError) and error.path is not None
            refuse(bad, error if located else InputError(message, path=label(path), line=start))  # type: ignore[arg-type]
        else:
            yield spectrum


def _spectrum(
    entry: Any,
    block: list[str],
    title: str,
    index: int,
    start: int,
    path: File,
    fixed: Mapping[str, str],
    bad: Bad | None,
) -> Spectrum:
    """The spectrum of a block: ``entry`` is pyteomics' reading of it, ``block`` its lines, ``start`` the first one's
    number."""
    params = entry["params"]
    for field, example in (("pepmass", "PEPMASS=451.2535"), ("charge", "CHARGE=2+")):
        if params.get(field) is None:
            raise InputError(f"no {field.upper()}: expected a line as in {example}")
    charges = [int(z) for z in params["charge"]]
    if len(charges) != 1:
        raise InputError(f"several charges ({', '.join(map(str, charges))}): expected one")
    mz, intensity = (np.asarray(entry[f"{k} array"], dtype=np.float64) for k in ("m/z", "intensity"))
    # pyteomics passes over lines of peaks that it can't read: such a spectrum is refused.
    peaks = sum(x[0].isdigit() for x in block if x[0] not in "#;!/\n")
    if not peaks == len(mz) == len(intensity):
        readable = min(len(mz), len(intensity))
        raise InputError(f"{peaks} lines of peaks of which {readable} can be read: expected m/z and intensity on each")
    peptide = None
    if params.get("seq"):
        line = start + next(i for i, x in enumerate(block) if x.startswith("SEQ="))
        try:
            peptide = parse(params["seq"], fixed=fixed, path=label(path), line=line)
        except InputError as error:
            refuse(bad, error)
    order = np.argsort(mz, kind="stable")
    rt = params.get("rtinseconds")
    return Spectrum(
        mz[order],
        intensity[order],
        precursor_mz=float(params["pepmass"][0]),
        charge=charges[0],
        title=title,
        index=index,
        scan=str(params.get("scans", "")),
        rt=None if rt is None else float(rt),
        peptide=peptide,
        line=start,
    )


def _blocks(path: File, header: list[str]) -> Iterator[tuple[int, list[str], bool]]:
    """(line number, lines, whether it is complete) of every block BEGIN IONS … END IONS; lines before the first block
    are added to ``header``."""
    block: list[str] = []
    start = 0
    for n, line in texts(path):
        word = line.strip()
        if word == "BEGIN IONS":
            if block:
                yield start, block, False
            start, block = n, ["BEGIN IONS\n"]
        elif block:
            block.append(word + "\n")
            if word == "END IONS":
                yield start, block, True
                block = []
        elif word and not start:
            header.append(word + "\n")
    if block:
        yield start, block, False
    if not start:
        raise InputError("no BEGIN IONS: not an MGF file, or an empty one", path=label(path))
