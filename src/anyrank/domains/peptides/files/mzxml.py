"""Read tandem spectra from mzXML by pyteomics."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ....core.errors import InputError, MissingExtra
from ....io.files import File, label
from ..spectrum import Bad, Spectrum, refuse


def read_mzxml(path: File, bad: Bad | None = None, need_charge: bool = True) -> Iterator[Spectrum]:
    """Read the tandem spectra (MS level 2) of an mzXML file, gzipped or not; their title is ``scan=NUMBER``.

    Spectra that can't be used go into ``bad`` by file and scan; without ``bad`` the first is raised as InputError, as
    broken XML is in any case. Without ``need_charge``, spectra without a charge are read with charge 0.
    """
    try:
        from lxml import etree
        from pyteomics import mzxml
    except ImportError as error:
        raise MissingExtra(error.name or "pyteomics", extra="peptides") from error
    open_file: Any = gzip.open if os.fspath(path).lower().endswith(".gz") else open
    index = -1
    try:
        with open_file(path, "rb") as f, mzxml.MzXML(f, use_index=False) as entries:
            for entry in entries:
                if int(entry.get("msLevel", 0)) != 2:
                    continue
                index += 1
                try:
                    spectrum = _spectrum(entry, index, need_charge)
                except (InputError, ValueError, KeyError, TypeError) as error:
                    message = f"spectrum 'scan={entry.get('num')}': {error}"
                    refuse(bad, InputError(message, path=label(path)))
                else:
                    yield spectrum
    except etree.XMLSyntaxError as error:
        raise InputError(f"broken XML: {error.msg}", path=label(path), line=error.lineno) from None
    except (OSError, EOFError) as error:
        raise InputError(f"can't be read: {error}", path=label(path)) from None


def _spectrum(entry: Any, index: int, need_charge: bool) -> Spectrum:
    """The spectrum of pyteomics' reading of a scan."""
    precursors = entry.get("precursorMz") or [{}]
    if "precursorMz" not in precursors[0]:
        raise InputError("it has no precursor m/z")
    charge = int(precursors[0].get("precursorCharge", 0))
    if need_charge and not charge:
        raise InputError("its precursor has no charge (precursorCharge)")
    mz, intensity = (np.asarray(entry.get(f"{k} array", ()), dtype=np.float64) for k in ("m/z", "intensity"))
    order = np.argsort(mz, kind="stable")
    minutes = entry.get("retentionTime")
    return Spectrum(
        mz[order],
        intensity[order],
        precursor_mz=float(precursors[0]["precursorMz"]),
        charge=charge,
        title=f"scan={entry['num']}",
        index=index,
        scan=str(entry["num"]),
        rt=None if minutes is None else float(minutes) * 60,
    )
