"""Spectra from files, one at a time: MGF and mzML, read by pyteomics."""

from __future__ import annotations

import gzip
import io
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..core.errors import InputError, MissingExtra
from ..io.files import File, label, texts
from .notation import parse
from .spectrum import Spectrum

Bad = list[InputError]


def read_spectra(path: File, *, fixed: Mapping[str, str] | None = None, bad: Bad | None = None) -> Iterator[Spectrum]:
    """The spectra of an MGF (``.mgf``) or mzML (``.mzML``) file, gzipped or not, in the file's order; of mzML the
    tandem spectra only. ``fixed``: tokens for bare letters in annotations, as `notation.parse` takes them.

    A spectrum that can't be used (no precursor m/z or no single charge, broken peaks) and an annotation that can't be
    read are put into ``bad``, by file, line and title, and the rest is read; without ``bad`` the first is raised.
    """
    ending = os.path.splitext(os.fspath(path).lower().removesuffix(".gz"))[1]
    readers = {".mgf": _mgf, ".mzml": _mzml}
    if ending not in readers:
        raise InputError(
            f"unknown kind of spectra {ending!r}: expected .mgf or .mzML, gzipped or not", path=label(path)
        )
    return readers[ending](path, fixed or {}, bad)


def refuse(bad: Bad | None, error: InputError) -> None:
    """Keep an error for later, or raise it where nobody collects them."""
    if bad is None:
        raise error
    bad.append(error)


def _mgf(path: File, fixed: Mapping[str, str], bad: Bad | None) -> Iterator[Spectrum]:
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
            read = next(iter(MGF(source, use_header=bool(header), read_charges=False, convert_arrays=1)))
            made = _from_mgf(read, block, title, index, start, path, fixed, bad)
        except (ValueError, KeyError, IndexError, TypeError, StopIteration, PyteomicsError) as error:
            said = f"spectrum {title or f'index={index}'!r}: {' '.join(str(error).split())[:200]}"
            named = isinstance(error, InputError) and error.path is not None
            refuse(bad, error if named else InputError(said, path=label(path), line=start))  # type: ignore[arg-type]
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
    for field in ("pepmass", "charge"):
        if params.get(field) is None:
            raise InputError(f"no {field.upper()}")
    charges = [int(z) for z in params["charge"]]
    if len(charges) != 1:
        raise InputError(f"several charges ({', '.join(map(str, charges))}): expected one")
    mz, intensity = (np.asarray(read[f"{k} array"], dtype=np.float64) for k in ("m/z", "intensity"))
    peaks = sum(x[0].isdigit() for x in block if x[0] not in "#;!/\n")
    if peaks != len(mz):
        raise InputError(f"{peaks} lines of peaks of which {len(mz)} can be read: expected m/z and intensity in each")
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
        elif block and word:
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


def _mzml(path: File, fixed: Mapping[str, str], bad: Bad | None) -> Iterator[Spectrum]:
    try:
        from lxml.etree import XMLSyntaxError
        from pyteomics.mzml import MzML
    except ImportError as error:
        raise MissingExtra("pyteomics", extra="peptides") from error
    opened = gzip.open if os.fspath(path).lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as f, MzML(f, use_index=False, decode_binary=False, huge_tree=True) as reader:
            for read in reader:
                if read.get("ms level") == 2:
                    name = str(read.get("id", f"index={read.get('index')}"))
                    try:
                        made = _from_mzml(read, name)
                    except (ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
                        said = f"no {error}" if isinstance(error, KeyError) else str(error)
                        refuse(bad, InputError(f"spectrum {name!r}: {said}", path=label(path)))
                    else:
                        yield made
    except XMLSyntaxError as error:
        raise InputError(f"broken XML: {error.msg}", path=label(path), line=error.lineno) from None
    except (OSError, EOFError) as error:
        raise InputError(f"can't be read: {error}", path=label(path)) from None


def _from_mzml(read: Any, name: str) -> Spectrum:
    ion = read["precursorList"]["precursor"][0]["selectedIonList"]["selectedIon"][0]
    if "charge state" not in ion:
        raise InputError("no charge state of its precursor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mz, intensity = (np.asarray(read[f"{k} array"].decode(), dtype=np.float64) for k in ("m/z", "intensity"))
    order = np.argsort(mz, kind="stable")
    begun = read.get("scanList", {}).get("scan", [{}])[0].get("scan start time")
    minutes = getattr(begun, "unit_info", "minute") == "minute"
    rt = None if begun is None else float(begun) * (60 if minutes else 1)
    scan = name.rsplit("scan=", 1)[1].split()[0] if "scan=" in name else ""
    if len(mz) != len(intensity):
        raise InputError(f"{len(mz)} m/z values for {len(intensity)} intensities")
    return Spectrum(
        mz[order], intensity[order], float(ion["selected ion m/z"]), int(ion["charge state"]), name,
        int(read["index"]), scan, rt,
    )  # fmt: skip
