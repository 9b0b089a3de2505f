"""Tandem spectra from mzML, one at a time, by lxml: pyteomics' reader would fetch a vocabulary from the network."""

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

_LEVEL, _BEGUN, _MZ, _CHARGE = "MS:1000511", "MS:1000016", "MS:1000744", "MS:1000041"
_TYPES = {"MS:1000521": "<f4", "MS:1000523": "<f8", "MS:1000519": "<i4", "MS:1000522": "<i8"}
_PACKED, _PLAIN = "MS:1000574", "MS:1000576"
_ARRAYS = {"MS:1000514": "m/z", "MS:1000515": "intensity"}
_SECONDS = {"UO:0000010": 1.0, "UO:0000031": 60.0, "UO:0000028": 0.001}

Terms = dict[str, tuple[str, str, str]]
"""Name, value and unit of every term by its accession."""


def read_mzml(path: File, bad: Bad | None = None) -> Iterator[Spectrum]:
    """The spectra of level 2 of an mzML file, gzipped or not; their title is the native id. What can't be used goes
    into ``bad`` by file, line and id, or is raised; XML that breaks off is raised after the spectra before it."""
    try:
        from lxml import etree
    except ImportError as error:
        raise MissingExtra("lxml", extra="peptides") from error
    opened: Any = gzip.open if os.fspath(path).lower().endswith(".gz") else open
    groups: dict[str, Terms] = {}
    try:
        with opened(path, "rb") as f:
            tags = ("{*}spectrum", "{*}referenceableParamGroup")
            for _, node in etree.iterparse(f, tag=tags, huge_tree=True, resolve_entities=False, collect_ids=False):
                if etree.QName(node).localname != "spectrum":
                    groups[node.get("id")] = _terms(node, groups)
                    continue
                name = node.get("id") or f"index={node.get('index')}"
                try:
                    made = _spectrum(node, name, groups)
                except (InputError, ValueError, binascii.Error, zlib.error) as error:
                    message = f"spectrum {name!r}: {error}"
                    refuse(bad, InputError(message, path=label(path), line=node.sourceline))
                else:
                    if made is not None:
                        yield made
                node.clear()
                while node.getprevious() is not None:
                    del node.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise InputError(f"broken XML: {error.msg}", path=label(path), line=error.lineno) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"can't be read: {error}", path=label(path)) from None


def _spectrum(node: Any, name: str, groups: Mapping[str, Terms]) -> Spectrum | None:
    """The spectrum, or None where it is of another level."""
    if _terms(node, groups).get(_LEVEL, ("", "", ""))[1] != "2":
        return None
    ion = _terms(node.find(".//{*}selectedIon"), groups)
    for wanted, what in ((_MZ, "selected ion m/z"), (_CHARGE, "charge state")):
        if wanted not in ion:
            raise InputError(f"no {what} of its precursor")
    arrays = {}
    for part in node.iterfind(".//{*}binaryDataArray"):
        terms = _terms(part, groups)
        for wanted, what in _ARRAYS.items():
            if wanted in terms:
                arrays[what] = _numbers(part.findtext("{*}binary") or "", terms)
    if len(arrays) < 2:
        raise InputError("no arrays of m/z and intensity")
    if len(arrays["m/z"]) != len(arrays["intensity"]):
        raise InputError(f"{len(arrays['m/z'])} m/z values for {len(arrays['intensity'])} intensities")
    scan = re.search(r"\bscan=(\d+)", name)
    order = np.argsort(arrays["m/z"], kind="stable")
    _, begun, unit = _terms(node.find(".//{*}scan"), groups).get(_BEGUN, ("", "", ""))
    return Spectrum(
        arrays["m/z"][order], arrays["intensity"][order], float(ion[_MZ][1]), int(ion[_CHARGE][1]), name,
        int(node.get("index", 0)), scan[1] if scan else "",
        float(begun) * _SECONDS.get(unit, 60.0) if begun else None, None, node.sourceline,
    )  # fmt: skip


def _numbers(text: str, terms: Terms) -> NDArray[np.float64]:
    raw = base64.b64decode(text)
    if _PACKED in terms:
        raw = zlib.decompress(raw)
    elif raw and _PLAIN not in terms:
        raise InputError(f"a compression that is not known here: {', '.join(name for name, _, _ in terms.values())}")
    kind = next((k for term, k in _TYPES.items() if term in terms), None)
    if kind is None:
        raise InputError("an array without its type of number")
    return np.frombuffer(raw, dtype=kind).astype(np.float64)


def _terms(node: Any, groups: Mapping[str, Terms]) -> Terms:
    """The terms that stand directly in an element, those of groups that it refers to included."""
    found: Terms = {}
    for child in node if node is not None else ():
        if "accession" in child.attrib:
            found[child.get("accession")] = (
                child.get("name", ""),
                child.get("value", ""),
                child.get("unitAccession", ""),
            )
        elif child.get("ref") is not None:
            found |= groups.get(child.get("ref"), {})
    return found
