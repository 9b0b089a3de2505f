"""Read tandem spectra from mzML, one at a time, with lxml: pyteomics' reader would fetch a vocabulary by network."""

from __future__ import annotations

import base64
import binascii
import gzip
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import InputError, MissingExtra
from ....io.files import File, label
from ..scans import scan_of
from ..spectrum import Bad, Spectrum, refuse

# Accessions of the PSI-MS vocabulary: ms level, scan start time, selected ion m/z, charge state, possible charge state,
# isolation window target m/z, …
_LEVEL, _START, _MZ, _CHARGE = "MS:1000511", "MS:1000016", "MS:1000744", "MS:1000041"
_POSSIBLE, _TARGET = "MS:1000633", "MS:1000827"
_TYPES = {"MS:1000521": "<f4", "MS:1000523": "<f8", "MS:1000519": "<i4", "MS:1000522": "<i8"}
_ZLIB, _UNCOMPRESSED = "MS:1000574", "MS:1000576"
_NUMPRESS = {
    "MS:1002312": "decode_linear", "MS:1002313": "decode_pic", "MS:1002314": "decode_slof",
    "MS:1002746": "decode_linear", "MS:1002747": "decode_pic", "MS:1002748": "decode_slof",
}  # fmt: skip
"""The decoders of Numpress; the last three are packed by zlib too."""
_PACKED_NUMPRESS = ("MS:1002746", "MS:1002747", "MS:1002748")
_ARRAYS = {"MS:1000514": "m/z", "MS:1000515": "intensity"}
_SECONDS = {"UO:0000010": 1.0, "UO:0000031": 60.0, "UO:0000028": 0.001}

Terms = dict[str, tuple[str, str, str]]
"""Name, value and unit of every term by its accession."""


def read_mzml(
    path: File, bad: Bad | None = None, notes: Bad | None = None, need_charge: bool = True
) -> Iterator[Spectrum]:
    """Read the tandem spectra (MS level 2) of an mzML file, gzipped or not; their title is the native id. A precursor
    without a selected ion has the target m/z of its isolation window.

    Spectra that can't be used go into ``bad`` by file, line and id; without ``bad`` the first is raised as InputError,
    as XML that breaks off is in any case, after the spectra before it. A retention time that is no number costs itself
    only, and is named in ``notes``. Without ``need_charge``, spectra that state no charge, or several, are read with
    charge 0.
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
                if not node.tag.endswith("}spectrum") and node.tag != "spectrum":
                    groups[node.get("id")] = _terms(node, groups)
                    continue
                name = node.get("id") or f"index={node.get('index')}"
                try:
                    spectrum = _spectrum(node, name, groups, path, notes, need_charge)
                except (InputError, ValueError, RuntimeError, binascii.Error, zlib.error) as error:
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
    except ValueError as error:
        raise InputError(f"no mzML that can be read: {error}", path=label(path)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"can't be read: {error}", path=label(path)) from None


def _spectrum(
    node: Any, name: str, groups: Mapping[str, Terms], path: File, notes: Bad | None, need_charge: bool
) -> Spectrum | None:
    """The spectrum of an element; None if it is of another MS level."""
    if _terms(node, groups).get(_LEVEL, ("", "", ""))[1] != "2":
        return None
    selected = node.find(".//{*}selectedIon")
    ion = _terms(selected, groups)
    precursor = ion.get(_MZ) or _terms(node.find(".//{*}isolationWindow"), groups).get(_TARGET)
    if precursor is None:
        raise InputError(f"its precursor has no selected ion m/z ({_MZ}) and no isolation window target ({_TARGET})")
    if need_charge and _CHARGE not in ion:
        raise InputError(f"its precursor has no charge state ({_CHARGE})")
    charge = int(ion[_CHARGE][1]) if _CHARGE in ion else _only_possible(selected)
    if need_charge and not charge:
        raise InputError(f"the charge state of its precursor is 0 ({_CHARGE})")
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
    order = np.argsort(arrays["m/z"], kind="stable")
    _, start, unit = _terms(node.find(".//{*}scan"), groups).get(_START, ("", "", ""))
    rt = _seconds(start, unit)
    if start and rt is None and notes is not None:
        message = f"spectrum {name!r}: its retention time {start[:40]!r} is no number and is left out"
        notes.append(InputError(message, path=label(path), line=node.sourceline))
    return Spectrum(
        arrays["m/z"][order],
        arrays["intensity"][order],
        precursor_mz=float(precursor[1]),
        charge=charge,
        title=name,
        index=int(node.get("index", 0)),
        scan=scan_of(name),
        rt=rt,
        line=node.sourceline,
    )


def _only_possible(ion: Any) -> int:
    """The possible charge state of a selected ion if it states one alone, else 0."""
    possible = [x.get("value", "0") for x in (ion if ion is not None else ()) if x.get("accession") == _POSSIBLE]
    return int(possible[0]) if len(possible) == 1 else 0


def _seconds(text: str, unit: str) -> float | None:
    """A time in seconds, None if the text is no number."""
    try:
        value = float(text) * _SECONDS.get(unit, 60.0)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(text: str, terms: Terms) -> NDArray[np.float64]:
    """The numbers of a binary array, decoded as its terms say."""
    raw = base64.b64decode(text)
    if numpress := next((term for term in _NUMPRESS if term in terms), None):
        packed = numpress in _PACKED_NUMPRESS or _ZLIB in terms
        return _unpress(zlib.decompress(raw) if packed else raw, _NUMPRESS[numpress])
    if _ZLIB in terms:
        raw = zlib.decompress(raw)
    elif raw and _UNCOMPRESSED not in terms:
        names = ", ".join(name for name, _, _ in terms.values())
        raise InputError(
            f"the compression of an array is not supported: expected zlib, Numpress or none, found {names}"
        )
    kind = next((k for term, k in _TYPES.items() if term in terms), None)
    if kind is None:
        raise InputError("an array does not state its number type: expected 32- or 64-bit floats or integers")
    return np.frombuffer(raw, dtype=kind).astype(np.float64)


def _unpress(raw: bytes, decoder: str) -> NDArray[np.float64]:
    """The numbers of an array that Numpress packed."""
    try:
        import pynumpress
    except ImportError as error:
        raise MissingExtra("pynumpress", extra="peptides") from error
    if not raw:
        return np.zeros(0)
    return np.asarray(getattr(pynumpress, decoder)(np.frombuffer(raw, dtype=np.uint8)), dtype=np.float64)


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
