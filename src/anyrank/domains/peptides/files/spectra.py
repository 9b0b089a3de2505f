"""Read spectra from a file, by its ending."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ....core.errors import InputError
from ....io.files import File, label
from ..spectrum import Bad, Spectrum
from .mgf import read_mgf
from .mzml import read_mzml


def read_spectra(path: File, *, fixed: Mapping[str, str] | None = None, bad: Bad | None = None) -> Iterator[Spectrum]:
    """Read the spectra of an MGF (``.mgf``) or mzML (``.mzML``) file, gzipped or not, in the file's order; of mzML the
    tandem spectra only. ``fixed``: fixed modifications of annotations, as `notation.parse` takes them.

    A spectrum that can't be used (no precursor m/z, no single charge, broken peaks) and an annotation that can't be
    read are added to ``bad``, by file, line and title, and reading goes on; without ``bad`` the first is raised.
    """
    ending = os.path.splitext(os.fspath(path).lower().removesuffix(".gz"))[1]
    if ending == ".mgf":
        return read_mgf(path, fixed, bad)
    if ending == ".mzml":
        return read_mzml(path, bad)
    raise InputError(f"unknown type of spectra {ending!r}: expected .mgf or .mzML, gzipped or not", path=label(path))
