"""Read tandem spectra from mzML, one at a time, with lxml: pyteomics' reader would fetch a vocabulary by network."""

from __future__ import annotations

import base64
import binascii
import gzip
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import InputError, MissingExtra
from ....io.files import File, label
from ..spectrum import Bad, Spectrum, refuse

# Accessions of the PSI-MS vocabulary: ms level, scan start time, selected ion m/z, charge state, …
_LEVEL, _START, _MZ, _CHARGE = "MS:1000511", "MS:1000016", "MS:1000744", "MS:1000041"
_TYPES = {"MS:1000521": "<f4", "MS:1000523": "<f8", "MS:1000519": "<i4", "MS:1000522": "<i8"}
_ZLIB, _UNCOMPRESSED = "MS:1000574", "MS:1000576"
_ARRAYS = {"MS:1000514": "m/z", "MS:1000515": "intensity"}
_SECONDS = {"UO:0000010": 1.0, "UO:0000031": 60.0, "UO:0000028": 0.001}

Terms = dict[str, tuple[str, str, str]]
"""Name, value and unit of every term by its accession."""


def read_mzml(path: File, bad: Bad | None = None) -> Iterator[Spectrum]:
    """Read the tandem spectra (MS level 2) of an mzML file, gzipped or not; their title is the native id.

    Spectra that can't be used go into ``bad`` by file, line and id; without ``bad`` the first is raised as InputError,
    as XML that breaks off is in any case, after the spectra before it.
    """
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtra("lxml", extra="peptides") from error
    open_file: Any = gzip.open if os.fspath(path).lower().endswith(".gz") else open
    groups: dict[str, Terms] = {}
    try:
        with open_file(path, "rb") as f:
            tags = ("{*}spectrum", "{*}referenceableParamGroup")
            for _, node in etree.iterparse(f, tag=tags, huge_tree=True, resolve_entities=False, collect_ids=False):
                if etree.QName(node).localname != "spectrum":
                    groups[node.get("id")] = _terms(node, groups)
                    continue
                name = node.get("id") or f"index={node.get('index')}"
                try:
                    spectrum = _spectrum(node, name, groups)
                except (InputError, ValueError, binascii.Error, zlib.error) as error:
                    message = f"spectrum {name!r}: {error}"
                    refuse(bad, InputError(message, path=label(path), line=node.sourceline))
                else:
                    if spectrum is not None:
                        yield spectrum
                # What was read is dropped, so that memory doesn't grow with the file.
                node.clear()
                while node.getprevious() is not None:
                    del node.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise InputError(f"broken XML: {error.msg}", path=label(path), line=error.lineno) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"can't be read: {error}", path=label(path)) from None


def _spectrum(node: Any, name: str, groups: Mapping[str, Terms]) -> Spectrum | None:
    """The spectrum of an element; None if it is of another MS level."""
    if _terms(node, groups).get(_LEVEL, ("", "", ""))[1] != "2":
        return None
    ion = _terms(node.find(".//{*}selectedIon"), groups)
    for term, name_of_term in ((_MZ, "selected ion m/z"), (_CHARGE, "charge state")):
        if term not in ion:
            raise InputError(f"its precursor has no {name_of_term} ({term})")
    arrays = {}
    for part in node.iterfind(".//{*}binaryDataArray"):
        terms = _terms(part, groups)
        for term, quantity in _ARRAYS.items():
            if term in terms:
                arrays[quantity] = _numbers(part.findtext("{*}binary") or "", terms)
    if missing := [quantity for quantity in _ARRAYS.values() if quantity not in arrays]:
        raise InputError(f"it has no array of {' and of '.join(missing)}")
    if len(arrays["m/z"]) != len(arrays["intensity"]):
        raise InputError(f"{len(arrays['m/z'])} m/z values for {len(arrays['intensity'])} intensities")
    scan = re.search(r"\bscan=(\d+)", name)
    order = np.argsort(arrays["m/z"], kind="stable")
    _, start, unit = _terms(node.find(".//{*}scan"), groups).get(_START, ("", "", ""))
    return Spectrum(
        arrays["m/z"][order],
        arrays["intensity"][order],
        precursor_mz=float(ion[_MZ][1]),
        charge=int(ion[_CHARGE][1]),
        title=name,
        index=int(node.get("index", 0)),
        scan=scan[1] if scan else "",
        rt=float(start) * _SECONDS.get(unit, 60.0) if start else None,
        line=node.sourceline,
    )


def _numbers(text: str, terms: Terms) -> NDArray[np.float64]:
    """The numbers of a binary array, decoded as its terms say."""
    raw = base64.b64decode(text)
    if _ZLIB in terms:
        raw = zlib.decompress(raw)
    elif raw and _UNCOMPRESSED not in terms:
        names = ", ".join(name for name, _, _ in terms.values())
        raise InputError(f"the compression of an array is not supported: expected zlib or none, found {names}")
    kind = next((k for term, k in _TYPES.items() if term in terms), None)
    if kind is None:
        raise InputError("an array does not state its number type: expected 32- or 64-bit floats or integers")
    return np.frombuffer(raw, dtype=kind).astype(np.float64)


def _terms(node: Any, groups: Mapping[str, Terms]) -> Terms:
    """The terms directly in an element, those of parameter groups that it refers to included."""
    terms: Terms = {}
    for child in node if node is not None else ():
        if "accession" in child.attrib:
            terms[child.get("accession")] = (
                child.get("name", ""),
                child.get("value", ""),
                child.get("unitAccession", ""),
            )
        elif child.get("ref") is not None:
            terms |= groups.get(child.get("ref"), {})
    return terms
