"""Scan numbers and indices in the names of spectra: native ids, titles of converters, fields of files."""

from __future__ import annotations

import re
from os import PathLike, fspath

_PREFIXED = re.compile(r"(F\d+):\s*(.+)")
_FIRST = re.compile(r"0*(\d+)(?:\.0*)?(?:\s*(?:[-,;:]|to|\s)\s*\d.*)?")
_SCANS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![a-z])(?:scan|scans|scanid|spectrum)\s*=\s*0*(\d+)",  # native ids, and titles that hold one
        r"\bmzspec:.*:scan:0*(\d+)",
        r"(?<![a-z])(?:FinneganScanNumber|scan number|scannumber|scans?)\s*(?:[:#]\s*|\s)0*(\d+)\b",
        r"(?<![a-z])(?:scan_?no|scan_?num)\.?\s*[:#=]?\s*0*(\d+)\b",
        r"\.0*(\d+)\.0*\d+\.(?:\d+)?(?:\.dta)?(?=$|[\s\"',;])",  # msconvert, TPP: run.17.17.2
        r"_0*(\d+)_0*\1_\d+(?:_\d+)?$",  # Percolator: run_17_17_2_1
    )
)
_INDEX = re.compile(r"\bindex\s*=\s*(\d+)|\bmzspec:.*:index:(\d+)", re.IGNORECASE)


def stem(run: str | PathLike[str]) -> str:
    """The name of a run or of its file of spectra without folder and ending, in lower case.

    >>> stem("C:\\\\data\\\\Run.1.mzML.gz"), stem("run.1")
    ('run.1', 'run.1')
    """
    name = re.split(r"[/\\]", fspath(run).strip())[-1].lower().removesuffix(".gz")
    return re.sub(r"\.(raw|mgf|mzml|mzxml|mzdata|d|wiff2?|ms2|dta|dat|lcd|tdf|baf|txt)$", "", name)


def plain_title(text: str) -> str:
    """A spectrum's name without the brackets and quotes of printed lists at its ends, each blank one space. Tables'
    names and files' titles are compared in this form.

    >>> plain_title("['run.17']"), plain_title('"run A"  17')
    ('run.17', 'run A" 17')
    """
    return " ".join(text.strip(" []'\"").split())


def scan_of(text: str) -> str:
    """The scan number that a title or a native id names, without leading zeros; empty if it names none.

    >>> scan_of("controllerType=0 controllerNumber=1 scan=17"), scan_of("run.00017.00017.2"), scan_of("fraction 3")
    ('17', '17', '')
    >>> scan_of('run.2478.2478.2 File:"run.raw", NativeID:"controllerType=0 controllerNumber=1 scan=2478"')
    '2478'
    """
    if text.isdigit():  # the most common name, quickly
        return ""
    for pattern in _SCANS:
        if m := pattern.search(text):
            return m[1]
    return ""


def index_of(text: str) -> str:
    """The index that a name gives as ``index=3``; empty if it gives none."""
    m = None if text.isdigit() else _INDEX.search(text)
    return str(int(m[1] or m[2])) if m else ""


def plain_scan(text: str) -> str:
    """A scan number as files write it, in its plain form: the first of a range or a list, without leading zeros and
    decimals; PEAKS' fractions stay before it. Texts that are no number are returned as they are.

    >>> [plain_scan(x) for x in ("2478-2480", "2478.0", "0017", "F1:0017", "17,18", "cycle 5")]
    ['2478', '2478', '17', 'F1:17', '17', 'cycle 5']
    """
    text = text.strip()
    if m := _PREFIXED.fullmatch(text):
        return f"{m[1]}:{plain_scan(m[2])}"
    m = _FIRST.fullmatch(text)
    return m[1] if m else text


def all_scans(text: str) -> list[str]:
    """The scan numbers of a range or a list, its ends if it is a range.

    >>> all_scans("2478-2480"), all_scans("F1:17"), all_scans("17")
    (['2478', '2480'], ['F1:17', '17'], ['17'])
    """
    text = text.strip()
    if m := _PREFIXED.fullmatch(text):
        return [f"{m[1]}:{plain_scan(m[2])}", plain_scan(m[2])]
    numbers = re.split(r"\s*(?:[-,;]|\bto\b|\s)\s*", text)
    if all(re.fullmatch(r"\d+(\.0*)?", n) for n in numbers):
        return [plain_scan(n) for n in numbers]
    return [text] if text else []
