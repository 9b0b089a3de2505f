"""Read spectra from a file, by its ending."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ....core.errors import InputError
from ....io.files import File, label
from ..spectrum import Bad, Spectrum
from .mgf import read_mgf
from .mzml import read_mzml
from .mzxml import read_mzxml


def read_spectra(
    path: File,
    *,
    fixed: Mapping[str, str] | None = None,
    bad: Bad | None = None,
    notes: Bad | None = None,
    need_charge: bool = True,
) -> Iterator[Spectrum]:
    """Read the spectra of an MGF (``.mgf``), mzML (``.mzML``) or mzXML (``.mzXML``) file, gzipped or not, in the file's
    order; of mzML and mzXML the tandem spectra only. ``fixed``: what else letters of annotations mean, as
    `notation.parse` takes it.

    A spectrum that can't be used (no precursor m/z, no single charge, broken peaks) and an annotation that can't be
    read are added to ``bad``, by file, line and title, and reading goes on; without ``bad`` the first is raised. A
    field that is not needed and can't be read, as a retention time, is None and named in ``notes``. With
    ``need_charge=False`` a spectrum without a single charge is read with charge 0, for `psm.with_charges` to set.
    """
    ending = os.path.splitext(os.fspath(path).lower().removesuffix(".gz"))[1]
    if ending == ".mgf":
        return read_mgf(path, fixed, bad, notes, need_charge)
    if ending == ".mzml":
        return read_mzml(path, bad, notes, need_charge)
    if ending == ".mzxml":
        return read_mzxml(path, bad, need_charge)
    raise InputError(
        f"unknown type of spectra {ending!r}: expected .mgf, .mzML or .mzXML, gzipped or not", path=label(path)
    )
