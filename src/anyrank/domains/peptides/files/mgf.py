"""Spectra from MGF, one at a time: cut into blocks here, so that each is known by its line, and read by pyteomics."""

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
    """The spectra of an MGF file, gzipped or not; ``SEQ=`` is their annotation. What can't be used goes into ``bad`` by
    file, line and title, or is raised."""
    try:
        from pyteomics.auxiliary import PyteomicsError
        from pyteomics.mgf import MGF
    except ImportError as error:
        raise MissingExtra("pyteomics", extra="peptides") from error
    header: list[str] = []
    for index, (start, block, whole) in enumerate(_blocks(path, header)):
        title = next((x[6:].strip() for x in block if x.startswith("TITLE=")), "")
        try:
            if not whole:
                raise InputError("BEGIN IONS without its END IONS")
            source = io.StringIO("".join(header + block))
            read = next(iter(MGF(source, use_header=bool(header), read_charges=False, convert_arrays=0)))
            made = _from_mgf(read, block, title, index, start, path, fixed or {}, bad)
        except (ValueError, KeyError, IndexError, TypeError, StopIteration, PyteomicsError) as error:
            message = f"spectrum {title or f'index={index}'!r}: {' '.join(str(error).split())[:200]}"
            named = isinstance(error, InputError) and error.path is not None
            refuse(bad, error if named else InputError(message, path=label(path), line=start))  # type: ignore[arg-type]
        else:
            yield made


def _from_mgf(
    read: Any,
    block: list[str],
    title: str,
    index: int,
    start: int,
    path: File,
    fixed: Mapping[str, str],
    bad: Bad | None,
) -> Spectrum:
    params = read["params"]
    for field, such in (("pepmass", "PEPMASS=451.2535"), ("charge", "CHARGE=2+")):
        if params.get(field) is None:
            raise InputError(f"no {field.upper()}: expected a line as in {such}")
    charges = [int(z) for z in params["charge"]]
    if len(charges) != 1:
        raise InputError(f"several charges ({', '.join(map(str, charges))}): expected one")
    mz, intensity = (np.asarray(read[f"{k} array"], dtype=np.float64) for k in ("m/z", "intensity"))
    peaks = sum(x[0].isdigit() for x in block if x[0] not in "#;!/\n")
    if not peaks == len(mz) == len(intensity):
        raise InputError(
            f"{peaks} lines of peaks of which {min(len(mz), len(intensity))} can be read: expected m/z and intensity"
        )
    peptide = None
    if params.get("seq"):
        at = start + next(i for i, x in enumerate(block) if x.startswith("SEQ="))
        try:
            peptide = parse(params["seq"], fixed=fixed, path=label(path), line=at)
        except InputError as error:
            refuse(bad, error)
    order = np.argsort(mz, kind="stable")
    rt = params.get("rtinseconds")
    seconds = None if rt is None else float(rt)
    return Spectrum(
        mz[order], intensity[order], float(params["pepmass"][0]), charges[0], title, index,
        str(params.get("scans", "")), seconds, peptide, start,
    )  # fmt: skip


def _blocks(path: File, header: list[str]) -> Iterator[tuple[int, list[str], bool]]:
    """(line, lines, whether it is whole) of every BEGIN IONS … END IONS; what stands before the first goes into
    ``header``."""
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
        raise InputError("no BEGIN IONS: this is no MGF file, or an empty one", path=label(path))
